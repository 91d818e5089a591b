"""Backups of the local store together with ``citysoc.db``, taken while the service runs, and back again.

A commit is prepared in the state, stored, then applied in the state. A copy of the state therefore fits every
version of the store that holds all commits the copy has applied and none it has not prepared: the copy is
taken first, then the newest such version. What is between prepared and applied is settled at the next start,
as after a kill.

A backup is a folder: ``files/`` with the store's files, which never change and are shared by all backups in the
folder, ``state/<name>.db``, ``parts/<name>/`` with the configuration, indicators and models, and
``backups/<name>.json``, written last: a backup without it does not exist.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from citysoc import clock
from citysoc.errors import InputError, StoreError
from citysoc.i18n import _
from citysoc.pipeline import backup_parts
from citysoc.stores.durable import copy, sync
from citysoc.stores.local_files import DataFile, digest_in, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from citysoc.config.load import Config
    from citysoc.pipeline.backup_parts import Part
    from citysoc.state import State
    from citysoc.stores.local import LocalStore


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup.

    Args:
        name: its name in its folder.
        made: when it was made.
        last_commit: the number of the last commit in it.
        state_digest: the digest of the state's copy.
        files: the store's files.
        parts: what is beside store and state; none in backups of older versions.
    """

    name: str
    made: dt.datetime
    last_commit: int
    state_digest: str
    files: tuple[DataFile, ...]
    parts: tuple[Part, ...] = ()

    @property
    def rows(self) -> int:
        """How many events and quarantined records it holds."""
        return sum(file.rows for file in self.files)


def backup(
    store: LocalStore,
    state: State,
    folder: Path,
    *,
    config: Config | None = None,
    progress: Callable[[int], None] = lambda _files: None,
) -> Backup:
    """Copy the store and the state into a folder, consistent with each other; return the backup.

    Files that earlier backups copied there are not copied again.

    Args:
        store: the store.
        state: the state.
        folder: where to.
        config: what else to copy: the files of this configuration, its indicators and models.
        progress: called with the number of files copied since the last call.

    Raises:
        StoreError: a file is damaged, or gone.
        InputError: the folder cannot be written.
    """
    name = f"{clock.now():%Y%m%dT%H%M%S%fZ}"
    kept = folder / "state" / f"{name}.db"
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        state.copy_to(kept)
        files, last = store.files_until(_prepared(kept))
        for file, path in zip(files, store.place.local([f.name for f in files]), strict=True):
            _copied(file, Path(path), folder / "files" / file.name)
            progress(1)
        sync(kept)
        parts = backup_parts.keep(config, folder / "parts" / name) if config else ()
        made = Backup(name, clock.now(), last, digest_of(str(kept)), tuple(files), parts)
        manifest = folder / "backups" / f"{name}.json"
        manifest.parent.mkdir(exist_ok=True)
        temporary = manifest.with_suffix(".part")
        temporary.write_bytes(orjson.dumps(made))
        sync(temporary)
        temporary.replace(manifest)
        sync(manifest)
    except (OSError, sqlite3.Error) as error:
        raise InputError(
            _("The backup cannot be written: {error}.").format(error=error), where=str(folder)
        ) from error
    return made


def backups(folder: Path) -> list[Backup]:
    """Return the backups in a folder, oldest first.

    Raises:
        InputError: one of them cannot be read.
    """
    return [_read(path) for path in sorted((folder / "backups").glob("*.json"))]


def restore(
    folder: Path,
    store: LocalStore,
    state_path: Path,
    *,
    name: str | None = None,
    progress: Callable[[int], None] = lambda _files: None,
) -> Backup:
    """Bring store, state, indicators and models back, of the newest backup where none is named; return it.

    Args:
        folder: where the backups are.
        store: a store without a table.
        state_path: where the state database is to be; there must be none.
        name: which backup.
        progress: called with the number of files brought back since the last call.

    Raises:
        InputError: there is no such backup, or a file of it is missing or damaged.
        StoreError: there is a store or a state already.
    """
    chosen = _chosen(backups(folder), name, folder)
    if state_path.exists() or store.begun():
        raise StoreError(
            _("There is a store or a state already."),
            where=str(state_path.parent),
            hint=_("Move it aside first: a backup is brought back into an empty place."),
        )
    kept = folder / "state" / f"{chosen.name}.db"
    if not kept.is_file() or digest_of(str(kept)) != chosen.state_digest:
        raise InputError(_("The backup is damaged."), where=str(kept))
    parts = folder / "parts" / chosen.name
    backup_parts.check(chosen.parts, parts)
    for file in chosen.files:
        path = folder / "files" / file.name
        _check(file, path)
        store.place.put(file.name, memoryview(path.read_bytes()))
        progress(1)
    store.adopt(chosen.files, chosen.last_commit)
    backup_parts.bring_back(chosen.parts, "data", parts, state_path.parent)
    copy(kept, state_path)
    return chosen


def restore_config(folder: Path, root: Path, *, name: str | None = None) -> tuple[Path | None, list[str]]:
    """Bring the configuration of a backup back: its files that are not in ``root`` yet.

    Args:
        folder: where the backups are.
        root: where the configuration is to be.
        name: which backup; None for the newest.

    Returns:
        Where its main file is now, None where the backup holds no configuration; and the names of the files that are
        in ``root``, but other than in the backup: those stay as they are.

    Raises:
        InputError: there is no such backup, it is damaged, or its files cannot be written.
    """
    chosen = _chosen(backups(folder), name, folder)
    own = [part for part in chosen.parts if part.kind == "config"]
    if not own:
        return None, []
    parts = folder / "parts" / chosen.name
    backup_parts.check(own, parts)
    try:
        other = backup_parts.bring_back(own, "config", parts, root)
    except OSError as error:
        raise InputError(
            _("The configuration cannot be written: {error}.").format(error=error), where=str(root)
        ) from error
    return root / own[0].name, other


def _prepared(path: Path) -> int:
    """Return the number of the last commit that a state prepared."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'commits'").fetchone()
    return int(row[0]) if row else 0


def _copied(file: DataFile, source: Path, target: Path) -> None:
    if target.is_file() and target.stat().st_size == file.bytes and _sound(file, target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".part")
    shutil.copyfile(source, temporary)
    if not _sound(file, temporary):
        temporary.unlink()
        raise StoreError(
            _("A file of the store is damaged."),
            where=str(source),
            hint=_("`citysoc store verify --isolate` puts it aside."),
        )
    sync(temporary)
    temporary.replace(target)


def _sound(file: DataFile, path: Path) -> bool:
    digest = digest_in(file.name)
    return path.stat().st_size == file.bytes and (digest is None or digest_of(str(path)) == digest)


def _check(file: DataFile, path: Path) -> None:
    if not path.is_file() or not _sound(file, path):
        raise InputError(_("The backup is damaged."), where=str(path))


def _chosen(found: Sequence[Backup], name: str | None, folder: Path) -> Backup:
    for backup_ in reversed(found):
        if name in (None, backup_.name):
            return backup_
    raise InputError(
        _("There is no such backup."), where=str(folder), hint=_("`citysoc store backups DIR` lists them.")
    )


def _read(path: Path) -> Backup:
    try:
        data: dict[str, Any] = orjson.loads(path.read_bytes())
        files = tuple(_file(each) for each in data.pop("files"))
        parts = tuple(backup_parts.part_of(each) for each in data.pop("parts", ()))
        return Backup(files=files, parts=parts, **{**data, "made": dt.datetime.fromisoformat(data["made"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            _("The backup cannot be read: {error}.").format(error=error), where=str(path)
        ) from error


def _file(data: dict[str, Any]) -> DataFile:
    name = str(data["name"])
    if Path(name).is_absolute() or ".." in Path(name).parts or os.sep not in name:
        raise ValueError(name)
    moments = {key: dt.datetime.fromisoformat(data[key]) for key in ("first", "last")}
    return DataFile(**{**data, **moments, "day": dt.date.fromisoformat(data["day"])})
