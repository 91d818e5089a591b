"""Has what the model sees drifted from what it learnt on? Two questions of every family, answered beyond what is chance.

*How often*: the share p of rows in which anything of the family happened (some feature of it is not zero); in most
families that is one row in a hundred. With ``r = p now / p in the quiet days``, by how much at least it changed:
``L = max(0, |ln r| - SURE e)``, and the index is ``|exp(±L) - 1| L``: 0.35 for half as often and 0.69 for twice as
often, whether that was every row or one in ten thousand.

*How much*: the population stability index of the surprise of those rows alone, in the deciles of the quiet days,
``sum((a - q) ln(a / q))``, as small as it is without any one day of the week, less what as many rows give by chance:
its mean ``(bins - 1)(1/n + 1/m) d`` and ``SURE e``.

Rows of one day come together (an outbreak is one event and fifty rows), and no Sunday is like a Monday: the standard
errors e are those of the jackknife that leaves out one day of the week on both sides, and never less than independent
rows have; d is how much larger their variance is than that of independent rows. The index told is the larger of the
two; the custom of credit scoring is kept: below 0.1 nothing moved, above 0.25 it did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc.detectors.anomaly.feature import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pyarrow as pa

BINS = 10
LEAST_ROWS = 100
"""Of fewer rows in which something happened nothing is said about how much it was."""
SURE = 2.5
"""So many standard errors a change must be beyond chance."""
MOVED = 0.1
DRIFTED = 0.25
_WEEK = 7

Days = dict[int, list[int]]
"""Day since 1970 to the rows in each bin: first those in which nothing of the family happened."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a family was in the quiet days.

    Args:
        edges: the inner edges of the bins of what happened.
        days: for each day the rows in each bin; the first bin are the rows in which nothing happened.
    """

    edges: tuple[float, ...]
    days: Days

    def parts(self) -> dict[str, Any]:
        """Return it as plain values, for a file."""
        return {"edges": list(self.edges), "days": {str(day): bins for day, bins in self.days.items()}}


def from_parts(parts: dict[str, Any]) -> Shape:
    """Return what ``Shape.parts`` gave."""
    days = {int(day): [int(n) for n in bins] for day, bins in parts["days"].items()}
    return Shape(tuple(map(float, parts["edges"])), days)


def shape(surprise: np.ndarray, happened: np.ndarray, day: np.ndarray) -> Shape:
    """Return the shape of a family in quiet days.

    Args:
        surprise: of each row.
        happened: whether anything of the family happened in it.
        day: the row's, since 1970.
    """
    import numpy as np

    some = surprise[happened]
    edges = np.zeros(0)
    if len(some):
        # Values beyond an edge are greater than it: equal ones stay together.
        edges = np.unique(np.quantile(some, np.arange(1, BINS) / BINS, method="lower"))
        edges = edges[edges < some.max()]
    found = Shape(tuple(edges.tolist()), {})
    days = {int(one): counts(found, surprise[day == one], happened[day == one]) for one in np.unique(day)}
    return Shape(found.edges, days)


def counts(of: Shape, surprise: np.ndarray, happened: np.ndarray) -> list[int]:
    """Return how many rows are in each bin of a shape."""
    import numpy as np

    bins = np.searchsorted(np.array(of.edges), surprise[happened], side="left")
    there: list[int] = np.bincount(bins, minlength=len(of.edges) + 1).tolist()
    return [int((~happened).sum()), *there]


@dataclass(frozen=True, slots=True)
class Moved:
    """How far a family has moved.

    Args:
        index: see the module.
        often: how many times as often something happens as in the quiet days.
    """

    index: float
    often: float


def compare(of: Shape, now: Mapping[int, Sequence[int]]) -> Moved:
    """Return how far days have moved from a shape; not at all without rows on both sides."""
    import numpy as np

    # Only days of the week that the quiet days had: no Sunday is like a Monday.
    known = {day % _WEEK for day in of.days}
    before = _by_weekday(of.days, of)
    after = _by_weekday({day: bins for day, bins in now.items() if day % _WEEK in known}, of)
    if not before.sum() or not after.sum():
        return Moved(0.0, 1.0)
    ratio = _ratio(before.sum(axis=0), after.sum(axis=0))
    error, crowd = _error_of_ratio(before, after)
    sure = max(0.0, abs(ratio) - SURE * error)
    often = abs(float(np.expm1(np.copysign(sure, ratio)))) * sure
    return Moved(max(often, _how_much(before, after, crowd)), float(np.exp(ratio)))


def _by_weekday(days: Mapping[int, Sequence[int]], of: Shape) -> np.ndarray:
    """Return (7, bins) rows; counts in other bins than the shape's are left out."""
    import numpy as np

    found = np.zeros((_WEEK, len(of.edges) + 2))
    for day, bins in days.items():
        if len(bins) == found.shape[1]:
            found[day % _WEEK] += bins
    return found


def _ratio(before: np.ndarray, after: np.ndarray) -> float:
    """Return the logarithm of how many times as often something happens after; half a row is added to each."""
    import numpy as np

    rates = [(bins[1:].sum() + 0.5) / (bins.sum() + 1.0) for bins in (before, after)]
    return float(np.log(rates[1] / rates[0]))


def _error_of_ratio(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """Return the standard error of ``_ratio``, and how many times its variance is that of independent rows."""
    import numpy as np

    alone = sum((1 - bins[:, 1:].sum() / bins.sum()) / (bins[:, 1:].sum() + 1.0) for bins in (before, after))
    alone = max(float(alone), 1e-9)
    variance = _jackknife([_ratio(*pair) for pair in _without_one(before, after)])
    return float(np.sqrt(max(variance, alone))), max(1.0, variance / alone)


def _how_much(before: np.ndarray, after: np.ndarray, crowd: float) -> float:
    here, there = before[:, 1:].sum(), after[:, 1:].sum()
    if min(here, there) < LEAST_ROWS or before.shape[1] < 3:
        return 0.0
    chance = (before.shape[1] - 2) * (1 / here + 1 / there) * crowd
    values = [_stability(*pair) for pair in _without_one(before, after)]
    error = _jackknife(values) ** 0.5
    # No day alone decides: one wild day is an anomaly, and no drift.
    whole = min((_stability(before.sum(axis=0), after.sum(axis=0)), *values))
    return float(max(0.0, whole - chance - SURE * error))


def _stability(before: np.ndarray, after: np.ndarray) -> float:
    """Return the population stability index of the bins beyond the first; half a row is added to each."""
    import numpy as np

    q, a = ((bins[1:] + 0.5) / (bins[1:] + 0.5).sum() for bins in (before, after))
    return float(((a - q) * np.log(a / q)).sum())


def _without_one(before: np.ndarray, after: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return both sides without each day of the week that either has."""
    pairs = [
        (before.sum(axis=0) - before[n], after.sum(axis=0) - after[n])
        for n in range(_WEEK)
        if before[n].sum() or after[n].sum()
    ]
    return [pair for pair in pairs if pair[0].sum() and pair[1].sum()]


def _jackknife(values: Sequence[float]) -> float:
    """Return the variance of a figure from its values without one part each; none can be told of fewer than two."""
    if len(values) < 2:
        return 0.0
    middle = sum(values) / len(values)
    return (len(values) - 1) / len(values) * sum((value - middle) ** 2 for value in values)


def happened(table: pa.Table, families: Mapping[str, str]) -> np.ndarray:
    """Return in which rows anything of each family happened: (rows, families), in the order of ``FAMILIES``.

    Args:
        table: rows of the feature table.
        families: feature to its family.
    """
    import numpy as np

    found = np.zeros((table.num_rows, len(FAMILIES)), bool)
    for name, family in families.items():
        found[:, FAMILIES.index(family)] |= table[name].to_numpy() > 0
    return found
