"""What would new indicators have hit? The past asked by distinct values, through the protocol of the stores.

First the store gives each distinct value of the fields that are matched at arrival; those meet a table of the new
indicators; of what matches, the store then counts events and agencies, with the first and the last of them.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citysoc import clock, telemetry
from citysoc.alerts.intake import alert_key, take
from citysoc.detectors.intel.fields import FIELDS, LISTS, URLS
from citysoc.detectors.intel.findings import findings_of
from citysoc.detectors.intel.lookup import Lookup
from citysoc.detectors.intel.table import LATE_SECONDS, load, write
from citysoc.errors import UsageError
from citysoc.i18n import _
from citysoc.state.values import micros, stamp
from citysoc.stores.base import Metric, Question

if TYPE_CHECKING:
    import datetime as dt
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from citysoc.config.models import Alerts, Webhook
    from citysoc.detectors.intel.database import Database, Record
    from citysoc.flow import Event, Finding
    from citysoc.state import State
    from citysoc.stores.base import EventStore

_log = telemetry.logger("detectors.intel")

MAX_VALUES = 2_000_000
"""So many distinct values of a field are asked for; that there are more is said."""
MAX_EVENTS = 20_000
"""So many events become findings; that there are more is said."""
_ASKED = 200
_AT_ONCE = 50_000
_MAX_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Span:
    """Where to look: events from ``since`` until before ``until``."""

    since: dt.datetime
    until: dt.datetime


@dataclass(slots=True)
class Found:
    """What the past holds of new indicators.

    Args:
        rows: one a field and value: indicator, feed, confidence, events, agencies, first, last; most events first.
        indicators: how many different indicators were hit.
        events: how many events; one that several fields hit counts for each.
        agencies: which.
        alerts: how many alerts were made.
        left_out: what could not be looked at, a sentence each.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    indicators: int = 0
    events: int = 0
    agencies: set[str] = field(default_factory=set)
    alerts: int = 0
    left_out: list[str] = field(default_factory=list)


def hunt(
    store: EventStore, database: Database, stamps: Mapping[str, int], span: Span, *, everything: bool = False
) -> Found:
    """Return what the past holds of the indicators that imports brought.

    Args:
        store: holds the events.
        database: holds the indicators.
        stamps: feed to the second of its import: what it named for the first time then is new.
        span: where to look.
        everything: look for all indicators of the feeds, not only the new ones.
    """
    found = Found()
    with tempfile.TemporaryDirectory(prefix="citysoc-intel-") as folder:
        path = Path(folder) / "new.bin"
        if not sum(write(path, _new(database, stamps, everything=everything), generation=0).values()):
            return found
        lookup = Lookup(load(path), lambda wanted: _of_feeds(database, wanted, stamps))
        for name, kind in {**FIELDS, **dict.fromkeys(URLS, "urls"), **LISTS}.items():
            if known := _hits(store, lookup, (name, kind), span, found):
                _count(store, name, known, span, found)
    found.rows.sort(key=lambda row: (-row["events"], row["indicator"], row["field"], row["value"]))
    found.indicators = len({(row["kind"], row["indicator"]) for row in found.rows})
    found.events = sum(row["events"] for row in found.rows)
    found.left_out += store.left_out()
    return found


def _new(database: Database, stamps: Mapping[str, int], *, everything: bool) -> Iterator[tuple[str, str]]:
    oldest = int(clock.now().timestamp()) - LATE_SECONDS
    for feed, at in stamps.items():
        for row in database.stream(
            "SELECT kind, value FROM indicators JOIN feeds ON feeds.id = feed WHERE feeds.name = ? AND warned IS NULL"
            " AND (first >= ? OR ?) AND coalesce(expires, ?) >= ?",
            (feed, at, everything, oldest, oldest),
        ):
            yield row[0], row[1]


def _of_feeds(database: Database, wanted: list[tuple[str, str]], stamps: Mapping[str, int]) -> list[Record]:
    return [one for one in database.records(wanted) if one.warned is None and one.feed in stamps]


def _hits(
    store: EventStore, lookup: Lookup, of: tuple[str, str], span: Span, found: Found
) -> dict[object, tuple[Record, ...]]:
    """Return the values of a field that are indicators."""
    name, kind = of
    question = Question(f"{name}:*", since=span.since, until=span.until)
    try:
        rows = store.aggregate(question, by=(name,), limit=MAX_VALUES)
    except UsageError as error:
        found.left_out.append(f"{name}: {error}")
        return {}
    if len(rows) >= MAX_VALUES:
        text = _("{field} has more than {count} distinct values: only the most frequent were looked at.")
        found.left_out.append(text.format(field=name, count=MAX_VALUES))
    known: dict[object, tuple[Record, ...]] = {}
    for start in range(0, len(rows), _AT_ONCE):
        values = {value for row in rows[start : start + _AT_ONCE] if (value := row[name]) is not None}
        known |= getattr(lookup, kind)(values)
    return known


def _count(
    store: EventStore, name: str, known: Mapping[object, tuple[Record, ...]], span: Span, found: Found
) -> None:
    """Count the events of values that are indicators, by agency."""
    metrics = (Metric(), Metric("min", "@timestamp"), Metric("max", "@timestamp"))
    for part in _parts(list(known)):
        question = Question(_any_of(name, part), since=span.since, until=span.until)
        rows: dict[object, dict[str, Any]] = {}
        for group in store.aggregate(question, by=(name, "agency.id"), metrics=metrics):
            value = group[name]
            if value not in known or not group["count"]:
                continue
            best = known[value][0]
            first, last = group["min:@timestamp"], group["max:@timestamp"]
            row = rows.setdefault(
                value,
                {
                    "indicator": best.value,
                    "kind": best.kind,
                    "feed": best.feed,
                    "confidence": best.confidence,
                    "expires": best.expires,
                    "field": name,
                    "value": value,
                    "events": 0,
                    "agencies": [],
                    "first": first,
                    "last": last,
                },
            )
            row["events"] += group["count"]
            row["agencies"].append(str(group["agency.id"]))
            row["first"], row["last"] = min(row["first"], first), max(row["last"], last)
            found.agencies.add(str(group["agency.id"]))
        found.rows += rows.values()


def _parts(values: list[object]) -> Iterator[list[object]]:
    for start in range(0, len(values), _ASKED):
        yield values[start : start + _ASKED]


def _any_of(name: str, values: Iterable[object]) -> str:
    return f"{name}:({' OR '.join(_quoted(value) for value in values)})"


def _quoted(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


@dataclass(frozen=True, slots=True)
class Alerting:
    """How findings of the past become alerts.

    Args:
        state: opened for writing.
        policy: the windows and levels.
        webhooks: who is told.
        window_seconds: of alerts of indicators.
        least: weaker indicators make none.
    """

    state: State
    policy: Alerts
    webhooks: Sequence[Webhook]
    window_seconds: int
    least: int = 0


def alert(store: EventStore, database: Database, found: Found, span: Span, how: Alerting) -> int:
    """Make alerts of what was found; return how many are new.

    A finding whose alert is there already, of the live line or of an earlier import, is not counted again.
    """
    findings: dict[tuple[str, str, str], Finding] = {}
    left = MAX_EVENTS
    for row in found.rows[:_MAX_ROWS]:
        if left <= 0:
            found.left_out.append(
                _("Alerts were made of the first {count} events only.").format(count=MAX_EVENTS)
            )
            break
        records = [one for one in database.records([(row["kind"], row["indicator"])]) if one.warned is None]
        question = Question(_any_of(row["field"], [row["value"]]), since=span.since, until=span.until)
        for event in store.search(question, newest_first=False, limit=left):
            left -= 1
            for one in _judged(event, row["field"], records, how):
                findings.setdefault((one.rule, str(one.group), one.event_id), one)
    ordered = sorted(findings.values(), key=lambda one: (one.timestamp, one.event_id, one.rule))
    with how.state.transaction() as db:
        news = [one for one in ordered if not _told(db, one)]
        taken = take(db, news, policy=how.policy, webhooks=how.webhooks, now=clock.now())
    found.alerts = taken.created
    return taken.created


def _judged(event: Event, name: str, records: Sequence[Record], how: Alerting) -> list[Finding]:
    at = event["@timestamp"].timestamp()
    valid = [(name, one) for one in records if one.expires is None or at < one.expires]
    return findings_of(event, valid, window_seconds=how.window_seconds, least=how.least) if valid else []


def _told(db: sqlite3.Connection, finding: Finding) -> bool:
    """Return whether an alert covers a finding already."""
    at = stamp(micros(finding.timestamp))
    key = alert_key(finding.rule, finding.agency, finding.group)
    sql = "SELECT 1 FROM alerts WHERE key = ? AND first_seen <= ? AND last_seen >= ? LIMIT 1"
    return db.execute(sql, (key, at, at)).fetchone() is not None
