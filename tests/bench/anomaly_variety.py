"""The core beside PyOD's detectors on sets of every kind (``labelled``), one fixed configuration."""

from __future__ import annotations

import warnings
from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from sklearn.metrics import roc_auc_score

from citysoc.detectors.anomaly import core
from tests.bench.labelled import sets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row: TypeAlias = tuple[str, str, str]
Score: TypeAlias = "Callable[[np.ndarray], np.ndarray]"


def detectors() -> dict[str, Callable[[], Any]]:
    """Return PyOD's detectors that need no other library, as they come; nothing where PyOD is not installed."""
    try:
        from pyod.models import (
            cblof,
            copod,
            ecod,
            gmm,
            hbos,
            iforest,
            inne,
            kde,
            knn,
            loda,
            lof,
            mcd,
            ocsvm,
            pca,
        )
    except ImportError:
        return {}
    return {
        "IForest": lambda: iforest.IForest(random_state=0),
        "ECOD": ecod.ECOD,
        "COPOD": copod.COPOD,
        "HBOS": hbos.HBOS,
        "PCA": lambda: pca.PCA(random_state=0),
        "KNN": knn.KNN,
        "LOF": lof.LOF,
        "MCD": lambda: mcd.MCD(random_state=0),
        "CBLOF": lambda: cblof.CBLOF(random_state=0),
        "GMM": lambda: gmm.GMM(random_state=0),
        "INNE": lambda: inne.INNE(random_state=0),
        "LODA": loda.LODA,
        "KDE": kde.KDE,
        "OCSVM": ocsvm.OCSVM,
    }


def anomaly_variety(_records: int) -> Iterator[Row]:
    """Mean ROC AUC over sets of every kind, beside PyOD's detectors on the same; then family by family."""
    made = list(sets())
    ours = _measured(core.score, made)
    peers = {name: _measured(_peer(make), made) for name, make in detectors().items()}
    yield f"anomaly core, mean over {len(made)} sets of every kind", _mean(ours), "≥ best single peer"
    for name in sorted(peers, key=lambda name: -float(_mean(peers[name]))):
        yield f"  PyOD {name}", _mean(peers[name]), ""
    if not peers:
        yield "PyOD on the same sets", "not installed", ""
    for family in dict.fromkeys(name.split("/")[0] for name in ours):
        best = max(peers, key=lambda name: float(_mean(peers[name], family)), default="")
        told = f"{best} {_mean(peers[best], family)}" if best else ""
        yield f"    {family}", _mean(ours, family), told


def _measured(score: Score, made: list[tuple[str, np.ndarray, np.ndarray]]) -> dict[str, float]:
    found = {}
    for name, rows, labels in made:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found[name] = float(roc_auc_score(labels, score(rows)))
    return found


def _peer(make: Callable[[], Any]) -> Score:
    def score(rows: np.ndarray) -> np.ndarray:
        np.random.seed(0)  # LODA takes no seed
        detector = make()
        try:
            detector.fit(rows)
        except ValueError:  # some refuse sets with too few or too equal rows: they say nothing
            return np.zeros(len(rows))
        return np.nan_to_num(detector.decision_scores_)

    return score


def _mean(found: dict[str, float], family: str = "") -> str:
    groups = defaultdict(list)
    for name, value in found.items():
        groups[name.split("/")[0]].append(value)
    values = groups[family] if family else list(found.values())
    return f"{np.mean(values):.4f}"
