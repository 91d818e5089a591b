"""The monthly report as one HTML page: self-contained, printable, without script."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from citysoc import i18n
from citysoc.i18n import _
from citysoc.reports import charts
from citysoc.reports.text import (
    class_name,
    clean,
    date,
    integer,
    level_name,
    outcome_name,
    percent,
    state_name,
    time,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.config.models import Reports
    from citysoc.reports.figures import Compared, Figures, Ranked

MAX_INCIDENT_ROWS = 200
MAX_QUIET_ROWS = 200


class Number(str):
    """A rendered number: tables set it to the right."""

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
    with i18n.speaking(language):
        template = environment.get_template("monthly.html.j2")
        text = template.render(_=_, lang=language, f=figures, **_values(figures, settings))
    return text.encode("utf-8")


def _values(f: Figures, settings: Reports) -> dict[str, Any]:
    return {
        "title": _("Cybersecurity situation in"),
        "superior": clean(settings.superior) or "......",
        "issuer": clean(settings.issuer) or "......",
        "place_and_date": _("{place}, date ...... month ...... year {year}").format(
            place=clean(settings.place), year=f.period.until.astimezone(ZoneInfo(f.period.timezone)).year
        ),
        "period_sentence": _("(Figures from {first} to {last}, Vietnam time)").format(
            first=date(f.period.since, f.period.timezone),
            last=date(f.period.until - dt.timedelta(seconds=1), f.period.timezone),
        ),
        "overview": _overview(f),
        "cards": _cards(f),
        "charts": _charts(f),
        "office_sentence": _("In office hours: {share} of the events.").format(share=percent(f.office_share)),
        **_class_table(f),
        "outcome_rows": _ranked(f.outcomes, name=outcome_name),
        "attacker_rows": _ranked(f.attackers),
        "target_rows": _ranked(f.targets),
        "malware_rows": _ranked(f.malware),
        "infected_rows": _ranked(f.infected),
        "level_rows": _ranked(f.levels, name=level_name, more=("events",)),
        "rule_rows": _ranked(f.rules, more=("events",)),
        **_incident_table(f),
        "coverage_sentences": _coverage(f),
        "quality_sentences": _quality(f),
        **_quality_tables(f),
        **_agency_table(f),
    }


def _n(value: int) -> Number:
    return Number(integer(value))


def _change(figure: Compared) -> str:
    """Return how a figure moved, as words behind it."""
    if figure.change is None:
        return _("no earlier figures")
    if figure.change == 0:
        return _("unchanged")
    word = (
        _("up {share} on the period before") if figure.change > 0 else _("down {share} on the period before")
    )
    return word.format(share=percent(abs(figure.change)))


def _overview(f: Figures) -> list[str]:
    if not f.records.value:
        return [_("No records arrived for this period.")]
    total = _(
        "The centre recorded {cases} attack, spyware and virus events ({change}): {attack} attacks,"
        " {spyware} of spyware, {virus} of viruses."
    ).format(
        cases=integer(f.cases.value),
        change=_change(f.cases),
        attack=integer(f.attack.value),
        spyware=integer(f.spyware.value),
        virus=integer(f.virus.value),
    )
    detected = _(
        "Detection rules raised {alerts} alerts ({alert_change}), which form {incidents} incidents"
        " ({incident_change})."
    ).format(
        alerts=integer(f.alerts.value),
        alert_change=_change(f.alerts),
        incidents=integer(f.incidents.value),
        incident_change=_change(f.incidents),
    )
    policy = _("Besides, devices denied services against policy {count} times; these are no attacks.").format(
        count=integer(f.policy)
    )
    base = _("They rest on {records} records of {agencies} agencies.").format(
        records=integer(f.records.value), agencies=integer(sum(1 for row in f.table if row.records))
    )
    return [total, detected, policy, base]


def _cards(f: Figures) -> list[tuple[str, str]]:
    return [
        (_("events"), integer(f.cases.value)),
        (_("alerts"), integer(f.alerts.value)),
        (_("incidents"), integer(f.incidents.value)),
        (_("silent or never seen streams"), integer(f.streams.get("silent", 0) + f.streams.get("never", 0))),
    ]


def _charts(f: Figures) -> dict[str, Any]:
    from markupsafe import Markup

    words = [_("Attacks"), _("Spyware"), _("Viruses")]
    days = {day[-2:]: (parts["attack"], parts["spyware"], parts["virus"]) for day, parts in f.days.items()}
    hours = {hour: (count,) for hour, count in f.hours.items()}
    agencies = [(clean(row.label), row.count, integer(row.count)) for row in f.busiest]
    drawn = {
        "days": charts.stacked_bars(_("Events by day"), days, words),
        "hours": charts.stacked_bars(_("Events by hour of the day"), hours, [_("Events")], height=180),
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
            _n(row.stopped),
        )
        for number, row in enumerate(f.classes, start=1)
    ]
    stopped = sum(row.stopped for row in f.classes)
    change = Number(percent(f.cases.change, signed=True))
    return {
        "class_heads": [
            _("No."),
            _("Class"),
            _("Events"),
            _("Share"),
            _("Against the period before"),
            _("Stopped or cleaned"),
        ],
        "class_rows": rows,
        "class_foot": (
            "",
            _("Total"),
            _n(f.cases.value),
            Number(percent(100.0 if rows else None)),
            change,
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
                row.id,
                time(row.detected_at, zone),
                clean(row.agency_name),
                clean(f"{row.title} ({row.entity})" if row.entity else row.title),
                level_name(row.severity),
                state_name(row.state),
                time(row.notice_due_at, zone),
                time(row.report_due_at, zone),
            )
            for row in shown
        ],
    }


def _coverage(f: Figures) -> list[str]:
    c = f.coverage
    return [
        _(
            "{agencies} agencies with {machines} computers have centrally managed antivirus;"
            " {seen} of them reported."
        ).format(agencies=integer(c.agencies), machines=integer(c.machines), seen=integer(c.agencies_seen)),
        _("Malware was found on {infected} computers; {failed} detections were not cleaned.").format(
            infected=integer(c.machines_infected), failed=integer(c.not_cleaned)
        ),
    ]


def _quality(f: Figures) -> list[str]:
    streams = _(
        "Of {total} expected streams {ok} speak, {late} are late, {silent} silent, {never} were never seen."
    ).format(
        total=integer(sum(f.streams.values())),
        **{name: integer(f.streams.get(name, 0)) for name in ("ok", "late", "silent", "never")},
    )
    if not f.completeness.balanced:
        return [streams, _("The figures of records do not add up; the centre must look into it.")]
    return [streams, _("Every received record is accounted for.")]


def _quality_tables(f: Figures) -> dict[str, Any]:
    c = f.completeness
    shown = f.quiet[:MAX_QUIET_ROWS]
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
                clean(row.agency_name),
                row.source,
                state_name(row.state),
                time(row.last_arrival, f.period.timezone),
            )
            for number, row in enumerate(shown, start=1)
        ],
    }


def _agency_table(f: Figures) -> dict[str, Any]:
    return {
        "agency_heads": [
            _("No."),
            _("Agency"),
            _("Records"),
            _("Events"),
            _("Alerts"),
            _("Incidents"),
            _("Quiet streams"),
        ],
        "agency_rows": [
            (
                _n(number),
                clean(row.name),
                _n(row.records),
                _n(row.events),
                _n(row.alerts),
                _n(row.incidents),
                _n(row.silent),
            )
            for number, row in enumerate(f.table, start=1)
        ],
    }
