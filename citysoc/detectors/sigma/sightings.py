"""Why a correlation found something among events, or why not: per group, what each rule below it saw, and what is missing."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.detectors.correlate import Correlator, Feeds
from citysoc.detectors.correlate.windows import Windows
from citysoc.detectors.sigma.detector import SigmaDetector
from citysoc.detectors.text import fold
from citysoc.i18n import _, language

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from citysoc.detectors.correlate import Match
    from citysoc.flow import Event, Finding

_Entry: TypeAlias = "tuple[int, str, int, Any]"
"""Microseconds since 1970, event id, slot, value."""
MAX_ENTRIES = 20_000
"""So many entries of one group are looked at."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TEMPORAL = frozenset({"temporal", "temporal_ordered"})


@dataclass(frozen=True, slots=True)
class Part:
    """What one rule below a correlation saw in the best window of a group.

    Args:
        rule: its name, as the correlation writes it.
        title: its title.
        count: how often it matched in the window.
        elsewhere: how often it matched in the group outside of it.
        first: when it first did in the window; None where it did not.
        last: when it last did.
        events: ids of the first few.
    """

    rule: str
    title: str
    count: int
    elsewhere: int
    first: dt.datetime | None
    last: dt.datetime | None
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a correlation saw of one group.

    Args:
        correlation: its id.
        agency: whose events; ``*`` where the correlation works across agencies.
        group: the group-by fields with their values.
        found: whether the correlation found something in the group.
        since: when the best window begins: its first entry.
        until: its last entry.
        measured: what the condition measures there, None where there is no measure.
        wanted: what the condition asks for.
        parts: the rules below, in the order of the correlation.
        missing: why it found nothing; empty where it did.
    """

    correlation: str
    agency: str
    group: Mapping[str, str]
    found: bool
    since: dt.datetime
    until: dt.datetime
    measured: float | None
    wanted: str
    parts: tuple[Part, ...]
    missing: str


@dataclass(frozen=True, slots=True)
class Told:
    """All that a correlation saw of some events.

    Args:
        sightings: a group each; those that found something first, then by how much they hold.
        base: rule to how many events it matched, whether or not they came to count.
        ungrouped: matches whose event lacks a group-by field, by rule.
        findings: of the correlation.
    """

    sightings: tuple[Sighting, ...]
    base: Mapping[str, int]
    ungrouped: Mapping[str, int]
    findings: tuple[Finding, ...]


def watch(
    rules: Sequence[Mapping[str, Any]],
    correlations: Sequence[Mapping[str, Any]],
    wanted: str,
    events: Sequence[Event],
    *,
    about: str = "",
) -> Told:
    """Return what a correlation sees of events.

    Args:
        rules: plans of the rules below, filters joined.
        correlations: linked correlations, the wanted one and those below it among them.
        wanted: its id.
        events: with ``event.id`` and ``@timestamp``.
        about: tell only of the groups of this event.
    """
    named = [{"event.id": f"{number:06d}", **event} for number, event in enumerate(events)]
    loud = [{**plan, "quiet": False} for plan in correlations]
    plan = next(plan for plan in loud if plan["id"] == wanted)
    base = SigmaDetector(rules).detect(named)
    matches = Feeds(loud).split(base, named, "explained")[1]
    correlator = Correlator(loud, lateness_seconds=None)
    found = [*correlator.feed(matches), *correlator.finish()]
    entries = _Entries(plan)
    for match in matches:
        entries.take_match(match)
    for finding in found:
        entries.take_finding(finding, loud)
    own = [finding for finding in found if finding.rule == wanted]
    below = {feed["rule"] for feed in plan["feeds"]}
    ungrouped = Counter(f.rule for f in base if f.rule in below)
    ungrouped.subtract(
        {rule: len({m.event for m in matches if _fed_by(m, plan, rule)}) for rule in list(ungrouped)}
    )
    titles = {str(one["id"]): _title(one) for one in (*rules, *correlations)}
    return Told(
        tuple(_ordered(entries.sightings(own, titles, about))),
        Counter(finding.rule for finding in base if finding.rule in below),
        {rule: number for rule, number in ungrouped.items() if number > 0},
        tuple(own),
    )


def _title(plan: Mapping[str, Any]) -> str:
    return str((language() == "vi" and plan.get("title_vi")) or plan["title"])


def _fed_by(match: Match, plan: Mapping[str, Any], rule: str) -> bool:
    return match.correlation == plan["id"] and any(
        feed["rule"] == rule and feed["slot"] == match.slot for feed in plan["feeds"]
    )


def _ordered(sightings: Iterator[Sighting]) -> list[Sighting]:
    return sorted(sightings, key=lambda one: (not one.found, -(one.measured or 0), str(one.group)))


class _Entries:
    """The entries of one correlation, by group."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._plan = plan
        self._windows = Windows(plan)
        self._keys: dict[tuple[str, ...], list[_Entry]] = {}
        self._shown: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._children = {child["correlation"]: child for child in plan["children"]}

    def take_match(self, match: Match) -> None:
        if match.correlation == self._plan["id"]:
            self._take(
                match.agency, match.group, match.shown, (match.time, match.event, match.slot, match.value)
            )

    def take_finding(self, finding: Finding, plans: Sequence[Mapping[str, Any]]) -> None:
        """Take a finding of a correlation below."""
        child = self._children.get(finding.rule)
        if child is None:
            return
        below = next(plan for plan in plans if plan["id"] == finding.rule)
        written = tuple(finding.group.values())
        shown = tuple(str(written[place]) for place in child["places"])
        time = (finding.timestamp - _EPOCH) // dt.timedelta(microseconds=1)
        metric = finding.matched.get(below["type"])
        value: Any = (
            (metric,) if child["takes"] == "metric" and isinstance(metric, int | float) else tuple(written)
        )
        event = f"{finding.event_id}#{finding.rule}"
        self._take(finding.agency, tuple(map(fold, shown)), shown, (time, event, child["slot"], value))

    def _take(self, agency: str, group: tuple[str, ...], shown: tuple[str, ...], entry: _Entry) -> None:
        key = ("*" if self._plan["across_agencies"] else agency, *group)
        entries = self._keys.setdefault(key, [])
        if len(entries) < MAX_ENTRIES:
            entries.append(entry)
        self._shown.setdefault(key, shown)

    def sightings(
        self, findings: Sequence[Finding], titles: Mapping[str, str], about: str
    ) -> Iterator[Sighting]:
        names = self._plan["group_by"]
        hit = {(finding.agency, *map(fold, map(str, finding.group.values()))) for finding in findings}
        across = self._plan["across_agencies"]
        for key, entries in self._keys.items():
            if about and not any(entry[1].partition("#")[0] == about for entry in entries):
                continue
            entries.sort()
            found = key[1:] in {other[1:] for other in hit} if across else key in hit
            low, high, metric = self._best(entries)
            window = entries[low:high]
            parts = tuple(self._parts(entries, window, titles))
            yield Sighting(
                *(self._plan["id"], key[0], dict(zip(names, self._shown[key], strict=True)), found),
                *(_moment(window[0][0]), _moment(window[-1][0]), metric, self._wanted()),
                parts,
                "" if found else self._missing(parts, window, metric),
            )

    def _best(self, entries: Sequence[_Entry]) -> tuple[int, int, float | None]:
        """Return the window that qualifies, else the one with the most in it: low, high, its measure."""
        windows = self._windows
        measure, low, place = windows.measure(), 0, 0
        best: tuple[tuple[bool, int, float], int, int, float | None] | None = None
        while place < len(entries):
            time = entries[place][0]
            while place < len(entries) and entries[place][0] == time:
                measure.add(entries[place])
                place += 1
            while entries[low][0] < time - windows.span:
                measure.drop(entries[low])
                low += 1
            metric = measure.metric(time - windows.span)
            if windows.kind == "event_count":
                metric = place - low
            slots = len({entry[2] for entry in entries[low:place]}) if windows.kind in _TEMPORAL else 0
            rank = (metric is not None and windows.meets(metric), slots, metric or 0)
            if best is None or rank > best[0]:
                best = (rank, low, place, metric)
        if best is None:
            raise AssertionError("a group has at least one entry")
        return best[1:]

    def _parts(
        self, entries: Sequence[_Entry], window: Sequence[_Entry], titles: Mapping[str, str]
    ) -> Iterator[Part]:
        plan = self._plan
        ids = {feed["slot"]: feed["rule"] for feed in plan["feeds"]}
        ids |= {child["slot"]: child["correlation"] for child in plan["children"]}
        for slot, name in enumerate(plan["rules"]):
            own = [entry for entry in window if entry[2] == slot]
            everywhere = sum(entry[2] == slot for entry in entries)
            yield Part(
                *(name, titles.get(ids.get(slot, ""), name), len(own), everywhere - len(own)),
                _moment(own[0][0]) if own else None,
                _moment(own[-1][0]) if own else None,
                tuple(entry[1].partition("#")[0] for entry in own[:10]),
            )

    def _wanted(self) -> str:
        plan = self._plan
        if plan["clauses"] is not None:
            return " {} ".format(_("or")).join(self._clause(pos, neg) for pos, neg in plan["clauses"])
        return ", ".join(f"{sign} {number}" for sign, number in plan["compare"])

    def _clause(self, pos: Sequence[int], neg: Sequence[int]) -> str:
        names = self._plan["rules"]
        parts = [names[slot] for slot in pos] + [_("not {name}").format(name=names[slot]) for slot in neg]
        return " {} ".format(_("and")).join(parts)

    def _missing(self, parts: Sequence[Part], window: Sequence[_Entry], metric: float | None) -> str:
        plan, kind = self._plan, self._plan["type"]
        absent = [part.rule for part in parts if not part.count]
        if kind in _TEMPORAL:
            if absent:
                return _("not matched within {span}: {rules}").format(
                    span=_span(plan["span"]), rules=", ".join(absent)
                )
            if any(neg for _pos, neg in plan["clauses"] or ()):
                return _("what must be absent is there, or it is not certain yet")
            return _("all are there, but not one after the other")
        if kind.startswith("value_") and not any(entry[3] for entry in window):
            return _("no event has the field {field}").format(field=", ".join(plan["fields"]))
        return _("the most within {span} is {measured}; asked for is {wanted}").format(
            span=_span(plan["span"]), measured=_plain(metric), wanted=self._wanted()
        )


def _plain(number: float | None) -> str:
    return "0" if number is None else f"{number:g}"


def _span(seconds: int) -> str:
    for size, letter in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds % size == 0:
            return f"{seconds // size}{letter}"
    return f"{seconds}s"


def _moment(micros: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=micros)
