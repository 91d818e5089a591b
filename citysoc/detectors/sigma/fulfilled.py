"""Which rules have which of their needs fulfilled, by the conditions that a value of a field fulfils."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, TypeAlias

from citysoc.detectors.sigma.needs import MAX_NEEDS
from citysoc.detectors.sigma.written import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Bits: TypeAlias = list[int]
"""For each need the rules, one bit each, that have it fulfilled."""
_Places: TypeAlias = "Mapping[int, int]"


class Rules:
    """The rules that have the conditions on a field.

    Written as lines: the conditions that rules have negated; then of each condition, for each need the rules that have it
    fulfilled where the condition holds, and where it does not: the need's place, then the rules.

    Args:
        lines: as ``outline.outline`` writes them.
    """

    def __init__(self, lines: bytes) -> None:
        self._lines = lines
        self._known: dict[int, tuple[_Places, _Places]] = {}

    def fulfilled(self, held: Iterable[int]) -> Bits:
        """Return what is fulfilled where some conditions hold, and all others do not."""
        held = frozenset(held)
        left_out = self._negated & held
        bits = [0] * MAX_NEEDS if left_out else list(self._nothing)
        for number in self._negated - held if left_out else ():
            _add(bits, self._of(number)[1])
        for number in held:
            _add(bits, self._of(number)[0])
        return bits

    def all(self) -> Bits:
        """Return what is fulfilled where nothing is known: what may be."""
        bits = list(self._nothing)
        for number in range(len(self._each)):
            _add(bits, self._of(number)[0])
        return bits

    @functools.cached_property
    def _each(self) -> list[bytes]:
        return self._lines.split(b"\n")[1:]

    @functools.cached_property
    def _negated(self) -> frozenset[int]:
        return frozenset(read(self._lines.partition(b"\n")[0]))

    @functools.cached_property
    def _nothing(self) -> Bits:
        """What is fulfilled where no condition holds."""
        bits = [0] * MAX_NEEDS
        for number in self._negated:
            _add(bits, self._of(number)[1])
        return bits

    def _of(self, number: int) -> tuple[_Places, _Places]:
        found = self._known.get(number)
        if found is None:
            held, other = read(self._each[number])
            found = self._known[number] = _bits(held), _bits(other)
        return found


def _bits(places: Iterable[list[int]]) -> _Places:
    """Return for each need its rules as bits."""
    found = {}
    for place, *rules in places:
        bits = 0
        for rule in rules:
            bits |= 1 << rule
        found[place] = bits
    return found


def _add(bits: Bits, more: _Places) -> None:
    for place, one in more.items():
        bits[place] |= one
