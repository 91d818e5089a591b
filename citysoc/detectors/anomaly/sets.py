"""The detector's core on labelled sets: ``citysoc anomaly bench DIR``."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citysoc.detectors.anomaly import core
from citysoc.errors import UsageError
from citysoc.i18n import _

if TYPE_CHECKING:
    import numpy as np


def measure(folder: str | Path, *, seed: int = 0) -> list[dict[str, Any]]:
    """Return for each file ``*.npz`` (``X``, ``y``) in a folder the figures of the core, and their mean.

    Args:
        folder: where the sets are.
        seed: of the detector; its configuration is fixed.

    Raises:
        UsageError: there is no set, or one has no rows ``X`` with labels ``y``, both ordinary and not.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    rows: list[dict[str, Any]] = []
    for path in sorted(Path(folder).glob("*.npz")):
        values, labels = _read(path)
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


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and labels of a file; nothing in it is ever run.

    Raises:
        UsageError: it holds no such set.
    """
    import numpy as np

    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            values, labels = np.asarray(data["X"], float), np.ravel(data["y"]).astype(int)
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise _no_set(path) from error
    if values.ndim != 2 or len(values) != len(labels) or set(np.unique(labels)) != {0, 1}:
        raise _no_set(path)
    return values, labels


def _no_set(path: Path) -> UsageError:
    return UsageError(
        _("This is no labelled set."),
        where=str(path),
        hint=_("X (rows, columns) are numbers, y has a 0 or a 1 for each row, and both occur."),
    )
