"""The annexes: figures by agency, computers with malware not yet removed, all incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.i18n import _
from citysoc.reports.blocks import Annex, Column, Table
from citysoc.reports.sections import incidents
from citysoc.reports.sections.malware import uncleaned
from citysoc.reports.sections.words import agency_names
from citysoc.reports.text import agency_level_name

if TYPE_CHECKING:
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
        Annex(key, number, title, tables)
        for number, (title, tables, key) in zip(("I", "II", "III"), found, strict=False)
    )


def _levels(f: Figures) -> Table:
    heads = (_("Agencies"), _("Number of events"), _("Alerts"), _("Incidents"))
    rows = f.agency_levels
    return Table(
        "levels_of_agencies",
        _("By level of the agencies"),
        (Column(_("Level"), 3), *(Column(head, 1.2, "right") for head in heads)),
        tuple(
            (agency_level_name(row.level), row.agencies, row.events, row.alerts, row.incidents)
            for row in rows
        ),
        (
            _("Total"),
            sum(row.agencies for row in rows),
            sum(row.events for row in rows),
            sum(row.alerts for row in rows),
            sum(row.incidents for row in rows),
        ),
    )


def _agencies(f: Figures) -> Table:
    names = agency_names(f)
    heads = (_("Records"), _("Number of events"), _("Alerts"), _("Incidents"), _("Quiet streams"))
    sums = tuple(
        sum(getattr(row, name) for row in f.table)
        for name in ("records", "events", "alerts", "incidents", "silent")
    )
    return Table(
        "agencies",
        _("All agencies of the registry"),
        (
            Column(_("No."), 0.75, "center"),
            Column(_("Agency"), 4),
            *(Column(head, 1.1, "right") for head in heads),
        ),
        tuple(
            (number, names[row.id], row.records, row.events, row.alerts, row.incidents, row.silent)
            for number, row in enumerate(f.table, start=1)
        ),
        ("", _("Total"), *sums),
        small=True,
    )
