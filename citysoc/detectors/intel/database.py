"""``intel.db``: the feeds and their indicators, the exact side of what ``table`` answers quickly.

A database of its own beside ``citysoc.db``: it can be made again from the feeds, is written by imports while the
service commits, and is read by every worker.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from citysoc.errors import StoreError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from citysoc.detectors.intel.indicator import Indicator

_VERSION = 1
_ROWS = 20_000
_ASKED = 500
_SCHEMA = """
CREATE TABLE feeds (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  origin TEXT NOT NULL DEFAULT '',
  format TEXT NOT NULL DEFAULT '',
  confidence INTEGER NOT NULL DEFAULT 50,
  class TEXT NOT NULL DEFAULT '',
  refreshed_at INTEGER,
  attempted_at INTEGER,
  error TEXT NOT NULL DEFAULT '',
  etag TEXT NOT NULL DEFAULT '',
  modified TEXT NOT NULL DEFAULT '',
  entries INTEGER NOT NULL DEFAULT 0,
  skipped TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE indicators (
  value TEXT NOT NULL,
  kind TEXT NOT NULL,
  feed INTEGER NOT NULL,
  confidence INTEGER NOT NULL,
  first INTEGER NOT NULL,
  listed INTEGER NOT NULL,
  expires INTEGER,
  name TEXT NOT NULL,
  tags TEXT NOT NULL,
  note TEXT NOT NULL,
  warned TEXT,
  PRIMARY KEY (value, kind, feed)
) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID
"""


class Record(NamedTuple):
    """What one feed says of one indicator.

    Args:
        kind: one of ``values.KINDS``.
        value: the indicator.
        feed: the feed's name.
        confidence: 0 to 100.
        expires: second of the epoch from which on it no longer counts; None for never.
        name: of the malware or the actor.
        tags: the feed's words.
        note: one sentence, or where to read more.
        warned: the warning list that keeps it out of matching; None where none does.
        first: when the feed named it first, seconds of the epoch.
        listed: when the feed named it last.
        klass: the class that the feed's configuration gives.
        origin: where the feed comes from.
    """

    kind: str
    value: str
    feed: str
    confidence: int
    expires: int | None
    name: str
    tags: tuple[str, ...]
    note: str
    warned: str | None
    first: int
    listed: int
    klass: str
    origin: str


def surest(record: Record) -> tuple[int, int, str, str]:
    """Return a key that puts the most confident first, of these what names the smallest thing."""
    _host, slash, length = record.value.partition("/") if record.kind == "network" else ("", "", "")
    size = int(length) if slash else 1000 + len(record.value)
    return -record.confidence, -size, record.feed, record.value


@dataclass(frozen=True, slots=True)
class Terms:
    """How a feed's indicators are taken.

    Args:
        feed: its name.
        origin: where it comes from.
        confidence: of indicators that bring none.
        expires_days: those that bring no end of their own count so long after the feed named them last; None: always.
        klass: the class of what they hit; empty: told by their tags.
        replace: what the feed no longer names goes at once; else it stays until it expires.
    """

    feed: str
    origin: str = ""
    confidence: int = 50
    expires_days: int | None = 30
    klass: str = ""
    replace: bool = True


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import changed: indicators of the feed now, new ones among them, and gone ones."""

    total: int
    new: int
    gone: int


class Database:
    """The database of one installation.

    Args:
        path: the file.
        read_only: for those that only look; the file must exist.

    Raises:
        StoreError: it cannot be opened.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        if read_only and not path.exists():
            raise StoreError(
                _("There are no indicators yet."),
                where=str(path),
                hint=_("Run `citysoc intel import` first."),
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._refusing():
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=30,
            )
            self._connection.row_factory = sqlite3.Row
            if not read_only:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
                self._connection.execute("PRAGMA cache_size = -65536")
                self._migrate()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def _migrate(self) -> None:
        with self.transaction() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise StoreError(_("intel.db was written by a newer citysoc."), where=str(self.path))
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {_VERSION}")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write inside the block: all of it or nothing."""
        with self._refusing():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise StoreError(
                _("The database of indicators refuses: {error}.").format(error=error),
                where=str(self.path),
                hint=_("Move it away and import the feeds again if it is damaged."),
                transient=isinstance(error, sqlite3.OperationalError),
            ) from error

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return what a SELECT gives."""
        with self._refusing():
            return self._connection.execute(sql, parameters).fetchall()

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[sqlite3.Row]:
        """Yield what a SELECT gives, row by row."""
        with self._refusing():
            yield from self._connection.execute(sql, parameters)

    def meta(self, key: str) -> str:
        """Return a remembered text; empty where there is none."""
        found = self.rows("SELECT value FROM meta WHERE key = ?", (key,))
        return str(found[0][0]) if found else ""

    def remember(self, key: str, value: str) -> None:
        """Remember a text."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def put(
        self,
        terms: Terms,
        indicators: Iterable[Indicator],
        *,
        now: int,
        warned: Callable[[str, str], str | None],
    ) -> Imported:
        """Take the indicators of a feed, in one transaction: until it ends all is as before.

        Args:
            terms: whose they are.
            indicators: what the feed names now.
            now: seconds of the epoch.
            warned: gives the warning list that holds a kind and value.
        """
        with self.transaction() as db:
            feed = self._feed(db, terms)
            before = self._count(db, feed)
            source = iter(indicators)
            while chunk := list(islice(source, _ROWS)):
                db.executemany(_PUT, sorted(_row(one, feed, terms, now, warned) for one in chunk))
            if terms.replace:
                db.execute("DELETE FROM indicators WHERE feed = ? AND listed <> ?", (feed, now))
            after = self._count(db, feed)
            sql = "SELECT count(*) FROM indicators WHERE feed = ? AND first = ?"
            new = db.execute(sql, (feed, now)).fetchone()[0]
        return Imported(after, new, before + new - after)

    def _feed(self, db: sqlite3.Connection, terms: Terms) -> int:
        db.execute(
            "INSERT INTO feeds (name, origin, confidence, class) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE"
            " SET origin = excluded.origin, confidence = excluded.confidence, class = excluded.class",
            (terms.feed, terms.origin, terms.confidence, terms.klass),
        )
        return int(db.execute("SELECT id FROM feeds WHERE name = ?", (terms.feed,)).fetchone()[0])

    def _count(self, db: sqlite3.Connection, feed: int) -> int:
        return int(db.execute("SELECT count(*) FROM indicators WHERE feed = ?", (feed,)).fetchone()[0])

    def remove(self, feed: str) -> int | None:
        """Remove a feed with its indicators; return how many they were, None where there is no such feed."""
        with self.transaction() as db:
            found = db.execute("SELECT id FROM feeds WHERE name = ?", (feed,)).fetchone()
            if found is None:
                return None
            removed = db.execute("DELETE FROM indicators WHERE feed = ?", (found[0],)).rowcount
            db.execute("DELETE FROM feeds WHERE id = ?", (found[0],))
        return removed

    def note_refresh(self, feed: str, values: dict[str, Any], *, make: bool = True, origin: str = "") -> None:
        """Write down how a refresh went.

        Args:
            feed: its name.
            values: columns of ``feeds``.
            make: whether the feed is made known where it is new.
            origin: where a new feed comes from.
        """
        names = ", ".join(f"{name} = ?" for name in values)
        with self.transaction() as db:
            if make:
                sql = "INSERT INTO feeds (name, origin) VALUES (?, ?) ON CONFLICT DO NOTHING"
                db.execute(sql, (feed, origin))
            sql = f"UPDATE feeds SET {names} WHERE name = ?"  # noqa: S608  names of our own columns
            db.execute(sql, (*values.values(), feed))

    def rewarn(self, warned: Callable[[str, str], str | None]) -> int:
        """Ask the warning lists about all indicators again; return how many changed."""
        changed = 0
        after: tuple[str, str] = ("", "")
        while True:
            rows = self.rows(
                "SELECT DISTINCT value, kind, warned FROM indicators WHERE (value, kind) > (?, ?)"
                " ORDER BY value, kind LIMIT ?",
                (*after, _ROWS),
            )
            if not rows:
                return changed
            after = (rows[-1]["value"], rows[-1]["kind"])
            updates = [
                (now, row["value"], row["kind"])
                for row in rows
                if (now := warned(row["kind"], row["value"])) != row["warned"]
            ]
            with self.transaction() as db:
                db.executemany("UPDATE indicators SET warned = ? WHERE value = ? AND kind = ?", updates)
            changed += len(updates)

    def forget_expired(self, before: int) -> int:
        """Remove indicators that expired before a second of the epoch; return how many."""
        with self.transaction() as db:
            return db.execute("DELETE FROM indicators WHERE expires < ?", (before,)).rowcount

    def records(self, wanted: Sequence[tuple[str, str]]) -> list[Record]:
        """Return what is known of kinds and values, the most confident first."""
        found: list[Record] = []
        for start in range(0, len(wanted), _ASKED):
            part = wanted[start : start + _ASKED]
            asked = set(part)
            values = list({value for _kind, value in part})
            # Asked by value alone, which the key begins with: pairs would be looked for in all rows.
            sql = f"{_KNOWN} WHERE value IN ({','.join('?' * len(values))})"
            found += [_record(row) for row in self.rows(sql, values) if (row["kind"], row["value"]) in asked]
        return sorted(found, key=surest)


_KNOWN = (
    "SELECT indicators.*, feeds.name AS feed_name, feeds.class, feeds.origin FROM indicators"
    " JOIN feeds ON feeds.id = feed"
)
_PUT = (
    "INSERT INTO indicators (value, kind, feed, confidence, first, listed, expires, name, tags, note, warned)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (value, kind, feed) DO UPDATE SET listed = excluded.listed,"
    # Of a value that a feed names twice, the more confident counts, and the later end.
    " confidence = CASE WHEN listed = excluded.listed THEN max(confidence, excluded.confidence)"
    " ELSE excluded.confidence END,"
    " expires = CASE WHEN listed = excluded.listed THEN max(expires, excluded.expires) ELSE excluded.expires END,"
    " name = excluded.name, tags = excluded.tags, note = excluded.note, warned = excluded.warned"
)


def _row(
    one: Indicator, feed: int, terms: Terms, now: int, warned: Callable[[str, str], str | None]
) -> tuple[Any, ...]:
    confidence = terms.confidence if one.confidence is None else one.confidence
    ends = None if terms.expires_days is None else now + terms.expires_days * 86_400
    return (
        *(one.value, one.kind, feed, confidence, now, now),
        ends if one.expires is None else one.expires,
        *(one.name, orjson.dumps(one.tags).decode() if one.tags else "", one.note),
        warned(one.kind, one.value),
    )


def _record(row: sqlite3.Row) -> Record:
    return Record(
        kind=row["kind"],
        value=row["value"],
        feed=row["feed_name"],
        confidence=row["confidence"],
        expires=row["expires"],
        name=row["name"],
        tags=tuple(orjson.loads(row["tags"])) if row["tags"] else (),
        note=row["note"],
        warned=row["warned"],
        first=row["first"],
        listed=row["listed"],
        klass=row["class"],
        origin=row["origin"],
    )
