"""Section I: the month in a few sentences and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.i18n import _
from citysoc.reports import charts, trend
from citysoc.reports.blocks import Block, Cards, Chart, Paragraph
from citysoc.reports.sections.words import agency_names, change, named_class
from citysoc.reports.text import date_in_words, integer, percent

if TYPE_CHECKING:
    from citysoc.reports.figures import ClassRow, Figures

NOTABLE_PERCENT = 20.0
"""A class is named when it rose or fell by at least this share."""
NOTABLE_EVENTS = 50
"""... and by at least as many events."""
SPARSE = 10
"""A period before with so many times fewer events was hardly watched: nothing is said to have risen from it."""
PEAK = 2.0
"""A day stands out when it has this many times the events of the average day."""


def sentences(f: Figures) -> list[str]:
    """Return what happened, what rose, what fell and what stands out."""
    if not f.records.value:
        return [_("No log record arrived for this period.")]
    found = [
        _counted(f),
        _stopped(f),
        _handled(f),
        _moves(f),
        _peak(f),
        _denied(f),
        _ground(f),
        _not_compared(f),
    ]
    return [sentence for sentence in found if sentence]


def blocks(f: Figures) -> tuple[Block, ...]:
    """Return the figures to take away, what they count, and the month as a chart."""
    cards = Cards(
        (
            (_("events"), integer(f.cases.value)),
            (_("alerts"), integer(f.alerts.value)),
            (_("incidents"), integer(f.incidents.value)),
            (
                _("streams silent or never seen"),
                integer(f.streams.get("silent", 0) + f.streams.get("never", 0)),
            ),
        )
    )
    words = Paragraph(
        _(
            "Events are records of the devices; alerts are detections counted once; incidents are alerts"
            " that belong together. The three figures are never added up."
        ),
        note=True,
    )
    if not f.cases.value:
        return cards, words
    names = [_("Attacks"), _("Spyware"), _("Viruses")]
    bars = {
        label: (parts["attack"], parts["spyware"], parts["virus"])
        for label, parts in trend.steps(f.days).items()
    }
    caption = trend.caption(len(f.days))
    return cards, words, Chart(charts.stacked_bars(caption, bars, names), caption)


def _counted(f: Figures) -> str:
    return _(
        "The system recorded {cases} events of attacks, spyware and viruses{change}: {attack} of attacks,"
        " {spyware} of spyware, {virus} of viruses."
    ).format(
        cases=integer(f.cases.value),
        change=change(f.cases, month=f.period.is_month),
        attack=integer(f.attack.value),
        spyware=integer(f.spyware.value),
        virus=integer(f.virus.value),
    )


def _stopped(f: Figures) -> str:
    if not f.cases.value:
        return ""
    stopped = sum(row.stopped for row in f.classes)
    return _("Of these, {stopped} ({share}) were stopped or handled by the devices.").format(
        stopped=integer(stopped), share=percent(stopped * 100 / f.cases.value)
    )


def _handled(f: Figures) -> str:
    month = f.period.is_month
    return _(
        "Detection rules raised {alerts} alerts{alert_change}, which form {incidents} incidents"
        "{incident_change}."
    ).format(
        alerts=integer(f.alerts.value),
        alert_change=change(f.alerts, month=month),
        incidents=integer(f.incidents.value),
        incident_change=change(f.incidents, month=month),
    )


def _moves(f: Figures) -> str:
    """Name the classes that rose and fell most, by events."""
    if (f.cases.before or 0) * SPARSE < f.cases.value:
        return ""
    moves = sorted((row for row in f.classes if _is_notable(row)), key=_difference)
    risen = [row for row in reversed(moves) if _difference(row) > 0][:3]
    fallen = [row for row in moves if _difference(row) < 0][:3]
    parts = []
    if risen:
        parts.append(_("Most risen: {classes}.").format(classes=_changes(risen)))
    if fallen:
        parts.append(_("Most fallen: {classes}.").format(classes=_changes(fallen)))
    return " ".join(parts)


def _difference(row: ClassRow) -> int:
    return row.events.value - (row.events.before or 0)


def _is_notable(row: ClassRow) -> bool:
    share = row.events.change
    return (
        bool(row.code)  # what has no class rises with whatever is not known
        and row.events.before is not None
        and abs(_difference(row)) >= NOTABLE_EVENTS
        and (share is None or abs(share) >= NOTABLE_PERCENT)
    )


def _changes(rows: list[ClassRow]) -> str:
    return "; ".join(
        _("{name} from {before} to {now} events").format(
            name=named_class(row.code), before=integer(row.events.before or 0), now=integer(row.events.value)
        )
        for row in rows
    )


def _peak(f: Figures) -> str:
    totals = {day: sum(parts.values()) for day, parts in f.days.items()}
    if len(totals) < 2 or not f.cases.value:
        return ""
    day = max(totals, key=lambda day: (totals[day], day))
    if totals[day] * len(totals) < PEAK * f.cases.value:
        return ""
    return _("The day with most events was {date}: {count}, against {average} on an average day.").format(
        date=date_in_words(day),
        count=integer(totals[day]),
        average=integer(round(f.cases.value / len(totals))),
    )


def _denied(f: Figures) -> str:
    if not f.policy:
        return ""
    return _(
        "Besides, devices denied {count} accesses against policy; these are not counted as attacks."
    ).format(count=integer(f.policy))


def _ground(f: Figures) -> str:
    if len(agency_names(f)) == 1:
        return _("The figures rest on {records} log records of the agency.").format(
            records=integer(f.records.value)
        )
    return _("The figures rest on {records} log records of {agencies} agencies.").format(
        records=integer(f.records.value), agencies=integer(sum(1 for row in f.table if row.records))
    )


def _not_compared(f: Figures) -> str:
    """Say which earlier figures are lacking; a reader expects both comparisons."""
    if f.records.before is None and f.records.year_before is None:
        return _("There are no figures of earlier periods to compare with.")
    if f.records.before is None:
        return _("There are no figures of the period before to compare with.")
    if f.records.year_before is None:
        return _("There are no figures of the same period of the year before to compare with.")
    return ""
