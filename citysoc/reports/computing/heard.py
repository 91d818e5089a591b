"""What was heard of each stream of logs in the period, and what was not: how far each figure can be trusted.

A stream lacks data where it told of no event for longer than its source may be silent, and for longer than a day: at
night a small office has nothing to tell. This is judged by the time of events, not of arrival: what came late, but
came, is not lacking.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from citysoc.config.streams import streams as expected_streams
from citysoc.reports.figures import SourceRow
from citysoc.state.values import stamp
from citysoc.stores.base import Metric

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from citysoc.config.streams import Stream
    from citysoc.reports.computing.sources import Sources

ANTIVIRUS, NETWORK, HOSTS, OTHER = KINDS = ("antivirus", "network", "hosts", "other")
_KIND_OF = {
    **dict.fromkeys(("antivirus", "avreport"), ANTIVIRUS),
    **dict.fromkeys(("cef", "fortigate", "leef", "suricata", "webaccess", "zeek"), NETWORK),
    **dict.fromkeys(("auditd", "syslog", "windows"), HOSTS),
}
"""``event.module`` to the kind of source that it is of; what is not here is of the kind ``other``."""
_PARSER_KIND = {
    **dict.fromkeys(("antivirus", "antivirus-xlsx", "avreport"), ANTIVIRUS),
    **dict.fromkeys(("cef", "fortigate", "leef", "suricata", "webaccess", "zeek", "zeek-json"), NETWORK),
    **dict.fromkeys(("auditd", "evtx", "windows", "windows-document"), HOSTS),
}
"""What a source is by its parser; ``auto``, ``syslog`` and JSON may carry anything."""
_MAX_SPANS = 200_000
_DAY = dt.timedelta(days=1)
_COUNT, _FIRST, _LAST = Metric(), Metric("min", "@timestamp"), Metric("max", "@timestamp")
Span = tuple[dt.datetime, dt.datetime]


@dataclass(frozen=True, slots=True)
class Heard:
    """What the store has of the period: records by agency, and for each stream its modules and when it spoke."""

    records: Counter[str | None] = field(default_factory=Counter)
    modules: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    spans: dict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))


def heard(sources: Sources) -> Heard:
    """Return what was heard, by one question about all records."""
    found = Heard()
    by = ["agency.id", "citysoc.source", "event.module"]
    first, last = (f"{metric.kind}:{metric.field}" for metric in (_FIRST, _LAST))
    rows = sources.groups(
        "",
        by,
        metrics=[_COUNT, _FIRST, _LAST],
        interval_seconds=_step(sources),
        timezone=sources.period.timezone,
    )
    for row in rows:
        agency, stream, module = (row[name] for name in by)
        found.records[agency] += row["count"]
        if stream:
            found.modules[stream].add(module or "")
            found.spans[stream].append((row[first], row[last]))
    return found


def _step(sources: Sources) -> int:
    """Return the steps in which streams are looked at: days, since no shorter silence counts.

    A longer silence than a step shows between two of them. Long periods of many streams are looked at in steps of
    several days; a silence within one step is then not seen.
    """
    streams = len(expected_streams(sources.config))
    days = (sources.period.until - sources.period.since) / _DAY
    return math.ceil(max(days * streams / _MAX_SPANS, 1)) * 86_400


def rows(sources: Sources, found: Heard) -> tuple[SourceRow, ...]:
    """Return every stream that is expected or had records in the period, by id."""
    expected = {
        stream.id: stream
        for stream in expected_streams(sources.config)
        if sources.agency in {None, stream.agency}
    }
    counters = _counters(sources)
    kinds = _kinds(sources, found)
    return tuple(
        _row(
            sources,
            name,
            stream=expected.get(name),
            spans=found.spans.get(name, ()),
            kinds=_kinds_of(name, found, kinds),
            counted=counters.get(name, {}),
        )
        for name in sorted(expected.keys() | counters.keys() | found.spans.keys())
    )


def _row(
    sources: Sources,
    name: str,
    *,
    stream: Stream | None,
    spans: Iterable[Span],
    kinds: tuple[str, ...],
    counted: Mapping[str, int],
) -> SourceRow:
    agency, _slash, source = name.partition("/")
    gaps = _gaps(sources, spans, stream) if stream else []
    longest = max(gaps, key=lambda gap: (gap[1] - gap[0], gap[0]), default=None)
    return SourceRow(
        stream=name,
        agency=agency,
        agency_name=sources.agency_name(agency),
        source=source,
        kinds=kinds,
        expected=stream is not None,
        gaps=len(gaps),
        hours_lacking=round(sum((until - since).total_seconds() for since, until in gaps) / 3600),
        hours_expected=_hours(sources) if stream else 0,
        longest_since=stamp(longest[0]) if longest else None,
        longest_until=stamp(longest[1]) if longest else None,
        quarantined=counted.get("quarantined", 0),
        rejected=counted.get("rejected", 0),
        unaccounted=counted.get("unaccounted", 0),
    )


def _hours(sources: Sources) -> int:
    """Return how many hours of the period are over."""
    return max(round((sources.judged_at - sources.period.since).total_seconds() / 3600), 0)


def _kinds_of(name: str, found: Heard, kinds: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return of what kind a stream is by what it brought, else by its source; of all kinds where nobody knows."""
    return _in_order(found.modules.get(name, ())) or kinds.get(name.partition("/")[2], KINDS)


def _in_order(modules: Iterable[str]) -> tuple[str, ...]:
    found = {_KIND_OF.get(module, OTHER) for module in modules}
    return tuple(kind for kind in KINDS if kind in found)


def _kinds(sources: Sources, found: Heard) -> dict[str, tuple[str, ...]]:
    """Return of what kind a source is by its parser, else by what it brought from other agencies."""
    seen: dict[str, set[str]] = defaultdict(set)
    for stream, modules in found.modules.items():
        seen[stream.partition("/")[2]].update(modules)
    told = {source.id: _PARSER_KIND.get(source.parser) for source in sources.config.sources}
    return {source: _in_order(modules) for source, modules in seen.items()} | {
        source: (kind,) for source, kind in told.items() if kind
    }


def _gaps(sources: Sources, spans: Iterable[Span], stream: Stream) -> list[Span]:
    """Return when a stream told of no event for longer than it may be silent, within the part that is over."""
    limit = max(dt.timedelta(seconds=stream.silent_after_seconds), _DAY)
    until = sources.judged_at
    edge, gaps = sources.period.since, []
    for first, last in sorted(spans):
        if first - edge > limit:
            gaps.append((edge, first))
        edge = max(edge, last)
    if until - edge > limit:
        gaps.append((edge, until))
    return gaps


def _counters(sources: Sources) -> dict[str, dict[str, int]]:
    """Return for each stream what became of the records that arrived in the period."""
    left = "received - stored - duplicate - quarantined - rejected"
    only = "" if sources.agency is None else " AND stream IN (SELECT stream FROM streams WHERE agency = ?)"
    found = sources.state.rows(
        "SELECT stream, sum(quarantined) AS quarantined, sum(rejected) AS rejected,"  # noqa: S608  fixed names
        f" sum({left}) AS unaccounted FROM counters WHERE hour >= ? AND hour < ?{only} GROUP BY stream",
        (*sources.span(), *([sources.agency] if sources.agency else [])),
    )
    return {
        row["stream"]: {name: row[name] for name in ("quarantined", "rejected", "unaccounted")}
        for row in found
    }
