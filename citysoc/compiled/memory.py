"""Values remembered by their bytes: what was once said of a value is found again without making it.

A value is what stands in some cells of a record (``cells``), and belongs to a *column*. What is said of it is a number
from 1 on. Bytes are compared, so that no two values are ever taken for the same; how they are hashed decides only how
quickly they are found. What does not fit is forgotten all at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from citysoc.compiled.cells import SPARE
from citysoc.compiled.machine import Loops

if TYPE_CHECKING:
    from citysoc.compiled.cells import Sheet

_LOOPS = Loops("citysoc.compiled.loops.memory")
load = _LOOPS.load
_NOBODY = np.empty(0, np.int32)
_SLOTS = 1 << 20
_ENTRIES = 1 << 19
_BYTES = 64 << 20
_MOST_ENTRIES = _ENTRIES * 3 // 4
_MOST_BYTES = _BYTES * 3 // 4


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
        self._waiting = _NOBODY

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
        count = _LOOPS.look(
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
        _LOOPS.learn(self._facts, self._waiting, said, found.said)
        self._waiting = _NOBODY
        return found.said

    def forget(self) -> None:
        """Forget all values."""
        self._slots.fill(0)
        self._used.fill(0)
        self._waiting = _NOBODY


def tokens(sheet: Sheet, some: Any, place: int) -> bytes:
    """Return the values of one cell of some records as JSON: an array."""
    if not len(some):
        return b"[]"
    size = _LOOPS.size(sheet.first, sheet.begin, sheet.end, some, place) + 1
    out = np.empty(size + SPARE, np.uint8)
    _LOOPS.tokens(sheet.block, sheet.first, sheet.begin, sheet.end, some, place, out)
    return out[:size].tobytes()
