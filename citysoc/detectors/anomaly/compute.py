"""From facts to the feature table and to what is remembered of each day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.detectors.anomaly import facts
from citysoc.detectors.anomaly.families import HOURLY
from citysoc.detectors.anomaly.families.beaconing import LEAST_CALLS
from citysoc.detectors.anomaly.feature import KINDS
from citysoc.flow import CITY_AGENCY, UNKNOWN_AGENCY

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    import pyarrow as pa

_KEYS = {"agency": "agency", "host": "host", "account": "account", "outside": "outside"}
"""Which column of the facts names an entity of each kind."""

_SPECIAL = {
    "one_malware_hosts": (
        "SELECT {key}, hour, max(n) AS v FROM (SELECT {key}, hour, count(DISTINCT host) AS n FROM facts"
        " WHERE malware IS NOT NULL GROUP BY {key}, hour, malware) GROUP BY {key}, hour"
    ),
    "regular_calls": (
        "SELECT {key}, hour, max((n + 1) * greatest(0, 1 - spread / mean)) AS v FROM"
        " (SELECT {key}, hour, peer, port, count(gap) AS n, stddev_pop(gap) AS spread, avg(gap) AS mean FROM"
        " (SELECT agency, host, account, hour, peer, port, moment - lag(moment) OVER"
        " (PARTITION BY agency, host, hour, peer, port ORDER BY moment) AS gap FROM facts WHERE outbound)"
        " GROUP BY {key}, hour, peer, port) WHERE n + 1 >= {calls} AND mean > 0 GROUP BY {key}, hour"
    ),
    "names_of_one_domain": (
        "SELECT {key}, hour, max(n) AS v FROM (SELECT {key}, hour, count(DISTINCT name) AS n FROM facts"
        " WHERE question AND parent IS NOT NULL GROUP BY {key}, hour, parent) GROUP BY {key}, hour"
    ),
    "letters_of_one_domain": (
        "SELECT {key}, hour, max(n) AS v FROM (SELECT {key}, hour, sum(size) AS n FROM"
        " (SELECT DISTINCT {key}, hour, parent, name, greatest(0, length(name) - length(parent)) AS size"
        " FROM facts WHERE question AND parent IS NOT NULL) GROUP BY {key}, hour, parent) GROUP BY {key}, hour"
    ),
}
"""Features that need groups within the group."""

_MEETS = (
    "CREATE OR REPLACE TEMP TABLE meets AS SELECT outside, hour,"
    " CASE WHEN 2 * max(n) > sum(n) THEN '' ELSE $city || ' ' END ||"
    " array_to_string(list_slice(list(agency ORDER BY n DESC, agency), 1, 20), ' ') AS v FROM"
    " (SELECT outside, hour, agency, count(*) AS n FROM facts WHERE outside IS NOT NULL AND agency <> $unknown"
    " GROUP BY ALL) GROUP BY ALL"
)
"""Whose an address outside is in this hour: the agency in whose events it is most of the time, or else the city's;
then all agencies that it met."""

_PAIRS = (
    ("host", "peer", "host", "peer", "outbound"),
    ("host", "program", "host", "program", "program IS NOT NULL"),
    ("host", "account", "host", "account", "logon OR program IS NOT NULL"),
    ("account", "place", "account", "coalesce(host, src)", "logon"),
    ("agency", "name", "agency", "parent", "parent IS NOT NULL AND NOT nxdomain"),
    ("agency", "port", "agency", "port::VARCHAR", "src_in AND port < 32768"),
    ("agency", "malware", "agency", "malware", "malware IS NOT NULL"),
    ("malware", "host", "malware", "host", "malware IS NOT NULL AND host IS NOT NULL"),
)
"""What is remembered: kind, dimension, entity, value, which facts."""


def compute(
    events: pa.Table, reports: pa.Table, *, networks: Sequence[str] = (), memory: str = "700MB"
) -> tuple[pa.Table, pa.Table]:
    """Return the feature rows of whole hours, and the pairs of entity and value seen in them.

    Args:
        events: all events of the hours, ``facts.FIELDS`` and ``@timestamp``.
        reports: the antivirus snapshots of the hours.
        networks: own public networks, CIDR.
        memory: what DuckDB may use.

    Returns:
        Rows (``kind agency level entity hour meets`` and the hourly features), and pairs (``kind agency entity
        dimension value mask day``): ``value`` is a hash, ``mask`` has a bit for each hour of the UTC day.
    """
    import duckdb

    with duckdb.connect(config={"memory_limit": memory, "threads": 2}) as db:
        facts.load(db, events, reports, networks=networks)
        rows = " UNION ALL BY NAME ".join(f"({_of_kind(db, kind)})" for kind in KINDS)
        table = db.sql(f"{rows} ORDER BY kind, agency, entity, hour").to_arrow_table()
        pairs = " UNION ALL ".join(_pairs(*pair) for pair in _PAIRS)
        remembered = db.sql(
            f"SELECT * FROM ({pairs}) ORDER BY kind, agency, entity, dimension, value, day"  # noqa: S608  constants
        ).to_arrow_table()
    return table, remembered


def _of_kind(db: duckdb.DuckDBPyConnection, kind: str) -> str:
    """Return the SELECT for the rows of one kind; its special features are put into tables first."""
    key = _KEYS[kind]
    scope = "'' AS agency" if kind == "outside" else "agency"
    level = "'' AS level" if kind == "outside" else "any_value(level) AS level"
    names, joins = ["'' AS meets"], []
    if kind == "outside":
        db.execute(_MEETS, {"city": CITY_AGENCY, "unknown": UNKNOWN_AGENCY})
        names, joins = (
            ["coalesce(any_value(meets.v), '') AS meets"],
            ["LEFT JOIN meets USING (outside, hour)"],
        )
    for feature in HOURLY:
        if kind not in feature.kinds:
            names.append(f"0::FLOAT AS {feature.name}")
        elif feature.name in _SPECIAL:
            table = f"{feature.name}_{kind}"
            columns = key if kind in {"agency", "outside"} else f"agency, {key}"
            special = _SPECIAL[feature.name].format(key=columns, calls=LEAST_CALLS)
            db.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {special}")
            using = f"({columns}, hour)"
            joins.append(f"LEFT JOIN {table} USING {using}")
            names.append(f"coalesce(any_value({table}.v), 0)::FLOAT AS {feature.name}")
        else:
            names.append(f"coalesce({feature.formula}, 0)::FLOAT AS {feature.name}")
    groups = [key, "hour", "closed", "night"] + ([] if kind in {"agency", "outside"} else ["agency"])
    return (
        f"SELECT '{kind}' AS kind, {scope}, {level}, {key} AS entity, hour, {', '.join(names)}"  # noqa: S608  constants
        f" FROM facts {' '.join(joins)} WHERE {key} IS NOT NULL GROUP BY {', '.join(groups)}"
    )


def _pairs(kind: str, dimension: str, entity: str, value: str, which: str) -> str:
    return (
        f"SELECT '{kind}' AS kind, agency, {entity} AS entity, '{dimension}' AS dimension,"  # noqa: S608  constants
        f" hash({value}) AS value, bit_or((1 << (hour % 24))::INTEGER) AS mask, (hour // 24)::INTEGER AS day"
        f" FROM facts WHERE {entity} IS NOT NULL AND {value} IS NOT NULL AND ({which})"
        f" GROUP BY agency, {entity}, {value}, hour // 24"
    )
