"""What a backup holds besides the store and the state: the configuration's files, indicators, models.

Secrets are no part of it: the configuration only refers to them.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from citysoc.errors import InputError
from citysoc.i18n import _
from citysoc.stores.durable import copy, sync
from citysoc.stores.local_files import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from citysoc.config.load import Config

_MAX_BYTES = 64 << 20
"""No file of a configuration is larger; what is, is something else that lies there."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a backup.

    Args:
        kind: whether it belongs into the configuration's folder or into ``data_dir``.
        name: its path in there.
        digest: the digest of its bytes.
    """

    kind: Literal["config", "data"]
    name: str
    digest: str


def keep(config: Config, folder: Path) -> tuple[Part, ...]:
    """Copy the configuration, indicators and models into a folder; return what was copied, ``citysoc.yaml`` first.

    Raises:
        OSError: a file cannot be read or written.
    """
    root = config.root.resolve()
    found: list[tuple[Literal["config", "data"], Path, Path]] = [
        *(("config", root, path) for path in _of_config(config)),
        *(("data", config.data_dir, path) for path in _of_data(config)),
    ]
    return tuple(_kept(kind, path, str(path.relative_to(base)), folder) for kind, base, path in found)


def check(parts: Sequence[Part], folder: Path) -> None:
    """Make sure that every part is there as it was kept.

    Raises:
        InputError: one is missing or damaged.
    """
    for part in parts:
        path = _place(part, folder)
        if not path.is_file() or digest_of(str(path)) != part.digest:
            raise InputError(_("The backup is damaged."), where=str(path))


def bring_back(parts: Sequence[Part], kind: str, folder: Path, target: Path) -> list[str]:
    """Copy the parts of one kind to where they belong; return the names of those that are other there, and stay.

    Args:
        parts: what a backup holds.
        kind: of ``Part``.
        folder: where its copies are.
        target: the configuration's folder, or ``data_dir``.

    Raises:
        OSError: a file cannot be written.
    """
    other = []
    for part in parts:
        if part.kind != kind:
            continue
        path = target / part.name
        if not path.exists():
            copy(_place(part, folder), path)
        elif not path.is_file() or digest_of(str(path)) != part.digest:
            other.append(part.name)
    return other


def part_of(data: dict[str, Any]) -> Part:
    """Return a part as a backup's list names it.

    Raises:
        ValueError: the name leads elsewhere.
    """
    part = Part(**data)
    path = Path(part.name)
    if part.kind not in {"config", "data"} or path.is_absolute() or ".." in path.parts:
        raise ValueError(part.name)
    return part


def _of_config(config: Config) -> Iterator[Path]:
    """Yield the files of the configuration that lie in its folder, each once, the main file first."""
    root, settings = config.root.resolve(), config.settings
    rules = settings.rules
    named = [
        *(settings.agencies, settings.queries, settings.classification),
        *(Path(value[5:]) for value in rules.placeholders.values() if isinstance(value, str)),
        *(settings.sources, rules.folder, *rules.directories),
    ]
    found = [config.path, *(path for each in named for path in _files(root / each))]
    data = config.data_dir.resolve()
    for path in dict.fromkeys(path.resolve() for path in found):
        inside = path.is_relative_to(root) and not path.is_relative_to(data)
        if inside and path.stat().st_size <= _MAX_BYTES:
            yield path


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(
            each
            for each in path.rglob("*")
            if each.is_file() and not any(part.startswith(".") for part in each.relative_to(path).parts)
        )
    return [path] if path.is_file() else []


def _of_data(config: Config) -> Iterator[Path]:
    intel, models = config.data_dir / "intel", config.data_dir / "anomaly"
    # The database first: a table that is a moment newer only sends more to be looked up in it.
    for path in (
        intel / "intel.db",
        intel / "table.bin",
        *sorted(models.glob("*.skops")),
        *sorted(models.glob("*.json")),
    ):
        if path.is_file():
            yield path


def _place(part: Part, folder: Path) -> Path:
    return folder / part.kind / part.name


def _kept(kind: Literal["config", "data"], path: Path, name: str, folder: Path) -> Part:
    target = folder / kind / name
    if path.suffix == ".db":
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source,
            contextlib.closing(sqlite3.connect(target)) as backup,
        ):
            source.backup(backup)
        sync(target)
    else:
        copy(path, target)
    return Part(kind, name, digest_of(str(target)))
