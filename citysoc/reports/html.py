"""The monthly report as one HTML page: self-contained, printable, without script."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from citysoc import i18n
from citysoc.alerts.records import title_in
from citysoc.i18n import _
from citysoc.reports import charts
from citysoc.reports.figures import Ranked
from citysoc.reports.text import (
    class_name,
    clean,
    date,
    edge,
    entity_name,
    integer,
    level_name,
    long_month,
    outcome_name,
    percent,
    state_name,
    time,
)
from citysoc.state.outbox import RANK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.config.models import Reports
    from citysoc.reports.figures import Compared, Figures, IncidentRow, Period

MAX_INCIDENT_ROWS = 200
MAX_QUIET_ROWS = 200


class Number(str):
    """A rendered number: tables set it to the right."""

    __slots__ = ()


class Word(str):
    """A text that tables keep in one line."""

    __slots__ = ()


def render(figures: Figures, settings: Reports, *, language: str) -> bytes:
    """Return the report as UTF-8 HTML; same figures, same bytes."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("citysoc.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.tests["number_text"] = lambda value: isinstance(value, Number)
    environment.tests["word_text"] = lambda value: isinstance(value, Word)
    with i18n.speaking(language):
        template = environment.get_template("monthly.html.j2")
        text = template.render(_=_, lang=language, f=figures, **_values(figures, settings))
    return text.encode("utf-8")


def _values(f: Figures, settings: Reports) -> dict[str, Any]:
    zone = f.period.timezone
    during = _during(f.period)
    return {
        "title": _("Cybersecurity situation {during}").format(during=during),
        "superior": clean(settings.superior) or "......",
        "issuer": clean(settings.issuer) or "......",
        "place_and_date": _("{place}, date ...... month ...... year {year}").format(
            place=clean(settings.place), year=f.period.until.astimezone(ZoneInfo(zone)).year
        ),
        "period_sentence": _("(Figures from {first} to {last}, Vietnam time)").format(
            first=edge(f.period.since, zone), last=edge(f.period.until, zone, end=True)
        ),
        "opening": _("The unit reports on the cybersecurity situation {during} as follows:").format(
            during=during
        ),
        "closing": _("This is the report on the cybersecurity situation {during}.").format(during=during),
        "overview": _overview(f),
        "cards": _cards(f),
        "charts": _charts(f),
        "office_sentence": _("{share} of the events fell into office hours.").format(
            share=percent(f.office_share)
        ),
        **_class_table(f),
        "outcome_rows": _ranked(f.outcomes, name=outcome_name),
        "attacker_rows": _ranked(f.attackers),
        "target_rows": _ranked(f.targets),
        "malware_rows": _ranked(f.malware),
        "infected_rows": _ranked(_called(f.infected, f)),
        "level_rows": _ranked(
            sorted(f.levels, key=lambda row: -RANK.get(row.key, -1)), name=level_name, more=("events",)
        ),
        "rule_rows": _ranked(_titled(f.rules), more=("events",)),
        **_incident_table(f),
        "coverage_sentences": _coverage(f),
        "quality_sentences": _quality(f),
        **_quality_tables(f),
        **_agency_table(f),
    }


def _n(value: int) -> Number:
    return Number(integer(value))


def _during(period: Period) -> str:
    """Return when, as a title says it: ``tháng 10 năm 2026``, else from day to day."""
    zone = ZoneInfo(period.timezone)
    first = period.since.astimezone(zone)
    if period.is_month:
        return _("in {month}").format(month=long_month(first.date()))
    return _("from {first} to {last}").format(
        first=date(period.since, period.timezone),
        last=date(period.until - dt.timedelta(microseconds=1), period.timezone),
    )


def _change(figure: Compared, *, month: bool) -> str:
    """Return how a figure moved, in brackets behind it; nothing where there is nothing to compare with."""
    earlier = _("the month before") if month else _("the period before")
    parts = [
        _moved(change, than)
        for change, than in (
            (figure.change, earlier),
            (figure.year_change, _("the same period of the year before")),
        )
        if change is not None
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _moved(change: float, than: str) -> str:
    if percent(abs(change)) == percent(0.0):
        return _("unchanged on {than}").format(than=than)
    text = _("up {share} on {than}") if change > 0 else _("down {share} on {than}")
    return text.format(share=percent(abs(change)), than=than)


def _overview(f: Figures) -> list[str]:
    if not f.records.value:
        return [_("No log record arrived for this period.")]
    month = f.period.is_month
    stopped = sum(row.stopped for row in f.classes)
    sentences = [
        _(
            "The system recorded {cases} events of attacks, spyware and viruses{change}: {attack} of attacks,"
            " {spyware} of spyware, {virus} of viruses."
        ).format(
            cases=integer(f.cases.value),
            change=_change(f.cases, month=month),
            attack=integer(f.attack.value),
            spyware=integer(f.spyware.value),
            virus=integer(f.virus.value),
        ),
        _("Of these, {stopped} ({share}) were stopped or handled by the devices.").format(
            stopped=integer(stopped), share=percent(stopped * 100 / f.cases.value)
        )
        if f.cases.value
        else "",
        _(
            "Detection rules raised {alerts} alerts{alert_change}, which form {incidents} incidents"
            "{incident_change}."
        ).format(
            alerts=integer(f.alerts.value),
            alert_change=_change(f.alerts, month=month),
            incidents=integer(f.incidents.value),
            incident_change=_change(f.incidents, month=month),
        ),
        _(
            "Besides, devices denied {count} accesses against policy; these are not counted as attacks."
        ).format(count=integer(f.policy))
        if f.policy
        else "",
        _("The figures rest on {records} log records of {agencies} agencies.").format(
            records=integer(f.records.value), agencies=integer(sum(1 for row in f.table if row.records))
        ),
        _not_compared(f),
    ]
    return [sentence for sentence in sentences if sentence]


def _not_compared(f: Figures) -> str:
    """Say which earlier figures are lacking; a reader expects both comparisons."""
    if f.records.before is None and f.records.year_before is None:
        return _("There are no figures of earlier periods to compare with.")
    if f.records.before is None:
        return _("There are no figures of the period before to compare with.")
    if f.records.year_before is None:
        return _("There are no figures of the same period of the year before to compare with.")
    return ""


def _titled(rows: Sequence[Ranked]) -> list[Ranked]:
    """Return rules with their titles in the report's language."""
    return [
        Ranked(row.key, clean(title_in(i18n.language(), row.label, row.label_vi)), row.count, row.more)
        for row in rows
    ]


def _called(rows: Sequence[Ranked], f: Figures) -> list[Ranked]:
    """Return agencies with their names in the report's language."""
    names = _agency_names(f)
    return [Ranked(row.key, names.get(row.key, row.label), row.count, row.more) for row in rows]


def _agency_names(f: Figures) -> dict[str, str]:
    english = i18n.language() == "en"
    return {row.id: row.name_en if english and row.name_en else row.name for row in f.table}


def _cards(f: Figures) -> list[tuple[str, str]]:
    return [
        (_("events"), integer(f.cases.value)),
        (_("alerts"), integer(f.alerts.value)),
        (_("incidents"), integer(f.incidents.value)),
        (_("streams silent or never seen"), integer(f.streams.get("silent", 0) + f.streams.get("never", 0))),
    ]


def _charts(f: Figures) -> dict[str, Any]:
    from markupsafe import Markup

    words = [_("Attacks"), _("Spyware"), _("Viruses")]
    days = {day[-2:]: (parts["attack"], parts["spyware"], parts["virus"]) for day, parts in f.days.items()}
    hours = {hour: (count,) for hour, count in f.hours.items()}
    agencies = [(clean(row.label), row.count, integer(row.count)) for row in _called(f.busiest, f)]
    drawn = {
        "days": charts.stacked_bars(_("Events by day"), days, words),
        "hours": charts.stacked_bars(
            _("Events by hour of the day"), hours, [_("Number of events")], height=180
        ),
        "agencies": charts.bars(_("Agencies with most events"), agencies),
    }
    # Every label in them was escaped where it was drawn.
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704  see the line above


def _class_table(f: Figures) -> dict[str, Any]:
    rows = [
        (
            _n(number),
            class_name(row.code),
            _n(row.events.value),
            Number(percent(row.share)),
            Number(percent(row.events.change, signed=True)),
            Number(percent(row.events.year_change, signed=True)),
            _n(row.stopped),
        )
        for number, row in enumerate(f.classes, start=1)
    ]
    stopped = sum(row.stopped for row in f.classes)
    return {
        "class_heads": [
            _("No."),
            _("Class"),
            _("Number of events"),
            _("Share"),
            _("Against the month before") if f.period.is_month else _("Against the period before"),
            _("Against the year before"),
            _("Stopped or cleaned"),
        ],
        "class_rows": rows,
        "class_foot": (
            "",
            _("Total"),
            _n(f.cases.value),
            Number(percent(100.0 if rows else None)),
            Number(percent(f.cases.change, signed=True)),
            Number(percent(f.cases.year_change, signed=True)),
            _n(stopped),
        ),
    }


def _ranked(rows: Sequence[Ranked], *, name: Any = clean, more: Sequence[str] = ()) -> list[tuple[str, ...]]:
    return [
        (_n(number), name(row.label), _n(row.count), *(_n(row.more[key]) for key in more))
        for number, row in enumerate(rows, start=1)
    ]


def _incident_table(f: Figures) -> dict[str, Any]:
    zone = f.period.timezone
    names = _agency_names(f)
    shown = f.incident_rows[:MAX_INCIDENT_ROWS]
    caption = _("Incidents against their 24-hour and 72-hour clocks")
    if len(shown) < len(f.incident_rows):
        caption += " " + _("({shown} of {total}; all of them are in the JSON file)").format(
            shown=integer(len(shown)), total=integer(len(f.incident_rows))
        )
    return {
        "incident_caption": caption,
        "incident_heads": [
            _("Number"),
            _("Detected"),
            _("Agency"),
            _("What"),
            _("Level"),
            _("State"),
            _("Notice due"),
            _("Report due"),
        ],
        "incident_rows": [
            (
                Word(row.id),
                time(row.detected_at, zone),
                clean(names.get(row.agency, row.agency_name)),
                _what(row),
                level_name(row.severity),
                state_name(row.state, row.verdict),
                _deadline(row.notice_due_at, row.notice_sent_at, zone),
                _deadline(row.report_due_at, row.report_sent_at, zone),
            )
            for row in shown
        ],
    }


def _what(row: IncidentRow) -> str:
    title = clean(title_in(i18n.language(), row.title, row.title_vi))
    about = entity_name(row.entity)
    return f"{title} ({clean(about)})" if about else title


def _deadline(due: str, sent: str | None, zone: str) -> str:
    said = _("sent in time") if sent and sent <= due else _("sent late") if sent else _("not sent")
    return f"{time(due, zone)}, {said}"


def _coverage(f: Figures) -> list[str]:
    c = f.coverage
    if c.agencies:
        installed = _(
            "{agencies} agencies with {machines} computers have centrally managed antivirus; {seen} of these"
            " agencies, with {machines_seen} computers, sent data."
        ).format(
            agencies=integer(c.agencies),
            machines=integer(c.machines),
            seen=integer(c.agencies_seen),
            machines_seen=integer(c.machines_seen),
        )
    else:
        installed = _("No agency of the registry has centrally managed antivirus.")
    if not c.machines_infected:
        return [installed, _("No malware was found on computers in this period.")]
    found = _("Malware was found on {infected} computers; {failed} detections were not cleaned.").format(
        infected=integer(c.machines_infected), failed=integer(c.not_cleaned)
    )
    return [installed, found]


def _quality(f: Figures) -> list[str]:
    total = sum(f.streams.values())
    streams = (
        _(
            "Of {total} expected streams of logs {ok} speak, {late} are late, {silent} are silent,"
            " {never} were never seen."
        ).format(
            total=integer(total),
            **{name: integer(f.streams.get(name, 0)) for name in ("ok", "late", "silent", "never")},
        )
        if total
        else _("The registry expects no stream of logs.")
    )
    if not f.completeness.received:
        return [streams]
    if not f.completeness.balanced:
        return [streams, _("The figures of records do not add up; the centre must look into it.")]
    return [streams, _("Every received record is accounted for.")]


def _quality_tables(f: Figures) -> dict[str, Any]:
    c = f.completeness
    shown = f.quiet[:MAX_QUIET_ROWS]
    names = _agency_names(f)
    caption = _("Streams that do not speak as they should")
    if len(shown) < len(f.quiet):
        caption += " " + _("({shown} of {total}; all of them are in the JSON file)").format(
            shown=integer(len(shown)), total=integer(len(f.quiet))
        )
    return {
        "conservation_rows": [
            (_n(c.received), _n(c.stored), _n(c.duplicate), _n(c.quarantined), _n(c.rejected))
        ],
        "quiet_caption": caption,
        "quiet_rows": [
            (
                _n(number),
                clean(names.get(row.agency, row.agency_name)),
                row.source,
                Word(state_name(row.state)),
                Word(time(row.last_arrival, f.period.timezone)),
            )
            for number, row in enumerate(shown, start=1)
        ],
    }


def _agency_table(f: Figures) -> dict[str, Any]:
    names = _agency_names(f)
    return {
        "agency_heads": [
            _("No."),
            _("Agency"),
            _("Records"),
            _("Number of events"),
            _("Alerts"),
            _("Incidents"),
            _("Quiet streams"),
        ],
        "agency_rows": [
            (
                _n(number),
                clean(names[row.id]),
                _n(row.records),
                _n(row.events),
                _n(row.alerts),
                _n(row.incidents),
                _n(row.silent),
            )
            for number, row in enumerate(f.table, start=1)
        ],
    }
