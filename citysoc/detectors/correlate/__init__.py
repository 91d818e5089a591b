"""Correlate what rules match: windows in event time over the matches of base rules.

``feed`` takes from events what correlations need of them (in the workers); ``correlator`` keeps the state and makes
findings (in the one place that sees every match), and tells which module does what. How a correlation is read and tied to
its rules is told in ``detectors.sigma.correlation`` and ``.linking``.
"""

from __future__ import annotations

from citysoc.detectors.correlate.correlator import Correlator
from citysoc.detectors.correlate.feed import Feeds, Match, lane_of
from citysoc.detectors.correlate.lanes import Clock
from citysoc.detectors.correlate.losses import Loss

__all__ = ["Clock", "Correlator", "Feeds", "Loss", "Match", "lane_of"]
