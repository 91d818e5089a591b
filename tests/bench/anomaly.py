"""The anomaly model, measured: public sets, and weeks of the city with planted campaigns, beside its peers.

Peers see the same features. PyOD is no dependency: where it can be imported its detectors are measured
too, otherwise one line says that it is not there. Every method's rows are calibrated alike on the quiet days
(`surprise`), so that machines, accounts, agencies and outside addresses can be ranked together.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor

from citysoc.detectors.anomaly import core, days, history, model, surprise, train
from citysoc.detectors.anomaly.facts import local
from citysoc.detectors.anomaly.feature import KINDS
from citysoc.detectors.anomaly.rows import values
from tests.bench.anomaly_city import build
from tests.corpus import CORPUS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.bench.anomaly_city import Built

Row: TypeAlias = tuple[str, str, str]
Unit: TypeAlias = "tuple[str, int]"
FITTED = 6000
"""Rows a peer is fitted on, of each kind."""
BUDGET = 20
AGENCIES = int(os.environ.get("CITYSOC_BENCH_AGENCIES", "100"))
SEED = int(os.environ.get("CITYSOC_BENCH_SEED", "1"))


def peers() -> dict[str, Callable[[], Any]]:
    """Return the peers that can be imported here."""
    found: dict[str, Callable[[], Any]] = {
        "IsolationForest": lambda: IsolationForest(n_estimators=100, random_state=0),
        "LOF": lambda: LocalOutlierFactor(n_neighbors=20, novelty=True),
    }
    try:
        from pyod.models.copod import COPOD
        from pyod.models.ecod import ECOD
        from pyod.models.hbos import HBOS
    except ImportError:
        return found
    return {**found, "PyOD ECOD": ECOD, "PyOD COPOD": COPOD, "PyOD HBOS": HBOS}


def anomaly_sets(_records: int) -> Iterator[Row]:
    """Mean ROC AUC over the public sets, one configuration, beside PyOD's detectors."""
    if not (CORPUS / "anomaly").is_dir():
        yield "anomaly core on public sets", "no data here", ""
        return
    sets = [(p.stem, np.load(p)) for p in sorted((CORPUS / "anomaly").glob("*.npz"))]
    ours = [roc_auc_score(d["y"], core.score(d["X"], 0)) for _, d in sets]
    yield f"anomaly core, mean ROC AUC over {len(sets)} sets", f"{np.mean(ours):.4f}", "≥ best single peer"
    try:
        from pyod.models import copod, ecod, hbos, iforest, knn, pca
    except ImportError:
        yield "PyOD on the same sets", "not installed", ""
        return
    for name, make in {
        "IForest": lambda: iforest.IForest(random_state=0),
        "ECOD": ecod.ECOD,
        "COPOD": copod.COPOD,
        "HBOS": hbos.HBOS,
        "PCA": lambda: pca.PCA(random_state=0),
        "KNN": knn.KNN,
    }.items():
        figures = []
        for _, data in sets:
            detector = make()
            detector.fit(data["X"].astype(float))
            figures.append(roc_auc_score(data["y"], detector.decision_scores_))
        yield f"  PyOD {name}", f"{np.mean(figures):.4f}", ""


def anomaly_city(_records: int) -> Iterator[Row]:
    """Planted campaigns: average precision, precision and recall at the budget, time to detect, beside peers."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(os.environ.get("CITYSOC_BENCH_CITY", home))
        built = build(folder / "events", seed=SEED, agencies=AGENCIES, each=2)
        table = folder / "features"
        started = time.process_time()
        days.refresh(built.store, table, since=built.begin, until=built.end)
        yield f"features of {built.events:,} events, CPU", f"{time.process_time() - started:.0f} s", "< 300 s"
        started = time.process_time()
        first, watched, last = (days.hour_of(m) for m in (built.begin, built.watched, built.end))
        trained = train.train(table, first=first, last=watched)
        yield "training, CPU", f"{time.process_time() - started:.0f} s", "< 300 s"
        started = time.process_time()
        train.score_span(trained, table, last - 9, last - 8)
        yield "scoring an hour, CPU", f"{time.process_time() - started:.1f} s", "< 10 s"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        yield "peak memory so far", f"{peak:,.0f} MiB", "< 2048 MiB"
        yield from _compared(built, table, trained, (first, watched, last))


def _compared(built: Built, table: Path, trained: model.Model, span: tuple[int, int, int]) -> Iterator[Row]:
    methods = {"ours": _ours(trained, table, span), "static threshold": _peer(None, table, span)}
    for name, make in peers().items():
        methods[name] = _peer(make, table, span)
    if not any(name.startswith("PyOD") for name in methods):
        yield "PyOD", "not installed: not compared", ""
    labels = _labels(built, span[1])
    for name, scores in methods.items():
        yield from _judged(name, scores, labels, built, span[1])


def _ours(trained: model.Model, table: Path, span: tuple[int, int, int]) -> dict[tuple[str, int, int], float]:
    best: dict[tuple[str, int, int], float] = {}
    for kind in KINDS:
        for rows in train.reader(table, kind)(span[1], span[2]):
            _keep(best, kind, rows, model.score(trained.kinds[kind], rows).score)
    return best


def _peer(
    make: Callable[[], Any] | None, table: Path, span: tuple[int, int, int]
) -> dict[tuple[str, int, int], float]:
    """Return a peer's scores on the raw features; None is a threshold on each feature."""
    best: dict[tuple[str, int, int], float] = {}
    rng = np.random.default_rng(0)
    for kind in KINDS:
        names = history.features_of(kind)
        read = train.reader(table, kind)
        quiet = np.concatenate([values(rows, names) for rows in read(span[1] - 7 * 24, span[1])])
        fitted = quiet[rng.choice(len(quiet), min(FITTED, len(quiet)), replace=False)]
        raw = _static(quiet) if make is None else _fitted(make(), fitted)
        probe = quiet[rng.choice(len(quiet), min(40_000, len(quiet)), replace=False)]
        see = surprise.learn(raw(probe), beyond=model.BEYOND)
        for rows in read(span[1], span[2]):
            _keep(best, kind, rows, see(raw(values(rows, names))) - np.log(len(quiet) / 7))
    return best


def _static(quiet: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    limit = np.quantile(quiet, 0.999, axis=0) + 0.1
    return lambda rows: (rows / limit).max(axis=1)


def _fitted(detector: Any, rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    detector.fit(rows)
    sign = -1 if type(detector).__module__.startswith("sklearn") else 1
    return lambda asked: sign * np.asarray(detector.decision_function(asked))


def _keep(best: dict[tuple[str, int, int], float], kind: str, rows: Any, scores: np.ndarray) -> None:
    """Keep the best score of each agency (or outside address) and hour."""
    names = rows["entity" if kind == "outside" else "agency"].to_pylist()
    for name, hour, score in zip(names, rows["hour"].to_pylist(), scores.tolist(), strict=True):
        key = (name, local(hour).toordinal(), hour)
        if score > best.get(key, -np.inf):
            best[key] = score


def _labels(built: Built, watched: int) -> dict[Unit, set[str]]:
    """Return for each agency (or outside address) and local day the campaigns that ran there."""
    found: dict[Unit, set[str]] = defaultdict(set)
    for one in built.campaigns:
        for moment in set(one.events["@timestamp"].cast("int64").to_pylist()):
            hour = moment // 3_600_000_000
            if hour < watched:
                continue
            day = local(hour).toordinal()
            for name in (one.agency, *(e for e in one.entities if e.startswith(("198.", "203.")))):
                found[name, day].add(one.id)
    return found


def _judged(
    name: str,
    scores: dict[tuple[str, int, int], float],
    labels: dict[Unit, set[str]],
    built: Built,
    watched: int,
) -> Iterator[Row]:
    del watched
    units: dict[Unit, float] = {}
    for (who, day, _), score in scores.items():
        units[who, day] = max(score, units.get((who, day), -np.inf))
    keys = list(units)
    precision = average_precision_score([key in labels for key in keys], [units[key] for key in keys])
    cut: dict[int, float] = {}
    by_day: dict[int, list[Unit]] = defaultdict(list)
    for key in keys:
        by_day[key[1]].append(key)
    chosen: list[Unit] = []
    for day, there in by_day.items():
        top = sorted(there, key=lambda key: (-units[key], key))[:BUDGET]
        cut[day] = units[top[-1]]
        chosen += top
    hits = [key for key in chosen if key in labels]
    found = {campaign for key in hits for campaign in labels[key]}
    goal = "better than each peer" if name == "ours" else ""
    yield f"{name}: average precision", f"{precision:.3f}", goal
    possible = min(len(chosen), len(labels))
    yield (
        f"  precision at {BUDGET} a day",
        f"{len(hits) / len(chosen):.2f} (≤ {possible / len(chosen):.2f})",
        "",
    )
    recall = len(found) / len(built.campaigns)
    yield f"  recall at {BUDGET} a day", f"{recall:.2f}", "≥ 0.9" if name == "ours" else ""
    if name != "ours":
        return
    for kind in sorted({one.kind for one in built.campaigns}):
        these = [one for one in built.campaigns if one.kind == kind]
        waits = [_wait(one, scores, cut) for one in these if one.id in found]
        text = f"{len(waits)}/{len(these)}" + (
            f", after {min(waits):.0f}–{max(waits):.0f} h" if waits else ""
        )
        yield f"    {kind}", text, ""


def _wait(one: Any, scores: dict[tuple[str, int, int], float], cut: dict[int, float]) -> float:
    """Return the hours from a campaign's first event to the end of the hour in which it was seen."""
    begin = one.start.timestamp() / 3600
    names = {one.agency, *one.entities}
    seen = [
        hour
        for (who, day, hour), score in scores.items()
        if who in names and hour + 1 > begin and score >= cut.get(day, np.inf)
    ]
    return min(seen, default=begin) + 1 - begin


ALL = (anomaly_sets, anomaly_city)
