"""Central malware protection: coverage, what was found, what is still there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from citysoc.reports.computing.sources import DETECTIONS, Sources
from citysoc.reports.figures import Coverage, MachineRow
from citysoc.state.values import stamp
from citysoc.stores.base import Metric

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

ANTIVIRUS = "event.module:antivirus OR event.module:avreport"
SPYWARE = f"{DETECTIONS} AND citysoc.threat:spyware"
SERVERS = "citysoc.class:BOT AND _exists_:destination.ip"
_NOT_HANDLED = frozenset({"failed", "allowed"})
_HOSTS = Metric("cardinality", "host.name")

_Machine = tuple[str, str]
"""Agency and host."""


def figures(sources: Sources) -> dict[str, Any]:
    """Return the fields of ``Figures`` that are about malware on computers."""
    return {
        "coverage": _coverage(sources),
        "malware": sources.top(DETECTIONS, "threat.software.name"),
        "infected": sources.named(sources.top(DETECTIONS, "agency.id", metric=_HOSTS)),
        "spyware_names": sources.top(SPYWARE, "threat.software.name"),
        "servers": sources.top(SERVERS, "destination.ip"),
        "bots": sources.named(sources.top(SERVERS, "agency.id", metric=Metric("cardinality", "source.ip"))),
        "vulnerabilities": sources.top("_exists_:vulnerability.id", "vulnerability.id", metric=_HOSTS),
        "uncleaned": _uncleaned(sources),
    }


def _coverage(sources: Sources) -> Coverage:
    expected = {agency.id: agency.antivirus for agency in sources.agencies() if agency.antivirus}
    seen = {row["agency.id"]: row for row in sources.groups(ANTIVIRUS, ["agency.id"], metrics=[_HOSTS])}
    infected = sources.groups(DETECTIONS, ["agency.id"], metrics=[_HOSTS])
    return Coverage(
        agencies=len(expected),
        machines=sum(antivirus.machines for antivirus in expected.values()),
        agencies_seen=len(expected.keys() & seen.keys()),
        machines_seen=sum(row[_name(_HOSTS)] for key, row in seen.items() if key in expected),
        machines_infected=sum(row[_name(_HOSTS)] for row in infected),
        not_cleaned=sources.count(f"{DETECTIONS} AND citysoc.outcome:failed"),
        not_updated=not_updated(sources),
        protection_off=_protection_off(sources),
        reinfected=_reinfected(sources),
    )


def _name(metric: Metric) -> str:
    return f"{metric.kind}:{metric.field}"


def _rows(sources: Sources, query: str, *fields: str) -> Iterator[dict[str, Any]]:
    """Yield the fields of matching events, oldest first."""
    for event in sources.store.search(sources.question(query), fields=fields, newest_first=False):
        yield {name: event.get(name) for name in ("@timestamp", *fields)}


def not_updated(sources: Sources) -> int | None:
    """Return the computers without updates for 15 days: of each console its last word."""
    field = "avreport.not_updated_15_days"
    last = {
        (row["agency.id"], row["citysoc.source"]): row[field]
        for row in _rows(sources, "event.dataset:avreport.update", "agency.id", "citysoc.source", field)
        if isinstance(row[field], int)
    }
    return sum(last.values()) if last else None


def _protection_off(sources: Sources) -> int | None:
    """Return the computers whose last reported real-time protection is off."""
    field = "avreport.auto_protect"
    last: dict[_Machine, bool] = {}
    for row in _rows(sources, "event.dataset:avreport.quality", "agency.id", "host.name", field):
        if isinstance(row[field], bool) and row["host.name"]:
            last[str(row["agency.id"]), str(row["host.name"])] = row[field]
    return sum(not on for on in last.values()) if last else None


def _reinfected(sources: Sources) -> int:
    """Return the computers on which the same malware was found on at least two local days."""
    zone = sources.period.timezone
    rows = sources.groups(
        DETECTIONS,
        ["agency.id", "host.name", "threat.software.name"],
        interval_seconds=86_400,
        timezone=zone,
    )
    days: dict[tuple[str, str, str], set[dt.date]] = {}
    for row in rows:
        key = (str(row["agency.id"]), str(row["host.name"]), str(row["threat.software.name"]))
        if row["host.name"]:
            days.setdefault(key, set()).add(row["time"].astimezone(ZoneInfo(zone)).date())
    return len({key[:2] for key, found in days.items() if len(found) > 1})


def _uncleaned(sources: Sources) -> tuple[MachineRow, ...]:
    """Return host by host the malware whose last outcome is that it is still there."""
    still: dict[tuple[str, str, str], MachineRow] = {}
    fields = ("agency.id", "host.name", "threat.software.name", "file.path", "citysoc.outcome")
    left = {
        (str(row["agency.id"]), str(row["host.name"]))
        for row in sources.groups(
            f"{DETECTIONS} AND citysoc.outcome:(failed OR allowed)", ["agency.id", "host.name"]
        )
    }
    if not left:
        return ()
    for row in _rows(sources, DETECTIONS, *fields):
        agency, host, malware = (str(row[name] or "") for name in fields[:3])
        if (agency, host) not in left or not host:
            continue
        key = (agency, host, malware)
        if row["citysoc.outcome"] in _NOT_HANDLED:
            before = still.get(key)
            still[key] = MachineRow(
                agency,
                sources.agency_name(agency),
                host,
                malware,
                str(row["file.path"] or ""),
                stamp(row["@timestamp"]),
                before.count + 1 if before else 1,
            )
        elif row["citysoc.outcome"]:
            still.pop(key, None)
    return tuple(sorted(still.values(), key=lambda row: (row.agency, row.host, row.malware)))
