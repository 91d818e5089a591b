"""Retention: what leaves the store by age, by class and by size; every removal is in the audit trail."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from citysoc import telemetry
from citysoc.alerts.lives import record
from citysoc.clock import iso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citysoc.config.stores import Store
    from citysoc.state import State
    from citysoc.stores.base import EventStore

_log = telemetry.logger("retention")

ALL = "all"
SIZE = "size"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is to go.

    Args:
        name: the class, ``all`` or ``size``.
        before: what is older.
        query: which events; empty means all, quarantined records too.
    """

    name: str
    before: dt.datetime
    query: str = ""


@dataclass(frozen=True, slots=True)
class Removed:
    """What went by a rule."""

    rule: Rule
    rows: int


def rules(settings: Store, store: EventStore, now: dt.datetime, *, days: int | None = None) -> Iterator[Rule]:
    """Yield what the configuration wants to go, in the order in which it is done.

    Spans end at midnight UTC, where the store's days do, so that whole files go and none is written anew.

    Args:
        settings: the configuration of the store.
        store: the store; its size is asked after the other rules were applied.
        now: the present.
        days: in the place of ``retention_days``.
    """
    today = now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    yield Rule(ALL, today - dt.timedelta(days=days or settings.retention_days))
    for kept in settings.retention:
        yield Rule(kept.name, today - dt.timedelta(days=kept.days), kept.query)
    if settings.max_bytes is not None and (before := store.fitting(settings.max_bytes)) is not None:
        yield Rule(SIZE, before)


def retain(
    settings: Store, store: EventStore, state: State, *, now: dt.datetime, who: str, days: int | None = None
) -> list[Removed]:
    """Apply retention; return what went.

    Args:
        settings: the configuration of the store.
        store: the store.
        state: whose audit trail tells what went.
        now: the present.
        who: who or what asked for it.
        days: in the place of ``retention_days``.

    Raises:
        StoreError: the store refuses; what went before stays in the audit trail.
    """
    gone = []
    for rule in rules(settings, store, now, days=days):
        rows = store.retain(rule.before, rule.query)
        if not rows:
            continue
        gone.append(Removed(rule, rows))
        detail = f"{rows} records before {iso(rule.before)}" + (f": {rule.query}" if rule.query else "")
        with state.transaction() as db:
            record(db, "store", rule.name, "removed", who=who, now=now, detail=detail)
        if rule.name == SIZE:
            # The law's time may not be over: whoever watches the log must learn of it.
            _log.warning("retention.early", rows=rows, before=iso(rule.before), max_bytes=settings.max_bytes)
        else:
            _log.info("retention.removed", rule=rule.name, rows=rows, before=iso(rule.before))
    return gone
