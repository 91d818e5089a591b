"""The model: baseline, surprise of every feature, an ensemble for every family, one calibrated score.

From a row's residuals (``baseline``) to its score, for each kind of entity on its own:

1. each feature's residual becomes a surprise in nats against the held-out quiet days (``surprise``);
2. *common cause*: when n other agencies have as large a surprise in the same feature and hour, ln(1 + n) is
   taken off: what happens everywhere at once (payday, a change of passwords) is not one entity's doing;
3. a family's surprise is made of the largest feature's (half), of the two largest features' and of the
   ensemble's (``core``, fitted on the family's residuals; a quarter each);
4. what is beyond ``ORDINARY`` nats, of the largest family whole and of the others half, becomes the score by
   the same calibration: ``-ln(rows a day in the city that are expected to be as surprising in quiet times)``.

So a score of 0 is expected once a day, of 3 once in 20 days, in the whole city, for each kind of entity.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from citysoc.detectors.anomaly import baseline, core, drift, learning, surprise
from citysoc.detectors.anomaly.baseline import UNUSUAL_HOUR, Baseline
from citysoc.detectors.anomaly.families import BY_NAME
from citysoc.detectors.anomaly.feature import FAMILIES
from citysoc.detectors.anomaly.history import KEYS, features_of
from citysoc.detectors.anomaly.spool import spooled
from citysoc.detectors.anomaly.surprise import Surprise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy as np
    import pyarrow as pa

    from citysoc.detectors.anomaly.core import Ensemble
    from citysoc.detectors.anomaly.drift import Shape
    from citysoc.detectors.anomaly.feature import Kind

ORDINARY = 4.0
"""Nats of a family that need no explanation: one row in fifty."""
CANDIDATE = 3.0
"""Only rows with a feature beyond so many nats are shown to the ensembles."""
UNIT = 0.5
"""Residuals that differ by less, in scales, are alike."""
BEYOND = 5.0
"""Nats by which something may be rarer than all that the quiet days can show."""
HELD_ROWS = 4000
"""Of each reading of the quiet days so many rows, the strongest, are kept to set the threshold."""
FAMILY_TREES = 40
"""Trees of each family's forest: there are some forty forests, and each row asks all that concern it."""
SAMPLE = 4000
"""Rows an ensemble is fitted on: half of all, half of the candidates."""


@dataclass(frozen=True, slots=True)
class KindModel:
    """The model of one kind of entity.

    Args:
        baseline: what is usual.
        features: the surprise of each column of the residuals.
        ensembles: family to the ensemble over its residuals.
        families: family to the surprise of the ensemble's scores.
        total: the surprise of the sum over families.
        shapes: how each family is in quiet times, to see it drift.
        rows_a_day: rows a quiet day has.
    """

    baseline: Baseline
    features: tuple[Surprise, ...]
    ensembles: dict[str, Ensemble]
    families: dict[str, Surprise]
    total: Surprise
    shapes: dict[str, Shape]
    rows_a_day: float

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the residuals."""
        return (*self.baseline.names, UNUSUAL_HOUR)

    def scores(self, points: np.ndarray) -> np.ndarray:
        """Return the scores of rows with so many points."""
        import numpy as np

        result: np.ndarray = self.total(points) - np.log(self.rows_a_day)
        return result


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows with their scores.

    Args:
        table: the rows.
        score: see the module.
        features: (rows, columns) surprises, common causes taken off.
        families: (rows, families) surprises, in the order of ``FAMILIES``.
    """

    table: pa.Table
    score: np.ndarray
    features: np.ndarray
    families: np.ndarray

    def take(self, rows: np.ndarray) -> Scored:
        """Return some of the rows."""
        return Scored(self.table.take(rows), self.score[rows], self.features[rows], self.families[rows])


@dataclass(frozen=True, slots=True)
class Model:
    """A trained model.

    Args:
        kinds: one for each kind of entity.
        threshold: scores from here on are anomalies.
        raised: agency to what its anomalies need beyond the threshold (fairness).
        facts: what the file says about it: window, version, seed, metrics.
    """

    kinds: dict[Kind, KindModel]
    threshold: float
    raised: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def need(self, agency: str) -> float:
        """Return the least score of an agency's anomalies."""
        return self.threshold + self.raised.get(agency, 0.0)


def family_of(column: str) -> str:
    """Return the family of a column of the residuals."""
    return "rhythm" if column == UNUSUAL_HOUR else BY_NAME[column].family


def fit_kind(
    kind: Kind,
    read: Callable[[int, int], Iterable[pa.Table]],
    *,
    first: int,
    quiet: int,
    last: int,
    seed: int,
    room: Path,
) -> tuple[KindModel, list[Scored]]:
    """Fit the model of one kind; return it with the held-out rows' scores.

    Args:
        kind: of entity.
        read: gives the rows of a half-open span of hours in pieces.
        first: the window's first hour.
        quiet: from here on rows are held out of the baseline and calibrate the scores.
        last: the hour after the window's last.
        seed: of everything that is drawn.
        room: a folder for what does not fit into memory meanwhile.
    """
    import numpy as np

    names = features_of(kind)
    with spooled(read(first, quiet), room) as again:
        usual = learning.fit(again, names, first, quiet)
    keys, parts = [], [np.zeros((0, len(names) + 1), np.float32)]
    happened = [np.zeros((0, len(FAMILIES)), bool)]
    for table in read(quiet, last):
        keys.append(table.select(KEYS))
        happened.append(drift.happened(table, {name: family_of(name) for name in names}))
        parts.append(baseline.residuals(usual, table))
    residual = np.concatenate(parts)
    del parts
    features = tuple(surprise.learn(column, unit=UNIT, beyond=BEYOND) for column in residual.T)
    ensembles, families = _ensembles((*names, UNUSUAL_HOUR), residual, features, seed)
    days = max((last - quiet) / 24, 1 / 24)
    nothing = surprise.learn(np.zeros(1))
    draft = KindModel(usual, features, ensembles, families, nothing, {}, max(len(residual) / days, 1.0))
    return _calibrated(draft, keys, residual, np.concatenate(happened))


def _calibrated(
    draft: KindModel, keys: list[pa.Table], residual: np.ndarray, happened: np.ndarray
) -> tuple[KindModel, list[Scored]]:
    """Learn from the quiet days how rare a row's points are; return the strongest of them with their scores."""
    import numpy as np

    every, families, strongest = [np.zeros(0)], [np.zeros((0, len(FAMILIES)), np.float32)], []
    start = 0
    for table in keys:
        points, seen, grouped = _summed(draft, table, residual[start : start + table.num_rows])
        top = np.sort(np.argsort(-points, kind="stable")[:HELD_ROWS])
        strongest.append(Scored(table, points, seen, grouped).take(top))
        every.append(points)
        families.append(grouped)
        start += table.num_rows
    total = surprise.learn(np.concatenate(every), unit=UNIT, beyond=BEYOND)
    day = np.concatenate([np.zeros(0, int), *(table["hour"].to_numpy() // 24 for table in keys)])
    surprised, mine = np.concatenate(families), {family_of(name) for name in draft.baseline.names}
    shapes = {
        family: drift.shape(surprised[:, n], happened[:, n], day)
        for n, family in enumerate(FAMILIES)
        if family in mine
    }
    fitted = replace(draft, total=total, shapes=shapes)
    return fitted, [replace(one, score=fitted.scores(one.score)) for one in strongest]


def score(model: KindModel, table: pa.Table) -> Scored:
    """Return whole hours of rows with their scores."""
    points, seen, grouped = _summed(model, table, baseline.residuals(model.baseline, table))
    return Scored(table, model.scores(points), seen, grouped)


def _ensembles(
    columns: tuple[str, ...], residual: np.ndarray, features: tuple[Surprise, ...], seed: int
) -> tuple[dict[str, Ensemble], dict[str, Surprise]]:
    """Fit an ensemble for every family that has two features and something to learn from."""
    import numpy as np

    rng = np.random.default_rng([seed, len(columns)])
    ensembles, families = {}, {}
    for family in FAMILIES:
        mine = [n for n, column in enumerate(columns) if family_of(column) == family]
        if len(mine) < 2 or len(residual) < 100:
            continue
        beyond = np.zeros(len(residual), bool)
        for n in mine:
            beyond |= features[n](residual[:, n]) > CANDIDATE
        candidates = np.flatnonzero(beyond)
        if len(candidates) < 20:
            continue
        some = rng.choice(len(residual), min(len(residual), SAMPLE // 2), replace=False)
        odd = rng.choice(candidates, min(len(candidates), SAMPLE // 2), replace=False)
        rows = residual[np.concatenate([some, odd])][:, mine]
        ensemble, _ = core.fit(rows, seed, trees=FAMILY_TREES, part=4)
        shown = rng.choice(candidates, min(len(candidates), 8000), replace=False)
        seen = surprise.learn(ensemble.score(residual[shown][:, mine]), beyond=BEYOND)
        # Of all rows only the candidates are shown to it: being one is worth -ln(share) by itself.
        share = len(candidates) / len(residual)
        ensembles[family] = ensemble
        families[family] = Surprise(
            seen.knots, seen.nats - np.log(share), seen.edge, seen.scale, seen.most - np.log(share)
        )
    return ensembles, families


def _summed(
    model: KindModel, table: pa.Table, residual: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each row's points, its features' surprises and its families' surprises."""
    import numpy as np

    seen = np.empty(residual.shape, np.float32)
    for n, see in enumerate(model.features):
        seen[:, n] = see(residual[:, n])
    seen = common_cause(seen, table)
    grouped = np.zeros((len(seen), len(FAMILIES)), np.float32)
    for place, family in enumerate(FAMILIES):
        mine = [n for n, column in enumerate(model.columns) if family_of(column) == family]
        if not mine or not len(seen):
            continue
        largest = np.sort(seen[:, mine], axis=1)[:, ::-1]
        best, both = largest[:, 0], largest[:, :2].mean(axis=1)
        grouped[:, place] = (3 * best + both) / 4
        rows = np.flatnonzero(best > CANDIDATE)
        if family in model.ensembles and len(rows):
            whole = model.families[family](model.ensembles[family].score(residual[rows][:, mine]))
            # A common cause takes off from the ensemble's word what it took off the features'.
            grouped[rows, place] = (2 * best[rows] + both[rows] + np.minimum(whole, best[rows] + 2)) / 4
    if not len(grouped):
        return np.zeros(0), seen, grouped
    beyond = np.maximum(grouped - ORDINARY, 0)
    # One family alone can say enough; the others' word counts half.
    return (beyond.max(axis=1) + beyond.sum(axis=1)) / 2, seen, grouped


def common_cause(seen: np.ndarray, table: pa.Table) -> np.ndarray:
    """Take off, in place, ``ln(1 + n)`` where n other agencies have as large a surprise, less a nat, in the same hour.

    Args:
        seen: (rows, columns) surprises.
        table: the rows' keys; all rows of an hour must be there.
    """
    import numpy as np

    hours = table["hour"].to_numpy()
    agency = np.asarray(table["agency"].combine_chunks().dictionary_encode().indices)
    if not len(np.unique(agency)) > 1:  # addresses outside belong to no agency: each is its own
        agency = np.arange(len(hours))
    for column in range(seen.shape[1]):
        rows = np.flatnonzero(seen[:, column] > CANDIDATE)
        rows = rows[np.lexsort((-seen[rows, column], hours[rows]))]
        for same in np.split(rows, np.flatnonzero(np.diff(hours[rows])) + 1):
            if len(same) < 2:
                continue
            value = seen[same, column]
            new = np.zeros(len(same), bool)
            new[np.unique(agency[same], return_index=True)[1]] = True
            alike = np.searchsorted(-value, 1.0 - value, side="right") - 1
            others = np.cumsum(new)[alike] - 1
            seen[same, column] = np.maximum(value - np.log1p(others), 0)
    return seen
