"""Combinations of numbers, counted: rows of a table that are the same have the same number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_LEAST = 1024


class Combinations:
    """The combinations seen so far, numbered in the order in which they came.

    Args:
        width: how many numbers make a combination.
        most: so many are kept; then all are forgotten.
    """

    def __init__(self, width: int, most: int) -> None:
        self._width = width
        self._most = most
        self.count = 0
        """How many there are."""
        self._room(_LEAST)

    def _room(self, entries: int) -> None:
        self.keys = np.empty((entries, self._width), np.int32)
        """The combinations, a row each."""
        self._slots = np.zeros(4 * entries, np.int32)

    def numbers(self, columns: Any) -> tuple[Any, int]:
        """Return the number of each combination, and the first number that is new: 0 where all were forgotten before.

        Args:
            columns: one row for each of the numbers that make it.
        """
        need = self.count + columns.shape[1]
        if need > len(self.keys):
            if need > self._most and self.count:
                self.count = 0
                need = columns.shape[1]
            known = self.keys[: self.count]
            size = _LEAST
            while size < need:
                size *= 2
            self._room(size)
            if len(known):
                out = np.empty(len(known), np.int32)
                _number(np.ascontiguousarray(known.T), self.keys, self._slots, 0, out)
        out = np.empty(columns.shape[1], np.int32)
        begin = self.count
        self.count = _number(columns, self.keys, self._slots, begin, out)
        return out, begin


@njit(cache=True)
def _number(columns: Any, keys: Any, slots: Any, count: Any, out: Any) -> Any:
    width, rows = columns.shape
    last = len(slots) - 1
    for row in range(rows):
        code = np.uint64(width)
        for place in range(width):
            code = (code ^ np.uint64(columns[place, row])) * np.uint64(0x9E3779B97F4A7C15)
            code ^= code >> np.uint64(29)
        slot = np.int64(code & np.uint64(last))
        while True:
            entry = slots[slot] - 1
            if entry < 0:
                for place in range(width):
                    keys[count, place] = columns[place, row]
                slots[slot] = count + 1
                out[row] = count
                count += 1
                break
            differ = 0
            for place in range(width):
                differ |= keys[entry, place] ^ columns[place, row]
            if differ == 0:
                out[row] = entry
                break
            slot = (slot + 1) & last
    return count


def warm() -> None:
    """Load or compile what this module needs."""
    Combinations(1, _LEAST).numbers(np.ones((1, 1), np.int32))
