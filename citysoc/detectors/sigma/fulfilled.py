"""Which rules have which of their needs fulfilled, by the conditions that a value of a field fulfils."""

from __future__ import annotations

import functools
from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from citysoc.detectors.sigma.needs import MAX_NEEDS
from citysoc.detectors.sigma.written import read

if TYPE_CHECKING:
    from collections.abc import Sequence

Bits: TypeAlias = list[int]
"""For each need the rules, one bit each, that have it fulfilled."""


class Rules:
    """The rules that have the conditions on a field.

    Written as lines: the conditions that rules have negated; then of each condition, for each need the rules that have it
    fulfilled where the condition holds, and where it does not: the need's place, then the rules.

    Args:
        lines: as ``outline.outline`` writes them.
    """

    def __init__(self, lines: bytes) -> None:
        self._lines = lines
        self._known: dict[int, list[tuple[int, int]]] = {}

    def fulfilled(self, held: Sequence[int]) -> Bits:
        """Return what is fulfilled where some conditions hold, and all others do not."""
        bits = list(self._nothing)
        gone: Counter[tuple[int, int]] = Counter()
        for number in held:
            if number in self._negated:
                gone.update(self._negated[number])
        for (place, rule), times in gone.items():
            if times == self._often[place, rule]:  # no other condition that does not hold says so
                bits[place] &= ~(1 << rule)
        for number in held:
            for place, one in self._of(number):
                bits[place] |= one
        return bits

    def all(self) -> Bits:
        """Return what is fulfilled where nothing is known: what may be."""
        bits = list(self._nothing)
        for number in range(len(self._each)):
            for place, one in self._of(number):
                bits[place] |= one
        return bits

    @functools.cached_property
    def _each(self) -> list[bytes]:
        return self._lines.split(b"\n")[1:]

    @functools.cached_property
    def _negated(self) -> dict[int, list[tuple[int, int]]]:
        """The needs, and the rules, that conditions fulfil that do not hold."""
        numbers = read(self._lines.partition(b"\n")[0])
        return {
            number: [(place, rule) for place, *rules in read(self._each[number])[1] for rule in rules]
            for number in numbers
        }

    @functools.cached_property
    def _often(self) -> Counter[tuple[int, int]]:
        """By how many conditions each of these is fulfilled."""
        return Counter(one for fulfilled in self._negated.values() for one in fulfilled)

    @functools.cached_property
    def _nothing(self) -> Bits:
        """What is fulfilled where no condition holds."""
        bits = [0] * MAX_NEEDS
        for place, rule in self._often:
            bits[place] |= 1 << rule
        return bits

    def _of(self, number: int) -> list[tuple[int, int]]:
        """Return the needs that a condition fulfils where it holds, and of each the rules as bits."""
        found = self._known.get(number)
        if found is None:
            found = self._known[number] = [
                (place, sum(1 << rule for rule in rules)) for place, *rules in read(self._each[number])[0]
            ]
        return found
