"""Rows of numbers most of which are zero: one bit a number, and the numbers that are not zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_UNFIT = "bits and values do not fit"


@dataclass(frozen=True, slots=True)
class Sparse:
    """Rows of numbers.

    Args:
        columns: how many a row has.
        bits: (rows, columns / 8) which numbers are not zero.
        starts: (rows,) where a row's numbers begin among the values.
        values: the numbers that are not zero, row by row.
    """

    columns: int
    bits: np.ndarray
    starts: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.bits)

    def rows(self, places: np.ndarray) -> np.ndarray:
        """Return some rows as they were: (places, columns)."""
        import numpy as np

        there = np.unpackbits(self.bits[places], axis=1, count=self.columns).view(bool)
        result = np.zeros(there.shape, self.values.dtype)
        number = np.cumsum(there, axis=1, dtype=np.int64) + (self.starts[places] - 1)[:, None]
        result[there] = self.values[number[there]]
        return result

    def parts(self) -> dict[str, np.ndarray]:
        """Return it as arrays, for a file."""
        return {"bits": self.bits, "values": self.values}


def sparse(rows: np.ndarray) -> Sparse:
    """Return rows of numbers (rows, columns) without their zeros."""
    import numpy as np

    there = rows != 0
    return _of(rows.shape[1], np.packbits(there, axis=1), rows[there])


def from_parts(parts: dict[str, np.ndarray], columns: int) -> Sparse:
    """Return what ``Sparse.parts`` gave.

    Raises:
        ValueError: there are not as many values as bits say.
    """
    found = _of(columns, parts["bits"], parts["values"])
    if found.bits.shape[1] != -(-columns // 8):
        raise ValueError(_UNFIT)
    return found


def _of(columns: int, bits: np.ndarray, values: np.ndarray) -> Sparse:
    import numpy as np

    ends = np.cumsum(np.bitwise_count(bits).sum(axis=1, dtype=np.int64))
    if len(values) != (int(ends[-1]) if len(ends) else 0):
        raise ValueError(_UNFIT)
    return Sparse(columns, bits, np.concatenate([np.zeros(1, np.int64), ends[:-1]])[: len(bits)], values)
