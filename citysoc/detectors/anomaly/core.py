"""The detector's core: an ensemble of outlier detectors with one fixed configuration.

``score`` is the entry point for data sets of any origin; the model of the city uses the same ensemble,
one for each family of features. Its members look at the data in different ways, so that none has to
be chosen for a data set (which nobody could do without labels):

- an isolation forest (scikit-learn),
- the distance to the nearest of a few random rows, again and again (samples of 16, of 64, and the fifth of 512):
  small samples see what is far from everything and are not fooled by outliers in groups,
- the same along the axes in which the rows vary together (``turned``; samples of 64, and the fifth of 512): what has
  ordinary values that do not go together,
- the distance from the middle, in robust units,
- how empty the row's bin is in each column's histogram,
- how far out the row is in the tails of each column.

Every member's score becomes a surprise in nats (``surprise``); the mean of the surprises is the score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc.detectors.anomaly import forest, turned
from citysoc.detectors.anomaly.near import SAMPLES, TURNED, draw, near
from citysoc.detectors.anomaly.surprise import Surprise, from_parts, learn

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from sklearn.ensemble import IsolationForest

TREES = 200
BINS = 30
FARTHEST = 20.0
"""No column counts for more robust units than this: one wild column does not drown all others."""
MEMBERS = ("forest", "near16", "near64", "near512", "turned64", "turned512", "middle", "bins", "tails")
LARGEST = 1e37
"""What scikit-learn's trees can tell apart (32-bit numbers)."""
_ROWS = 4096
_EPS = 1e-9


@dataclass(frozen=True, slots=True)
class Ensemble:
    """A fitted ensemble.

    Args:
        center: each column's median.
        scale: each column's robust width, infinity for columns that never change.
        forest: the isolation forest.
        samples: for each of ``SAMPLES`` an array (samples, rows, columns) of scaled rows.
        units: for each of those its median distance in each sample.
        origin: the middle of the rows along the axes in which they vary together.
        axes: (columns, axes) which turns scaled rows to them.
        turned_samples: for each of ``TURNED`` an array (samples, rows, axes) of turned rows.
        turned_units: for each of those its median distance in each sample.
        edges: each column's bin edges.
        heights: the surprise of each bin, in nats.
        sorted: quantiles of each column, for the tails.
        skew: the sign of each column's skewness.
        surprises: one a member, in the order of ``MEMBERS``.
    """

    center: np.ndarray
    scale: np.ndarray
    forest: IsolationForest
    samples: tuple[np.ndarray, ...]
    units: tuple[np.ndarray, ...]
    origin: np.ndarray
    axes: np.ndarray
    turned_samples: tuple[np.ndarray, ...]
    turned_units: tuple[np.ndarray, ...]
    edges: np.ndarray
    heights: np.ndarray
    sorted: np.ndarray
    skew: np.ndarray
    surprises: tuple[Surprise, ...]

    def members(self, rows: np.ndarray) -> np.ndarray:
        """Return the surprise of every row (rows, columns) in the eyes of every member: (rows, members)."""
        import numpy as np

        raw = self._raw(_clean(rows))
        return np.column_stack([see(raw[:, n]) for n, see in enumerate(self.surprises)])

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Return one score a row: the mean surprise in nats; more is more unusual."""
        result: np.ndarray = self.members(rows).mean(axis=1)
        return result

    def _raw(self, rows: np.ndarray, own: list[np.ndarray] | None = None) -> np.ndarray:
        """Return the members' raw scores.

        Args:
            rows: (rows, columns).
            own: when these are the fitted rows: for each of ``SAMPLES`` and ``TURNED`` (samples, rows of the
                sample) the numbers of the rows that are in it, so that no row is its own neighbour.
        """
        import numpy as np

        found = []
        for start, part in _parts(rows):
            scaled = self._scaled(part)
            looks = [(scaled, *look) for look in zip(SAMPLES, self.samples, self.units, strict=True)]
            along = turned.turn(scaled, self.origin, self.axes)
            looks += [
                (along, *look) for look in zip(TURNED, self.turned_samples, self.turned_units, strict=True)
            ]
            distances = [
                near(seen, samples, neighbour, units, own[n] - start if own else None)
                for n, (seen, (_, neighbour, _), samples, units) in enumerate(looks)
            ]
            found.append(
                np.column_stack(
                    [
                        -self.forest.score_samples(part),
                        *distances,
                        np.abs(scaled).sum(axis=1),
                        self._bins(part),
                        self._tails(part),
                    ]
                )
            )
        return np.concatenate(found)

    def _scaled(self, rows: np.ndarray) -> np.ndarray:
        import numpy as np

        result: np.ndarray = np.clip((rows - self.center) / self.scale, -FARTHEST, FARTHEST)
        return result

    def _bins(self, rows: np.ndarray) -> np.ndarray:
        import numpy as np

        total = np.zeros(len(rows))
        for column, edges in enumerate(self.edges):
            place = np.searchsorted(edges, rows[:, column], "right")
            total += self.heights[column, place]
        return total

    def _tails(self, rows: np.ndarray) -> np.ndarray:
        import numpy as np

        size = self.sorted.shape[1]
        low, high, skewed = (np.zeros(len(rows)) for _ in range(3))
        for column, values in enumerate(self.sorted):
            below = np.searchsorted(values, rows[:, column], "right")
            above = size - np.searchsorted(values, rows[:, column], "left")
            left, right = -np.log((below + 0.5) / (size + 0.5)), -np.log((above + 0.5) / (size + 0.5))
            low += left
            high += right
            skewed += left if self.skew[column] < 0 else right
        return np.maximum(np.maximum(low, high), skewed)

    def parts(self) -> dict[str, Any]:
        """Return it as arrays, numbers and one scikit-learn estimator, for a file."""
        return {
            **{name: getattr(self, name) for name in _ARRAYS},
            "forest": forest.pack(self.forest),
            **{name: list(getattr(self, name)) for name in _TUPLES},
            "surprises": [surprise.parts() for surprise in self.surprises],
        }


_ARRAYS = ("center", "scale", "origin", "axes", "edges", "heights", "sorted", "skew")
_TUPLES = ("samples", "units", "turned_samples", "turned_units")


def from_file(parts: dict[str, Any]) -> Ensemble:
    """Return what ``Ensemble.parts`` gave.

    Raises:
        ValueError: the nodes of a tree lead out of it: scikit-learn would follow them anywhere.
    """
    return Ensemble(
        **{name: parts[name] for name in _ARRAYS},
        forest=forest.unpack(parts["forest"], len(parts["center"])),
        samples=tuple(parts["samples"]),
        units=tuple(parts["units"]),
        turned_samples=tuple(parts["turned_samples"]),
        turned_units=tuple(parts["turned_units"]),
        surprises=tuple(from_parts(one) for one in parts["surprises"]),
    )


def score(rows: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return how unusual each row is among all rows; no labels, no options.

    Args:
        rows: (rows, columns), numbers; what is not finite counts as the column's median, what is beyond ``LARGEST`` as that.
        seed: the same seed gives the same scores.

    Returns:
        A number a row; zero for a row that is alone or has no columns.
    """
    import numpy as np

    return fit(rows, seed)[1] if len(rows) > 1 and rows.shape[1] else np.zeros(len(rows))


def fit(rows: np.ndarray, seed: int = 0, *, trees: int = TREES, part: int = 1) -> tuple[Ensemble, np.ndarray]:
    """Fit an ensemble; return it with the scores of its own rows.

    Args:
        rows: (rows, columns), at least two rows.
        seed: of everything that is drawn.
        trees: of the isolation forest.
        part: draw one in so many of the samples: faster, and a little less sure.
    """
    import numpy as np
    from sklearn.ensemble import IsolationForest

    rows = _clean(rows)
    rng = np.random.default_rng(seed)
    center, scale = _robust(rows)
    scaled = np.clip((rows - center) / scale, -FARTHEST, FARTHEST)
    own, samples, units = draw(scaled, rng, part)
    origin, axes = turned.learn(scaled, rng)
    own_turned, turned_samples, turned_units = draw(turned.turn(scaled, origin, axes), rng, part, TURNED)
    edges, heights = _histograms(rows)
    spread = rows.std(axis=0)
    cubes = (((rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1.0)) ** 3).mean(axis=0)
    ensemble = Ensemble(
        center=center,
        scale=scale,
        forest=IsolationForest(n_estimators=trees, random_state=seed).fit(rows),
        samples=samples,
        units=units,
        origin=origin,
        axes=axes,
        turned_samples=turned_samples,
        turned_units=turned_units,
        edges=edges,
        heights=heights,
        sorted=_quantiles(rows),
        skew=np.sign(cubes),
        surprises=(),
    )
    raw = ensemble._raw(rows, own + own_turned)  # noqa: SLF001  the fitted rows must not be their own neighbours
    surprises = tuple(learn(raw[:, n]) for n in range(raw.shape[1]))
    fitted = Ensemble(
        **{name: getattr(ensemble, name) for name in Ensemble.__slots__ if name != "surprises"},
        surprises=surprises,
    )
    return fitted, np.column_stack([see(raw[:, n]) for n, see in enumerate(surprises)]).mean(axis=1)


def _clean(rows: np.ndarray) -> np.ndarray:
    import numpy as np

    rows = np.asarray(rows, float)
    if not np.isfinite(rows).all():
        rows = np.where(np.isfinite(rows), rows, np.nan)
        middle = np.array([np.median(c[~np.isnan(c)]) if (~np.isnan(c)).any() else 0.0 for c in rows.T])
        rows = np.where(np.isnan(rows), middle, rows)
    result: np.ndarray = np.clip(rows, -LARGEST, LARGEST)
    return result


def _robust(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each column's median and width: from the 5th to the 95th percentile is 3.29 deviations."""
    import numpy as np

    low, middle, high = np.percentile(rows, [5, 50, 95], axis=0)
    width, spread = (high - low) / 3.29, rows.std(axis=0)
    width = np.where(width > _EPS, width, spread)
    return middle, np.where(width > _EPS, width, np.inf)


def _histograms(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return inner bin edges (columns, bins + 1) and what each bin is worth, with one beyond either end."""
    import numpy as np

    edges, heights = [], []
    for column in rows.T:
        counts, borders = np.histogram(column, bins=BINS)
        borders[-1] = np.nextafter(borders[-1], np.inf)
        share = (np.concatenate([[0], counts, [0]]) + 0.5) / (counts.sum() + 0.5 * (BINS + 2))
        edges.append(borders)
        heights.append(-np.log(share / share.max()))
    return np.array(edges), np.array(heights)


def _quantiles(rows: np.ndarray) -> np.ndarray:
    """Return up to 4,096 order statistics of each column: (columns, points)."""
    import numpy as np

    size = min(len(rows), 4096)
    places = np.linspace(0, len(rows) - 1, size).round().astype(int)
    result: np.ndarray = np.sort(rows, axis=0)[places].T
    return result


def _parts(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(rows), _ROWS):
        yield start, rows[start : start + _ROWS]
