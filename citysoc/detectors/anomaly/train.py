"""Train a model on the feature table, set its threshold by the alert budget, and compare models."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from citysoc import clock
from citysoc.detectors.anomaly import anomalies, history, model, replay
from citysoc.detectors.anomaly.days import days, moment_of
from citysoc.detectors.anomaly.families import VERSION
from citysoc.detectors.anomaly.feature import KINDS
from citysoc.errors import StoreError
from citysoc.flow import CITY_AGENCY, UNKNOWN_AGENCY
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from citysoc.detectors.anomaly.feature import Kind
    from citysoc.detectors.anomaly.model import Model, Scored

LEAST_DAYS = 5
"""So many days of data it takes at least."""
QUIET_DAYS = 7
"""The last days of the window are held out of the baseline and calibrate the scores; a quarter of a short window."""
PIECE_HOURS = 96
"""Hours in memory at once."""
MOST_SHARE = 0.1
"""No agency takes a larger share of the budget unless its anomalies are stronger than the others'."""


def train(
    folder: Path,
    *,
    first: int,
    last: int,
    seed: int = 1,
    budget: float = 20.0,
    progress: Callable[[str], None] = lambda _: None,
) -> Model:
    """Train on a span of the feature table.

    Args:
        folder: where the table is.
        first: the window's first hour; hours before the first day of the table are left out.
        last: the hour after its last.
        seed: the same table and seed give the same model.
        budget: alerts a day for the whole city.
        progress: told the kind that is being worked on.

    Raises:
        StoreError: there are too few days of data.
    """
    there = days(folder)
    if there:
        first = max(first, there[0] * 24)
        last = min(last, (there[-1] + 1) * 24)
    if not there or last - first < LEAST_DAYS * 24:
        raise StoreError(
            _("There are too few days of data to learn from: {have}, at least {need}.").format(
                have=max(0, last - first) // 24 if there else 0, need=LEAST_DAYS
            ),
            where=str(folder),
            hint=_("Train later, or with an earlier --since."),
        )
    quiet = last - min(QUIET_DAYS, max(1, (last - first) // 96)) * 24
    kinds: dict[Kind, model.KindModel] = {}
    held: dict[Kind, list[Scored]] = {}
    for kind in KINDS:
        progress(kind)
        kinds[kind], held[kind] = model.fit_kind(
            kind, reader(folder, kind), first=first, quiet=quiet, last=last, seed=seed, room=folder
        )
    draft = model.Model(kinds=kinds, threshold=-math.inf)
    chosen = _threshold(draft, held, budget=budget, spent_days=(last - quiet) / 24)
    progress("replay")
    measured = replay.measure(chosen, folder, quiet, last, seed)
    return replace(chosen, facts=_facts((first, quiet, last), seed, budget, chosen, measured))


def reader(folder: Path, kind: Kind) -> Callable[[int, int], Iterator[pa.Table]]:
    """Return what reads a span of a kind's rows in pieces."""

    def read(first: int, last: int) -> Iterator[pa.Table]:
        for start in range(first, last, PIECE_HOURS):
            table = history.read(folder, kind, start, min(last, start + PIECE_HOURS))
            if table.num_rows:
                yield table

    return read


def score_span(
    trained: Model,
    folder: Path,
    first: int,
    last: int,
    *,
    lowered: dict[tuple[str, str, str], float] | None = None,
    seen: Callable[[Kind, Scored], None] = lambda _kind, _scored: None,
) -> list[anomalies.Anomaly]:
    """Return the anomalies of a span of whole hours, in order of time.

    Args:
        trained: the model.
        folder: the feature table.
        first: the span's first hour.
        last: the hour after its last.
        lowered: pattern to what feedback takes off.
        seen: told all rows, with their scores.
    """
    found = []
    for kind in KINDS:
        for table in reader(folder, kind)(first, last):
            scored = model.score(trained.kinds[kind], table)
            seen(kind, scored)
            found += anomalies.found(trained, kind, scored, lowered=lowered or {})
    return sorted(found, key=lambda one: (one.hour, -one.score, one.id))


def _threshold(draft: Model, held: dict[Kind, list[Scored]], *, budget: float, spent_days: float) -> Model:
    """Set the threshold so that quiet days spend the budget, and what the busiest agencies need beyond it."""
    import numpy as np

    wanted = max(1, round(budget * spent_days))
    every = [s.score for parts in held.values() for s in parts]
    scores = np.sort(np.concatenate(every))[::-1] if every else np.zeros(0)
    # Anomalies fold into fewer alerts, so look at several times as many.
    floor = float(scores[min(len(scores) - 1, wanted * 20)]) if len(scores) else 0.0
    alerts = anomalies.folded(
        one
        for kind, parts in held.items()
        for scored in parts
        for one in anomalies.loudest(kind, scored, floor)
    )
    ranked = sorted((one.score for one in alerts), reverse=True)
    threshold = ranked[wanted - 1] if len(ranked) >= wanted else floor
    raised: dict[str, float] = {}
    fair = max(1, round(MOST_SHARE * wanted))
    for agency, count in Counter(one.agency for one in alerts if one.score >= threshold).items():
        own = sorted((one.score for one in alerts if one.agency == agency), reverse=True)
        if count <= fair or agency in {UNKNOWN_AGENCY, CITY_AGENCY}:
            continue
        # Of equal scores all are told: nobody is silenced.
        need = own[fair] + 1e-6 if own[0] > own[fair] else own[0]
        if need > threshold:
            raised[agency] = round(need - threshold, 6)
    return replace(draft, threshold=float(threshold), raised=raised)


def _facts(
    window: tuple[int, int, int], seed: int, budget: float, trained: Model, measured: dict[str, Any]
) -> dict[str, Any]:
    import platform

    import numpy as np
    import sklearn
    import skops

    first, quiet, last = window
    return {
        "window": {"since": clock.iso(moment_of(first)), "until": clock.iso(moment_of(last))},
        "quiet_since": clock.iso(moment_of(quiet)),
        "features": VERSION,
        "seed": seed,
        "budget": budget,
        "threshold": trained.threshold,
        "raised": trained.raised,
        "entities": {kind: len(one.baseline.entities) for kind, one in trained.kinds.items()},
        "metrics": measured,
        "libraries": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "skops": skops.__version__,
        },
    }


def better(
    new: Model, old: Model | None, folder: Path, *, tolerance: float = 0.02
) -> tuple[bool, dict[str, Any]]:
    """Say whether a new model may replace the old one: not worse on the same labelled replay.

    Args:
        new: the new model.
        old: the one in use; None where there is none or its features are of another version.
        folder: the feature table.
        tolerance: of average precision: two trainings on the same days differ by so much.

    Returns:
        The answer, and the figures of both.
    """
    if old is None:
        return True, {"new": new.facts["metrics"]}
    window = new.facts
    quiet, last = _hour(window["quiet_since"]), _hour(window["window"]["until"])
    mine = replay.measure(new, folder, quiet, last, window["seed"])
    theirs = replay.measure(old, folder, quiet, last, window["seed"])
    good = mine["average_precision"] >= theirs["average_precision"] - tolerance
    return good, {"new": mine, "old": theirs}


def _hour(text: str) -> int:
    import datetime as dt

    return int(dt.datetime.fromisoformat(text).timestamp() // 3600)
