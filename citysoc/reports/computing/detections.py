"""What antivirus found, in one pass over the period's detections in the order of their time.

Memory grows with the machines and the malware on them, not with the detections.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from citysoc.reports.computing.sources import DETECTIONS, Sources

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOT_HANDLED = frozenset({"failed", "allowed"})
_FIELDS = (
    *("@timestamp", "agency.id", "host.name", "threat.software.name"),
    *("citysoc.outcome", "file.path", "citysoc.threat"),
)
_Row = tuple[dt.datetime, str | None, str | None, str | None, str | None, str | None, str | None]
_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)
_Key = tuple[str, str, str]
"""Agency, host, malware."""


@dataclass(slots=True)
class Infection:
    """One malware on one machine.

    Args:
        day: the first local day it was found on.
        failures: how often it could not be removed since it was last removed; 0 where its last outcome is good.
        path: where it was then.
        seen: when that was.
    """

    day: dt.date
    failures: int = 0
    path: str = ""
    seen: dt.datetime = _NEVER


@dataclass(slots=True)
class Found:
    """What antivirus found.

    Args:
        malware: detections by name; ``spyware`` of these the spyware.
        not_cleaned: detections that could not be handled.
        machines: the malware of each machine.
        reinfected: agencies and hosts on which the same malware was found on two local days.
    """

    malware: Counter[str] = field(default_factory=Counter)
    spyware: Counter[str] = field(default_factory=Counter)
    not_cleaned: int = 0
    machines: dict[_Key, Infection] = field(default_factory=dict)
    reinfected: set[tuple[str, str]] = field(default_factory=set)

    def hosts(self) -> dict[str, set[str]]:
        """Return the machines of each agency on which anything was found."""
        hosts: dict[str, set[str]] = defaultdict(set)
        for agency, host, _malware in self.machines:
            if host:
                hosts[agency].add(host)
        return hosts


def found(sources: Sources) -> Found:
    """Return what antivirus found in the period."""
    result = Found()
    local = _Days(sources.period.timezone)
    for at, agency, host, malware, outcome, path, threat in _rows(sources):
        name = malware or ""
        result.malware[name] += 1
        if threat == "spyware":
            result.spyware[name] += 1
        result.not_cleaned += outcome == "failed"
        key = (agency or "", host or "", name)
        day = local.of(at)
        state = result.machines.get(key)
        if state is None:
            state = result.machines[key] = Infection(day)
        elif day != state.day and host:
            result.reinfected.add(key[:2])
        if outcome in _NOT_HANDLED:
            state.failures += 1
            state.path, state.seen = path or "", at
        elif outcome:
            state.failures = 0
    return result


def _rows(sources: Sources) -> Iterator[_Row]:
    """Yield the detections, oldest first."""
    for batch in sources.store.scan(sources.question(DETECTIONS), fields=_FIELDS):
        yield from zip(*(batch[name].to_pylist() for name in _FIELDS), strict=True)


class _Days:
    """Local days of moments that come in order: the zone is asked once a day, not once a moment."""

    def __init__(self, timezone: str) -> None:
        self._zone = ZoneInfo(timezone)
        self._ends = self._begins = _NEVER
        self._day = dt.date.min

    def of(self, moment: dt.datetime) -> dt.date:
        """Return the local day of a moment."""
        if not self._begins <= moment < self._ends:
            self._day = moment.astimezone(self._zone).date()
            midnight = dt.datetime.combine(self._day, dt.time(), self._zone)
            self._begins = midnight.astimezone(dt.UTC)
            after = dt.datetime.combine(self._day + dt.timedelta(days=1), dt.time(), self._zone)
            self._ends = after.astimezone(dt.UTC)
        return self._day
