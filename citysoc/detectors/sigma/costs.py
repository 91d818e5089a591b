"""What the exact evaluation of each rule costs, measured on a sample of events as they come in.

Of every ``EVERY``-th event, each rule that the search found for it is evaluated once more, with the clock beside it. The
event's texts are made before, so that a rule is charged for its own tests only. What all rules share (parsing, the
search for candidates) is nobody's cost.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.detectors.sigma.detector import SigmaDetector
    from citysoc.flow import Event

EVERY = 509
"""A prime, so that nothing that comes in turns is always met, or never."""


class Costs:
    """Measures one detector.

    Args:
        detector: whose rules are measured.
        every: sample one event of so many.
    """

    def __init__(self, detector: SigmaDetector, every: int = EVERY) -> None:
        self._detector = detector
        self._every = every
        self._next = every - 1
        self._taken: dict[str, list[int]] = {}

    def sample(self, events: Sequence[Event]) -> None:
        """Measure some of the events that the detector has judged."""
        while self._next < len(events):
            self._measure(events[self._next])
            self._next += self._every
        self._next -= len(events)

    def _measure(self, event: Event) -> None:
        rules, view = self._detector.tried(event)
        for rule in rules:
            rule.matches(view)
        for rule in rules:
            begin = time.perf_counter_ns()
            rule.matches(view)
            spent = time.perf_counter_ns() - begin
            known = self._taken.setdefault(str(rule.plan["id"]), [0, 0])
            known[0] += 1
            known[1] += spent

    def take(self) -> tuple[tuple[str, int, int], ...]:
        """Return rule, how often it was measured and nanoseconds since the last call."""
        taken = tuple((rule, tried, spent) for rule, (tried, spent) in self._taken.items())
        self._taken = {}
        return taken
