"""Central malware protection: coverage, what was found, what is still there."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from citysoc.reports.computing.cases import ranked
from citysoc.reports.computing.detections import Found, found
from citysoc.reports.computing.sources import CASES, DETECTIONS, Sources
from citysoc.reports.figures import Coverage, MachineRow
from citysoc.state.values import stamp
from citysoc.stores.base import Metric

if TYPE_CHECKING:
    import datetime as dt

__all__ = ["ANTIVIRUS", "DETECTIONS", "SERVERS", "figures", "not_updated"]

ANTIVIRUS = "event.module:antivirus OR event.module:avreport"
SERVERS = f"{CASES} AND citysoc.class:BOT AND _exists_:destination.ip"
_LATE = "avreport.not_updated_15_days"
_PROTECTED = "avreport.auto_protect"
_LAST = Metric("max", "@timestamp")


def figures(sources: Sources) -> dict[str, Any]:
    """Return the fields of ``Figures`` that are about malware on computers."""
    detected = found(sources)
    machines = Metric("cardinality", "source.ip")
    weak = _vulnerabilities(sources)
    return {
        "coverage": _coverage(sources, detected),
        "malware": ranked(detected.malware),
        "infected": sources.named(ranked({agency: len(hosts) for agency, hosts in detected.hosts().items()})),
        "spyware_names": ranked(detected.spyware),
        "servers": sources.top(SERVERS, "destination.ip"),
        "bots": sources.named(sources.top(SERVERS, "agency.id", metric=machines)),
        "vulnerabilities": ranked(weak),
        "weaknesses": sum(1 for name in weak if name),
        "uncleaned": _uncleaned(sources, detected),
    }


def _coverage(sources: Sources, detected: Found) -> Coverage:
    expected = {agency.id: agency.antivirus for agency in sources.agencies() if agency.antivirus}
    said = _Said(sources)
    return Coverage(
        agencies=len(expected),
        machines=sum(antivirus.machines for antivirus in expected.values()),
        agencies_seen=len(expected.keys() & said.hosts.keys()),
        machines_seen=sum(len(hosts) for agency, hosts in said.hosts.items() if agency in expected),
        machines_infected=sum(map(len, detected.hosts().values())),
        not_cleaned=detected.not_cleaned,
        not_updated=said.not_updated(),
        protection_off=said.protection_off(),
        reinfected=len(detected.reinfected),
        detections=sum(detected.malware.values()),
    )


class _Said:
    """What consoles and machines said of themselves last, and which machines were heard of: one question.

    Of two words of the same moment the worse one counts.
    """

    def __init__(self, sources: Sources) -> None:
        by = ["agency.id", "citysoc.source", "event.dataset", "host.name", _LATE, _PROTECTED]
        self.hosts: dict[str, set[str]] = defaultdict(set)
        self._late: dict[tuple[str, str], tuple[dt.datetime, int]] = {}
        self._off: dict[tuple[str, str], tuple[dt.datetime, bool]] = {}
        for row in sources.groups(ANTIVIRUS, by, metrics=[_LAST]):
            agency, source, dataset, host, late, protected = (row[name] for name in by)
            hosts = self.hosts[str(agency)]
            if host:
                hosts.add(host)
            at = row[f"{_LAST.kind}:{_LAST.field}"]
            if dataset == "avreport.update" and (count := _number(late)) is not None:
                key = (str(agency), str(source))
                self._late[key] = max(self._late.get(key, (at, 0)), (at, count))
            if dataset == "avreport.quality" and host and (on := _truth(protected)) is not None:
                key = (str(agency), str(host))
                self._off[key] = max(self._off.get(key, (at, not on)), (at, not on))

    def not_updated(self) -> int | None:
        """Return the computers without updates for 15 days: of each console its last word."""
        return sum(count for _, count in self._late.values()) if self._late else None

    def protection_off(self) -> int | None:
        """Return the computers whose last reported real-time protection is off."""
        return sum(off for _, off in self._off.values()) if self._off else None


def not_updated(sources: Sources) -> int | None:
    """Return the computers without updates for 15 days: of each console its last word."""
    return _Said(sources).not_updated()


def _number(value: Any) -> int | None:
    """Return a group's value as a count; groups of fields outside the dictionary are texts."""
    text = str(value)
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _truth(value: Any) -> bool | None:
    return {"true": True, "false": False}.get(str(value).lower())


def _vulnerabilities(sources: Sources) -> dict[str, int]:
    """Return known weaknesses by computers; computers of two agencies may have the same name."""
    hosts = Metric("cardinality", "host.name")
    counts: Counter[str] = Counter()
    for row in sources.groups(
        "_exists_:vulnerability.id", ["vulnerability.id", "agency.id"], metrics=[hosts]
    ):
        counts[str(row["vulnerability.id"])] += row[f"{hosts.kind}:{hosts.field}"]
    return dict(counts)


def _uncleaned(sources: Sources, detected: Found) -> tuple[MachineRow, ...]:
    """Return host by host the malware whose last outcome is that it is still there."""
    return tuple(
        MachineRow(
            agency,
            sources.agency_name(agency),
            host,
            malware,
            state.path,
            stamp(state.seen),
            state.failures,
        )
        for (agency, host, malware), state in sorted(detected.machines.items())
        if state.failures and host
    )
