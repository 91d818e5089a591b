"""From windows that qualify to findings, and to matches of the correlations that build upon theirs."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.detectors.correlate.arranged import CITY
from citysoc.flow import CITY_AGENCY, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from citysoc.detectors.correlate.arranged import Correlation, Key, Parent
    from citysoc.detectors.correlate.groups import Group
    from citysoc.detectors.correlate.measures import Entry, Value
    from citysoc.detectors.correlate.waiting import Item
    from citysoc.detectors.correlate.windows import Hit

Told: TypeAlias = "tuple[int, Key, Finding]"
"""A finding with its time and group, by which findings are ordered."""

_SAMPLE = 5
MAX_AGENCIES = 100
"""So many agencies a finding names, the first by their ids."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
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


def told(one: Correlation, key: Key, group: Group, hits: Sequence[Hit], *, each: bool) -> Iterator[Told]:
    """Yield the findings of windows that qualify: one for those that follow each other.

    Windows follow each other while less than the rule's ``window_seconds`` lies between them: they are one alert
    anyway, whose count grows.

    Args:
        one: the correlation.
        key: the group's key.
        group: the group, as it was when the windows were found.
        hits: in order of time.
        each: a finding for each window.
    """
    reach = -1 if each else one.plan["window_seconds"] * 1_000_000
    if hits[-1][0] - hits[0][0] <= reach:
        yield _told(one, key, group, hits)
        return
    start = 0
    for place in range(1, len(hits) + 1):
        if place == len(hits) or hits[place][0] - hits[place - 1][0] > reach:
            yield _told(one, key, group, hits[start:place])
            start = place


def _told(one: Correlation, key: Key, group: Group, hits: Sequence[Hit]) -> Told:
    plan, entries, kind = one.plan, group.entries, one.windows.kind
    time, low, high, metric = hits[0]
    written = group.shown or key[2:]
    grouped = dict(zip(plan["group_by"], written, strict=True))
    entity = plan["entity"]
    if entity not in grouped:
        entity = next((name for name in grouped if name in _KINDS), "")
    window = entries[max(low, high - _SAMPLE) : high]
    whole = int(metric)
    matched: dict[str, Any] = {**grouped, kind: whole if whole == metric else metric}
    if kind == "value_count":
        values = {"/".join(map(str, entry[3])) for entry in window if entry[3]}
        matched["+".join(plan["fields"])] = sorted(values)
    matched["citysoc.events"] = [_event(one, entry) for entry in window]
    several = len(hits) > 1
    sampled = [*hits[:_SAMPLE], *hits[max(len(hits) - _SAMPLE, _SAMPLE) :]] if several else ()
    finding = Finding(
        rule=plan["id"],
        title=plan["title"],
        level=plan["level"],
        agency=CITY_AGENCY if key[1] == CITY and one.across else key[1],
        event_id=matched["citysoc.events"][-1],
        timestamp=_moment(time),
        matched=matched,
        tags=tuple(plan["tags"]),
        group=grouped,
        window_seconds=plan["window_seconds"],
        entity=f"{_KINDS.get(entity, entity)}:{grouped[entity]}" if entity else "",
        title_vi=plan["title_vi"],
        count=len(hits),
        last=_moment(hits[-1][0]) if several else None,
        events=tuple([_event(one, entries[hit[2] - 1]) for hit in sampled]),
        agencies=_agencies(entries, hits) if one.across else (),
    )
    return time, key, finding


def _event(one: Correlation, entry: Entry) -> str:
    event: str = entry[1]
    return event.partition("#")[0] if one.chained else event


def _agencies(entries: Sequence[Entry], hits: Sequence[Hit]) -> tuple[str, ...]:
    """Return whose events the windows hold."""
    found: set[str] = set()
    seen = 0
    for _time, low, high, _metric in hits:
        for place in range(max(low, seen), high):
            found.add(entries[place][4])
        seen = max(seen, high)
    return tuple(sorted({name for names in found for name in names.split(",")})[:MAX_AGENCIES])


def handed_up(
    one: Correlation, above: Correlation, parent: Parent, *, key: Key, group: Group, hits: Sequence[Hit]
) -> Iterator[Item]:
    """Yield what windows of a correlation are to one above it: a match each.

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
    scope = CITY if above.across else key[1]
    target = (parent.number, scope, *[key[2 + place] for place in parent.places])
    slot = 0 if above.single else parent.slot
    tail = "/".join(key[1:])
    agency = str(key[1])
    of_group = (
        () if parent.takes in {"", "metric"} else tuple(key[2 + int(p)] for p in parent.takes.split(","))
    )
    for hit in hits:
        time, _low, high, metric = hit
        value: Value = of_group
        if parent.takes == "metric":
            value = (str(metric),) if above.plan["type"] == "value_count" else (metric,)
        if one.across:
            agency = ",".join(_agencies(entries, (hit,)))
        name = f"{_event(one, entries[high - 1])}#{one.number}.{time}.{tail}"
        yield time, name, target, slot, value, written, agency


def _moment(time: int) -> dt.datetime:
    try:
        return _EPOCH + dt.timedelta(microseconds=time)
    except OverflowError:
        return _LAST
