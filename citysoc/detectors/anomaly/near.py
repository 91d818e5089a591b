"""How far a row is from a few random rows, again and again: the part of the ensemble that looks at neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

SAMPLES = ((16, 1, 50), (64, 1, 50), (512, 5, 6))
"""Size of each random sample, which neighbour counts, how many samples."""
TURNED = SAMPLES[1:]
"""The same along the axes in which the rows vary together."""
_EPS = 1e-9


def draw(
    scaled: np.ndarray,
    rng: np.random.Generator,
    part: int,
    sizes: Sequence[tuple[int, int, int]] = SAMPLES,
) -> tuple[list[np.ndarray], tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Return for each of the sizes the numbers of the drawn rows, the rows, and the distances' medians."""
    import numpy as np

    own, samples, units = [], [], []
    for size, neighbour, rounds in sizes:
        count = max(min(size, len(scaled) // 4), min(neighbour + 1, len(scaled)))
        chosen = np.stack(
            [rng.choice(len(scaled), count, replace=False) for _ in range(max(2, rounds // part))]
        )
        drawn = scaled[chosen]
        probe = scaled[rng.choice(len(scaled), min(len(scaled), 2048), replace=False)]
        typical = np.median(_distances(probe, drawn, neighbour, None), axis=0)
        own.append(chosen)
        samples.append(drawn)
        units.append(np.maximum(typical, _EPS))
    return own, tuple(samples), tuple(units)


def near(
    rows: np.ndarray, samples: np.ndarray, neighbour: int, units: np.ndarray, own: np.ndarray | None
) -> np.ndarray:
    """Return the mean distance to the neighbour in each sample; samples that a row is in do not count for it."""
    import numpy as np

    distances = _distances(rows, samples, neighbour, own) / units
    with np.errstate(invalid="ignore"):
        counted = np.isfinite(distances).sum(axis=1)
    total = np.where(np.isfinite(distances), distances, 0.0).sum(axis=1)
    result: np.ndarray = total / np.maximum(counted, 1)
    return result


def _distances(rows: np.ndarray, samples: np.ndarray, neighbour: int, own: np.ndarray | None) -> np.ndarray:
    """Return (rows, samples): the distance to the neighbour; not a number where the row is in the sample."""
    import numpy as np

    rounds, size, width = samples.shape
    found = np.empty((len(rows), rounds))
    kth = min(neighbour, size) - 1
    some = max(1, 4096 // size)  # samples at once: one product of matrices for all of them
    small = rows.astype(np.float32)
    squares = (small**2).sum(axis=1)[:, None]
    for start in range(0, rounds, some):
        flat = samples[start : start + some].reshape(-1, width).astype(np.float32)
        square = (squares + (flat**2).sum(axis=1) - 2 * small @ flat.T).reshape(len(rows), -1, size)
        nearest = square.min(axis=2) if kth == 0 else np.partition(square, kth, axis=2)[:, :, kth]
        found[:, start : start + some] = np.sqrt(np.maximum(nearest, 0.0))
    if own is not None:
        for n in range(rounds):
            inside = own[n][(own[n] >= 0) & (own[n] < len(rows))]
            found[inside, n] = np.nan
    return found
