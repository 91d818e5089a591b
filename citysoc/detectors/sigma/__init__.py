"""Match events against Sigma rules: ``load`` the rules, then ``detect``.

``load`` reads files, ``plan`` compiles a rule by way of pySigma and ``mapping``, ``match`` turns plans into
predicates, ``detector`` routes events to them, ``validate`` keeps compiled rules and says what became of each.
"""

from __future__ import annotations

from citysoc.detectors.sigma.detector import SigmaDetector
from citysoc.detectors.sigma.validate import Check, Loaded, load

__all__ = ["Check", "Loaded", "SigmaDetector", "load"]
