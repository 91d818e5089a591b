"""Values remembered by their bytes: what was once said of a value is found again without making it.

A value is what stands in some cells of a record (``cells``), and belongs to a *column*. What is said of it is a number
from 1 on. Bytes are compared, so that no two values are ever taken for the same; how they are hashed decides only how
quickly they are found. What does not fit is forgotten all at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit

from citysoc.compiled.eight import SPARE, copy, least_bytes, load, mixed, same

if TYPE_CHECKING:
    from citysoc.compiled.cells import Sheet

_SLOTS = 1 << 18
_ENTRIES = 1 << 17
_BYTES = 20 << 20
_MOST_ENTRIES = _ENTRIES * 3 // 4
_MOST_BYTES = _BYTES * 3 // 4
_MAX_VALUE = 4096
"""Longer values are not remembered."""
_MAX_STEPS = 32
"""So many values with the same hash are looked at; more are not remembered."""


class Fresh(NamedTuple):
    """What a look at a column found.

    Args:
        said: for each record what is known of its value; below 0 it is ``~`` the place of a fresh value.
        fresh: for each fresh value a record that has it, by its place among those asked for.
    """

    said: Any
    fresh: Any


class Memory:
    """The values of all columns that are remembered."""

    def __init__(self) -> None:
        self._slots = np.zeros(_SLOTS, np.int32)
        self._hashes = np.empty(_ENTRIES, np.uint64)
        self._facts = np.empty((_ENTRIES, 4), np.int32)  # column, begin, size, what is said
        self._bytes = np.empty(_BYTES, np.uint8)
        self._used = np.zeros(2, np.int64)  # entries, bytes
        self._columns = 0
        self._waiting: Any = ()

    def column(self) -> int:
        """Return the number of a new column."""
        self._columns += 1
        return self._columns

    def look(self, sheet: Sheet, some: Any, places: Any, column: int) -> Fresh:
        """Look values up, and note those that are fresh: ``learn`` must be told what they are.

        Args:
            sheet: the records.
            some: the numbers of the records to look at.
            places: which of their cells make the value.
            column: the column.
        """
        is_full = self._used[0] > _MOST_ENTRIES or self._used[1] > _MOST_BYTES
        if is_full or len(self._waiting):  # values of which nobody came to say what they are
            self.forget()
        said = np.empty(len(some), np.int32)
        fresh = np.empty(len(some), np.int32)
        entries = np.empty(len(some), np.int32)
        count = _look(
            sheet.block,
            sheet.first,
            sheet.begin,
            sheet.end,
            some,
            places,
            column,
            self._slots,
            self._hashes,
            self._facts,
            self._bytes,
            self._used,
            said,
            fresh,
            entries,
        )
        self._waiting = entries[:count]
        return Fresh(said, fresh[:count])

    def learn(self, found: Fresh, said: Any) -> Any:
        """Return what is said of each value, now that it is known of the fresh ones.

        Args:
            found: what ``look`` returned last.
            said: of each fresh value, from 1 on; 0 where there is nothing to say, which is remembered as well.

        Raises:
            ValueError: it is not said of each of those that were fresh at the last look.
        """
        if len(said) != len(self._waiting):
            raise ValueError(f"{len(said)} said of {len(self._waiting)} fresh values")
        _learn(self._facts, self._waiting, said, found.said)
        self._waiting = ()
        return found.said

    def forget(self) -> None:
        """Forget all values."""
        self._slots.fill(0)
        self._used.fill(0)
        self._waiting = ()


def tokens(sheet: Sheet, some: Any, place: int) -> bytes:
    """Return the values of one cell of some records as JSON: an array."""
    if not len(some):
        return b"[]"
    size = int(_size(sheet.first, sheet.begin, sheet.end, some, place)) + 1
    out = np.empty(size + SPARE, np.uint8)
    _tokens(sheet.block, sheet.first, sheet.begin, sheet.end, some, place, out)
    return out[:size].tobytes()


@njit(inline="always")
def _hash(block: Any, begins: Any, ends: Any, cell: Any, places: Any, column: Any) -> Any:
    code = np.uint64(column)
    for at in range(len(places)):
        place, end = begins[cell + places[at]], ends[cell + places[at]]
        code = mixed(code, np.uint64(end - place))
        while end - place > 8:
            code = mixed(code, load(block, place))
            place += 8
        code = mixed(code, load(block, place) & least_bytes(end - place))
    return code


@njit(inline="always")
def _is_same(block: Any, begins: Any, ends: Any, cell: Any, places: Any, known: Any, at: Any) -> Any:
    for which in range(len(places)):
        begin = begins[cell + places[which]]
        size = ends[cell + places[which]] - begin
        if not same(block, begin, known, at, size) or known[at + size]:  # a NUL after each value
            return False
        at += size + 1
    return True


@njit(inline="always")
def _find(
    block: Any,
    begins: Any,
    ends: Any,
    cell: Any,
    places: Any,
    column: Any,
    size: Any,
    code: Any,
    slots: Any,
    hashes: Any,
    facts: Any,
    known: Any,
) -> Any:
    """Return the entry of a value, or -1 and the slot that it may take; -1 where there is none."""
    slot = np.int64(code & np.uint64(_SLOTS - 1))
    for _step in range(_MAX_STEPS):
        entry = slots[slot] - 1
        if entry < 0:
            return -1, slot
        if (
            hashes[entry] == code
            and facts[entry, 0] == column
            and facts[entry, 2] == size
            and _is_same(block, begins, ends, cell, places, known, facts[entry, 1])
        ):
            return entry, slot
        slot = (slot + 1) & (_SLOTS - 1)
    return -1, np.int64(-1)


@njit(inline="always")
def _keep(block: Any, begins: Any, ends: Any, cell: Any, places: Any, known: Any, to: Any) -> Any:
    for at in range(len(places)):
        begin = begins[cell + places[at]]
        size = ends[cell + places[at]] - begin
        copy(block, begin, known, to, size)
        to += size + 1
        known[to - 1] = 0
    return to


@njit(cache=True)
def _look(
    block: Any,
    first: Any,
    begins: Any,
    ends: Any,
    some: Any,
    places: Any,
    column: Any,
    slots: Any,
    hashes: Any,
    facts: Any,
    known: Any,
    used: Any,
    said: Any,
    fresh: Any,
    entries: Any,
) -> Any:
    count = 0
    for number in range(len(some)):
        cell = first[some[number]]
        size = 0
        for at in range(len(places)):
            size += ends[cell + places[at]] - begins[cell + places[at]] + 1
        entry, slot = -1, np.int64(-1)
        if size <= _MAX_VALUE:
            code = _hash(block, begins, ends, cell, places, column)
            entry, slot = _find(
                block, begins, ends, cell, places, column, size, code, slots, hashes, facts, known
            )
            if entry >= 0:
                said[number] = facts[entry, 3]
                continue
            if slot >= 0 and used[0] < _ENTRIES and used[1] + size + SPARE <= _BYTES:
                entry = used[0]
                used[0] += 1
                slots[slot] = entry + 1
                hashes[entry] = code
                facts[entry, 0] = column
                facts[entry, 1] = used[1]
                facts[entry, 2] = size
                facts[entry, 3] = -1 - count
                used[1] = _keep(block, begins, ends, cell, places, known, used[1])
        said[number] = -1 - count
        fresh[count] = number
        entries[count] = entry
        count += 1
    return count


@njit(cache=True)
def _learn(facts: Any, entries: Any, told: Any, said: Any) -> Any:
    for place in range(len(entries)):
        if entries[place] >= 0:
            facts[entries[place], 3] = told[place]
    for number in range(len(said)):
        if said[number] < 0:
            said[number] = told[-1 - said[number]]


@njit(cache=True)
def _size(first: Any, begins: Any, ends: Any, some: Any, place: Any) -> Any:
    size = 0
    for number in range(len(some)):
        cell = first[some[number]] + place
        size += ends[cell] - begins[cell] + 1
    return size


@njit(cache=True)
def _tokens(block: Any, first: Any, begins: Any, ends: Any, some: Any, place: Any, out: Any) -> Any:
    to = 0
    out[to] = 91  # [
    to += 1
    for number in range(len(some)):
        cell = first[some[number]] + place
        size = ends[cell] - begins[cell]
        copy(block, begins[cell], out, to, size)
        to += size + 1
        out[to - 1] = 44  # ,
    out[to - 1] = 93  # ]


def warm() -> None:
    """Load or compile what this module needs."""
    from citysoc.compiled import cells

    sheet = cells.sheet_of([b'{"a":1}'], b'{"a":1}\n' + bytes(SPARE))
    some = np.zeros(1, np.int32)
    memory = Memory()
    memory.learn(memory.look(sheet, some, np.zeros(1, np.int32), 1), np.ones(1, np.int32))
    tokens(sheet, some, 0)
