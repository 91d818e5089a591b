"""Open the database, bring it up to date, write to it in transactions."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from importlib import resources
from typing import TYPE_CHECKING, Any

from citysoc import clock
from citysoc.errors import StoreError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class State:
    """The state database of one installation.

    One process writes; any number may read. All writes go through ``transaction``, which is safe
    to enter from several threads of the writing process (one waits for the other).

    Args:
        path: the database file, made when it is absent.
        read_only: open for commands that only look; the file must exist.

    Raises:
        StoreError: the file cannot be opened, or was written by a newer citysoc.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._lock = threading.RLock()
        if read_only and not path.exists():
            raise StoreError(
                _("There is no state database yet."),
                where=str(path),
                hint=_("Run `citysoc ingest` or `citysoc run` first."),
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = sqlite3.connect(
                f"file:{path}?mode={'ro' if read_only else 'rwc'}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=30,
            )
        except sqlite3.Error as error:
            raise StoreError(
                _("The state database cannot be opened: {error}.").format(error=error), where=str(path)
            ) from error
        self._connection.row_factory = sqlite3.Row
        with self._refusing():
            if not read_only:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
                self._migrate()
            elif self._version() < len(_scripts()):
                raise StoreError(
                    _("The state database was written by an older citysoc."),
                    where=str(path),
                    hint=_("Run `citysoc ingest` or `citysoc run` once: they bring it up to date."),
                )
            self._connection.execute("PRAGMA foreign_keys = ON")

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write inside the block: all of it or nothing."""
        with self._lock, self._refusing():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk has ended it already
                    self._connection.execute("ROLLBACK")
                raise

    def rows(self, sql: str, parameters: tuple[Any, ...] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        """Return what a SELECT gives."""
        with self._lock, self._refusing():
            return self._connection.execute(sql, parameters).fetchall()

    def copy_to(self, path: Path) -> None:
        """Write a copy of one moment's content, also while another process writes."""
        with self._lock, self._refusing(), contextlib.closing(sqlite3.connect(path)) as target:
            self._connection.backup(target)

    @contextlib.contextmanager
    def _refusing(self) -> Iterator[None]:
        """Say what the machine refuses as an error of ours; a wrong statement stays a bug."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_ERROR:
                raise
            raise _refused(error, self.path) from error
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
                raise
            raise _refused(error, self.path) from error

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    def _migrate(self) -> None:
        """Apply the migrations that this file has not seen, in order of their number."""
        with self.transaction() as db:
            done = db.execute("PRAGMA user_version").fetchone()[0]
            scripts = _scripts()
            if done > len(scripts):
                raise StoreError(
                    _("The state database is of version {done}, this citysoc knows {known}.").format(
                        done=done, known=len(scripts)
                    ),
                    where=str(self.path),
                    hint=_("Use the citysoc that wrote it, or a newer one."),
                )
            for number, script in enumerate(scripts[done:], start=done + 1):
                for statement in script.split(";\n"):
                    if statement.strip():
                        db.execute(statement)
                db.execute(f"PRAGMA user_version = {number}")
                db.execute(
                    "INSERT INTO migrations (number, applied_at) VALUES (?, ?)",
                    (number, clock.iso(clock.now())),
                )


def _refused(error: sqlite3.Error, path: Path) -> StoreError:
    busy = error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
    return StoreError(
        _("The state database refuses: {error}.").format(error=error),
        where=str(path),
        hint=_("Look at the disk's space, and at the file's permissions and owner."),
        transient=busy,
    )


def _scripts() -> list[str]:
    """Return the migrations, oldest first: files ``0001_….sql`` without a gap in their numbers."""
    folder = resources.files("citysoc.state") / "migrations"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [f.read_text(encoding="utf-8") for f in files]
