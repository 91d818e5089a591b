"""The contents of AVReports from the store: the same questions as the report's, so the same figures."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from citysoc.reports.avreport import Connection, Guard, Machine, Malware, Snapshot, System, Weakness
from citysoc.reports.computing.antivirus import SERVERS, not_updated
from citysoc.reports.computing.sources import DETECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from citysoc.reports.computing.sources import Sources

_BEHAVIORS = {
    "deleted": "Đã xóa",
    "quarantined": "Đã cách ly",
    "cleaned": "Đã làm sạch",
    "blocked": "Đã chặn",
    "allowed": "Bỏ qua",
    "failed": "Chưa xử lý",
}
"""Outcomes in the words that consoles write, and that our own reader understands."""


def snapshot(sources: Sources) -> Snapshot:
    """Return what AVReports of the period hold."""
    machines = _Machines(sources)
    return Snapshot(
        malware=tuple(_malware(sources, machines)),
        connections=tuple(_connections(sources, machines)),
        weaknesses=tuple(_weaknesses(sources, machines)),
        systems=tuple(_systems(sources, machines)),
        guards=tuple(_guards(sources, machines)),
        not_updated=not_updated(sources) or 0,
    )


class _Machines:
    """Names machines by agency, name and the address with most records."""

    def __init__(self, sources: Sources) -> None:
        self._addresses: dict[tuple[str, str], str] = {}
        query = "event.module:antivirus OR event.module:avreport"
        for row in sources.groups(query, ["agency.id", "host.name", "host.ip"]):
            if row["host.ip"]:
                self._addresses.setdefault((_text(row["agency.id"]), _text(row["host.name"])), row["host.ip"])

    def named(self, row: Mapping[str, Any]) -> Machine:
        agency, name = _text(row.get("agency.id")), _text(row.get("host.name"))
        return Machine(agency, name, self._addresses.get((agency, name), ""))


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _malware(sources: Sources, machines: _Machines) -> Iterator[Malware]:
    fields = [
        *("agency.id", "host.name", "threat.software.name", "antivirus.type", "citysoc.outcome"),
        *("file.path", "file.hash.sha256", "file.hash.md5"),
    ]
    rows = sources.groups(DETECTIONS, fields)
    for row in sorted(rows, key=lambda row: tuple(_text(row[name]) for name in fields)):
        yield Malware(
            machines.named(row),
            _text(row["threat.software.name"]),
            _text(row["antivirus.type"]),
            _BEHAVIORS.get(_text(row["citysoc.outcome"]), ""),
            _text(row["file.path"]),
            _text(row["file.hash.sha256"] or row["file.hash.md5"]),
            row["count"],
        )


def _connections(sources: Sources, machines: _Machines) -> Iterator[Connection]:
    fields = ["agency.id", "host.name", "source.ip", "process.name", "destination.ip", "destination.port"]
    rows = sources.groups(SERVERS, fields)
    for row in sorted(rows, key=lambda row: tuple(_text(row[name]) for name in fields)):
        known = machines.named(row)
        machine = Machine(known.agency, known.name, _text(row["source.ip"]) or known.address)
        port = _text(row["destination.port"])
        yield Connection(machine, _text(row["process.name"]), _text(row["destination.ip"]), port)


def _weaknesses(sources: Sources, machines: _Machines) -> Iterator[Weakness]:
    fields = ["agency.id", "host.name", "vulnerability.id", "host.os.name"]
    rows = sources.groups("_exists_:vulnerability.id", fields)
    for row in sorted(rows, key=lambda row: tuple(_text(row[name]) for name in fields)):
        yield Weakness(machines.named(row), _text(row["vulnerability.id"]), _text(row["host.os.name"]))


def _last(sources: Sources, dataset: str, *fields: str) -> Iterator[Mapping[str, Any]]:
    """Yield of each machine its last event of a data set, by agency and name."""
    question = sources.question(f"event.dataset:{dataset}")
    last: dict[tuple[str, str], Mapping[str, Any]] = {}
    for event in sources.store.search(
        question, fields=("agency.id", "host.name", *fields), newest_first=False
    ):
        last[_text(event.get("agency.id")), _text(event.get("host.name"))] = event
    for key in sorted(last):
        yield last[key]


def _systems(sources: Sources, machines: _Machines) -> Iterator[System]:
    for event in _last(sources, "avreport.os", "host.os.name", "avreport.last_update"):
        updated = event.get("avreport.last_update")
        seconds = _seconds(updated)
        yield System(machines.named(event), _text(event.get("host.os.name")), seconds)


def _seconds(moment: Any) -> str:
    if isinstance(moment, str):
        try:
            moment = dt.datetime.fromisoformat(moment)
        except ValueError:
            return ""
    return str(int(moment.timestamp())) if isinstance(moment, dt.datetime) else ""


def _guards(sources: Sources, machines: _Machines) -> Iterator[Guard]:
    for event in _last(sources, "avreport.quality", "avreport.auto_protect", "avreport.firewall"):
        protection, firewall = event.get("avreport.auto_protect"), event.get("avreport.firewall")
        yield Guard(machines.named(event), _switch(protection), _switch(firewall))


def _switch(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
