"""Section I: the month in a few sentences and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.i18n import _, ngettext
from citysoc.reports import charts, counts, trend
from citysoc.reports.blocks import Block, Cards, Chart, Paragraph
from citysoc.reports.sections.words import SPARSE, agency_names, change, hardly_watched, named_class
from citysoc.reports.text import about, date_in_words, integer, percent

if TYPE_CHECKING:
    from citysoc.reports.figures import ClassRow, Figures

NOTABLE_PERCENT = 20.0
"""A class is named when it rose or fell by at least this share."""
NOTABLE_EVENTS = 50
"""... and by at least as many events."""
PEAK = 2.0
"""A day stands out when it has this many times the events of the average day."""


def sentences(f: Figures) -> list[str]:
    """Return what happened, what rose, what fell and what stands out."""
    if not f.records.value:
        return [_("No log record arrived for this period."), *([said] if (said := _unfinished(f)) else [])]
    paragraphs = (
        (_counted(f), _stopped(f)),
        (_handled(f),),
        (_moves(f), _peak(f)),
        (_denied(f), _ground(f)),
        (_unfinished(f), _not_compared(f)),
    )
    joined = (" ".join(sentence for sentence in paragraph if sentence) for paragraph in paragraphs)
    return [paragraph for paragraph in joined if paragraph]


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
    return cards, words, Chart(charts.stacked_bars(caption, bars, names, height=160), caption)


def _counted(f: Figures) -> str:
    moved = change(f.cases, month=f.period.is_month)
    if not f.cases.value:
        return _("The system recorded no attack, spyware or virus{change}.").format(change=moved)
    return _(
        "The system recorded {events} of attacks, spyware and viruses{change}: {attack} of attacks,"
        " {spyware} of spyware, {virus} of viruses."
    ).format(
        events=counts.about_events(f.cases.value, exactly=True),
        change=moved,
        attack=integer(f.attack.value),
        spyware=integer(f.spyware.value),
        virus=integer(f.virus.value),
    )


def _stopped(f: Figures) -> str:
    stopped = sum(row.stopped for row in f.classes)
    if not f.cases.value:
        return ""
    if not stopped:
        return _("The devices stopped or handled none of them.")
    if stopped == f.cases.value:
        return _("The devices stopped or handled all of them.")
    return _("The devices stopped or handled {stopped} of them ({share}).").format(
        stopped=about(stopped), share=percent(stopped * 100 / f.cases.value)
    )


def _handled(f: Figures) -> str:
    month = f.period.is_month
    raised = change(f.alerts, month=month)
    if not f.incidents.value:
        if not f.alerts.value:
            return _("Detection rules raised no alert{change}; there was no incident.").format(change=raised)
        return _("Detection rules raised {alerts}{change}; none became an incident.").format(
            alerts=counts.alerts(f.alerts.value), change=raised
        )
    return _(
        "Detection rules raised {alerts}{alert_change}; alerts that belong together were joined into"
        " {incidents}{incident_change}."
    ).format(
        alerts=counts.alerts(f.alerts.value),
        alert_change=raised,
        incidents=counts.incidents(f.incidents.value),
        incident_change=change(f.incidents, month=month),
    )


def _moves(f: Figures) -> str:
    """Name the classes that rose and fell most, by events."""
    if (f.cases.before or 0) * SPARSE < f.cases.value:  # so few that nothing is said to have risen from them
        return ""
    moves = sorted((row for row in f.classes if _is_notable(row)), key=_difference)
    risen = [row for row in reversed(moves) if _difference(row) > 0][:3]
    fallen = [row for row in moves if _difference(row) < 0][:3]
    parts = []
    if risen:
        form = _("{name} from {before} up to {now}")
        parts.append(_("Most risen: {classes}.").format(classes=_changes(risen, form)))
    if fallen:
        form = _("{name} from {before} down to {now}")
        parts.append(_("Most fallen: {classes}.").format(classes=_changes(fallen, form)))
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


def _changes(rows: list[ClassRow], form: str) -> str:
    return "; ".join(
        form.format(
            name=named_class(row.code),
            before=before,
            now=now,
        )
        for row in rows
        for before, now in [_from_to(row.events.before or 0, row.events.value)]
    )


def _from_to(before: int, now: int) -> tuple[str, str]:
    """Return how many there were and are, in full where shortening would hide that they differ."""
    if about(before) == about(now):
        return integer(before), counts.events(now)
    return about(before), counts.about_events(now)


def _peak(f: Figures) -> str:
    totals = {day: sum(parts.values()) for day, parts in f.days.items()}
    if len(totals) < 2 or not f.cases.value or not f.over:  # days to come are no days without events
        return ""
    day = max(totals, key=lambda day: (totals[day], day))
    if totals[day] * len(totals) < PEAK * f.cases.value:
        return ""
    return _("The day with most events was {date}: {count}, against {average} on an average day.").format(
        date=date_in_words(day),
        count=about(totals[day]),
        average=about(round(f.cases.value / len(totals))),
    )


def _denied(f: Figures) -> str:
    if not f.policy:
        return ""
    form = ngettext(
        "Besides, devices denied {count} access against policy; it is not counted as an attack.",
        "Besides, devices denied {count} accesses against policy; these are not counted as attacks.",
        f.policy,
    )
    return form.format(count=about(f.policy))


def _ground(f: Figures) -> str:
    records = counts.about_records(f.records.value)
    if len(agency_names(f)) == 1:
        return _("The figures rest on {records} of the agency.").format(records=records)
    return _("The figures rest on {records} of {agencies}.").format(
        records=records, agencies=counts.agencies(sum(1 for row in f.table if row.records))
    )


def _unfinished(f: Figures) -> str:
    if f.over:
        return ""
    return _("The period was not over when the report was made; the figures are of its part so far.")


def _not_compared(f: Figures) -> str:
    """Say which earlier figures are lacking; a reader expects both comparisons."""
    before, year_before = f.records.before, f.records.year_before
    if before is None and year_before is None:
        return _("There are no figures of earlier periods to compare with.")
    found = []
    if before is None:
        found.append(_("There are no figures of the period before to compare with."))
    elif hardly_watched(before, f):
        found.append(
            _("The period before was hardly watched ({records}): nothing is compared with it.").format(
                records=counts.records(before)
            )
        )
    if year_before is None:
        found.append(_("There are no figures of the same period of the year before to compare with."))
    elif hardly_watched(year_before, f):
        found.append(
            _(
                "The same period of the year before was hardly watched ({records}): nothing is compared with"
                " it."
            ).format(records=counts.records(year_before))
        )
    return " ".join(found)
