"""From a feed's file to the table that workers match with."""

from __future__ import annotations

import contextlib
import fcntl
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import orjson

from citysoc import clock, telemetry
from citysoc.detectors.intel.database import Database
from citysoc.detectors.intel.indicator import Account
from citysoc.detectors.intel.reading import read_feed
from citysoc.detectors.intel.table import build
from citysoc.errors import StoreError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from citysoc.detectors.intel.database import Imported, Terms
    from citysoc.detectors.intel.warning_lists import Warnings

_log = telemetry.logger("detectors.intel")

FORGOTTEN_SECONDS = 365 * 86_400
"""Indicators that expired so long ago are removed."""


WAIT_SECONDS = 300.0
"""So long an import waits for another."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an import.

    Args:
        imported: what changed.
        account: what became of each entry.
        warned: how many of the feed's indicators warning lists keep out.
        expired: how many have expired already.
        kinds: kind to how many indicators of the feed.
        stamp: the second of the epoch that new indicators bear.
    """

    imported: Imported
    account: Account
    warned: int
    expired: int
    kinds: dict[str, int]
    stamp: int


def database_path(folder: Path) -> Path:
    """Return where the indicators are."""
    return folder / "intel.db"


def table_path(folder: Path) -> Path:
    """Return where the table is."""
    return folder / "table.bin"


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[Database]:
    """Yield the database for writing; one process at a time.

    Raises:
        StoreError: another process is at it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        _wait(lock, folder)
        database = Database(database_path(folder))
        try:
            yield database
        finally:
            database.close()


def _wait(lock: IO[str], folder: Path) -> None:
    """Wait for whoever else imports, within bounds."""
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                raise StoreError(
                    _("Another citysoc process is importing indicators."), where=str(folder), transient=True
                ) from error
            time.sleep(0.1)
        else:
            return


def import_file(
    database: Database,
    path: Path,
    terms: Terms,
    *,
    warnings: Warnings,
    format_: str = "auto",
    on_progress: Callable[[int], None] = lambda _count: None,
) -> Result:
    """Take the indicators of a file in place of those that the feed had; all of it or nothing.

    Args:
        database: from ``writing``.
        path: the file.
        terms: how to take them.
        warnings: the warning lists.
        format_: see ``reading.read_feed``.
        on_progress: is told how many indicators more were read.

    Raises:
        InputError: the file cannot be read, or holds no indicator: then the feed stays as it was.
    """
    from citysoc.errors import InputError

    account = Account()
    now = _later(database, int(clock.now().timestamp()))

    def counted() -> Iterator[Any]:
        for number, one in enumerate(read_feed(path, format_=format_, account=account), 1):
            if number % 10_000 == 0:
                on_progress(10_000)
            yield one
        if not account.taken:
            raise InputError(
                _("No indicator was found: {why}.").format(why=said(account) or _("the file is empty")),
                where=str(path),
            )

    imported = database.put(terms, counted(), now=now, warned=warnings.holds)
    facts = database.rows(
        "SELECT kind, count(*), sum(warned IS NOT NULL), sum(expires <= ?) FROM indicators"
        " JOIN feeds ON feeds.id = feed WHERE feeds.name = ? GROUP BY kind ORDER BY kind",
        (now, terms.feed),
    )
    database.note_refresh(
        terms.feed,
        {
            "refreshed_at": now,
            "attempted_at": now,
            "error": "",
            "format": account.format,
            "entries": account.entries,
            "skipped": orjson.dumps(account.skipped).decode(),
        },
    )
    return Result(
        imported,
        account,
        warned=sum(row[2] for row in facts),
        expired=sum(row[3] or 0 for row in facts),
        kinds={row[0]: row[1] for row in facts},
        stamp=now,
    )


def _later(database: Database, now: int) -> int:
    """Return the present second, later than any import before: it tells what is new from what was there."""
    last = database.rows("SELECT max(listed) FROM indicators")[0][0]
    return max(now, (last or 0) + 1) if (last or 0) - now < 3600 else now


def said(account: Account) -> str:
    """Return what was left out, the most first: ``not_to_ids 12, no_indicator 3``."""
    most = sorted(account.skipped.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {count}" for reason, count in most[:10])


def publish(database: Database, folder: Path, warnings: Warnings) -> dict[str, int]:
    """Let workers see what the database holds now: ask changed warning lists, write a new table.

    Returns kind to how many indicators are matched.
    """
    digest = warnings.digest
    if database.meta("warnings") != digest:
        changed = database.rewarn(warnings.holds)
        database.remember("warnings", digest)
        _log.info("warnings.changed", indicators=changed)
    database.forget_expired(int(clock.now().timestamp()) - FORGOTTEN_SECONDS)
    return build(database, table_path(folder))
