"""From stored events to facts: what the features' formulas are about.

The facts are made by DuckDB from Arrow batches that any store's ``scan`` gave, so the formulas are the
same on every store. A fact is one event with the entity names in one form: machines by their short
name in small letters, or by address where only that is known; accounts without domain and without
the accounts of services.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

from citysoc import clock
from citysoc.detectors.anomaly import oddness
from citysoc.enrich.working_hours import working_hours

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb
    import pyarrow as pa

FIELDS = (
    "agency.id",
    "agency.level",
    "event.module",
    "event.category",
    "event.outcome",
    "event.code",
    "event.dataset",
    "citysoc.outcome",
    "citysoc.source",
    "host.name",
    "user.name",
    "source.ip",
    "source.bytes",
    "destination.ip",
    "destination.port",
    "destination.bytes",
    "process.executable",
    "dns.question.name",
    "dns.response_code",
    "url.domain",
    "tls.client.server_name",
    "threat.software.name",
    "http.response.status_code",
)
"""What is read of each event."""

MAX_NAMES = 400_000
"""So many different names of one reading are looked at for oddness; a flood of more is seen by its number."""

_SERVICE_ACCOUNTS = (
    "'', '-', 'system', 'local service', 'network service', 'anonymous logon', 'n/a', 'unknown'"
)
_INSIDE = r"^(10\.|127\.|192\.168\.|169\.254\.|172\.(1[6-9]|2[0-9]|3[01])\.|f[cd][0-9a-f]{2}:|fe80:|::1$)"
_PROTECTION_OFF = "('5001', '5010', '5012', '5013')"
"""Defender: real-time protection off, scanning off for spyware or viruses, tampering blocked."""

_FACTS = f"""
CREATE OR REPLACE TEMP TABLE facts AS
WITH seen AS (
  SELECT (epoch_us("@timestamp") // 3600000000)::INTEGER AS hour,
    epoch_us("@timestamp") AS moment,
    coalesce("agency.id", 'unknown') AS agency,
    coalesce("agency.level", 'other') AS level,
    lower("host.name") AS machine,
    lower(regexp_replace("user.name", '^.*\\\\', '')) AS person,
    "source.ip" AS src, "destination.ip" AS dst, "destination.port" AS port,
    coalesce(regexp_matches("source.ip", '{_INSIDE}'), false) OR "source.ip" IN (SELECT ip FROM own) AS src_in,
    coalesce(regexp_matches("destination.ip", '{_INSIDE}'), false)
      OR "destination.ip" IN (SELECT ip FROM own) AS dst_in,
    coalesce("source.bytes", 0) AS sent, coalesce("destination.bytes", 0) AS received,
    list_contains("event.category", 'authentication') AS authentication,
    list_contains("event.category", 'process') AS process,
    "event.outcome" AS outcome, "citysoc.outcome" AS result, "event.module" AS module,
    lower(regexp_replace("process.executable", '^.*[\\\\/]', '')) AS image,
    "dns.question.name" IS NOT NULL AS question,
    lower(rtrim(coalesce("dns.question.name", "tls.client.server_name", "url.domain"), '.')) AS asked,
    coalesce("dns.response_code" = 'NXDOMAIN', false) AS nxdomain,
    "threat.software.name" AS malware,
    coalesce("http.response.status_code", 0) AS status,
    coalesce("event.dataset" = 'windows.defender' AND "event.code" IN {_PROTECTION_OFF}, false) AS guard_off
  FROM events
), known AS (
  SELECT *, coalesce(
      CASE WHEN machine = '' OR machine = '-' THEN NULL
           WHEN regexp_full_match(machine, '[0-9.]+') OR contains(machine, ':') THEN machine
           ELSE split_part(machine, '.', 1) END,
      CASE WHEN src_in THEN src WHEN dst_in THEN dst END) AS host,
    CASE WHEN person IN ({_SERVICE_ACCOUNTS}) OR ends_with(person, '$') THEN NULL ELSE person END AS account
  FROM seen
)
SELECT known.hour, moment, agency, level, host, account, src, dst, port, src_in, dst_in,
  src_in AND dst IS NOT NULL AND NOT dst_in AS outbound,
  CASE WHEN src_in THEN dst ELSE src END AS peer,
  CASE WHEN src IS NOT NULL AND NOT src_in THEN src WHEN dst IS NOT NULL AND NOT dst_in THEN dst END AS outside,
  CASE WHEN src_in THEN src WHEN dst_in THEN dst ELSE host END AS ours,
  CASE WHEN src_in AND dst IS NOT NULL AND NOT dst_in THEN sent
       WHEN src IS NOT NULL AND NOT src_in AND dst_in THEN received ELSE 0 END AS bytes_out,
  CASE WHEN src_in AND dst IS NOT NULL AND NOT dst_in THEN received
       WHEN src IS NOT NULL AND NOT src_in AND dst_in THEN sent ELSE 0 END AS bytes_in,
  authentication AND outcome = 'failure' AS failed_logon,
  coalesce(authentication AND (account IS NOT NULL OR outcome = 'failure'), false) AS logon,
  coalesce(result = 'blocked' AND malware IS NULL, false) AS denied,
  coalesce(authentication AND outcome = 'success' AND account IS NOT NULL, false)
    OR (process AND account IS NOT NULL) OR (src_in AND dst IS NOT NULL AND NOT dst_in) AS people,
  CASE WHEN process AND image <> '' THEN image END AS program,
  question AND NOT ends_with(coalesce(asked, ''), '.arpa') AS question,
  CASE WHEN NOT ends_with(asked, '.arpa') THEN asked END AS name,
  names.parent, coalesce(names.odd, 0) AS odd, nxdomain, malware, result, status,
  guard_off AS protection_off, 0 AS stale, calendar.closed, calendar.night
FROM known JOIN calendar ON calendar.hour = known.hour LEFT JOIN names ON names.name = known.asked
"""  # noqa: S608  put together of constants

_REPORTED = """
INSERT INTO facts BY NAME
SELECT (epoch_us("@timestamp") // 3600000000)::INTEGER AS hour, epoch_us("@timestamp") AS moment,
  coalesce("agency.id", 'unknown') AS agency, coalesce("agency.level", 'other') AS level,
  lower(split_part("host.name", '.', 1)) AS host,
  coalesce(json_extract_string("citysoc.extra", '$."avreport.auto_protect"') = 'false', false) AS protection_off,
  coalesce(TRY_CAST(json_extract_string("citysoc.extra", '$."avreport.not_updated_15_days"') AS INTEGER), 0)
    AS stale,
  calendar.closed, calendar.night
FROM reports JOIN calendar ON calendar.hour = epoch_us("@timestamp") // 3600000000
"""

REPORTS_QUERY = "event.dataset:(avreport.quality OR avreport.update)"
"""The snapshots of antivirus consoles; what matters of them is outside the dictionary, in the column ``citysoc.extra``."""
REPORTS_FIELDS = (
    *("agency.id", "agency.level", "host.name"),
    *("avreport.auto_protect", "avreport.not_updated_15_days"),
)


def load(
    db: duckdb.DuckDBPyConnection,
    events: pa.Table,
    reports: pa.Table,
    *,
    networks: Sequence[str] = (),
) -> None:
    """Make the table ``facts`` of events.

    Args:
        db: a connection in memory.
        events: the columns ``FIELDS`` and ``@timestamp``.
        reports: antivirus snapshots: ``REPORTS_FIELDS``, as ``scan`` gives them, and ``@timestamp``.
        networks: own networks beside the private ones, CIDR.
    """
    db.register("all_events", events)
    db.execute(
        "CREATE OR REPLACE TEMP VIEW events AS SELECT * FROM all_events"
        " WHERE coalesce(\"event.dataset\", '') NOT IN ('avreport.quality', 'avreport.update')"
    )
    db.register("reports", reports)
    db.register("calendar", _calendar(db))
    db.register("own", _own(db, networks))
    db.register("names", _names(db))
    db.execute(_FACTS)
    db.execute(_REPORTED)


def _calendar(db: duckdb.DuckDBPyConnection) -> pa.Table:
    import pyarrow as pa

    hours = [
        row[0]
        for row in db.execute(
            'SELECT DISTINCT (epoch_us("@timestamp") // 3600000000)::INTEGER FROM'
            ' (SELECT "@timestamp" FROM all_events UNION ALL SELECT "@timestamp" FROM reports)'
        ).fetchall()
    ]
    return pa.table(
        {
            "hour": pa.array(hours, pa.int32()),
            "closed": pa.array([closed(hour) for hour in hours], pa.float64()),
            "night": pa.array(
                [float(local(hour).hour in {22, 23, 0, 1, 2, 3, 4}) for hour in hours], pa.float64()
            ),
        }
    )


def local(hour: int) -> dt.datetime:
    """Return the local time at which an hour since 1970 begins."""
    return dt.datetime.fromtimestamp(hour * 3600, tz=clock.HUE)


def closed(hour: int) -> float:
    """Return the share of an hour in which offices are closed."""
    moment = local(hour)
    begin = moment.hour
    opened = sum(
        max(0.0, min(begin + 1, end) - max(begin, start)) for start, end in working_hours(moment.date())
    )
    return 1.0 - opened


def _own(db: duckdb.DuckDBPyConnection, networks: Sequence[str]) -> pa.Table:
    """Return the public addresses in the events that belong to our own networks."""
    import pyarrow as pa

    public = [n for n in (ipaddress.ip_network(text) for text in networks) if not n.is_private]
    own: list[str] = []
    if public:
        rows = db.execute(
            'SELECT DISTINCT ip FROM (SELECT "source.ip" AS ip FROM all_events'
            ' UNION ALL SELECT "destination.ip" FROM all_events) WHERE ip IS NOT NULL'
        ).fetchall()
        own = [text for (text,) in rows if _inside(text, public)]
    return pa.table({"ip": pa.array(own, pa.string())})


def _inside(text: str, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    address = ipaddress.ip_address(text)
    return any(address in network for network in networks if network.version == address.version)


def _names(db: duckdb.DuckDBPyConnection) -> pa.Table:
    import pyarrow as pa

    rows = db.execute(
        'SELECT DISTINCT lower(rtrim(coalesce("dns.question.name", "tls.client.server_name", "url.domain"),'
        ' \'.\')) AS name FROM all_events WHERE coalesce("dns.question.name", "tls.client.server_name",'
        ' "url.domain") IS NOT NULL ORDER BY name LIMIT ?',
        [MAX_NAMES],
    ).fetchall()
    names = [name for (name,) in rows]
    return pa.table(
        {
            "name": pa.array(names, pa.string()),
            "parent": pa.array([oddness.parent(name) for name in names], pa.string()),
            "odd": pa.array([oddness.odd(name) for name in names], pa.float64()),
        }
    )
