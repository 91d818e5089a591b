"""Match events against Sigma rules: ``load`` the rules, then ``detect``.

``load`` reads files, ``validate`` keeps compiled rules and says what became of each. A rule is compiled from the
inside out: ``parse`` has pySigma read it, ``mapping`` gives its fields the names that events have, ``convert`` makes
``nodes`` of its conditions, ``plan`` is all that is kept of it.

Events go the other way: ``detector`` finds their ``routes``, an ``index`` the candidates among a route's rules by what
each ``field`` holds, and ``match`` evaluates what is left.
"""

from __future__ import annotations

from citysoc.detectors.sigma.detector import SigmaDetector
from citysoc.detectors.sigma.validate import Check, Loaded, load

__all__ = ["Check", "Loaded", "SigmaDetector", "load"]
