"""The detector's core on labelled sets: ``citysoc anomaly bench DIR``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from citysoc.detectors.anomaly import core
from citysoc.errors import UsageError
from citysoc.i18n import _


def measure(folder: str | Path, *, seed: int = 0) -> list[dict[str, Any]]:
    """Return for each file ``*.npz`` (``X``, ``y``) in a folder the figures of the core, and their mean.

    Args:
        folder: where the sets are.
        seed: of the detector; its configuration is fixed.

    Raises:
        UsageError: there is no set, or one has no ``X`` and ``y``.
    """
    import numpy as np
    from sklearn.metrics import average_precision_score, roc_auc_score

    rows: list[dict[str, Any]] = []
    for path in sorted(Path(folder).glob("*.npz")):
        with np.load(path, allow_pickle=False) as data:
            if not {"X", "y"} <= set(data.files):
                raise UsageError(_("This set has no X and y."), where=str(path))
            values, labels = data["X"], data["y"].astype(int)
        started = time.process_time()
        found = core.score(values, seed)
        rows.append(
            {
                "set": path.stem,
                "rows": len(values),
                "columns": values.shape[1],
                "outliers": int(labels.sum()),
                "roc_auc": round(float(roc_auc_score(labels, found)), 4),
                "average_precision": round(float(average_precision_score(labels, found)), 4),
                "seconds": round(time.process_time() - started, 2),
            }
        )
    if not rows:
        raise UsageError(_("There is no set *.npz here."), where=str(folder))
    mean = {
        name: round(sum(r[name] for r in rows) / len(rows), 4) for name in ("roc_auc", "average_precision")
    }
    seconds = round(sum(r["seconds"] for r in rows), 2)
    return [*rows, {"set": "mean", "rows": "", "columns": "", "outliers": "", **mean, "seconds": seconds}]
