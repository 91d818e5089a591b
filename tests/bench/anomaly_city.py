"""Six weeks of the city's habits with planted campaigns in a real event store; for measuring the anomaly model."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

import citysoc.config
from citysoc import clock
from citysoc.config.load import load_agencies
from citysoc.ecs.schema import schema
from citysoc.simulation import habits
from citysoc.simulation.attacks import campaigns
from citysoc.simulation.town import settle
from citysoc.stores.local import LocalStore

if TYPE_CHECKING:
    from citysoc.simulation.attacks.campaigns import Campaign
    from citysoc.simulation.town import Town

EXAMPLE = Path(citysoc.config.__file__).parent / "example" / "agencies.yaml"
FIRST = dt.date(2026, 9, 28)
QUIET_DAYS = 26
WATCHED_DAYS = 9


@dataclass(frozen=True)
class Built:
    """The store, when it begins, from when campaigns run, when it ends, and the campaigns."""

    store: LocalStore
    begin: dt.datetime
    watched: dt.datetime
    end: dt.datetime
    campaigns: list[Campaign]
    events: int


def build(
    folder: Path, *, seed: int = 1, agencies: int | None = None, each: int = 3, pace: float = 2.0
) -> Built:
    """Write the weeks into a local store below ``folder``; nothing is written when it is there already."""
    registry = list(load_agencies(EXAMPLE))
    town = settle(registry[:agencies] if agencies else registry, seed, pace=pace)
    watched = FIRST + dt.timedelta(days=QUIET_DAYS)
    planted = campaigns.plant(town, watched, WATCHED_DAYS, seed, each=each)
    store = LocalStore(folder)
    total = QUIET_DAYS + WATCHED_DAYS
    for n in range(store.last_commit(), total):
        date = FIRST + dt.timedelta(days=n)
        table = _day(town, date, planted, seed)
        store.append(_whole(table, n), n + 1)
    return Built(
        store,
        _midnight(FIRST),
        _midnight(watched),
        _midnight(FIRST + dt.timedelta(days=total)),
        planted,
        store.status().events,
    )


def _day(town: Town, date: dt.date, planted: list[Campaign], seed: int) -> pa.Table:
    import pyarrow.compute as pc

    since, until = _midnight(date), _midnight(date + dt.timedelta(days=1))
    tables = [habits.day(town, date, seed)]
    for one in planted:
        at = one.events["@timestamp"]
        inside = pc.and_(pc.greater_equal(at, since), pc.less(at, until))
        tables.append(one.events.filter(inside))
    return pa.concat_tables(tables, promote_options="default").sort_by("@timestamp")


def _whole(table: pa.Table, day: int) -> pa.Table:
    """Return events with all columns of the store, and ids."""
    count = table.num_rows
    ids = pa.array([f"{day:04x}{n:012x}" for n in range(count)])
    columns = []
    for field in schema():
        if field.name == "event.id":
            columns.append(ids)
        elif field.name in table.column_names:
            columns.append(table[field.name].cast(field.type))
        else:
            columns.append(pa.nulls(count, field.type))
    return pa.Table.from_arrays(columns, schema=schema())


def _midnight(date: dt.date) -> dt.datetime:
    return dt.datetime.combine(date, dt.time(), clock.HUE).astimezone(dt.UTC)
