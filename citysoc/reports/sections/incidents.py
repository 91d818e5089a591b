"""Sections IV and V: incidents against their clocks; alerts and weaknesses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc import i18n
from citysoc.alerts.records import title_in
from citysoc.i18n import _
from citysoc.reports import charts
from citysoc.reports.blocks import Block, Chart, Column, Moment, Table
from citysoc.reports.figures import Ranked
from citysoc.reports.sections.words import agency_names, ranking, titled
from citysoc.reports.text import clean, entity_name, integer, level_name, state_name, time
from citysoc.state.outbox import RANK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.reports.figures import Figures, IncidentRow

MAX_ROWS = 20
"""How many incidents the text shows, the gravest; the others are in the annex."""
MAX_ANNEX_ROWS = 2000
CLOCKS = ("in_time", "late", "overdue", "running")
"""What became of a legal clock: sent in time, sent late, not sent and over, not sent and still running."""


def sentences(f: Figures) -> list[str]:
    """Return how many incidents there were, how they stand, and whether their clocks were kept."""
    if not f.incident_rows:
        return [_("No incident was recorded.")]
    closed = sum(row.state == "closed" for row in f.incident_rows)
    found = [
        _(
            "{count} incidents were detected; {closed} of them are closed, {open} are still being handled."
        ).format(
            count=integer(len(f.incident_rows)),
            closed=integer(closed),
            open=integer(len(f.incident_rows) - closed),
        )
    ]
    if false := sum(row.verdict == "false_positive" for row in f.incident_rows):
        found.append(_("{count} turned out to be false alarms.").format(count=integer(false)))
    notice, report = clocks(f)
    found.append(
        _(
            "Within 24 hours {notices} notices were sent, within 72 hours {reports} reports; {late} came late,"
            " {overdue} are overdue."
        ).format(
            notices=integer(notice["in_time"]),
            reports=integer(report["in_time"]),
            late=integer(notice["late"] + report["late"]),
            overdue=integer(notice["overdue"] + report["overdue"]),
        )
    )
    return found


def clocks(f: Figures) -> tuple[dict[str, int], dict[str, int]]:
    """Return of the 24-hour notices and the 72-hour reports how many were sent in time, late, or not."""
    now = f.as_of or ""
    notices, reports = dict.fromkeys(CLOCKS, 0), dict.fromkeys(CLOCKS, 0)
    for row in f.incident_rows:
        notices[_clock(row.notice_due_at, row.notice_sent_at, row, now)] += 1
        reports[_clock(row.report_due_at, row.report_sent_at, row, now)] += 1
    return notices, reports


def _clock(due: str, sent: str | None, row: IncidentRow, now: str) -> str:
    if sent:
        return "in_time" if sent <= due else "late"
    # What turned out to be harmless or a false alarm owes nobody a notice.
    harmless = row.state == "closed" and row.verdict != "true_positive"
    return "running" if now <= due or harmless else "overdue"


def blocks(f: Figures) -> tuple[Block, ...]:
    """Return the incidents, oldest first, and their clocks as a chart."""
    gravest = sorted(f.incident_rows, key=lambda row: (-RANK.get(row.severity, -1), row.detected_at, row.id))
    table = table_of(f, gravest[:MAX_ROWS])
    if not f.incident_rows:
        return (table,)
    return Chart(_clock_chart(f), _("Incidents against their clocks")), table


def _clock_chart(f: Figures) -> str:
    names = {
        "in_time": _("sent in time"),
        "late": _("sent late"),
        "overdue": _("overdue"),
        "running": _("not sent, no deadline missed"),
    }
    rows = [
        (f"{clock}: {names[name]}", counts[name], integer(counts[name]))
        for clock, counts in zip((_("Notice in 24 hours"), _("Report in 72 hours")), clocks(f), strict=True)
        for name in CLOCKS
        if counts[name]
    ]
    return charts.bars(_("Incidents against their clocks"), rows)


def table_of(f: Figures, shown: Sequence[IncidentRow], *, name: str = "incidents") -> Table:
    """Return some of the incidents against their clocks."""
    zone = f.period.timezone
    names = agency_names(f)
    caption = _("Incidents against their 24-hour and 72-hour clocks")
    if len(shown) < len(f.incident_rows):
        caption = _(
            "The {shown} gravest of {total} incidents against their clocks; all are in the annex"
        ).format(shown=integer(len(shown)), total=integer(len(f.incident_rows)))
    return Table(
        name,
        caption,
        (
            Column(_("Number"), 1.7),
            Column(_("Detected"), 1.25),
            Column(_("Agency"), 2.15),
            Column(_("What"), 2.1),
            Column(_("Level"), 1.0),
            Column(_("State"), 0.9),
            Column(_("Notice due"), 1.3),
            Column(_("Report due"), 1.3),
        ),
        tuple(
            (
                row.id,
                Moment(row.detected_at, zone),
                names.get(row.agency, clean(row.agency_name)),
                _what(row),
                level_name(row.severity),
                state_name(row.state, row.verdict),
                _deadline(row.notice_due_at, row.notice_sent_at, zone),
                _deadline(row.report_due_at, row.report_sent_at, zone),
            )
            for row in shown
        ),
        small=True,
    )


def _what(row: IncidentRow) -> str:
    title = clean(title_in(i18n.language(), row.title, row.title_vi))
    about = entity_name(row.entity)
    return f"{title} ({clean(about)})" if about else title


def _deadline(due: str, sent: str | None, zone: str) -> str:
    said = _("sent in time") if sent and sent <= due else _("sent late") if sent else _("not sent")
    return f"{time(due, zone)}, {said}"


def alert_sentences(f: Figures) -> list[str]:
    """Return how many alerts there were, and which rule raised most."""
    if not f.alerts.value:
        return [_("No alert was raised.")]
    found = [
        _("{alerts} alerts were raised; {high} of them are of level high or above.").format(
            alerts=integer(f.alerts.value),
            high=integer(sum(row.count for row in f.levels if row.key in {"high", "critical"})),
        )
    ]
    if f.vulnerabilities:
        found.append(
            _("{count} known weaknesses were found on computers.").format(
                count=integer(len(f.vulnerabilities))
            )
        )
    return found


def alert_blocks(f: Figures) -> tuple[Block, ...]:
    """Return alerts by level and by rule, and weaknesses."""
    heads = [_("Alerts"), _("Events behind them")]
    levels = sorted(f.levels, key=lambda row: -RANK.get(row.key, -1))
    found: list[Block] = [
        ranking(
            "levels", _("Alerts by level"), [_("Level"), *heads], levels, label=level_name, more=("events",)
        ),
        ranking("rules", _("Rules with most alerts"), [_("Rule"), *heads], titled(f.rules), more=("events",)),
    ]
    if f.vulnerabilities:
        found.append(
            ranking(
                "vulnerabilities",
                _("Weaknesses found on most computers"),
                [_("Weakness"), _("Machines")],
                [Ranked(row.key, row.label, row.count) for row in f.vulnerabilities],
            )
        )
    return tuple(found)
