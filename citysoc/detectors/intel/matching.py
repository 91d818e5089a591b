"""Events meet indicators: what they match is written on them, and becomes findings.

``mark`` runs before classification, so that it can read ``citysoc.intel.class``; ``findings`` after it, when what
became of a connection is known. An indicator counts for an event that happened before the indicator expired.
"""

from __future__ import annotations

import datetime as dt
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from citysoc import telemetry
from citysoc.detectors.intel.database import Database, surest
from citysoc.detectors.intel.fields import FIELDS, LISTS, URLS
from citysoc.detectors.intel.findings import findings_of
from citysoc.detectors.intel.lookup import Lookup
from citysoc.detectors.intel.marking import MARK, write
from citysoc.detectors.intel.table import load
from citysoc.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from citysoc.detectors.intel.database import Record
    from citysoc.detectors.intel.lookup import Hits
    from citysoc.flow import Event, Finding

_log = telemetry.logger("detectors.intel")


class Matcher:
    """Marks events with what feeds know of them.

    Args:
        folder: holds ``table.bin`` and ``intel.db``; they need not exist yet.
        window_seconds: findings of one indicator and one host within this are one alert.
        min_confidence: weaker indicators mark events and make no findings.
    """

    def __init__(self, folder: Path, *, window_seconds: int = 86_400, min_confidence: int = 0) -> None:
        self._path = folder / "table.bin"
        self._database_path = folder / "intel.db"
        self._window = window_seconds
        self._least = min_confidence
        self._stamp: tuple[int, int, int] | None = None
        self._lookup: Lookup | None = None
        self._database: Database | None = None

    def mark(self, events: Sequence[Event]) -> None:
        """Write on events what they match, in place. Never raises for what is in them."""
        lookup = self._current()
        if lookup is None or not events:
            return
        for number, matched in hits(lookup, events).items():
            if valid := _valid(events[number], matched):
                write(events[number], valid)

    def findings(self, events: Sequence[Event]) -> list[Finding]:
        """Return the findings of marked events, in their order."""
        marked = [event for event in events if MARK in event]
        if not marked or self._lookup is None:
            return []
        found: list[Finding] = []
        # Few events are marked, and what they match is remembered: so nothing need travel with them.
        for number, matched in hits(self._lookup, marked).items():
            event = marked[number]
            valid = _valid(event, matched)
            found += findings_of(event, valid, window_seconds=self._window, least=self._least)
        return found

    def _current(self) -> Lookup | None:
        """Return what looks up in the newest generation; the one before where the new one is damaged."""
        try:
            facts = self._path.stat()
        except OSError:
            return self._lookup
        stamp = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                table = load(self._path)
                database = Database(self._database_path, read_only=True)
            except StoreError as error:
                _log.error("table.refused", error=str(error))
            else:
                self._lookup = Lookup(table, self._records)
                self._database, before = database, self._database
                if before is not None:
                    before.close()
        return self._lookup

    def _records(self, wanted: list[tuple[str, str]]) -> list[Record]:
        if self._database is None:
            return []
        try:
            return [one for one in self._database.records(wanted) if one.warned is None]
        except StoreError as error:
            _log.error("lookup.failed", error=str(error))
            return []


def hits(lookup: Lookup, events: Sequence[Event]) -> dict[int, list[tuple[str, Record]]]:
    """Return for each event that matches, by its number, the fields and what is known of their values."""
    found: dict[int, list[tuple[str, Record]]] = {}
    present: set[str] = set().union(*events)
    for name, kind in FIELDS.items():
        if name in present:
            _of_column(getattr(lookup, kind), name, events, found)
    urls = _Urls(lookup)
    for name in URLS:
        if name in present:
            _of_column(urls.known, name, events, found)
    for name, kind in LISTS.items():
        if name in present:
            _of_lists(getattr(lookup, kind), name, [event.get(name) for event in events], found)
    if "url.domain" in present and "url.original" in present:
        _paths(lookup, events, found)
    return dict(sorted(found.items()))


class _Urls:
    """Looks each URL of a batch up once: the same one often stands in several fields."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._seen: set[object] = set()
        self._hits: Hits = {}

    def known(self, values: set[object]) -> Hits:
        self._hits |= self._lookup.urls(values - self._seen)
        self._seen |= values
        return self._hits


def _of_column(
    known_of: Callable[[set[object]], Hits],
    name: str,
    events: Sequence[Event],
    found: dict[int, list[tuple[str, Record]]],
) -> None:
    column: list[Any] = list(map(dict.get, events, repeat(name)))
    try:
        known = known_of(set(column))
    except TypeError:  # a list where one value belongs
        _of_lists(known_of, name, column, found)
        return
    for number, value in enumerate(column) if known else ():
        if value in known:
            found.setdefault(number, []).extend((name, record) for record in known[value])


def _of_lists(
    known_of: Callable[[set[object]], Hits],
    name: str,
    column: Sequence[Any],
    found: dict[int, list[tuple[str, Record]]],
) -> None:
    listed = [one if isinstance(one, list) else [one] for one in column]
    cells = [[one for one in items[:100] if isinstance(one, str)] for items in listed]
    values: set[object] = set(chain.from_iterable(cells))
    known = known_of(values) if values else {}
    for number, items in enumerate(cells) if known else ():
        for value in items:
            if value in known:
                found.setdefault(number, []).extend((name, record) for record in known[value])


def _paths(lookup: Lookup, events: Sequence[Event], found: dict[int, list[tuple[str, Record]]]) -> None:
    """Look at paths whose host stands in a field of its own, where a feed knows URLs of that host."""
    try:
        suspect = lookup.with_urls(set(map(dict.get, events, repeat("url.domain"))))
    except TypeError:  # a list where one value belongs
        suspect = lookup.with_urls(
            {one for event in events if isinstance(one := event.get("url.domain"), str)}
        )
    for number, event in enumerate(events) if suspect else ():
        path = event.get("url.original")
        host = event.get("url.domain")
        if isinstance(host, str) and host in suspect and isinstance(path, str) and path.startswith("/"):
            port = event.get("url.port") or event.get("destination.port")
            texts = {f"http://{event['url.domain']}{path}", f"http://{event['url.domain']}:{port}{path}"}
            known = lookup.urls(set(texts))
            records = [one for records in known.values() for one in records if one.kind == "url"]
            if records:
                found.setdefault(number, []).extend(("url.original", record) for record in records)


def _valid(event: Event, matched: Sequence[tuple[str, Record]]) -> list[tuple[str, Record]]:
    """Return what had not expired when the event happened, the most confident first, each indicator of a feed once."""
    moment = event.get("@timestamp")
    at = moment.timestamp() if isinstance(moment, dt.datetime) else 0.0
    chosen: dict[tuple[str, str, str], tuple[str, Record]] = {}
    for field, record in matched:
        if record.expires is None or at < record.expires:
            chosen.setdefault((record.kind, record.value, record.feed), (field, record))
    return sorted(chosen.values(), key=lambda one: surest(one[1]))
