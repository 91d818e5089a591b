"""The annexes: figures by agency, computers with malware not yet removed, all incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.i18n import _
from citysoc.reports.blocks import Annex, Column, Table
from citysoc.reports.sections import incidents
from citysoc.reports.sections.malware import uncleaned
from citysoc.reports.sections.trust import marked
from citysoc.reports.sections.words import agency_names
from citysoc.reports.text import agency_level_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.reports.figures import Figures

MAX_MACHINES = 1000


def annexes(f: Figures) -> tuple[Annex, ...]:
    """Return the annexes that have rows."""
    found: list[tuple[str, tuple[Table, ...], str]] = []
    if len(f.table) > 1:
        found.append((_("Figures by agency"), (_levels(f), _agencies(f)), "agencies"))
    if f.uncleaned:
        found.append((_("Computers with malware not yet removed"), (uncleaned(f, MAX_MACHINES),), "machines"))
    if len(f.incident_rows) > incidents.MAX_ROWS:
        rows = f.incident_rows[: incidents.MAX_ANNEX_ROWS]
        found.append(
            (_("List of incidents"), (incidents.table_of(f, rows, name="all_incidents"),), "incidents")
        )
    return tuple(
        Annex(key, number, title, marked(tables, f))
        for number, (title, tables, key) in zip(("I", "II", "III"), found, strict=False)
    )


def _levels(f: Figures) -> Table:
    rows = f.agency_levels
    figures = ("events", "alerts", "incidents")
    rest = _of_no_agency(f, figures)
    return Table(
        "levels_of_agencies",
        _("By level of the agencies"),
        (
            Column(_("Level of agencies"), 3),
            Column(_("Number of agencies"), 1.2, "right"),
            *(Column(head, 1.2, "right") for head in (_("Number of events"), _("Alerts"), _("Incidents"))),
        ),
        (
            *(
                (agency_level_name(row.level), row.agencies, *(getattr(row, name) for name in figures))
                for row in rows
            ),
            *(((_several(), "–", *rest),) if any(rest) else ()),
        ),
        (_("Total"), sum(row.agencies for row in rows), *_totals(f, figures)),
    )


def _agencies(f: Figures) -> Table:
    names = agency_names(f)
    heads = (_("Records"), _("Number of events"), _("Alerts"), _("Incidents"), _("Quiet streams"))
    figures = ("records", "events", "alerts", "incidents")
    rest = _of_no_agency(f, figures)
    return Table(
        "agencies",
        _("All agencies of the registry"),
        (
            Column(_("No."), 0.75, "center"),
            Column(_("Agency"), 4),
            *(Column(head, 1.1, "right") for head in heads),
        ),
        (
            *(
                (number, names[row.id], *(getattr(row, name) for name in figures), row.silent)
                for number, row in enumerate(f.table, start=1)
            ),
            *((("", _several(), *rest, "–"),) if any(rest) else ()),
        ),
        ("", _("Total"), *_totals(f, figures), sum(row.silent for row in f.table)),
        small=True,
    )


def _several() -> str:
    return _("Of several agencies, or of none")


def _totals(f: Figures, names: Sequence[str]) -> tuple[int, ...]:
    """Return the period's figures as the report's first page has them."""
    totals = {"records": f.records, "events": f.cases, "alerts": f.alerts, "incidents": f.incidents}
    return tuple(totals[name].value for name in names)


def _of_no_agency(f: Figures, names: Sequence[str]) -> tuple[int, ...]:
    """Return what no single agency has: alerts of a rule that looks at several, events of an unknown one."""
    return tuple(
        total - sum(getattr(row, name) for row in f.table)
        for name, total in zip(names, _totals(f, names), strict=True)
    )
