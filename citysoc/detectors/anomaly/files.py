"""The model as a file: skops, no code on load; beside it what it is, in JSON, with its digest."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.detectors.anomaly import baseline, core, drift, surprise
from citysoc.detectors.anomaly.families import VERSION
from citysoc.detectors.anomaly.feature import KINDS
from citysoc.detectors.anomaly.model import KindModel, Model
from citysoc.errors import StoreError
from citysoc.i18n import _

if TYPE_CHECKING:
    from pathlib import Path

TRUSTED = ("sklearn.tree._tree.Tree",)
"""Types beyond skops's own safe ones (NumPy arrays, scikit-learn's estimators, plain values) that a file may hold:
the nodes of a tree, which are numbers (``forest.unpack`` looks whether they stay within the tree)."""

MAX_BYTES = 1 << 30
"""A larger file, also unpacked, is not one of ours."""


def save(model: Model, folder: Path, *, name: str = "model") -> Path:
    """Write a model and its facts; the facts last, so that a half-written model is never taken.

    Args:
        model: the model.
        folder: where models are.
        name: ``model`` for the one in use.

    Returns:
        The model's file.
    """
    import skops.io

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.skops"
    new = folder / f"{name}.skops.new"
    skops.io.dump(_parts(model), new, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
    digest = hashlib.sha256(new.read_bytes()).hexdigest()
    facts = {**model.facts, "digest": f"sha256:{digest}", "bytes": new.stat().st_size}
    new.replace(path)
    told = folder / f"{name}.json.new"
    told.write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    told.replace(folder / f"{name}.json")
    return path


def facts(folder: Path, *, name: str = "model") -> dict[str, Any] | None:
    """Return what is written about a model; None where there is none."""
    try:
        told = orjson.loads((folder / f"{name}.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def load(folder: Path, *, name: str = "model") -> Model:
    """Read a model.

    Raises:
        StoreError: there is none, it is damaged or changed, its features are of another version, or it
            holds something that could run code.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    path, told = folder / f"{name}.skops", facts(folder, name=name)
    if told is None or not path.is_file():
        raise StoreError(
            _("There is no anomaly model yet."), where=str(folder), hint=_("Run `citysoc anomaly train`.")
        )
    if told.get("features") != VERSION:
        raise _bad(path, _("its features are of version {version}").format(version=told.get("features")))
    data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
    if told.get("digest") != f"sha256:{hashlib.sha256(data).hexdigest()}":
        raise _bad(path, _("its digest is not the one written beside it"))
    try:
        _check_size(path)
        return replace(_model(skops.io.loads(data, trusted=list(TRUSTED))), facts=told)
    except UntrustedTypesFoundException as error:
        unknown = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED))
        raise _bad(
            path, _("it holds types that are not trusted: {types}").format(types=", ".join(unknown)[:200])
        ) from error
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        zipfile.BadZipFile,
        OSError,
    ) as error:
        raise _bad(path, _("it cannot be read: {kind}").format(kind=type(error).__name__)) from error


def _check_size(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if sum(item.file_size for item in archive.infolist()) > 4 * MAX_BYTES:
            raise ValueError


def _bad(path: Path, why: str) -> StoreError:
    return StoreError(
        _("This anomaly model is not used: {why}.").format(why=why),
        where=str(path),
        hint=_("Train again: `citysoc anomaly train`."),
    )


def _parts(model: Model) -> dict[str, Any]:
    return {
        "threshold": model.threshold,
        "raised": dict(model.raised),
        "kinds": {
            kind: {
                "baseline": one.baseline.parts(),
                "features": [see.parts() for see in one.features],
                "ensembles": {family: ensemble.parts() for family, ensemble in one.ensembles.items()},
                "families": {family: see.parts() for family, see in one.families.items()},
                "total": one.total.parts(),
                "shapes": {family: shape.parts() for family, shape in one.shapes.items()},
                "rows_a_day": one.rows_a_day,
            }
            for kind, one in model.kinds.items()
        },
    }


def _model(parts: dict[str, Any]) -> Model:
    return Model(
        kinds={
            kind: KindModel(
                baseline=baseline.from_parts(parts["kinds"][kind]["baseline"]),
                features=tuple(surprise.from_parts(see) for see in parts["kinds"][kind]["features"]),
                ensembles={f: core.from_file(e) for f, e in parts["kinds"][kind]["ensembles"].items()},
                families={f: surprise.from_parts(s) for f, s in parts["kinds"][kind]["families"].items()},
                total=surprise.from_parts(parts["kinds"][kind]["total"]),
                shapes={f: drift.from_parts(s) for f, s in parts["kinds"][kind]["shapes"].items()},
                rows_a_day=float(parts["kinds"][kind]["rows_a_day"]),
            )
            for kind in KINDS
        },
        threshold=float(parts["threshold"]),
        raised={str(agency): float(nats) for agency, nats in parts["raised"].items()},
    )
