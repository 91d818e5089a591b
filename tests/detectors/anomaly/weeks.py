"""A small city for two weeks in a real store, made once for all tests of the anomaly model."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pyarrow as pa

from citysoc import clock
from citysoc.config.agencies import Agency
from citysoc.ecs.schema import schema
from citysoc.simulation import habits
from citysoc.simulation.town import Town, settle
from citysoc.stores.local import LocalStore

if TYPE_CHECKING:
    from pathlib import Path

FIRST = dt.date(2026, 9, 28)
AGENCIES = tuple(
    Agency(
        id=f"co-quan-{n}",
        name=f"Cơ quan {n}",
        level="commune",
        networks=(f"10.{n + 1}.0.0/24",),
    )
    for n in range(6)
)


def town() -> Town:
    """Return the machines of the small city."""
    return settle(AGENCIES, 3, pace=1.5)


def midnight(date: dt.date) -> dt.datetime:
    """Return when a local day begins, UTC."""
    return dt.datetime.combine(date, dt.time(), clock.HUE).astimezone(dt.UTC)


def whole(table: pa.Table, prefix: str) -> pa.Table:
    """Return events with all columns of the store, and ids."""
    ids = pa.array([f"{prefix}{n:012x}" for n in range(table.num_rows)])
    columns = []
    for field in schema():
        if field.name == "event.id":
            columns.append(ids)
        elif field.name in table.column_names:
            columns.append(table[field.name].cast(field.type))
        else:
            columns.append(pa.nulls(table.num_rows, field.type))
    return pa.Table.from_arrays(columns, schema=schema())


def fill(path: Path, days: int, extra: tuple[pa.Table, ...] = ()) -> LocalStore:
    """Write days of ordinary life, and extra events, into a store."""
    store, made = LocalStore(path), town()
    tables = [habits.day(made, FIRST + dt.timedelta(days=n), 5) for n in range(days)]
    everything = pa.concat_tables([*tables, *extra], promote_options="default").sort_by("@timestamp")
    store.append(whole(everything, "a"), 1)
    return store
