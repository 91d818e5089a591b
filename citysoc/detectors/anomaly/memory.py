"""Features that need more than their hour: novelty in 30 days, and contact around the clock; from the pairs of each day.

What is asked for is looked up, not everything: of 30 days only the pairs are kept in memory that come in the span
itself, too, so an hour costs a reading of the pairs, whatever the city has seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.detectors.anomaly.families.beaconing import RARE_HOSTS
from citysoc.detectors.anomaly.families.novelty import DAYS, WARM_UP_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb

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

_FIRST_HOUR = "(day * 24 + log2((mask & -mask)::DOUBLE)::INTEGER)::INTEGER"
"""The hour of the lowest bit."""

_NOVEL = f"""
CREATE OR REPLACE TEMP TABLE near AS
  SELECT agency, entity, dimension, value, day, {_FIRST_HOUR} AS hour FROM read_parquet($now)
  WHERE kind = $kind AND dimension IN (SELECT unnest($dimensions));
CREATE OR REPLACE TEMP TABLE asked AS
  SELECT DISTINCT agency, entity, dimension, value FROM near WHERE hour >= $first AND hour < $last;
CREATE OR REPLACE TEMP TABLE fresh AS
  WITH known AS (
    SELECT agency, entity, dimension, value, max(day) AS day FROM read_parquet($before)
    SEMI JOIN asked USING (agency, entity, dimension, value) WHERE kind = $kind GROUP BY ALL
  ), seen AS (
    SELECT * FROM near SEMI JOIN asked USING (agency, entity, dimension, value)
    UNION ALL BY NAME SELECT *, NULL AS hour FROM known
  ), steps AS (
    SELECT *, lag(day) OVER (PARTITION BY agency, entity, dimension, value ORDER BY day) AS before FROM seen
  )
  SELECT agency, entity, dimension, value, day, hour FROM steps
  WHERE hour >= $first AND hour < $last AND (before IS NULL OR day - before > {DAYS});
CREATE OR REPLACE TEMP TABLE met AS
  SELECT dimension, agency, entity, min(day) AS day FROM read_parquet($every)
  WHERE kind = $kind AND dimension IN (SELECT unnest($dimensions)) GROUP BY ALL;
CREATE OR REPLACE TEMP TABLE novel AS
  SELECT f.dimension, f.agency, f.entity, f.hour, count(*) AS v FROM fresh f
  JOIN met USING (dimension, agency, entity)
  JOIN (SELECT dimension, agency, min(day) + {WARM_UP_DAYS} AS warm FROM met GROUP BY ALL) w
    USING (dimension, agency)
  WHERE f.day > met.day AND f.day >= w.warm GROUP BY ALL;
CREATE OR REPLACE TEMP TABLE firsts AS
  WITH known AS (
    SELECT dimension, value, max(day) AS day FROM read_parquet($before)
    SEMI JOIN fresh USING (dimension, value) WHERE kind = $kind GROUP BY ALL
  ), steps AS (
    SELECT dimension, value, day, lag(day) OVER (PARTITION BY dimension, value ORDER BY day) AS before FROM
    (SELECT DISTINCT dimension, value, day FROM near SEMI JOIN fresh USING (dimension, value)
     UNION ALL SELECT dimension, value, day FROM known)
  )
  SELECT f.dimension, f.agency, f.entity, f.hour, count(*) AS v FROM fresh f
  JOIN steps USING (dimension, value, day)
  JOIN (SELECT dimension, min(day) + {WARM_UP_DAYS} AS warm FROM met GROUP BY ALL) w USING (dimension)
  WHERE (before IS NULL OR day - before > {DAYS}) AND day >= warm GROUP BY ALL;
"""  # noqa: S608  put together of constants
"""Pairs that are fresh to their entity, of those what is new (the entity was known before), and first in the city."""


def remember(
    db: duckdb.DuckDBPyConnection,
    kind: Kind,
    names: Iterable[str],
    pairs: dict[int, str],
    span: tuple[int, int],
) -> list[str]:
    """Make a table ``<name>_v`` (agency, entity, hour, v) of each feature that needs memory; return their names.

    Args:
        db: a connection.
        kind: of entity.
        names: features; those of an hour alone are left out.
        pairs: day to its file of pairs, from ``DAYS`` before the span to its last day.
        span: half-open, hours.
    """
    wanted = list(names)
    dimension = {name: (_NEW.get(name) or _FIRST[name]) for name in wanted if name in _NEW or name in _FIRST}
    if dimension:
        _novelties(db, kind, sorted(set(dimension.values())), pairs, span)
    for name, what in dimension.items():
        table = "novel" if name in _NEW else "firsts"
        db.execute(
            f"CREATE OR REPLACE TEMP VIEW {name}_v AS SELECT agency, entity, hour, v FROM {table}"  # noqa: S608  our names
            f" WHERE dimension = '{what}'"
        )
    trailing = [name for name in wanted if name in _TRAILING]
    for name in trailing:
        statement = _TRAILING[name].format(name=name, rare=RARE_HOSTS)
        recent = [path for day, path in pairs.items() if day >= span[0] // 24 - 1]
        db.execute(statement, {"paths": recent, "first": span[0], "last": span[1]})
    return [*dimension, *trailing]


def _novelties(
    db: duckdb.DuckDBPyConnection,
    kind: Kind,
    dimensions: Sequence[str],
    pairs: dict[int, str],
    span: tuple[int, int],
) -> None:
    every = list(pairs.values())
    now = [path for day, path in pairs.items() if day >= span[0] // 24]
    # A list of files may not be empty: without a day before, the days themselves have none that is earlier.
    before = [path for day, path in pairs.items() if day < span[0] // 24]
    facts = {"kind": kind, "dimensions": list(dimensions), "first": span[0], "last": span[1]}
    paths = {"now": now, "before": before or now, "every": every}
    for statement in _NOVEL.strip().split(";"):
        if not statement.strip():
            continue
        if not before:
            statement = statement.replace("read_parquet($before)", "(FROM read_parquet($before) LIMIT 0)")
        used = {name: value for name, value in {**facts, **paths}.items() if f"${name}" in statement}
        db.execute(statement, used)
