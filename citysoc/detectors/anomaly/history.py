"""Read the feature table, with what needs memory: novelty in 30 days and contact around the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.detectors.anomaly.days import days, files
from citysoc.detectors.anomaly.families import FEATURES, HOURLY
from citysoc.detectors.anomaly.families.beaconing import RARE_HOSTS
from citysoc.detectors.anomaly.families.novelty import DAYS, WARM_UP_DAYS

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from citysoc.detectors.anomaly.feature import Kind

_NEW = {
    "new_peers": "peer",
    "new_programs": "program",
    "new_accounts": "account",
    "new_places": "place",
    "new_names": "name",
    "new_ports": "port",
    "new_malware": "malware",
}
"""Feature to dimension: new to the entity, which was known before."""
_FIRST = {"first_peers": "peer", "first_programs": "program", "first_malware": "malware"}
"""Feature to dimension: new to the whole city."""

_TRAILING = {
    "faithful_hours": (
        "CREATE TEMP TABLE {name}_v AS WITH p AS (SELECT agency, entity, value, mask, day,"
        " count(*) OVER (PARTITION BY value, day) AS hosts FROM read_parquet($paths)"
        " WHERE kind = 'host' AND dimension = 'peer' AND day >= $first // 24 - 1),"
        " q AS (SELECT *, CASE WHEN lag(day) OVER w = day - 1 THEN lag(mask) OVER w ELSE 0 END AS earlier"
        " FROM p WINDOW w AS (PARTITION BY agency, entity, value ORDER BY day)),"
        " h AS (SELECT agency, entity, day * 24 + bit AS hour,"
        " bit_count(mask & ((2 << bit) - 1)) + bit_count(earlier >> (bit + 1)) AS n"
        " FROM q, (SELECT unnest(range(24))::INTEGER AS bit)"
        " WHERE hosts <= {rare} AND bit_count(mask) + bit_count(earlier) >= 3 AND mask & (1 << bit) <> 0)"
        " SELECT agency, entity, hour::INTEGER AS hour, max(n) AS v FROM h"
        " WHERE hour >= $first AND hour < $last GROUP BY ALL"
    ),
    "outbreak_hosts": (
        "CREATE TEMP TABLE {name}_v AS WITH o AS (SELECT agency, entity, value, mask, day FROM"
        " read_parquet($paths) WHERE kind = 'malware' AND day >= $first // 24 - 1),"
        " p AS (SELECT agency, entity, value, bit_or(mask) AS mask, bit_or(carried) AS earlier, day FROM"
        " (SELECT agency, entity, value, mask, 0 AS carried, day FROM o UNION ALL"
        " SELECT agency, entity, value, 0, mask, day + 1 FROM o) GROUP BY ALL),"
        " h AS (SELECT agency, entity, day * 24 + bit AS hour, count(*) AS n, bool_or(mask & (1 << bit) <> 0) AS now"
        " FROM p, (SELECT unnest(range(24))::INTEGER AS bit)"
        " WHERE (mask & ((2 << bit) - 1)) | (earlier >> (bit + 1)) <> 0 GROUP BY ALL)"
        " SELECT agency, agency AS entity, hour::INTEGER AS hour, max(n) AS v FROM h"
        " WHERE now AND hour >= $first AND hour < $last GROUP BY ALL"
    ),
}
"""Features over the last 24 hours."""

_HOUR = "(day * 24 + log2((mask & -mask)::DOUBLE)::INTEGER)::INTEGER"
"""The hour of the lowest bit."""


def features_of(kind: Kind) -> tuple[str, ...]:
    """Return the names of a kind's features, in the order of the columns."""
    return tuple(feature.name for feature in FEATURES if kind in feature.kinds)


def read(folder: Path, kind: Kind, first: int, last: int, *, memory: str = "700MB") -> pa.Table:
    """Return the rows of one kind in a half-open span of hours: keys, then ``features_of(kind)``.

    Args:
        folder: where the table is.
        kind: of entity.
        first: hours since 1970.
        last: the hour after the last.
        memory: what DuckDB may use.
    """
    import duckdb

    there = days(folder)
    now = [day for day in there if first // 24 <= day <= (last - 1) // 24]
    before = [day for day in there if first // 24 - DAYS <= day <= (last - 1) // 24]
    names = features_of(kind)
    with duckdb.connect(config={"memory_limit": memory, "threads": 2}) as db:
        rows = [str(path) for path in files(folder, now)[::2]]
        if not rows:
            return _empty(names)
        pairs = [str(path) for path in files(folder, before)[1::2]]
        hourly = [feature.name for feature in HOURLY if kind in feature.kinds]
        db.execute(
            "CREATE TEMP TABLE hours AS SELECT agency, level, entity, hour,"  # noqa: S608  our own names
            f" {', '.join(hourly)} FROM read_parquet(?) WHERE kind = ? AND hour >= ? AND hour < ?",
            [rows, kind, first, last],
        )
        joins, columns = [], []
        for name in names:
            if name in hourly:
                columns.append(name)
                continue
            _remembered(db, name, kind, pairs, (first, last))
            joins.append(f"LEFT JOIN {name}_v USING (agency, entity, hour)")
            columns.append(f"coalesce({name}_v.v, 0)::FLOAT AS {name}")
        return db.sql(
            f"SELECT agency, level, entity, hour, {', '.join(columns)} FROM hours {' '.join(joins)}"  # noqa: S608
            " ORDER BY agency, entity, hour"
        ).to_arrow_table()


def _remembered(db: object, name: str, kind: Kind, pairs: list[str], span: tuple[int, int]) -> None:
    """Make the table ``<name>_v`` of one feature that needs memory."""
    first, last = span
    if name in _TRAILING:
        statement = _TRAILING[name].format(name=name, rare=RARE_HOSTS)
        db.execute(statement, {"paths": pairs, "first": first, "last": last})  # type: ignore[attr-defined]  # as below
        return
    dimension = _NEW.get(name) or _FIRST[name]
    chosen = (
        "SELECT agency, entity, value, mask, day FROM read_parquet($paths)"
        " WHERE kind = $kind AND dimension = $dimension"
    )
    if name in _NEW:
        found = (
            "SELECT agency, entity, mask, day FROM (SELECT *,"
            " lag(day) OVER (PARTITION BY agency, entity, value ORDER BY day) AS before,"
            " min(day) OVER (PARTITION BY agency, entity) AS met,"
            " min(day) OVER (PARTITION BY agency) + $warm AS warm FROM p)"
            " WHERE (before IS NULL OR day - before > $days) AND day > met AND day >= warm"
        )
    else:
        found = (
            "SELECT p.agency, p.entity, p.mask, p.day FROM p JOIN (SELECT value, day,"
            " lag(day) OVER (PARTITION BY value ORDER BY day) AS before FROM (SELECT DISTINCT value, day FROM p)) c"
            " ON c.value = p.value AND c.day = p.day WHERE (before IS NULL OR p.day - before > $days)"
            " AND p.day >= (SELECT min(day) + $warm FROM p)"
        )
    db.execute(  # type: ignore[attr-defined]  # a DuckDB connection, which is imported where it is opened
        f"CREATE TEMP TABLE {name}_v AS WITH p AS ({chosen}), n AS ({found})"  # noqa: S608  our own names
        f" SELECT agency, entity, {_HOUR} AS hour, count(*) AS v FROM n"
        " GROUP BY ALL HAVING hour >= $first AND hour < $last",
        {
            "paths": pairs,
            "kind": kind,
            "dimension": dimension,
            "first": first,
            "last": last,
            "warm": WARM_UP_DAYS,
            "days": DAYS,
        },
    )


def _empty(names: tuple[str, ...]) -> pa.Table:
    import pyarrow as pa

    keys = [pa.field(key, pa.string()) for key in ("agency", "level", "entity")]
    return pa.schema(
        [*keys, pa.field("hour", pa.int32()), *(pa.field(name, pa.float32()) for name in names)]
    ).empty_table()
