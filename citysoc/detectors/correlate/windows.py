"""When does a window qualify: the types of correlations as sliding measures over a key's entries.

A window is closed on both ends: at the time t of an entry it is [t - span, t]. Every distinct time of an entry
is looked at once, with all entries of that time. A condition that asks for absence looks forward instead,
at [t, t + span], and is decided when its deadline t + span has passed.
"""

from __future__ import annotations

import bisect
import itertools
import math
import operator
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Value: TypeAlias = "tuple[str, ...] | tuple[int | float]"
"""What an entry brings to a value correlation: texts for ``value_count``, one number for the others, or nothing."""
Entry: TypeAlias = "tuple[int, str, int, Value]"
"""An event within a key: microseconds since 1970, event id, slot (the place of its rule), value."""

MAX_CHAINS = 500
"""So many ordered choices of rules a correlation may ask for: m of n in order are n over m."""
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
}


class Hit(NamedTuple):
    """A window that qualifies.

    Args:
        time: when: the window's end.
        low: the place of its first entry.
        high: the place behind its last entry.
        metric: what was measured.
    """

    time: int
    low: int
    high: int
    metric: float


class Measure(Protocol):
    """What is measured over a window whose entries come in at one end and leave at the other."""

    def add(self, entry: Entry) -> None:
        """Let an entry in; entries come in the order of their times."""

    def drop(self, entry: Entry) -> None:
        """Let the oldest entry go."""

    def metric(self, low: int) -> float | None:
        """Return the measure of the window that begins at ``low``; None where there is none."""


class _Count:
    __slots__ = ()

    def add(self, entry: Entry) -> None:
        pass

    def drop(self, entry: Entry) -> None:
        pass

    def metric(self, low: int) -> float | None:  # noqa: ARG002  the protocol's
        return None


COUNTED: Measure = _Count()
"""Stands for the measure of counts, which need none: the places of a window's ends say it."""


class _Distinct:
    __slots__ = ("seen",)

    def __init__(self) -> None:
        self.seen: dict[Value, int] = {}

    def add(self, entry: Entry) -> None:
        value = entry[3]
        if value:
            self.seen[value] = self.seen.get(value, 0) + 1

    def drop(self, entry: Entry) -> None:
        value = entry[3]
        if value:
            left = self.seen[value] - 1
            if left:
                self.seen[value] = left
            else:
                del self.seen[value]

    def metric(self, low: int) -> float | None:  # noqa: ARG002  the protocol's
        return len(self.seen)


class _Sum:
    """An exact sum: the same whatever came and went before."""

    __slots__ = ("number", "total")

    def __init__(self) -> None:
        self.number = 0
        self.total: int | Fraction = 0

    def add(self, entry: Entry) -> None:
        if entry[3]:
            self.number += 1
            self.total += _exact(entry[3][0])

    def drop(self, entry: Entry) -> None:
        if entry[3]:
            self.number -= 1
            self.total -= _exact(entry[3][0])

    def metric(self, low: int) -> float | None:  # noqa: ARG002  the protocol's
        return _real(self.total) if self.number else None


class _Average(_Sum):
    __slots__ = ()

    def metric(self, low: int) -> float | None:  # noqa: ARG002  the protocol's
        return _real(Fraction(self.total, self.number)) if self.number else None


class _Percentile:
    """Linear interpolation at rank (n - 1) * p / 100."""

    __slots__ = ("percent", "values")

    def __init__(self, percent: float) -> None:
        self.percent = percent
        self.values: list[Any] = []

    def add(self, entry: Entry) -> None:
        if entry[3]:
            bisect.insort(self.values, entry[3][0])

    def drop(self, entry: Entry) -> None:
        if entry[3]:
            del self.values[bisect.bisect_left(self.values, entry[3][0])]

    def metric(self, low: int) -> float | None:  # noqa: ARG002  the protocol's
        if not self.values:
            return None
        rank = (len(self.values) - 1) * self.percent / 100
        below = min(int(rank), len(self.values) - 1)
        rest = rank - below
        if not rest:
            return float(self.values[below])
        return float(self.values[below] * (1 - rest) + self.values[below + 1] * rest)


class _Slots:
    """How many of the rules are present; with clauses: whether all rules of one of them are."""

    __slots__ = ("clauses", "present")

    def __init__(self, clauses: Sequence[Sequence[int]] | None) -> None:
        self.present: Counter[int] = Counter()
        self.clauses = clauses

    def add(self, entry: Entry) -> None:
        self.present[entry[2]] += 1

    def drop(self, entry: Entry) -> None:
        left = self.present[entry[2]] - 1
        if left:
            self.present[entry[2]] = left
        else:
            del self.present[entry[2]]

    def metric(self, low: int) -> float | None:  # noqa: ARG002  the protocol's
        present = self.present
        if self.clauses is not None and not any(all(s in present for s in c) for c in self.clauses):
            return None
        return len(present)


class _Ordered:
    """Whether the rules of a chain come one strictly after the other; the latest start of each chain is kept."""

    __slots__ = ("at", "best", "chains", "places", "slots", "waiting")

    def __init__(self, chains: Sequence[Sequence[int]]) -> None:
        self.slots = _Slots(None)
        self.chains = [tuple(chain) for chain in chains]
        self.best: list[list[int | None]] = [[None] * len(chain) for chain in self.chains]
        self.places: dict[int, list[tuple[int, int]]] = {}
        for number, chain in enumerate(self.chains):
            for place, slot in enumerate(chain):
                self.places.setdefault(slot, []).append((number, place))
        self.at = 0
        self.waiting: list[tuple[int, int, int]] = []

    def add(self, entry: Entry) -> None:
        self.slots.add(entry)
        time, slot = entry[0], entry[2]
        if time != self.at:
            self._settle()
            self.at = time
        for number, place in self.places.get(slot, ()):
            start = self.best[number][place - 1] if place else time
            if start is not None:
                self.waiting.append((number, place, start))

    def _settle(self) -> None:
        """Let the entries of one time count: only a later time may build on them."""
        for number, place, start in self.waiting:
            known = self.best[number][place]
            if known is None or start > known:
                self.best[number][place] = start
        self.waiting.clear()

    def drop(self, entry: Entry) -> None:
        self.slots.drop(entry)

    def metric(self, low: int) -> float | None:
        self._settle()
        if not any((best[-1] if best[-1] is not None else low - 1) >= low for best in self.best):
            return None
        return self.slots.metric(low)


_MEASURES: Mapping[str, Callable[[], Measure]] = {
    "event_count": lambda: COUNTED,
    "value_count": _Distinct,
    "value_sum": _Sum,
    "value_avg": _Average,
}


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
        self._tests = [(_COMPARE[name], number) for name, number in plan["compare"]]
        clauses = plan.get("clauses")
        self._together = None if clauses is None else [pos for pos, neg in clauses if not neg]
        self.absences: list[tuple[list[int], frozenset[int]]] = [
            (sorted(pos), frozenset(neg)) for pos, neg in clauses or () if neg
        ]
        self.ordered = self.kind == "temporal_ordered"
        self._chains: list[Sequence[int]] = []
        if self.ordered:
            self._chains = self._together if self._together is not None else list(chains_of(plan))
        self._least = _least(plan["compare"]) if self.kind == "event_count" else 0
        self.looks_back = self._together is None or bool(self._together)

    def measure(self) -> Measure:
        """Return an empty measure."""
        if self.kind in _MEASURES:
            return _MEASURES[self.kind]()
        if self.kind in {"value_percentile", "value_median"}:
            return _Percentile(self._percent)
        return _Ordered(self._chains) if self.ordered else _Slots(self._together)

    def fresh(self, entries: Sequence[Entry], first: int) -> tuple[Measure, int]:
        """Return the measure over the entries before ``first`` that its window may reach, and where it begins."""
        low = bisect.bisect_left(entries, (entries[first][0] - self.span,))
        measure = self.measure()
        for place in range(low, first) if measure is not COUNTED else ():
            measure.add(entries[place])
        return measure, low

    def slide(
        self, entries: Sequence[Entry], first: int, measure: Measure, low: int
    ) -> tuple[list[Hit], int]:
        """Take in the entries from ``first`` on; return the windows that qualify, and where the last begins."""
        hits: list[Hit] = []
        span, end, place = self.span, len(entries), first
        if measure is COUNTED:
            return self._slide_count(entries, first, low)
        while place < end:
            time = entries[place][0]
            while place < end and entries[place][0] == time:
                measure.add(entries[place])
                place += 1
            start = time - span
            while entries[low][0] < start:
                measure.drop(entries[low])
                low += 1
            metric = measure.metric(start)
            if metric is not None and self.meets(metric):
                hits.append(Hit(time, low, place, metric))
        return hits, low

    def _slide_count(self, entries: Sequence[Entry], first: int, low: int) -> tuple[list[Hit], int]:
        """Count without a measure: most correlations are counts, and most windows are far from enough."""
        hits: list[Hit] = []
        span, end, place, least = self.span, len(entries), first, self._least
        while place < end:
            time = entries[place][0]
            place += 1
            while place < end and entries[place][0] == time:
                place += 1
            start = time - span
            while entries[low][0] < start:
                low += 1
            number = place - low
            if number >= least and self.meets(number):
                hits.append(Hit(time, low, place, number))
        return hits, low

    def meets(self, metric: float) -> bool:
        """Return whether a measure meets every comparison of the condition."""
        for compare, number in self._tests:  # noqa: SIM110  asked of every window: a generator costs twice
            if not compare(metric, number):
                return False
        return True

    def hits(self, entries: Sequence[Entry], since: int, until: int) -> list[Hit]:
        """Return the windows that qualify at times from ``since`` to ``until``, both included."""
        first = bisect.bisect_left(entries, (since,))
        last = bisect.bisect_left(entries, (until + 1,))
        if first >= last or not self.looks_back:
            return []
        part = entries[:last] if last < len(entries) else entries
        measure, low = self.fresh(part, first)
        return self.slide(part, first, measure, low)[0]

    def absent(self, entries: Sequence[Entry], since: int, until: int) -> list[Hit]:
        """Return the forward windows that qualify and whose first entry lies from ``since`` to ``until``."""
        found: dict[int, Hit] = {}
        first = bisect.bisect_left(entries, (since,))
        last = bisect.bisect_left(entries, (until + 1,))
        for pos, neg in self.absences:
            for place in range(first, last):
                time = entries[place][0]
                if time + self.span in found or entries[place][2] not in pos:
                    continue
                low = bisect.bisect_left(entries, (time,))
                high = bisect.bisect_left(entries, (time + self.span + 1,))
                number = self._holds_forward(entries[low:high], pos, neg)
                if number:
                    found[time + self.span] = Hit(time + self.span, low, high, number)
        return sorted(found.values())

    def _holds_forward(self, window: Sequence[Entry], pos: Sequence[int], neg: frozenset[int]) -> int:
        slots = {entry[2] for entry in window}
        if slots & neg or not slots.issuperset(pos):
            return 0
        if self.ordered:
            time = -math.inf
            for slot in pos:
                time = next((e[0] for e in window if e[2] == slot and e[0] > time), math.inf)
                if time == math.inf:
                    return 0
        return len(slots)


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


def _exact(number: Any) -> int | Fraction:
    return number if isinstance(number, int) else Fraction(number)


def _real(number: int | Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number)
