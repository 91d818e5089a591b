"""From windows that qualify to findings, and to matches of the correlations that build upon theirs."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc import clock
from citysoc.detectors.correlate.arranged import CITY
from citysoc.flow import CITY_AGENCY, Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.detectors.correlate.arranged import Correlation, Key, Names, Parent
    from citysoc.detectors.correlate.groups import Group
    from citysoc.detectors.correlate.measures import Entry, Value
    from citysoc.detectors.correlate.windows import Hit

Told: TypeAlias = "tuple[int, Key, Finding]"
"""A finding with its time and group, by which findings are ordered."""

_SAMPLE = 5
PARTS = "citysoc.parts"
"""What a finding of a correlation over anomalies is made of: texts of a rule's name, an event's id and its time."""
_MOST_PARTS = 12
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
        time, low, high, metric = one.windows.sought(entries, hits[0])
        written = group.shown or key[2:]
        grouped: dict[str, Any] = dict(zip(self._names, written))  # noqa: B905  as many, and asked of each finding
        window = entries[low if high - low <= _SAMPLE else high - _SAMPLE : high]
        number = len(hits)
        sampled: Sequence[Hit] = () if number == 1 else hits
        if number > 2 * _SAMPLE:
            sampled = [*hits[:_SAMPLE], *hits[-_SAMPLE:]]
        if one.chained:
            events = [entry[1].partition("#")[0] for entry in window]
            samples = [entries[hit[2] - 1][1].partition("#")[0] for hit in sampled]
        else:
            events = [entry[1] for entry in window]
            samples = [entries[hit[2] - 1][1] for hit in sampled]
        matched = grouped.copy()
        matched[one.windows.kind] = whole if (whole := int(metric)) == metric else metric
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
            _agencies(one, entries, hits) if one.across else (),
        )
        return time, key, finding

    def _parts_of(self, window: Sequence[Entry]) -> list[str]:
        """Return what a window holds: first an entry of each rule below, then more of them, in order of time."""
        firsts = {entry[2]: entry for entry in reversed(window)}
        rest = [entry for entry in window if entry is not firsts[entry[2]]]
        chosen = sorted([*firsts.values(), *rest][:_MOST_PARTS])
        named = not self._one.single or len(self._parts) == 1
        return [
            f"{self._parts[entry[2]] if named else '-'} {_bare(entry[1])} {clock.iso(_moment(entry[0]))}"
            for entry in chosen
        ]


def _bare(event: str) -> str:
    """Return the id of the event that a match of a correlation below stands for."""
    return event.partition("#")[0]


def _agencies(one: Correlation, entries: Sequence[Entry], hits: Sequence[Hit]) -> tuple[str, ...]:
    """Return whose events the windows hold."""
    found: set[str] = set()
    seen = 0
    for hit in hits:
        _time, low, high, _metric = one.windows.sought(entries, hit)
        for place in range(max(low, seen), high):
            found.add(entries[place][4])
        seen = max(seen, high)
    return tuple(sorted({name for names in found for name in names.split(",")})[:MAX_AGENCIES])


def handed_up(
    one: Correlation, above: Correlation, parent: Parent, *, key: Key, group: Group, hits: Sequence[Hit]
) -> tuple[Key, list[Entry], Names]:
    """Return what windows of a correlation are to one above it: the group there, an entry for each, how it is written.

    Args:
        one: the correlation.
        above: the one above it.
        parent: how it builds upon the other.
        key: the group's key.
        group: the group.
        hits: in order of time.
    """
    entries = group.entries
    shown = group.shown or key[2:]
    written = tuple([shown[place] for place in parent.places])
    target = (
        parent.number,
        CITY if above.across else key[1],
        *[key[2 + place] for place in parent.places],
    )
    slot = 0 if above.single else parent.slot
    agency = str(key[1])
    of_group: Value = (
        () if parent.takes in {"", "metric"} else tuple(key[2 + int(p)] for p in parent.takes.split(","))
    )
    # Several correlations, and several groups of one, may hand up the same event at the same time.
    end = "" if parent.alone else f"#{one.number}.{'/'.join(key[1:])}"
    if not one.across and not one.chained and parent.takes != "metric":
        # Most are, and there is one for each event where most events qualify.
        rest = (slot, of_group, agency) if above.across else (slot, of_group)
        return (
            target,
            [(time, entries[high - 1][1] + end, *rest) for time, _low, high, _metric in hits],
            written,
        )
    found: list[Entry] = []
    for hit in hits:
        time, _low, high, metric = one.windows.sought(entries, hit)
        value: Value = of_group
        if parent.takes == "metric":
            value = (str(metric),) if above.plan["type"] == "value_count" else (metric,)
        if one.across:
            agency = ",".join(_agencies(one, entries, (hit,)))
        event = entries[high - 1][1]
        name = f"{_bare(event) if one.chained else event}{end}"
        found.append((time, name, slot, value, agency) if above.across else (time, name, slot, value))
    return target, found, written


def _moment(time: int) -> dt.datetime:
    try:
        return _EPOCH + _MICROSECOND * time
    except OverflowError:
        return _LAST
