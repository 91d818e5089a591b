"""Rows seen along the axes in which they vary together: what breaks a dependence between columns is far out there.

``z = (x - m) V / sqrt(w)`` with the covariance ``V diag(w) V'`` of Ledoit and Wolf (shrunk, so that it can be
inverted with fewer rows than columns), learnt twice: the second time without the fifth of the rows that the first
finds farthest, so that outliers in a group do not stretch it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

ROWS = 20_000
"""The covariance is learnt on so many rows at most."""
COLUMNS = 2_000
"""And on so many columns, evenly chosen: its cost grows with their cube."""
KEPT = 0.8
FARTHEST = 20.0
_LEAST = 1e-6


def learn(scaled: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle (columns) and the matrix (columns, axes) that turn rows.

    Args:
        scaled: (rows, columns), at least two rows.
        rng: chooses rows where there are too many.
    """
    import numpy as np
    from sklearn.covariance import LedoitWolf

    rows, columns = scaled.shape
    chosen = np.unique(np.linspace(0, columns - 1, min(columns, COLUMNS)).round().astype(int))
    some = scaled if rows <= ROWS else scaled[rng.choice(rows, ROWS, replace=False)]
    some = some[:, chosen]
    first = LedoitWolf().fit(some)
    near = np.argsort(first.mahalanobis(some), kind="stable")
    kept = some[near[: max(round(KEPT * len(some)), min(len(some), len(chosen) + 2))]]
    usual = LedoitWolf().fit(kept)
    width, axes = np.linalg.eigh(usual.covariance_)
    matrix = np.zeros((columns, len(chosen)))
    matrix[chosen] = axes / np.sqrt(np.maximum(width, _LEAST))
    middle = np.zeros(columns)
    middle[chosen] = usual.location_
    return middle, matrix


def turn(scaled: np.ndarray, middle: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return rows along the learnt axes, in deviations: (rows, axes)."""
    import numpy as np

    result: np.ndarray = np.clip((scaled - middle) @ matrix, -FARTHEST, FARTHEST)
    return result
