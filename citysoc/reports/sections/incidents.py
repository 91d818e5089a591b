"""Sections IV and V: incidents against their clocks; alerts and weaknesses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc import i18n
from citysoc.alerts.records import title_in
from citysoc.i18n import _, ngettext
from citysoc.reports import charts, counts
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
    found = [_handled(f)]
    if false := sum(row.verdict == "false_positive" for row in f.incident_rows):
        form = ngettext(
            "{count} of them turned out to be a false alarm.",
            "{count} of them turned out to be false alarms.",
            false,
        )
        found.append(counts.counted(form, false))
    return [*found, _clocks_in_words(f)]


def _handled(f: Figures) -> str:
    count, closed = len(f.incident_rows), sum(row.state == "closed" for row in f.incident_rows)
    detected = counts.incidents(count)
    if not closed:
        return _("Detected: {incidents}; none is closed yet.").format(incidents=detected)
    if closed == count:
        return _("Detected: {incidents}; all are closed.").format(incidents=detected)
    return _("Detected: {incidents}; {closed} closed, {open} still being handled.").format(
        incidents=detected, closed=integer(closed), open=integer(count - closed)
    )


def _clocks_in_words(f: Figures) -> str:
    notice, report = clocks(f)
    parts = []
    if notice["in_time"] or report["in_time"]:
        parts.append(
            _("Sent in time: {notices} within 24 hours, {reports} within 72 hours.").format(
                notices=counts.notices(notice["in_time"]), reports=counts.reports(report["in_time"])
            )
        )
    else:
        parts.append(_("No notice and no report was sent in time."))
    if late := notice["late"] + report["late"]:
        parts.append(_("Sent late: {papers}.").format(papers=counts.papers(late)))
    parts.append(
        _("Overdue and not sent: {papers}.").format(papers=counts.papers(over))
        if (over := overdue(f))
        else _("Nothing is overdue.")
    )
    return " ".join(parts)


def overdue(f: Figures) -> int:
    """Return how many notices and reports are overdue and not sent."""
    return sum(clock["overdue"] for clock in clocks(f))


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
    return "running" if now <= due or _is_harmless(row) else "overdue"


def _is_harmless(row: IncidentRow) -> bool:
    """Return whether an incident turned out to be harmless or a false alarm, and owes nobody a notice."""
    return row.state == "closed" and row.verdict != "true_positive"


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
    one = len(f.table) == 1
    return Table(
        name,
        caption,
        (
            Column(_("Number"), 2.0),
            Column(_("Detected"), 1.6),
            *(() if one else (Column(_("Agency"), 2.3),)),
            Column(_("What; cause; measures"), 5.6 if one else 3.3),
            Column(_("Level"), 1.1),
            Column(_("State"), 1.0),
            Column(_("24/72-hour clocks"), 1.6),
        ),
        tuple(
            (
                row.id,
                Moment(row.detected_at, zone),
                *(() if one else (names.get(row.agency, clean(row.agency_name)),)),
                _what(row),
                level_name(row.severity),
                state_name(row.state, row.verdict),
                _deadlines(row, f),
            )
            for row in shown
        ),
        small=True,
    )


def _what(row: IncidentRow) -> str:
    title = clean(title_in(i18n.language(), row.title, row.title_vi))
    about = entity_name(row.entity)
    said = [f"{title} ({clean(about)})" if about else title]
    if row.cause:
        said.append(_("Cause: {cause}").format(cause=clean(row.cause)))
    if row.measure:
        said.append(_("Measures: {measures}").format(measures=clean(row.measure)))
    return ". ".join(part.rstrip(" .") for part in said)


def _deadlines(row: IncidentRow, f: Figures) -> str:
    now, zone = f.as_of or "", f.period.timezone
    return _("24 h: {notice}; 72 h: {report}").format(
        notice=_deadline(row.notice_due_at, row.notice_sent_at, row, now, zone),
        report=_deadline(row.report_due_at, row.report_sent_at, row, now, zone),
    )


def _deadline(due: str, sent: str | None, row: IncidentRow, now: str, zone: str) -> str:
    clock = _clock(due, sent, row, now)
    if clock == "running":
        return _("none owed") if _is_harmless(row) else _("due {time}").format(time=time(due, zone))
    return {"in_time": _("in time"), "late": _("late"), "overdue": _("overdue")}[clock]


def alert_sentences(f: Figures) -> list[str]:
    """Return how many alerts there were, and which rule raised most."""
    if not f.alerts.value:
        return [_("No alert was raised.")]
    raised = counts.alerts(f.alerts.value)
    high = sum(row.count for row in f.levels if row.key in {"high", "critical"})
    found = [
        _("Raised: {alerts}, {high} of them of level high or above.").format(
            alerts=raised, high=integer(high)
        )
        if high
        else _("Raised: {alerts}, none of them of level high or above.").format(alerts=raised)
    ]
    if f.weaknesses:
        found.append(
            _("Found on computers: {weaknesses}.").format(weaknesses=counts.weaknesses(f.weaknesses))
        )
    return found


def alert_blocks(f: Figures) -> tuple[Block, ...]:
    """Return alerts by level and by rule, and weaknesses."""
    heads = [_("Alerts"), _("Events behind them")]
    levels = sorted(f.levels, key=lambda row: -RANK.get(row.key, -1))
    found: list[Block] = [
        ranking(
            "levels",
            _("Alerts by level"),
            [_("Level"), *heads],
            levels,
            label=level_name,
            more=("events",),
            total=True,
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
