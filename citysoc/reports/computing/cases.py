"""Events of attacks, spyware and viruses: how many, of which class, when, from where."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from citysoc.enrich.taxonomy import HANDLED
from citysoc.enrich.working_hours import in_office_hours, is_working_day
from citysoc.reports.computing.places import Places
from citysoc.reports.computing.sources import ATTACKS, CASES, TOP, Earlier, Sources
from citysoc.reports.figures import ClassDetail, ClassRow, Compared, Ranked
from citysoc.reports.shares import shares

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from citysoc.reports.figures import Period

WORDS = ("attack", "spyware", "virus")
UNCLASSIFIED = ""
DETAILED = ("SCAN", "WEB", "BRUTE", "EXPL", "DDOS", "PHISH", "DEFACE")
"""Classes with a part of the report of their own, in its order."""
NAMED = 3
"""How many agencies and sources a class's part names."""

Hours = list[tuple[dt.datetime, int]]
"""Local half hours and their events."""


@dataclass(frozen=True, slots=True)
class Group:
    """Events that are alike in agency, class, word and outcome; None where they have none."""

    agency: str | None
    code: str
    threat: str | None
    outcome: str | None
    count: int


def grouped(sources: Sources) -> tuple[Group, ...]:
    """Return the period's events with a class or a word, in groups: most questions are sums of these."""
    names = ("agency.id", "citysoc.class", "citysoc.threat", "citysoc.outcome")
    return tuple(
        Group(row[names[0]], row[names[1]] or UNCLASSIFIED, row[names[2]], row[names[3]], row["count"])
        for row in sources.groups(f"_exists_:citysoc.class OR {CASES}", names)
    )


def summed(groups: Iterable[Group], key: Callable[[Group], str | None]) -> dict[str, int]:
    """Return cases by what ``key`` says of their group; those without it are left out."""
    found: Counter[str] = Counter()
    for group in groups:
        if group.threat and (name := key(group)) is not None:
            found[name] += group.count
    return dict(found)


def ranked(counts: Mapping[str, int], limit: int | None = TOP) -> tuple[Ranked, ...]:
    """Return the names with most events; of equal ones the first of the alphabet."""
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Ranked(name, name, count) for name, count in order[:limit] if name)


def totals(sources: Sources, groups: Sequence[Group], earlier: Earlier) -> dict[str, Any]:
    """Return the counts of events, by the three words, beside those of earlier periods."""
    now = summed(groups, lambda group: group.threat)
    words = [now, *(_words(sources, period) if period else None for period in earlier)]

    def compared(*names: str) -> Compared:
        value, before, year_before = (
            sum(found.get(name, 0) for name in names) if found is not None else None for found in words
        )
        return Compared(value or 0, before, year_before)

    return {
        "records": sources.compared(lambda period: sources.count("", period), earlier),
        "cases": compared(*WORDS),
        **{word: compared(word) for word in WORDS},
        "policy": sum(group.count for group in groups if group.code == "POLICY"),
        "unnamed": sum(group.count for group in groups if group.threat == "virus" and not group.code),
    }


def _words(sources: Sources, period: Period) -> dict[str, int]:
    rows = sources.groups(CASES, ["citysoc.threat"], period=period)
    return {row["citysoc.threat"]: row["count"] for row in rows}


def classes(sources: Sources, groups: Sequence[Group], earlier: Earlier) -> tuple[ClassRow, ...]:
    """Return one row a class that has events now or had them in the period before, most first."""
    counts = summed(groups, lambda group: group.code)
    stopped = summed(groups, lambda group: group.code if group.outcome in HANDLED else None)
    before, year_before = (_by_class(sources, period) for period in earlier)
    codes = sorted(counts.keys() | (before or {}).keys(), key=lambda code: (-counts.get(code, 0), code))
    return tuple(
        ClassRow(
            code,
            Compared(counts.get(code, 0), _count_of(before, code), _count_of(year_before, code)),
            stopped.get(code, 0),
            share,
        )
        for code, share in zip(codes, shares([counts.get(code, 0) for code in codes]), strict=True)
    )


def _by_class(sources: Sources, period: Period | None) -> dict[str, int] | None:
    if period is None:
        return None
    rows = sources.groups(CASES, ["citysoc.class"], period=period)
    return {row["citysoc.class"] or UNCLASSIFIED: row["count"] for row in rows}


def _count_of(found: Mapping[str, int] | None, code: str) -> int | None:
    return None if found is None else found.get(code, 0)


def details(sources: Sources, groups: Sequence[Group]) -> tuple[ClassDetail, ...]:
    """Return the agencies and sources with most events of each class that has a part of its own."""
    found = summed(groups, lambda group: group.code)
    return tuple(
        ClassDetail(code, _agencies(sources, groups, code), _sources(sources, code))
        for code in DETAILED
        if code in found
    )


def _agencies(sources: Sources, groups: Sequence[Group], code: str) -> tuple[Ranked, ...]:
    counts = summed(groups, lambda group: group.agency if group.code == code else None)
    return sources.named(ranked(counts, NAMED))


def _sources(sources: Sources, code: str) -> tuple[Ranked, ...]:
    return sources.top(f"{CASES} AND citysoc.class:{code}", "source.ip", limit=NAMED)


def attackers(sources: Sources) -> tuple[Ranked, ...]:
    """Return the source addresses with most attacks, with country and network where a database says them."""
    with Places(sources.config) as places:
        return tuple(
            Ranked(row.key, row.label, row.count, place=places.of(row.key))
            for row in sources.top(ATTACKS, "source.ip")
        )


def days(sources: Sources) -> dict[str, Any]:
    """Return ``days`` and ``class_days``: for every local date of the period its events by word, and by class."""
    period = sources.period
    zone = ZoneInfo(period.timezone)
    words: dict[str, dict[str, int]] = {}
    day = period.since.astimezone(zone).date()
    last = (period.until - dt.timedelta(microseconds=1)).astimezone(zone).date()
    while day <= last:
        words[day.isoformat()] = dict.fromkeys(WORDS, 0)
        day += dt.timedelta(days=1)
    codes: dict[str, dict[str, int]] = {date: {} for date in words}
    by = ["citysoc.class", "citysoc.threat"]
    for row in sources.groups(CASES, by, interval_seconds=86_400, timezone=period.timezone):
        date = row["time"].astimezone(zone).date().isoformat()
        if row["citysoc.threat"] in WORDS and date in words:
            code = row["citysoc.class"] or UNCLASSIFIED
            words[date][row["citysoc.threat"]] += row["count"]
            codes[date][code] = codes[date].get(code, 0) + row["count"]
    return {"days": words, "class_days": codes}


def by_half_hour(sources: Sources) -> Hours:
    """Return events by local half hour: office hours begin and end on them."""
    zone = ZoneInfo(sources.period.timezone)
    rows = sources.groups(CASES, [], interval_seconds=1800, timezone=sources.period.timezone)
    return [(row["time"].astimezone(zone), row["count"]) for row in rows]


def per_hour_of_day(hours: Hours) -> dict[str, int]:
    """Return events by hour of the day, ``00`` to ``23``."""
    found = {f"{hour:02}": 0 for hour in range(24)}
    for moment, count in hours:
        found[f"{moment.hour:02}"] += count
    return found


def office_share(hours: Hours) -> float:
    """Return the share of events in office hours, percent."""
    total = sum(count for _, count in hours)
    return hour_types(hours)["office"] * 100 / total if total else 0.0


def hour_types(hours: Sequence[tuple[dt.datetime, int]]) -> dict[str, int]:
    """Return events in office hours, outside of them on working days, and on days off."""
    found = {"office": 0, "outside": 0, "day_off": 0}
    for moment, count in hours:
        kind = (
            "office" if in_office_hours(moment) else "outside" if is_working_day(moment.date()) else "day_off"
        )
        found[kind] += count
    return found
