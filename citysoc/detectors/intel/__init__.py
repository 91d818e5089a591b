"""Threat intelligence: feeds of indicators, and events that meet them.

``reading`` makes indicators of feeds, ``database`` keeps them, ``table`` is what all workers share of them,
``matching`` looks events up, ``marking`` and ``findings`` say what they met, ``history`` asks the store about the past.
"""

from __future__ import annotations

from citysoc.detectors.intel.findings import RULE
from citysoc.detectors.intel.matching import Matcher

__all__ = ["RULE", "Matcher"]
