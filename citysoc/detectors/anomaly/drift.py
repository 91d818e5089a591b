"""Has what the model sees drifted from what it learnt on? The population stability index of every family's surprise.

The index compares the shares a of today's rows with the shares q of the held-out quiet days in the same ten bins:
``PSI = sum((a - q) ln(a / q))``. The bins are the deciles of the quiet days, fewer where many rows are equal. The custom
of credit scoring is kept: below 0.1 nothing moved, above 0.25 it did. Shares are counted as at least ``LEAST``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

BINS = 10
LEAST = 1e-4
MOVED = 0.1
DRIFTED = 0.25


@dataclass(frozen=True, slots=True)
class Shape:
    """How a number is spread: the inner edges of the bins, and each bin's share."""

    edges: tuple[float, ...]
    shares: tuple[float, ...]

    def parts(self) -> dict[str, Any]:
        """Return it as plain values, for a file."""
        return {"edges": list(self.edges), "shares": list(self.shares)}


def from_parts(parts: dict[str, Any]) -> Shape:
    """Return what ``Shape.parts`` gave."""
    return Shape(tuple(map(float, parts["edges"])), tuple(map(float, parts["shares"])))


def shapes(columns: np.ndarray, names: Sequence[str]) -> dict[str, Shape]:
    """Return the shape of each column that is not the same in all rows.

    Args:
        columns: (rows, names).
        names: of the columns.
    """
    import numpy as np

    found: dict[str, Shape] = {}
    for n, name in enumerate(names):
        column = columns[:, n]
        if not len(column) or column.min() == column.max():
            continue
        # Values beyond an edge are greater than it: equal ones stay together.
        edges = np.unique(np.quantile(column, np.arange(1, BINS) / BINS, method="lower"))
        edges = edges[edges < column.max()]
        shape = Shape(tuple(edges.tolist()), ())
        found[name] = Shape(shape.edges, tuple((counts(shape, column) / len(column)).tolist()))
    return found


def counts(shape: Shape, column: np.ndarray) -> np.ndarray:
    """Return how many values are in each bin of a shape."""
    import numpy as np

    bins = np.searchsorted(np.array(shape.edges), column, side="left")
    return np.bincount(bins, minlength=len(shape.edges) + 1)


def index(shape: Shape, counted: Sequence[int]) -> float:
    """Return the population stability index of counts in a shape's bins; zero without any."""
    import numpy as np

    total = sum(counted)
    if not total or len(counted) != len(shape.shares):
        return 0.0
    now = np.maximum(np.array(counted) / total, LEAST)
    before = np.maximum(np.array(shape.shares), LEAST)
    return float(((now - before) * np.log(now / before)).sum())
