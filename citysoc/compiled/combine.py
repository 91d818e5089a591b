"""Combinations of numbers, counted: rows of a table that are the same have the same number."""

from __future__ import annotations

from typing import Any

import numpy as np

from citysoc.compiled.machine import Loops

_LOOPS = Loops("citysoc.compiled.loops.combine")
load = _LOOPS.load
_LEAST = 64


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
                _LOOPS.number(np.ascontiguousarray(known.T), self.keys, self._slots, 0, out)
        out = np.empty(columns.shape[1], np.int32)
        begin = self.count
        self.count = _LOOPS.number(columns, self.keys, self._slots, begin, out)
        return out, begin
