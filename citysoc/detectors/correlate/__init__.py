"""Correlate what rules match: windows in event time over the matches of base rules.

``feed`` takes from events what correlations need of them (in the workers), ``windows`` says when a window
qualifies, ``correlator`` keeps the state and makes findings (in the one place that sees every match).
How a correlation is read and tied to its rules is told in ``detectors.sigma.correlation`` and ``.linking``.
"""

from __future__ import annotations

from citysoc.detectors.correlate.correlator import Clock, Correlator, Counts
from citysoc.detectors.correlate.feed import Feeds, Match, lane_of

__all__ = ["Clock", "Correlator", "Counts", "Feeds", "Match", "lane_of"]
