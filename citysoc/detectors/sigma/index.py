"""Which rules an event may match, found without evaluating any: the necessary texts of all rules at once.

A rule has up to three *clauses*; each is a list of texts of which one must occur in the event for the rule to
match (``plan.clauses``). All texts of a field are looked for in one pass (RE2's set of patterns); what a value
contains is remembered, because the values of logs repeat. One bit a rule: a value gives one number for each
clause; OR over the event's fields, AND over the clauses, and the bits that are left are the rules to evaluate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import re2

from citysoc.detectors.sigma.text import fold, texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Bits: TypeAlias = tuple[int, int, int]
"""For each clause the rules, one bit each, that have it fulfilled."""

CLAUSES = 3
_NONE: Bits = (0, 0, 0)
_MEMORY_BYTES = 256 << 20
"""A bound, not a need: a set uses what its patterns and the values seen ask for."""
_MAX_REMEMBERED = 20_000
_MAX_REMEMBERED_CHARS = 4096


class Index:
    """The clauses of a set of rules; a rule is its place in the sequence.

    Args:
        clauses: for each rule its clauses, each a list of ``[field, how, text]`` (how: is, starts, ends, has).
    """

    def __init__(self, clauses: Sequence[Sequence[Sequence[Sequence[str]]]]) -> None:
        wanted: dict[str, dict[tuple[str, str], list[int]]] = {}
        free = [0, 0, 0]
        for rule, groups in enumerate(clauses):
            bit = 1 << rule
            for place in range(CLAUSES):
                if place >= len(groups):
                    free[place] |= bit
                    continue
                for field, how, text in groups[place]:
                    masks = wanted.setdefault(field, {}).setdefault((how, text), [0, 0, 0])
                    masks[place] |= bit
        self._free: Bits = (free[0], free[1], free[2])
        self._all = (1 << len(clauses)) - 1
        self._fields = tuple((name, _Field(patterns, self._all)) for name, patterns in sorted(wanted.items()))

    def candidates(self, event: Mapping[str, Any], routed: int) -> int:
        """Return the rules, as bits, that an event may match among those it is routed to."""
        first, second, third = self._free
        for name, field in self._fields:
            value = event.get(name)
            if value is not None:
                one, two, three = field.bits(value)
                first |= one
                second |= two
                third |= three
        return first & second & third & routed


class _Field:
    """The texts looked for in one field."""

    __slots__ = ("_all", "_masks", "_remembered", "_set", "_shared")

    def __init__(self, patterns: Mapping[tuple[str, str], Sequence[int]], everything: int) -> None:
        options = re2.Options()
        options.max_mem = _MEMORY_BYTES
        options.log_errors = False
        options.case_sensitive = True
        self._set = re2.Set.SearchSet(options)
        self._set.Add("")  # is always found: where it is not, the search ran out of memory
        self._masks: list[Bits] = [_NONE]
        for (how, text), masks in sorted(patterns.items()):
            self._set.Add(_pattern(how, text))
            self._masks.append((masks[0], masks[1], masks[2]))
        self._set.Compile()
        self._all: Bits = (everything, everything, everything)
        self._remembered: dict[str, Bits] = {}
        self._shared: dict[tuple[int, ...], Bits] = {}

    def bits(self, value: Any) -> Bits:
        """Return what a value fulfils."""
        if isinstance(value, str):
            found = self._remembered.get(value)
            return self._look(value) if found is None else found
        first = second = third = 0
        for text in texts(value):
            one, two, three = self.bits(text)
            first |= one
            second |= two
            third |= three
        return first, second, third

    def _look(self, text: str) -> Bits:
        try:
            ids = tuple(self._set.Match(fold(text)))
        except UnicodeEncodeError:  # half a surrogate pair: no text, so nothing is said about it
            return self._all
        found = self._shared.get(ids)
        if found is None:
            found = self._combine(ids)
            if len(self._shared) >= _MAX_REMEMBERED:
                self._shared.clear()
            self._shared[ids] = found
        if len(text) <= _MAX_REMEMBERED_CHARS:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[text] = found
        return found

    def _combine(self, ids: tuple[int, ...]) -> Bits:
        if 0 not in ids:
            return self._all
        first = second = third = 0
        for number in ids:
            one, two, three = self._masks[number]
            first |= one
            second |= two
            third |= three
        return first, second, third


def _pattern(how: str, text: str) -> str:
    escaped = re2.escape(text)
    before = r"\A" if how in {"is", "starts"} else ""
    after = r"\z" if how in {"is", "ends"} else ""
    return f"{before}{escaped}{after}"


def places(bits: int) -> Iterator[int]:
    """Yield the places of the bits that are set, lowest first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
