"""The figures of a period as values: computed once, kept as JSON, rendered in any language.

Three words are never mixed: *events* (lượt, sự kiện) are records that carry a class, *alerts* (cảnh báo)
are findings counted once, *incidents* (sự cố) are alerts that belong together.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

SCHEMA_VERSION = 3


def _change(value: int, before: int | None) -> float | None:
    return None if not before else (value - before) * 100 / before


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open period, [since, until), aware; and what people call it."""

    since: dt.datetime
    until: dt.datetime
    name: str
    timezone: str

    @property
    def months(self) -> int:
        """How many whole calendar months of its zone it is; 0 where it is something else."""
        zone = ZoneInfo(self.timezone)
        first, after = self.since.astimezone(zone), self.until.astimezone(zone)
        if not first.time() == after.time() == dt.time() or not first.day == after.day == 1:
            return 0
        return (after.year * 12 + after.month) - (first.year * 12 + first.month)

    @property
    def is_month(self) -> bool:
        """Whether it is exactly one calendar month of its zone."""
        return self.months == 1

    @property
    def kind(self) -> str:
        """What people call such a period: month, quarter, half, year, week or other."""
        first = self.since.astimezone(ZoneInfo(self.timezone))
        for months, kind in ((1, "month"), (3, "quarter"), (6, "half"), (12, "year")):
            if self.months == months and (first.month - 1) % months == 0:
                return kind
        week = self.until - self.since == dt.timedelta(days=7) and first.weekday() == 0
        return "week" if week and first.time() == dt.time() else "other"


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure beside those of the period before and of a year before; None where those have no data at all."""

    value: int
    before: int | None = None
    year_before: int | None = None

    @property
    def change(self) -> float | None:
        """The change on the period before in percent, None where there is nothing to compare with."""
        return _change(self.value, self.before)

    @property
    def year_change(self) -> float | None:
        """The change on the same period of the year before, in percent."""
        return _change(self.value, self.year_before)


@dataclass(frozen=True, slots=True)
class ClassRow:
    """Events of one class: how many, of these stopped by a device, and share of all in percent.

    Shares have one digit, and all together are 100.0.
    """

    code: str
    events: Compared
    stopped: int
    share: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """One line of a ranking: a key, a label and figures by name.

    Rules have their Vietnamese title too, addresses their country and network where a database says it.
    """

    key: str
    label: str
    count: int
    more: dict[str, int] = field(default_factory=dict)
    label_vi: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class AgencyRow:
    """One agency's month."""

    id: str
    name: str
    level: str
    records: int
    events: int
    alerts: int
    incidents: int
    silent: int
    name_en: str = ""


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident against its clocks, with what its notes say of cause and measures; times are RFC 3339."""

    id: str
    title: str
    agency: str
    agency_name: str
    entity: str
    severity: str
    state: str
    verdict: str | None
    detected_at: str
    closed_at: str | None
    notice_due_at: str
    report_due_at: str
    notice_sent_at: str | None
    report_sent_at: str | None
    alerts: int
    title_vi: str = ""
    cause: str = ""
    measure: str = ""


@dataclass(frozen=True, slots=True)
class ClassDetail:
    """Who was meant by one class of attacks, and from where: the agencies and sources with most of it."""

    code: str
    agencies: tuple[Ranked, ...]
    sources: tuple[Ranked, ...]


@dataclass(frozen=True, slots=True)
class LevelRow:
    """The agencies of one level together."""

    level: str
    agencies: int
    events: int
    alerts: int
    incidents: int


@dataclass(frozen=True, slots=True)
class MachineRow:
    """A computer on which malware was found and, by the last word of its antivirus, not removed."""

    agency: str
    agency_name: str
    host: str
    malware: str
    path: str
    last_seen: str
    count: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Centrally managed antivirus: expected by the registry, and seen in the period.

    Args:
        agencies: with antivirus, by the registry.
        machines: with antivirus, by the registry.
        agencies_seen: of these, agencies that sent anything.
        machines_seen: of these, computers named in anything sent.
        machines_infected: computers with at least one detection.
        not_cleaned: detections that the antivirus could not handle.
        not_updated: computers without updates for 15 days, by each console's last report; None where no
            console says.
        protection_off: computers whose last reported protection is off; None where no console says.
        reinfected: computers on which the same malware was found on different days.
        detections: of malware, all of them.
    """

    agencies: int
    machines: int
    agencies_seen: int
    machines_seen: int
    machines_infected: int
    not_cleaned: int
    not_updated: int | None = None
    protection_off: int | None = None
    reinfected: int = 0
    detections: int = 0


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A stream that does not speak as it should."""

    stream: str
    agency: str
    agency_name: str
    source: str
    state: str
    last_arrival: str | None


@dataclass(frozen=True, slots=True)
class SourceRow:
    """How far a stream of logs was heard in the period.

    Args:
        stream: ``<agency id>/<source id>``.
        agency: the agency's id.
        agency_name: its name.
        source: the source's id.
        kinds: what it brings: antivirus, network, hosts, other; all of them where nobody knows.
        expected: whether the registry asks for it.
        gaps: how often it told of no event for longer than its source may be silent.
        hours_lacking: how long that was, all together.
        hours_expected: the hours of the period that are over, in which it should have spoken; 0 if nobody asks for it.
        longest_since: when the longest gap began, RFC 3339.
        longest_until: when it ended.
        quarantined: records that no parser could read; by arrival, like the next two.
        rejected: records that were refused.
        unaccounted: records of which nobody knows what became.
    """

    stream: str
    agency: str
    agency_name: str
    source: str
    kinds: tuple[str, ...]
    expected: bool
    gaps: int
    hours_lacking: int
    hours_expected: int
    longest_since: str | None
    longest_until: str | None
    quarantined: int
    rejected: int
    unaccounted: int


@dataclass(frozen=True, slots=True)
class Completeness:
    """What became of the records that arrived in the period."""

    received: int
    stored: int
    duplicate: int
    quarantined: int
    rejected: int

    @property
    def balanced(self) -> bool:
        """Whether every record is accounted for."""
        return self.received == self.stored + self.duplicate + self.quarantined + self.rejected


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that a report says in numbers.

    Args:
        period: of event time.
        as_of: when the last record before the computation arrived, RFC 3339; None without records.
        agencies: how many the registry has.
        records: events stored, with and without a class.
        cases: events that count as one of the user's three words.
        attack: of these, attacks; likewise ``spyware`` and ``virus``: the user's three words.
        alerts: alerts whose first event lies in the period.
        incidents: incidents detected on events of the period.
        policy: events of denied services and broken policy; they are no cases.
        classes: cases by class, most first; an empty code is a case whose name says no class.
        outcomes: events by outcome.
        days: local date to events by the three words.
        class_days: local date to events by class, without those that had none.
        hours: local hour of the day to events.
        office_share: share of events in Huế's working hours, percent.
        hour_types: events in office hours, outside of them on working days, and on days off.
        details: of the classes that a report tells of one by one.
        agency_levels: agencies by level.
        levels: alerts by level.
        rules: the rules with most alerts.
        busiest: agencies with most events.
        table: every agency of the registry.
        malware: threat names.
        infected: agencies with most infected machines.
        spyware_names: spyware by events.
        servers: command-and-control servers by events.
        bots: agencies by computers that spoke to such servers.
        vulnerabilities: known weaknesses by computers.
        uncleaned: computers with malware that is still there, by agency and name.
        attackers: source addresses.
        targets: attacked hosts and addresses.
        incident_rows: incidents, oldest first.
        coverage: antivirus.
        streams: how many streams are in which state.
        quiet: the streams that are late, silent or never seen.
        completeness: conservation over arrival time.
        weaknesses: how many known weaknesses there are on computers; ``vulnerabilities`` are the first of them.
        over: whether the period was over when it was computed.
        unnamed: cases that are malware whose name tells no kind, and so have no class.
        sources: every stream of logs, and how far it was heard.
        left_out: findings and events that correlations had to leave out, so that alerts may be missing.
    """

    period: Period
    as_of: str | None
    agencies: int
    records: Compared
    cases: Compared
    attack: Compared
    spyware: Compared
    virus: Compared
    alerts: Compared
    incidents: Compared
    policy: int
    classes: tuple[ClassRow, ...]
    outcomes: tuple[Ranked, ...]
    days: dict[str, dict[str, int]]
    class_days: dict[str, dict[str, int]]
    hours: dict[str, int]
    office_share: float
    hour_types: dict[str, int]
    details: tuple[ClassDetail, ...]
    agency_levels: tuple[LevelRow, ...]
    levels: tuple[Ranked, ...]
    rules: tuple[Ranked, ...]
    busiest: tuple[Ranked, ...]
    table: tuple[AgencyRow, ...]
    malware: tuple[Ranked, ...]
    infected: tuple[Ranked, ...]
    spyware_names: tuple[Ranked, ...]
    servers: tuple[Ranked, ...]
    bots: tuple[Ranked, ...]
    vulnerabilities: tuple[Ranked, ...]
    uncleaned: tuple[MachineRow, ...]
    attackers: tuple[Ranked, ...]
    targets: tuple[Ranked, ...]
    incident_rows: tuple[IncidentRow, ...]
    coverage: Coverage
    streams: dict[str, int]
    quiet: tuple[StreamRow, ...]
    completeness: Completeness
    unnamed: int = 0
    weaknesses: int = 0
    over: bool = True
    sources: tuple[SourceRow, ...] = ()
    left_out: int = 0
