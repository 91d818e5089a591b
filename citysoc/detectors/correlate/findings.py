"""From windows that qualify to findings."""

from __future__ import annotations

import datetime as dt
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc import clock
from citysoc.detectors.correlate.windows import UNSOUGHT
from citysoc.flow import CITY_AGENCY, Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.detectors.correlate.arranged import Correlation, Key
    from citysoc.detectors.correlate.groups import Group
    from citysoc.detectors.correlate.measures import Entry
    from citysoc.detectors.correlate.windows import Hit

Told: TypeAlias = "tuple[int, Key, Finding]"
"""A finding with its time and group, by which findings are ordered."""

_SAMPLE = 5
_EVENT = itemgetter(1)
PARTS = "citysoc.parts"
"""What a finding of a correlation over anomalies is made of: texts of a rule's name, an event's id and its time."""
_MOST_PARTS = 12
_WHOLE = 1 << 63
"""Whole numbers beyond it cannot be written everywhere."""
_NOWHERE = ("", 0)
"""The path and the offset of what is about no single record."""
MAX_AGENCIES = 100
"""So many agencies a finding names, the first by their ids."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_LAST = dt.datetime.max.replace(tzinfo=dt.UTC)
_KINDS = {
    **dict.fromkeys(("host.name", "observer.name", "log.syslog.hostname"), "host"),
    **dict.fromkeys(("source.ip", "destination.ip", "client.ip", "server.ip", "host.ip"), "ip"),
    **dict.fromkeys(("user.name", "user.target.name", "winlog.event_data.TargetUserName"), "user"),
    "url.domain": "domain",
    "threat.software.name": "malware",
    "file.hash.sha256": "file",
}
"""What a field names, as an alert's entity says it."""


class Teller:
    """Makes findings of the windows of one correlation.

    Args:
        one: the correlation.
        each: a finding for each window that qualifies, not one for those that follow each other.
    """

    def __init__(self, one: Correlation, *, each: bool) -> None:
        plan = one.plan
        self._one = one
        self._reach = -1 if each else plan["window_seconds"] * 1_000_000
        self._names: tuple[str, ...] = tuple(plan["group_by"])
        entity = plan["entity"]
        if entity not in self._names:
            entity = next((name for name in self._names if name in _KINDS), "")
        self._entity = self._names.index(entity) if entity else -1
        self._kind = _KINDS.get(entity, entity) + ":"
        self._counted = "+".join(plan["fields"]) if plan["type"] == "value_count" else ""
        self._agency = CITY_AGENCY if one.across else ""
        self._named = (plan["id"], plan["title"], plan["level"])
        self._tags = tuple(plan["tags"])
        self._parts: Sequence[str] = plan["rules"] if plan.get("is_late") else ()

    def told(self, key: Key, group: Group, hits: Sequence[Hit]) -> Sequence[Told]:
        """Return the findings of windows that qualify: one for those that follow each other.

        Windows follow each other while no more than the rule's ``window_seconds`` lies between them: they are one alert
        anyway, whose count grows.

        Args:
            key: the group's key.
            group: the group, as it was when the windows were found.
            hits: in order of time.
        """
        if hits[-1][0] - hits[0][0] <= self._reach:
            return (self._told(key, group, hits),)
        found, start = [], 0
        for place in range(1, len(hits) + 1):
            if place == len(hits) or hits[place][0] - hits[place - 1][0] > self._reach:
                found.append(self._told(key, group, hits[start:place]))
                start = place
        return found

    def _told(self, key: Key, group: Group, hits: Sequence[Hit]) -> Told:
        one, entries = self._one, group.entries
        plan = one.plan
        time, low, high, metric = hits[0]
        if low == UNSOUGHT:
            time, low, high, metric = one.windows.sought(entries, hits[0])
        written = group.shown or key[2:]
        if len(written) == 1:  # most are, and this is asked of each finding
            grouped: dict[str, Any] = {self._names[0]: written[0]}
        else:
            grouped = dict(zip(self._names, written))  # noqa: B905  as many
        window = entries[low if high - low <= _SAMPLE else high - _SAMPLE : high]
        number = len(hits)
        sampled: Sequence[Hit] = () if number == 1 else hits
        if number > 2 * _SAMPLE:
            sampled = [*hits[:_SAMPLE], *hits[-_SAMPLE:]]
        if one.marked:
            events = [entry[1].partition("#")[0] for entry in window]
            samples = [entries[hit[2] - 1][1].partition("#")[0] for hit in sampled]
        else:
            events = list(map(_EVENT, window))
            samples = [entries[hit[2] - 1][1] for hit in sampled]
        if -_WHOLE < metric < _WHOLE and (whole := int(metric)) == metric:
            metric = whole
        matched = {**grouped, one.windows.kind: metric}
        if self._counted:
            matched[self._counted] = sorted({"/".join(entry[3]) for entry in window if entry[3]})
        matched["citysoc.events"] = events
        if self._parts:
            matched[PARTS] = self._parts_of(entries[low:high])
        finding = Finding(
            *self._named,
            self._agency or key[1],
            events[-1],
            _moment(time),
            matched,
            self._tags,
            grouped,
            plan["window_seconds"],
            f"{self._kind}{written[self._entity]}" if self._entity >= 0 else "",
            *_NOWHERE,
            plan["title_vi"],
            number,
            _moment(hits[-1][0]) if number > 1 else None,
            tuple(samples),
            agencies_of(one, entries, hits) if one.across else (),
        )
        return time, key, finding

    def _parts_of(self, window: Sequence[Entry]) -> list[str]:
        """Return what a window holds: first an entry of each rule below, then more of them, in order of time."""
        firsts = {entry[2]: entry for entry in reversed(window)}
        rest = [entry for entry in window if entry is not firsts[entry[2]]]
        chosen = sorted([*firsts.values(), *rest][:_MOST_PARTS])
        named = not self._one.single or len(self._parts) == 1
        return [
            f"{self._parts[entry[2]] if named else '-'} {bare(entry[1])} {clock.iso(_moment(entry[0]))}"
            for entry in chosen
        ]


def bare(event: str) -> str:
    """Return the id of the event that a match of a correlation below stands for."""
    return event.partition("#")[0]


def agencies_of(one: Correlation, entries: Sequence[Entry], hits: Sequence[Hit]) -> tuple[str, ...]:
    """Return whose events the windows hold."""
    found: set[str] = set()
    seen = 0
    for hit in hits:
        _time, low, high, _metric = one.windows.sought(entries, hit)
        for place in range(max(low, seen), high):
            found.add(entries[place][4])
        seen = max(seen, high)
    return tuple(sorted({name for names in found for name in names.split(",")})[:MAX_AGENCIES])


def _moment(time: int) -> dt.datetime:
    try:
        return _EPOCH + _MICROSECOND * time
    except OverflowError:
        return _LAST
