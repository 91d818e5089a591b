"""What is measured over a window whose entries come in at one end and leave at the other."""

from __future__ import annotations

import sys
from bisect import bisect_left, insort
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Value: TypeAlias = "tuple[str, ...] | tuple[int | float]"
"""What an entry brings to a value correlation: texts for ``value_count``, one number for the others, or nothing."""
Entry: TypeAlias = "tuple[Any, ...]"
"""An event within a group: microseconds since 1970, event id, slot (the place of its rule), ``Value``; and, for correlations
across agencies, the agency (several with commas between, where the entry stands for many events)."""


class Measure(Protocol):
    """What is measured over a window whose entries come in at one end and leave at the other."""

    def add(self, entry: Entry) -> None:
        """Let an entry in; entries come in the order of their times."""

    def drop(self, entry: Entry) -> None:
        """Let the oldest entry go."""

    def metric(self, low: int) -> float | None:
        """Return the measure of the window that begins at ``low``; None where there is none."""


class _Count:
    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0

    def add(self, entry: Entry) -> None:  # noqa: ARG002  the protocol's
        self.number += 1

    def drop(self, entry: Entry) -> None:  # noqa: ARG002  the protocol's
        self.number -= 1

    def metric(self, low: int) -> float | None:  # noqa: ARG002  the protocol's
        return self.number


class Distinct:
    """How many different values there are."""

    __slots__ = ("latest",)

    def __init__(self) -> None:
        self.latest: dict[Value, Entry] = {}
        """The last entry of each value."""

    def add(self, entry: Entry) -> None:
        """Let an entry in."""
        if entry[3]:
            self.latest[entry[3]] = entry

    def drop(self, entry: Entry) -> None:
        """Let an entry go."""
        if entry[3] and self.latest[entry[3]] is entry:
            del self.latest[entry[3]]

    def metric(self, low: int) -> float | None:  # noqa: ARG002  the protocol's
        """Return how many values there are."""
        return len(self.latest)


class _Sum:
    """An exact sum: the same whatever came and went before."""

    __slots__ = ("number", "total")

    def __init__(self) -> None:
        self.number = 0
        self.total: int | Fraction = 0

    def add(self, entry: Entry) -> None:
        value = entry[3]
        if value:
            self.number += 1
            number = value[0]
            self.total += number if type(number) is int else Fraction(number)

    def drop(self, entry: Entry) -> None:
        value = entry[3]
        if value:
            self.number -= 1
            number = value[0]
            self.total -= number if type(number) is int else Fraction(number)

    def metric(self, low: int) -> float | None:  # noqa: ARG002  the protocol's
        return _real(self.total) if self.number else None


_EXACT = 1 << 900


class _Average(_Sum):
    __slots__ = ()

    def metric(self, low: int) -> float | None:  # noqa: ARG002  the protocol's
        if not self.number:
            return None
        if isinstance(self.total, int) and -_EXACT < self.total < _EXACT:
            return self.total / self.number  # rounded once, as the fraction would be
        return _real(Fraction(self.total, self.number))


class Ranked:
    """The value at a percentile: linear interpolation at rank (n - 1) * p / 100.

    Args:
        percent: p, from 0 to 100.
    """

    __slots__ = ("percent", "values")

    def __init__(self, percent: float) -> None:
        self.percent = percent
        self.values: list[Any] = []
        """In order of size."""

    def add(self, entry: Entry) -> None:
        """Let an entry in."""
        value = entry[3]
        if value:
            insort(self.values, value[0])

    def drop(self, entry: Entry) -> None:
        """Let an entry go."""
        value = entry[3]
        if value:
            values = self.values
            del values[bisect_left(values, value[0])]

    def metric(self, low: int) -> float | None:  # noqa: ARG002  the protocol's
        """Return the value; None where there is none."""
        values = self.values
        if not values:
            return None
        below, rest, other = rank(len(values), self.percent)
        return float(values[below] * other + values[below + 1] * rest if rest else values[below])


def rank(number: int, percent: float) -> tuple[int, float, float]:
    """Return the place below a percentile of so many values, and what part the one above it and it itself have."""
    at = (number - 1) * percent / 100
    below = int(at)
    return below, at - below, 1 - (at - below)


class _Slots:
    """How many of the rules are present; with clauses: whether all rules of one of them are."""

    __slots__ = ("clauses", "present")

    def __init__(self, clauses: Sequence[Sequence[int]] | None) -> None:
        self.present: dict[int, int] = {}
        self.clauses = clauses

    def add(self, entry: Entry) -> None:
        slot = entry[2]
        self.present[slot] = self.present.get(slot, 0) + 1

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
            if self.waiting:
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
        if self.waiting:
            self._settle()
        for best in self.best:
            start = best[-1]
            if start is not None and start >= low:
                return len(self.slots.present)
        return None


_MEASURES: Mapping[str, Callable[[], Measure]] = {
    "event_count": _Count,
    "value_count": Distinct,
    "value_sum": _Sum,
    "value_avg": _Average,
}


def empty(
    kind: str, *, percent: float, chains: Sequence[Sequence[int]], clauses: Sequence[Sequence[int]] | None
) -> Measure:
    """Return the measure of a type of correlation, over nothing yet.

    Args:
        kind: the type.
        percent: which percentile.
        chains: the rules that must come in order: one of these choices.
        clauses: the rules that must be there: all of one of these; None: all there are count.
    """
    if kind in _MEASURES:
        return _MEASURES[kind]()
    if kind in {"value_percentile", "value_median"}:
        return Ranked(percent)
    return _Ordered(chains) if kind == "temporal_ordered" else _Slots(clauses)


def _real(number: int | Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        # The largest there is: it can be counted with above, and written, as infinity can not.
        return sys.float_info.max if number > 0 else -sys.float_info.max
