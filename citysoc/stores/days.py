"""Which day an event is kept under, and small things that every store does to rows."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from citysoc import clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

OLDEST = dt.timedelta(days=400)
NEWEST = dt.timedelta(days=2)


def by_day(rows: pa.Table) -> Iterator[tuple[dt.date, pa.Table]]:
    """Yield the rows of each day of event time in UTC, in their order, without columns that are empty.

    An event that claims to be more than 400 days older or 2 days newer than its arrival goes to the first day of
    its year, so that a wrong or hostile clock cannot make more than one index or partition a year.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    time = rows["@timestamp"]
    arrival = pc.coalesce(rows["event.ingested"], time) if "event.ingested" in rows.schema.names else time
    near = pc.and_(
        pc.greater_equal(time, pc.subtract(arrival, pa.scalar(OLDEST, pa.duration("us")))),
        pc.less_equal(time, pc.add(arrival, pa.scalar(NEWEST, pa.duration("us")))),
    )
    days = pc.if_else(near, pc.floor_temporal(time, unit="day"), pc.floor_temporal(time, unit="year"))
    days = pc.cast(days, pa.date32())
    present = sorted(pc.unique(days).to_pylist())
    for day in present:
        own = rows if len(present) == 1 else rows.filter(pc.equal(days, pa.scalar(day, pa.date32())))
        yield day, filled(own)


def filled(rows: pa.Table) -> pa.Table:
    """Return the rows without columns that are empty in all of them."""
    return rows.select([name for name in rows.schema.names if rows[name].null_count < len(rows)])


def with_times(table: pa.Table) -> pa.Table:
    """Return the rows with an event time in each: the time of arrival where the record names none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    moment = table["@timestamp"]
    if not moment.null_count:
        return table
    moment = pc.fill_null(pc.coalesce(moment, table["event.ingested"]), pa.scalar(clock.now(), moment.type))
    return table.set_column(table.schema.get_field_index("@timestamp"), "@timestamp", moment)
