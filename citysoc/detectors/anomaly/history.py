"""Read the feature table: the rows of a span, with the features that need memory (``memory``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.detectors.anomaly import memory
from citysoc.detectors.anomaly.days import days, files
from citysoc.detectors.anomaly.families import FEATURES, HOURLY
from citysoc.detectors.anomaly.families.novelty import DAYS

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from citysoc.detectors.anomaly.feature import Kind

KEYS = ("agency", "level", "entity", "hour", "meets")
"""What a row is about; ``meets`` says whose an address outside is and names the agencies that it met, with spaces between."""
MEMORY = "600MB"
"""What DuckDB may use."""


def features_of(kind: Kind) -> tuple[str, ...]:
    """Return the names of a kind's features, in the order of the columns."""
    return tuple(feature.name for feature in FEATURES if kind in feature.kinds)


def read(folder: Path, kind: Kind, first: int, last: int) -> pa.Table:
    """Return the rows of one kind in a half-open span of hours: ``KEYS``, then ``features_of(kind)``.

    Args:
        folder: where the table is.
        kind: of entity.
        first: hours since 1970.
        last: the hour after the last.
    """
    import duckdb

    there = days(folder)
    now = [day for day in there if first // 24 <= day <= (last - 1) // 24]
    before = [day for day in there if first // 24 - DAYS <= day <= (last - 1) // 24]
    names = features_of(kind)
    if not now:
        return _empty(names)
    pairs = {day: str(path) for day, path in zip(before, files(folder, before)[1::2], strict=True)}
    with duckdb.connect(config={"memory_limit": MEMORY, "threads": 2}) as db:
        hourly = [feature.name for feature in HOURLY if kind in feature.kinds]
        rows = [str(path) for path in files(folder, now)[::2]]
        db.execute(
            f"CREATE TEMP TABLE hours AS SELECT {', '.join(KEYS)}, {', '.join(hourly)}"  # noqa: S608  our own names
            " FROM read_parquet(?) WHERE kind = ? AND hour >= ? AND hour < ?",
            [rows, kind, first, last],
        )
        remembered = memory.remember(db, kind, names, pairs, (first, last))
        joins = [f"LEFT JOIN {name}_v USING (agency, entity, hour)" for name in remembered]
        columns = [
            f"coalesce({name}_v.v, 0)::FLOAT AS {name}" if name in remembered else name for name in names
        ]
        return db.sql(
            f"SELECT {', '.join(KEYS)}, {', '.join(columns)} FROM hours {' '.join(joins)}"  # noqa: S608
            " ORDER BY agency, entity, hour"
        ).to_arrow_table()


def _empty(names: tuple[str, ...]) -> pa.Table:
    import pyarrow as pa

    keys = [pa.field(key, pa.int32() if key == "hour" else pa.string()) for key in KEYS]
    return pa.schema([*keys, *(pa.field(name, pa.float32()) for name in names)]).empty_table()
