"""Events meet indicators: what they match is written on them, and becomes findings.

``mark`` runs before classification, so that it can read ``citysoc.intel.class``; ``findings`` after it, when what
became of a connection is known. An indicator counts for an event that happened before the indicator expired.
"""

from __future__ import annotations

import datetime as dt
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from citysoc import telemetry
from citysoc.clock import UTC, iso
from citysoc.detectors.intel.classes import class_of
from citysoc.detectors.intel.database import Database, surest
from citysoc.detectors.intel.lookup import Lookup
from citysoc.detectors.intel.table import load
from citysoc.enrich.outcomes import outcome_of
from citysoc.errors import StoreError
from citysoc.flow import LEVELS, UNKNOWN_AGENCY, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from citysoc.detectors.intel.database import Record
    from citysoc.detectors.intel.lookup import Hits
    from citysoc.flow import Event

_log = telemetry.logger("detectors.intel")

RULE = "intel:"
"""Findings are of the rule ``intel:<feed>``."""
MAX_HITS = 8
"""So many indicators of one event make findings."""

ADDRESSES = (
    *("source.ip", "destination.ip", "client.ip", "server.ip"),
    *("source.nat.ip", "destination.nat.ip"),
)
DOMAINS = (
    *("dns.question.name", "url.domain", "destination.domain", "source.domain"),
    *("tls.client.server_name", "destination.address", "source.address"),
)
URLS = ("url.full", "url.original", "http.request.referrer")
HASHES = (
    *("file.hash.md5", "file.hash.sha1", "file.hash.sha256"),
    *("process.hash.md5", "process.hash.sha1", "process.hash.sha256"),
    *("dll.hash.md5", "dll.hash.sha256", "tls.server.hash.sha1"),
)
MAILS = ("user.email",)
LISTS = {
    "dns.resolved_ip": "addresses",
    "dns.answers.data": "domains",
    "related.hash": "hashes",
    "email.from.address": "mails",
    "email.to.address": "mails",
}
"""Fields that hold several values, and as what they are looked up."""
FIELDS: Mapping[str, str] = {
    **dict.fromkeys(ADDRESSES, "addresses"),
    **dict.fromkeys(DOMAINS, "domains"),
    **dict.fromkeys(HASHES, "hashes"),
    **dict.fromkeys(MAILS, "mails"),
}
"""Fields that hold one value, beside ``URLS``."""

_ECS_TYPES = {"domain": "domain-name", "url": "url", "hash": "file", "email": "email-addr"}
_ECS_VALUES = {
    "domain": "threat.indicator.url.domain",
    "url": "threat.indicator.url.full",
    "email": "threat.indicator.email.address",
}
_HASH_NAMES = {32: "md5", 40: "sha1", 64: "sha256"}
_MARK = "citysoc.intel.field"
"""Marked events have it."""


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
                _write(events[number], valid)

    def findings(self, events: Sequence[Event]) -> list[Finding]:
        """Return the findings of marked events, in their order."""
        marked = [event for event in events if _MARK in event]
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


def _write(event: Event, matched: list[tuple[str, Record]]) -> None:
    field, best = matched[0]
    feeds = sorted({record.feed for _field, record in matched if record.value == best.value})
    for name, value in (
        ("threat.indicator.type", ecs_type(best)),
        ("threat.indicator.name", best.value),
        ("threat.indicator.confidence", ecs_confidence(best.confidence)),
        ("threat.indicator.provider", best.origin or None),
        ("threat.indicator.description", " · ".join(filter(None, (best.name, best.note))) or None),
        *_ecs_value(best),
    ):
        if value is not None:
            event.setdefault(name, value)
    event["threat.feed.name"] = best.feed
    event["citysoc.intel.feeds"] = feeds
    event["citysoc.intel.field"] = field
    event["citysoc.intel.indicator"] = best.value
    event["citysoc.intel.confidence"] = best.confidence
    if best.expires is not None:
        event["citysoc.intel.expires"] = dt.datetime.fromtimestamp(best.expires, UTC)
    if klass := class_of(best):
        event["citysoc.intel.class"] = klass


def _ecs_value(record: Record) -> list[tuple[str, str]]:
    if record.kind == "address":
        return [("threat.indicator.ip", record.value)]
    if record.kind == "hash":
        return [(f"threat.indicator.file.hash.{_HASH_NAMES[len(record.value)]}", record.value)]
    return [(_ECS_VALUES[record.kind], record.value)] if record.kind in _ECS_VALUES else []


def ecs_type(record: Record) -> str:
    """Return the type of an indicator as ECS names it, after STIX's object types."""
    if record.kind in {"address", "network"}:
        return "ipv6-addr" if ":" in record.value else "ipv4-addr"
    return _ECS_TYPES[record.kind]


def ecs_confidence(confidence: int) -> str:
    """Return a confidence in the words of ECS, by STIX's scale None/Low/Medium/High.

    >>> ecs_confidence(75)
    'High'
    """
    return (
        "None" if confidence <= 0 else "Low" if confidence < 30 else "Medium" if confidence < 70 else "High"
    )


def level_of(confidence: int, *, blocked: bool) -> str:
    """Return the level of a finding: by confidence, one lower where the connection was blocked.

    >>> level_of(80, blocked=False), level_of(50, blocked=True)
    ('high', 'low')
    """
    place = 3 if confidence >= 80 else 2 if confidence >= 50 else 1 if confidence >= 20 else 0
    return LEVELS[max(place - 1, 0) if blocked else place]


_BLOCKED = frozenset({"blocked", "deleted", "quarantined", "cleaned"})
_TITLES: Mapping[str, tuple[str, str]] = {
    "address": ("Known malicious address {value}", "Địa chỉ độc hại đã biết {value}"),
    "network": ("Address of a known malicious network {value}", "Địa chỉ thuộc mạng độc hại đã biết {value}"),
    "domain": ("Known malicious domain {value}", "Tên miền độc hại đã biết {value}"),
    "url": ("Known malicious URL {value}", "URL độc hại đã biết {value}"),
    "hash": ("Known malicious file {value}", "Tệp độc hại đã biết {value}"),
    "email": ("Known malicious mail address {value}", "Địa chỉ thư độc hại đã biết {value}"),
}
_MAX_TITLE_VALUE = 100


def findings_of(
    event: Event, matched: Sequence[tuple[str, Record]], *, window_seconds: int, least: int = 0
) -> list[Finding]:
    """Return one finding for each indicator that an event matches.

    Args:
        event: marked, enriched and classified.
        matched: fields and what is known of their values, the most confident first.
        window_seconds: see ``Matcher``.
        least: weaker indicators make none.
    """
    by_indicator: dict[tuple[str, str], list[tuple[str, Record]]] = {}
    for field, record in matched:
        by_indicator.setdefault((record.kind, record.value), []).append((field, record))
    chosen = list(by_indicator.values())[:MAX_HITS]
    return [
        _finding(event, several, window_seconds) for several in chosen if several[0][1].confidence >= least
    ]


def _finding(event: Event, several: Sequence[tuple[str, Record]], window_seconds: int) -> Finding:
    field, best = several[0]
    action = event.get("event.action")
    outcome = event.get("citysoc.outcome") or (outcome_of(action) if isinstance(action, str) else None)
    value = best.value if len(best.value) <= _MAX_TITLE_VALUE else f"{best.value[:_MAX_TITLE_VALUE]}…"
    named = f" ({best.name})" if best.name else ""
    title, title_vi = (text.format(value=value) + named for text in _TITLES[best.kind])
    entity = entity_of(event, field)
    klass = event.get("citysoc.class") or class_of(best)
    offset = event.get("log.offset")
    moment = event.get("@timestamp")
    return Finding(
        rule=f"{RULE}{best.feed}",
        title=title,
        title_vi=title_vi,
        level=level_of(best.confidence, blocked=outcome in _BLOCKED),
        agency=str(event.get("agency.id") or UNKNOWN_AGENCY),
        event_id=str(event.get("event.id") or ""),
        timestamp=moment if isinstance(moment, dt.datetime) else dt.datetime.fromtimestamp(0, UTC),
        matched=_matched(event, several, klass) | ({"citysoc.outcome": outcome} if outcome else {}),
        tags=("citysoc.intel", *((f"citysoc.{klass.lower()}",) if isinstance(klass, str) and klass else ())),
        group={"threat.indicator.name": best.value, "host": entity},
        window_seconds=window_seconds,
        entity=entity,
        path=str(event.get("log.file.path") or ""),
        offset=offset if isinstance(offset, int) else 0,
    )


def _matched(event: Event, several: Sequence[tuple[str, Record]], klass: object) -> dict[str, Any]:
    field, best = several[0]
    said: dict[str, Any] = {
        field: event.get(field),
        "threat.indicator.name": best.value,
        "threat.indicator.type": ecs_type(best),
        "threat.feed.name": [record.feed for _field, record in several],
        "citysoc.intel.confidence": best.confidence,
        "citysoc.intel.expires": iso(dt.datetime.fromtimestamp(best.expires, UTC))
        if best.expires
        else "never",
        "citysoc.intel.malware": best.name,
        "citysoc.intel.tags": list(best.tags),
        "citysoc.intel.note": best.note,
        "citysoc.class": klass,
        "source.ip": event.get("source.ip"),
        "destination.ip": event.get("destination.ip"),
    }
    return {name: value for name, value in said.items() if value not in (None, "", [])}


_OTHER_SIDE = {
    "source.ip": ("destination.ip", "host.name", "host.ip"),
    "source.nat.ip": ("destination.ip", "host.name", "host.ip"),
    "source.domain": ("destination.ip", "host.name"),
    "source.address": ("destination.ip", "host.name"),
    "client.ip": ("server.ip", "destination.ip", "host.name", "host.ip"),
    "email.from.address": ("email.to.address", "host.name"),
}
_INSIDE = ("source.ip", "client.ip", "host.name", "host.ip")
_ON_HOST = ("host.name", "host.ip", "source.ip")
_ENTITY_KINDS = {"host.name": "host", "email.to.address": "mail"}


def entity_of(event: Event, field: str) -> str:
    """Return the inside host of a match: the other side of what matched, as ``kind:value``; empty where there is none."""
    if field in _OTHER_SIDE:
        names: Sequence[str] = _OTHER_SIDE[field]
    else:
        names = _ON_HOST if field in HASHES or field == "related.hash" else _INSIDE
    for name in names:
        value = event.get(name)
        if isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, str) and value:
            return f"{_ENTITY_KINDS.get(name, 'ip')}:{value}"
    return ""
