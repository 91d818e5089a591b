"""Move events from one store to the other, day by day, and prove that they arrived.

A day is done when the target holds each of the source's events with the same content. A day that is done is only
compared, so that an interrupted move goes on where it stopped; what a half-moved day has already is not moved twice.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from citysoc.ecs.schema import schema, to_table
from citysoc.errors import StoreError
from citysoc.i18n import _
from citysoc.stores.base import Question
from citysoc.stores.days import with_times
from citysoc.stores.elastic import ElasticStore
from citysoc.stores.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from citysoc.flow import Event
    from citysoc.stores.base import EventStore

_BATCH = 5000
_DAY = dt.timedelta(days=1)
_SPACE = 1 << 128


@dataclass(frozen=True, slots=True)
class Content:
    """What a store holds of a day.

    Args:
        ids: of its events and quarantined records.
        digest: over their whole content; the order does not matter.
    """

    ids: frozenset[str]
    digest: str


@dataclass(frozen=True, slots=True)
class Moved:
    """One day that is proven to be in the target.

    Args:
        day: the day of event time, UTC.
        rows: events and quarantined records of the source.
        copied: how many of them were copied now.
        own: further ones that only the target has.
        digest: of the source's, as both stores give it.
    """

    day: dt.date
    rows: int
    copied: int
    own: int
    digest: str


def days(store: EventStore) -> dict[dt.date, int]:
    """Return the days of which a store has anything, with how much, oldest first."""
    found: dict[dt.date, int] = {}
    for quarantine in (False, True):
        rows = store.aggregate(
            Question(quarantine=quarantine), by=(), interval_seconds=86_400, timezone="UTC"
        )
        for row in rows:
            found[row["time"].date()] = found.get(row["time"].date(), 0) + row["count"]
    return dict(sorted(found.items()))


def migrate(
    source: EventStore, target: EventStore, *, advance: Callable[[int], None] = lambda _count: None
) -> Iterator[Moved]:
    """Copy what the target lacks; yield each day once it is proven.

    Nothing may write to either store meanwhile.

    Args:
        source: read only.
        target: gets what it lacks; keeps what it has besides.
        advance: told how many of the source's events are done.

    Raises:
        StoreError: a store does not answer, or the target does not hold what was copied.
    """
    settle(source)
    settle(target)
    for day, count in days(source).items():
        here = content(source, day)
        there = content(target, day, only=here.ids)
        copied = 0
        if there.digest != here.digest or there.ids < here.ids:
            copied = _copy(source, target, day, there.ids)
            settle(target)
            there = content(target, day, only=here.ids)
        if there.digest != here.digest or not here.ids <= there.ids:
            raise StoreError(
                _("{day}: the target holds {there} of {here} events, or holds them differently.").format(
                    day=day.isoformat(), there=len(here.ids & there.ids), here=len(here.ids)
                ),
                hint=_("Nothing was lost: the source is as it was."),
            )
        advance(count)
        yield Moved(day, len(here.ids), copied, len(there.ids - here.ids), here.digest)
    _go_on_from(target, source.last_commit())


def content(store: EventStore, day: dt.date, *, only: frozenset[str] | None = None) -> Content:
    """Return what a store holds of a day.

    Args:
        store: the store.
        day: of event time, UTC.
        only: digest only these ids; None for all.
    """
    ids = []
    total = 0
    for event in _events(store, day):
        ids.append(event["event.id"])
        if only is None or event["event.id"] in only:
            text = orjson.dumps(event, option=orjson.OPT_SORT_KEYS)
            total += int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")
    return Content(frozenset(ids), f"{total % _SPACE:032x}")


def _events(store: EventStore, day: dt.date) -> Iterator[Event]:
    since = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
    for quarantine in (False, True):
        question = Question(since=since, until=since + _DAY, quarantine=quarantine)
        yield from store.search(question, newest_first=False)


def _copy(source: EventStore, target: EventStore, day: dt.date, there: frozenset[str]) -> int:
    copied = 0
    rows: list[Event] = []
    for event in _events(source, day):
        if event["event.id"] not in there:
            rows.append(event)
        if len(rows) == _BATCH:
            copied += _take(target, to_table(rows))
            rows = []
    return copied + (_take(target, to_table(rows)) if rows else 0)


def _take(store: EventStore, rows: pa.Table) -> int:
    if isinstance(store, ElasticStore):
        store.take(rows)
    elif isinstance(store, LocalStore):
        from citysoc.stores.local_table import Table

        Table(store.place).append(with_times(rows), None)
    return int(rows.num_rows)


def settle(store: EventStore) -> None:
    """Make sure that a store holds all that it was given, and shows it.

    Raises:
        StoreError: it is away.
    """
    store.settle()
    if not isinstance(store, ElasticStore):
        return
    store.begin()
    if store.outside().rows:
        raise StoreError(
            _("{count} records still wait for the cluster.").format(count=store.outside().rows),
            where=store.place,
            hint=_("Bring the cluster back first."),
        )
    store.refresh()


def _go_on_from(store: EventStore, number: int) -> None:
    """Let a store know the newest commit of the one before it, so that the pipeline goes on where it stopped."""
    if number <= store.last_commit():
        return
    if isinstance(store, ElasticStore):
        store.go_on_from(number)
    else:
        store.append(schema().empty_table(), number)
