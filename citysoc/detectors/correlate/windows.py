"""When does a window qualify: the types of correlations as sliding measures over a group's entries.

A window is closed on both ends: at the time t of an entry it is [t - span, t]. Every distinct time of an entry
is looked at once, with all entries of that time. A condition that asks for absence looks forward instead,
at [t, t + span], and is decided when its deadline t + span has passed.
"""

from __future__ import annotations

import itertools
import math
import operator
from bisect import bisect_left, insort
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.detectors.correlate.measures import Distinct, Ranked, empty, rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from citysoc.detectors.correlate.measures import Entry, Measure, Value

Hit: TypeAlias = "tuple[int, int, int, float]"
"""A window that qualifies: when (its end), the place of its first entry, the place behind its last, what was measured.

A plain tuple: where most events qualify, there is one of them for each. Nobody asks where most of them begin, so of counts
it is not sought beforehand (``UNSOUGHT``): see ``Windows.sought``."""
UNSOUGHT = -1
_RANKS = 128

MAX_CHAINS = 500
"""So many ordered choices of rules a correlation may ask for: m of n in order are n over m."""
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "lt": operator.gt,
    "lte": operator.ge,
    "gt": operator.lt,
    "gte": operator.le,
    "eq": operator.eq,
    "neq": operator.ne,
}
"""The other way round: the number that is asked for comes first, and is given once."""


class Windows:
    """The windows of one correlation.

    Args:
        plan: the correlation, linked: its ``clauses`` name slots by number.
    """

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.span: int = plan["span"] * 1_000_000
        self.kind: str = plan["type"]
        self._percent = float(plan.get("percentile") or 50)
        if self.kind == "value_percentile":
            self._percent = float(plan["percentile"])
        self._tests: list[Callable[[float], bool]] = [
            partial(_COMPARE[name], number) for name, number in plan["compare"]
        ]
        self._meets = self._tests[0] if len(self._tests) == 1 else self.meets
        clauses = plan.get("clauses")
        self._together = None if clauses is None else [pos for pos, neg in clauses if not neg]
        self.absences: list[tuple[list[int], frozenset[int]]] = [
            (sorted(pos), frozenset(neg)) for pos, neg in clauses or () if neg
        ]
        self.anchors = frozenset(slot for pos, _neg in self.absences for slot in pos)
        """The rules whose events begin a window that looks for absence."""
        self.ordered = self.kind == "temporal_ordered"
        self._chains: list[Sequence[int]] = []
        if self.ordered:
            self._chains = self._together if self._together is not None else list(chains_of(plan))
        self._least = _least(plan["compare"])
        self._only_least = all(name in {"gt", "gte"} for name, _number in plan["compare"])
        self.counts = self.kind == "event_count" and self._only_least
        """Whether windows qualify by how many entries they hold, so that none needs a measure."""
        self._ranks: list[tuple[int, float, float]] = []
        """Of so many values: where their percentile lies; they are asked for with every entry."""
        if self.kind in {"value_median", "value_percentile"}:
            self._ranks = [rank(max(number, 1), self._percent) for number in range(_RANKS)]
        self.looks_back = self._together is None or bool(self._together)

    def measure(self) -> Measure:
        """Return an empty measure."""
        return empty(self.kind, percent=self._percent, chains=self._chains, clauses=self._together)

    def fresh(self, entries: Sequence[Entry], first: int) -> tuple[Measure, int]:
        """Return the measure over the entries before ``first`` that its window may reach, and where it begins."""
        low = bisect_left(entries, (entries[first][0] - self.span,))
        measure = self.measure()
        for place in range(low, first):
            measure.add(entries[place])
        return measure, low

    def sought(self, entries: Sequence[Entry], hit: Hit) -> Hit:
        """Return a window with the place of its first entry and how many it holds, where that was not sought yet."""
        time, low, place, _metric = hit
        if low != UNSOUGHT:
            return hit
        low = bisect_left(entries, (time - self.span,), 0, place)
        return time, low, place, place - low

    def full(self, entries: Sequence[Entry], first: int) -> list[Hit]:
        """Return the windows that end at entries from ``first`` on and hold so many as are asked for.

        Only for where ``counts``. The last entry that is needed says it: it lies in the window, or it is too old.
        """
        hits: list[Hit] = []
        span, least, later = self.span, max(self._least, 1), None
        for place in range(len(entries), max(first, least - 1), -1):
            time = entries[place - 1][0]
            # Seen from behind, the first entry of a time has all others of it in its window.
            if time != later and time - entries[place - least][0] <= span:
                hits.append((time, UNSOUGHT, place, 0))
            later = time
        hits.reverse()
        return hits

    def slide(
        self, entries: Sequence[Entry], first: int, measure: Measure, low: int
    ) -> tuple[list[Hit], int]:
        """Take in the entries from ``first`` on; return the windows that qualify, and where the last begins."""
        if isinstance(measure, Distinct):
            return self._slide_distinct(entries, first, measure.latest, low)
        if isinstance(measure, Ranked):
            return self._slide_ranked(entries, first, measure, low)
        hits: list[Hit] = []
        span, end, place = self.span, len(entries), first
        add, drop, measured, meets = measure.add, measure.drop, measure.metric, self._meets
        while place < end:
            time = entries[place][0]
            while place < end and entries[place][0] == time:
                add(entries[place])
                place += 1
            start = time - span
            while entries[low][0] < start:
                drop(entries[low])
                low += 1
            metric = measured(start)
            if metric is not None and meets(metric):
                hits.append((time, low, place, metric))
        return hits, low

    def _slide_distinct(
        self, entries: Sequence[Entry], first: int, latest: dict[Value, Entry], low: int
    ) -> tuple[list[Hit], int]:
        """Count values in place: what ``Distinct`` does, without a call for each entry."""
        hits: list[Hit] = []
        span, least, only_least, place = self.span, self._least, self._only_least, first
        before, edge = None, entries[low]
        for entry in entries[first:]:
            place += 1
            time, value = entry[0], entry[3]
            if value:
                latest[value] = entry
            start = time - span
            while edge[0] < start:
                value = edge[3]
                if value and latest[value] is edge:
                    del latest[value]
                low += 1
                edge = entries[low]
            if time == before and hits and hits[-1][0] == time:
                del hits[-1]  # all entries of one time are looked at together
            before, number = time, len(latest)
            if number >= least and (only_least or self.meets(number)):
                hits.append((time, low, place, number))
        return hits, low

    def _slide_ranked(
        self, entries: Sequence[Entry], first: int, measure: Ranked, low: int
    ) -> tuple[list[Hit], int]:
        """Rank values in place: what ``Ranked`` does, without a call for each entry."""
        hits: list[Hit] = []
        span, values, meets, ranks, place = self.span, measure.values, self._meets, self._ranks, first
        before, edge = None, entries[low]
        leaves = edge[0] + span
        for entry in entries[first:]:
            place += 1
            time, value = entry[0], entry[3]
            if value:
                insort(values, value[0])
            while leaves < time:
                value = edge[3]
                if value:
                    del values[bisect_left(values, value[0])]
                low += 1
                edge = entries[low]
                leaves = edge[0] + span
            if time == before and hits and hits[-1][0] == time:
                del hits[-1]  # all entries of one time are looked at together
            before, number = time, len(values)
            if not number:
                continue
            below, rest, other = ranks[number] if number < _RANKS else rank(number, measure.percent)
            metric = values[below] * other + values[below + 1] * rest if rest else float(values[below])
            if meets(metric):
                hits.append((time, low, place, metric))
        return hits, low

    def meets(self, metric: float) -> bool:
        """Return whether a measure meets every comparison of the condition."""
        for test in self._tests:  # noqa: SIM110  asked of every window: a generator costs twice
            if not test(metric):
                return False
        return True

    def hits(self, entries: Sequence[Entry], since: int, until: int) -> list[Hit]:
        """Return the windows that qualify at times from ``since`` to ``until``, both included."""
        first = bisect_left(entries, (since,))
        last = bisect_left(entries, (until + 1,))
        if first >= last or not self.looks_back:
            return []
        part = entries[:last] if last < len(entries) else entries
        if self.counts:
            return self.full(part, first)
        return self.slide(part, first, *self.fresh(part, first))[0]

    def absent(self, entries: Sequence[Entry], since: int, until: int) -> list[Hit]:
        """Return the forward windows that qualify and whose first entry lies from ``since`` to ``until``."""
        found: dict[int, Hit] = {}
        first = bisect_left(entries, (since,))
        last = bisect_left(entries, (until + 1,))
        for pos, neg in self.absences if first < last else ():
            for hit in self._forward(entries, first, last, pos, neg):
                found.setdefault(hit[0], hit)
        return sorted(found.values()) if len(self.absences) > 1 else list(found.values())

    def _forward(
        self, entries: Sequence[Entry], first: int, last: int, pos: Sequence[int], neg: frozenset[int]
    ) -> Iterator[Hit]:
        """Yield the windows that begin at an entry of one of ``pos``, hold all of them and none of ``neg``."""
        span, end = self.span, len(entries)
        low = high = bisect_left(entries, (entries[first][0],))
        present: dict[int, int] = {}
        before = None
        for place in range(first, last):
            time, slot = entries[place][0], entries[place][2]
            if time == before or slot not in pos:
                continue
            before = time
            while high < end and entries[high][0] <= time + span:
                present[entries[high][2]] = present.get(entries[high][2], 0) + 1
                high += 1
            while entries[low][0] < time:
                present[entries[low][2]] -= 1
                low += 1
            if any(present.get(slot) for slot in neg) or not all(present.get(slot) for slot in pos):
                continue
            if not self.ordered or _in_order(entries[low:high], pos):
                yield time + span, low, high, sum(1 for number in present.values() if number)


def _in_order(window: Sequence[Entry], pos: Sequence[int]) -> bool:
    time = -math.inf
    for slot in pos:
        time = next((e[0] for e in window if e[2] == slot and e[0] > time), math.inf)
        if time == math.inf:
            return False
    return True


def chains_of(plan: Mapping[str, Any]) -> Iterator[tuple[int, ...]]:
    """Yield the ordered choices of slots of which one must come in order: all rules, or so many as are asked for."""
    number = len(plan["rules"])
    return itertools.combinations(range(number), _least(plan["compare"]))


def _least(compare: Sequence[Sequence[Any]]) -> int:
    """Return how many there must be at least for comparisons to be met."""
    least = 0
    for name, number in compare:
        if name == "gt":
            least = max(least, math.floor(number) + 1)
        elif name in {"gte", "eq"}:
            least = max(least, math.ceil(number))
    return least
