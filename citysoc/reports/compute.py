"""Computes the figures of a period from the store and the state: the one query layer of reports."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from citysoc.alerts.streams import states
from citysoc.config.streams import streams as expected_streams
from citysoc.enrich.taxonomy import HANDLED
from citysoc.enrich.working_hours import in_office_hours
from citysoc.reports.figures import (
    AgencyRow,
    ClassRow,
    Compared,
    Completeness,
    Coverage,
    Figures,
    IncidentRow,
    Period,
    Ranked,
    StreamRow,
)
from citysoc.state.values import stamp
from citysoc.stores.base import Metric, Question

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from citysoc.config.load import Config
    from citysoc.state import State
    from citysoc.stores.base import EventStore

TOP = 10
WORDS = ("attack", "spyware", "virus")
CASES = "_exists_:citysoc.threat"
UNCLASSIFIED = ""
DETECTIONS = "event.dataset:antivirus.detection"


def compute(config: Config, state: State, store: EventStore, period: Period, *, now: dt.datetime) -> Figures:
    """Return the figures of a period.

    Args:
        config: the registry and the sources.
        state: alerts, incidents, streams, counters.
        store: events.
        period: of event time for events and alerts, of arrival for completeness.
        now: the moment for which streams are judged: the end of the period when that is past.
    """
    return _Computation(config, state, store, period, min(now, period.until)).figures()


@dataclass(frozen=True, slots=True)
class _Computation:
    config: Config
    state: State
    store: EventStore
    period: Period
    judged_at: dt.datetime

    def figures(self) -> Figures:
        periods = (self.period, *(p if self._count(CASES, p) else None for p in self._earlier()))
        words = [self._words(period) if period else None for period in periods]

        def compared(count: Callable[[Period], int]) -> Compared:
            return _compared([count(period) if period else None for period in periods])

        def cases(*names: str) -> Compared:
            return _compared([sum(found[name] for name in names) if found else None for found in words])

        hours = self._by_hour()
        quiet, states_ = self._streams()
        return Figures(
            period=self.period,
            as_of=self._as_of(),
            agencies=len(self.config.registry),
            records=compared(lambda period: self._count("", period)),
            cases=cases(*WORDS),
            attack=cases("attack"),
            spyware=cases("spyware"),
            virus=cases("virus"),
            alerts=compared(self._alerts),
            incidents=compared(self._incidents),
            policy=self._count("citysoc.class:POLICY", self.period),
            classes=self._classes(*periods[1:]),
            outcomes=self._top(CASES, "citysoc.outcome", limit=None),
            days=self._days(),
            hours=_per_hour_of_day(hours),
            office_share=_office_share(hours),
            levels=self._grouped_alerts("level"),
            rules=self._grouped_alerts("rule", label="title", limit=TOP),
            busiest=self._named(self._top(CASES, "agency.id")),
            table=self._agency_table(quiet),
            malware=self._top(DETECTIONS, "threat.software.name"),
            infected=self._named(
                self._top(DETECTIONS, "agency.id", metric=Metric("cardinality", "host.name"))
            ),
            attackers=self._top(f"{CASES} AND citysoc.threat:attack", "source.ip"),
            targets=self._top(f"{CASES} AND citysoc.threat:attack", "destination.ip"),
            incident_rows=self._incident_rows(),
            coverage=self._coverage(),
            streams=states_,
            quiet=quiet,
            completeness=self._completeness(),
        )

    def _question(self, query: str, period: Period | None = None) -> Question:
        period = period or self.period
        return Question(query, period.since, period.until)

    def _count(self, query: str, period: Period) -> int:
        return self.store.count(self._question(query, period))

    def _groups(
        self, query: str, by: Sequence[str], *, period: Period | None = None, **options: Any
    ) -> list[Mapping[str, Any]]:
        return self.store.aggregate(self._question(query, period), by=by, **options)

    def _words(self, period: Period) -> dict[str, int]:
        found = {
            row["citysoc.threat"]: row["count"]
            for row in self._groups(CASES, ["citysoc.threat"], period=period)
        }
        return {word: found.get(word, 0) for word in WORDS}

    def _top(
        self, query: str, by: str, *, metric: Metric | None = None, limit: int | None = TOP
    ) -> tuple[Ranked, ...]:
        metric = metric or Metric()
        name = "count" if metric.kind == "count" else f"{metric.kind}:{metric.field}"
        # One more than wanted: the group of events without the field is left out below.
        rows = self._groups(query, [by], metrics=[metric], limit=None if limit is None else limit + 1)
        ranked = [Ranked(str(row[by]), str(row[by]), row[name]) for row in rows if row[by] not in {None, ""}]
        return tuple(ranked[:limit])

    def _named(self, ranked: tuple[Ranked, ...]) -> tuple[Ranked, ...]:
        return tuple(Ranked(row.key, self._name(row.key), row.count, row.more) for row in ranked)

    def _name(self, agency_id: str) -> str:
        agency = self.config.registry.by_id(agency_id)
        return agency.name if agency else agency_id

    def _earlier(self) -> tuple[Period, Period]:
        """Return the period before, and the same period of the year before."""
        return _before(self.period), _year_before(self.period)

    def _by_class(self, period: Period | None) -> dict[str, int] | None:
        if period is None:
            return None
        rows = self._groups(CASES, ["citysoc.class"], period=period)
        return {row["citysoc.class"] or UNCLASSIFIED: row["count"] for row in rows}

    def _classes(self, before: Period | None, year_before: Period | None) -> tuple[ClassRow, ...]:
        rows = self._groups(CASES, ["citysoc.class", "citysoc.outcome"])
        counts: dict[str, int] = {}
        stopped: dict[str, int] = {}
        for row in rows:
            code = row["citysoc.class"] or UNCLASSIFIED
            counts[code] = counts.get(code, 0) + row["count"]
            if row["citysoc.outcome"] in HANDLED:
                stopped[code] = stopped.get(code, 0) + row["count"]
        earlier = self._by_class(before), self._by_class(year_before)
        total = sum(counts.values())
        return tuple(
            ClassRow(
                code,
                _compared([counts.get(code, 0), *(_count_of(found, code) for found in earlier)]),
                stopped.get(code, 0),
                counts.get(code, 0) * 100 / total if total else 0.0,
            )
            for code in sorted(
                counts.keys() | (earlier[0] or {}).keys(), key=lambda code: (-counts.get(code, 0), code)
            )
        )

    def _days(self) -> dict[str, dict[str, int]]:
        zone = ZoneInfo(self.period.timezone)
        days: dict[str, dict[str, int]] = {}
        day = self.period.since.astimezone(zone).date()
        while day < self.period.until.astimezone(zone).date():
            days[day.isoformat()] = dict.fromkeys(WORDS, 0)
            day += dt.timedelta(days=1)
        rows = self._groups(CASES, ["citysoc.threat"], interval_seconds=86_400, timezone=self.period.timezone)
        for row in rows:
            date = row["time"].astimezone(zone).date().isoformat()
            if row["citysoc.threat"] in WORDS and date in days:
                days[date][row["citysoc.threat"]] += row["count"]
        return days

    def _by_hour(self) -> list[tuple[dt.datetime, int]]:
        zone = ZoneInfo(self.period.timezone)
        rows = self._groups(CASES, [], interval_seconds=1800, timezone=self.period.timezone)
        return [(row["time"].astimezone(zone), row["count"]) for row in rows]

    def _span(self, period: Period) -> tuple[str, str]:
        return stamp(period.since), stamp(period.until)

    def _alerts(self, period: Period) -> int:
        rows = self.state.rows(
            "SELECT count(*) AS n FROM alerts WHERE first_seen >= ? AND first_seen < ?", self._span(period)
        )
        return int(rows[0]["n"])

    def _incidents(self, period: Period) -> int:
        rows = self.state.rows(
            "SELECT count(*) AS n FROM incidents"
            " WHERE first_seen >= ? AND first_seen < ? AND merged_into IS NULL",
            self._span(period),
        )
        return int(rows[0]["n"])

    def _grouped_alerts(
        self, by: str, *, label: str | None = None, limit: int | None = None
    ) -> tuple[Ranked, ...]:
        other = f"max({label}_vi)" if label else "''"
        rows = self.state.rows(
            f"SELECT {by} AS key, min({label or by}) AS label, {other} AS label_vi,"  # noqa: S608  names of ours
            " count(*) AS n, sum(count) AS events FROM alerts"
            f" WHERE first_seen >= ? AND first_seen < ? GROUP BY {by} ORDER BY n DESC, key LIMIT ?",
            (*self._span(self.period), -1 if limit is None else limit),
        )
        return tuple(
            Ranked(row["key"], row["label"], row["n"], {"events": row["events"]}, row["label_vi"])
            for row in rows
        )

    def _agency_table(self, quiet: tuple[StreamRow, ...]) -> tuple[AgencyRow, ...]:
        records = {row["agency.id"]: row["count"] for row in self._groups("", ["agency.id"])}
        cases = {row["agency.id"]: row["count"] for row in self._groups(CASES, ["agency.id"])}
        alerts = {row.key: row.count for row in self._grouped_alerts("agency")}
        incidents = {
            row["agency"]: row["n"]
            for row in self.state.rows(
                "SELECT agency, count(*) AS n FROM incidents"
                " WHERE first_seen >= ? AND first_seen < ? AND merged_into IS NULL GROUP BY agency",
                self._span(self.period),
            )
        }
        silent: dict[str, int] = {}
        for row in quiet:
            silent[row.agency] = silent.get(row.agency, 0) + 1
        return tuple(
            AgencyRow(
                agency.id,
                agency.name,
                agency.level,
                records.get(agency.id, 0),
                cases.get(agency.id, 0),
                alerts.get(agency.id, 0),
                incidents.get(agency.id, 0),
                silent.get(agency.id, 0),
                agency.name_en,
            )
            for agency in self.config.registry
        )

    def _incident_rows(self) -> tuple[IncidentRow, ...]:
        rows = self.state.rows(
            "SELECT * FROM incidents WHERE first_seen >= ? AND first_seen < ? AND merged_into IS NULL"
            " ORDER BY first_seen, id",
            self._span(self.period),
        )
        return tuple(
            IncidentRow(
                id=row["id"],
                title=row["title"],
                agency=row["agency"],
                agency_name=self._name(row["agency"]),
                entity=row["entity"],
                severity=row["severity"],
                state=row["state"],
                verdict=row["verdict"],
                detected_at=row["detected_at"],
                closed_at=row["closed_at"],
                notice_due_at=row["notice_due_at"],
                report_due_at=row["report_due_at"],
                notice_sent_at=row["notice_sent_at"],
                report_sent_at=row["report_sent_at"],
                alerts=row["alerts"],
                title_vi=row["title_vi"],
            )
            for row in rows
        )

    def _coverage(self) -> Coverage:
        with_antivirus = [agency for agency in self.config.registry if agency.antivirus]
        seen = {
            row["agency.id"]: row
            for row in self._groups(
                "event.module:antivirus OR event.module:avreport",
                ["agency.id"],
                metrics=[Metric("cardinality", "host.name")],
            )
        }
        infected = self._groups(DETECTIONS, ["agency.id"], metrics=[Metric("cardinality", "host.name")])
        ids = {agency.id for agency in with_antivirus}
        return Coverage(
            agencies=len(with_antivirus),
            machines=sum(agency.antivirus.machines for agency in with_antivirus if agency.antivirus),
            agencies_seen=len(ids & seen.keys()),
            machines_seen=sum(row["cardinality:host.name"] for key, row in seen.items() if key in ids),
            machines_infected=sum(row["cardinality:host.name"] for row in infected),
            not_cleaned=self._count(f"{DETECTIONS} AND citysoc.outcome:failed", self.period),
        )

    def _streams(self) -> tuple[tuple[StreamRow, ...], dict[str, int]]:
        counts = dict.fromkeys(("ok", "late", "silent", "never"), 0)
        quiet = []
        for row in states(self.state, expected_streams(self.config), now=self.judged_at):
            if not row.expected:
                continue
            counts[row.state] += 1
            if row.state != "ok":
                last = stamp(row.last_arrival) if row.last_arrival else None
                name = self._name(row.agency)
                quiet.append(StreamRow(row.stream, row.agency, name, row.source, row.state, last))
        order = {"never": 0, "silent": 1, "late": 2}
        return tuple(sorted(quiet, key=lambda row: (order[row.state], row.stream))), counts

    def _completeness(self) -> Completeness:
        names = ("received", "stored", "duplicate", "quarantined", "rejected")
        sums = ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in names)
        row = self.state.rows(
            f"SELECT {sums} FROM counters WHERE hour >= ? AND hour < ?",  # noqa: S608  fixed names
            self._span(self.period),
        )[0]
        return Completeness(*(row[name] for name in names))

    def _as_of(self) -> str | None:
        rows = self.state.rows("SELECT max(last_arrival) AS at FROM streams")
        return rows[0]["at"] if rows else None


def _before(period: Period) -> Period:
    """Return the period before: the month before a calendar month, else one as long."""
    zone = ZoneInfo(period.timezone)
    first, after = period.since.astimezone(zone), period.until.astimezone(zone)
    if period.is_month:
        year, month = (first.year, first.month - 1) if first.month > 1 else (first.year - 1, 12)
        since = first.replace(year=year, month=month)
    else:
        since = first - (after - first)
    return Period(since.astimezone(dt.UTC), period.since, "", period.timezone)


def _year_before(period: Period) -> Period:
    """Return the same days of the year before."""
    zone = ZoneInfo(period.timezone)
    since, until = (_back_a_year(end.astimezone(zone)) for end in (period.since, period.until))
    return Period(since.astimezone(dt.UTC), until.astimezone(dt.UTC), "", period.timezone)


def _back_a_year(moment: dt.datetime) -> dt.datetime:
    try:
        return moment.replace(year=moment.year - 1)
    except ValueError:  # 29 February
        return moment.replace(year=moment.year - 1, month=3, day=1)


def _count_of(found: Mapping[str, int] | None, code: str) -> int | None:
    return None if found is None else found.get(code, 0)


def _compared(values: Sequence[int | None]) -> Compared:
    """Return the figures of a period, of the period before and of a year before as one."""
    value, before, year_before = values
    return Compared(value or 0, before, year_before)


def _per_hour_of_day(hours: list[tuple[dt.datetime, int]]) -> dict[str, int]:
    found = {f"{hour:02}": 0 for hour in range(24)}
    for moment, count in hours:
        found[f"{moment.hour:02}"] += count
    return found


def _office_share(hours: list[tuple[dt.datetime, int]]) -> float:
    total = sum(count for _, count in hours)
    office = sum(count for moment, count in hours if in_office_hours(moment))
    return office * 100 / total if total else 0.0
