"""How complete each figure is, said beside it: in the captions of tables, and in a note where a section begins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from citysoc.i18n import _
from citysoc.reports import counts
from citysoc.reports.blocks import Block, Column, Moment, Paragraph, Table
from citysoc.reports.definitions import completeness, rests_on
from citysoc.reports.sections.words import agency_names, excerpt
from citysoc.reports.text import clean, integer, percent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from citysoc.reports.figures import Figures

_FIGURE_OF = {
    "spyware": "spyware_names",
    "incidents": "incident_rows",
    "all_incidents": "incident_rows",
    "levels_of_agencies": "agency_levels",
    "agencies": "table",
    "conservation": "completeness",
    "gaps": "sources",
    "quiet": "sources",
}
"""The figure behind a table; others have the name of their figure."""
_ABOUT = {"overview": "cases", "malware": "malware", "alerts": "alerts"}
"""The figure whose completeness is told where a section begins."""
_ITSELF = frozenset({"completeness", "sources"})
"""Figures about completeness are not marked themselves."""
MAX_ROWS = 20
"""The document names those interrupted longest; all of them are in the JSON file."""


def marked(tables: Iterable[Table], f: Figures) -> tuple[Table, ...]:
    """Return tables whose captions say so where their figures are incomplete."""
    return tuple(_marked(table, f) for table in tables)


def told(key: str, blocks: Iterable[Block], f: Figures) -> tuple[Block, ...]:
    """Return the blocks of a section with what is incomplete said beside it."""
    found = tuple(_marked(block, f) if isinstance(block, Table) else block for block in blocks)
    note = _note(completeness(f, rests_on(_ABOUT[key]))) if key in _ABOUT else ""
    return (Paragraph(note, note=True), *found) if note else found


def _marked(table: Table, f: Figures) -> Table:
    figure = _FIGURE_OF.get(table.name, table.name)
    if figure in _ITSELF or not table.rows:
        return table
    said = _mark(completeness(f, rests_on(figure)))
    return replace(table, caption=f"{table.caption} ({said})") if said else table


def _mark(found: dict[str, Any]) -> str:
    if found["complete"] is not False:
        return ""
    if left_out := found.get("events_left_out"):
        return _("incomplete: {events} left out").format(events=counts.events(left_out))
    if found["streams_lacking"]:
        return _("incomplete: {lacking} of {streams} were interrupted").format(
            lacking=integer(found["streams_lacking"]), streams=counts.streams(found["streams_expected"])
        )
    return _("incomplete: {records} unaccounted for").format(
        records=counts.records(abs(found["records_unaccounted"]))
    )


def _note(found: dict[str, Any]) -> str:
    if found["complete"] is not False:
        return ""
    if left_out := found.get("events_left_out"):
        return _(
            "These figures are incomplete: correlations left out {events} that came too late or were too many;"
            " alerts may be missing."
        ).format(events=counts.events(left_out))
    if not found["streams_lacking"]:
        return _("These figures are incomplete: {records} are unaccounted for.").format(
            records=counts.records(abs(found["records_unaccounted"]))
        )
    return _(
        "These figures are incomplete and may be too small: of {streams} behind them {lacking} were interrupted,"
        " for {share} of their time (see section VII)."
    ).format(
        streams=counts.streams(found["streams_expected"]),
        lacking=integer(found["streams_lacking"]),
        share=percent(found["hours_lacking"] * 100 / found["hours_expected"]),
    )


def by_kind(f: Figures) -> list[str]:
    """Return a sentence about the interrupted streams of each kind of source; none where all spoke throughout."""
    names = {
        "antivirus": _("antivirus"),
        "network": _("network devices and web servers"),
        "hosts": _("servers and computers"),
        "other": _("other sources"),
    }
    found = {kind: completeness(f, (kind,)) for kind in names}
    parts = [
        _("{kind}: {lacking} of {expected}").format(
            kind=names[kind],
            lacking=integer(one["streams_lacking"]),
            expected=integer(one["streams_expected"]),
        )
        for kind, one in found.items()
        if one["streams_lacking"]
    ]
    if not parts:
        return []
    return [
        _("Streams of logs interrupted in the period, by kind: {kinds}.").format(kinds="; ".join(parts)),
        *(
            [_("Streams of which nobody knows the kind are counted with each.")]
            if any(row.gaps and len(row.kinds) == len(names) for row in f.sources if row.expected)
            else []
        ),
    ]


def gaps(f: Figures) -> Table:
    """Return the interrupted streams, those interrupted longest first."""
    names, zone = agency_names(f), f.period.timezone
    rows = sorted(
        (row for row in f.sources if row.expected and row.gaps),
        key=lambda row: (-row.hours_lacking, row.stream),
    )
    shown = rows[:MAX_ROWS]
    return Table(
        "gaps",
        excerpt(_("Interrupted streams of logs, by the time of events"), len(shown), len(rows)),
        (
            Column(_("No."), 0.75, "center"),
            Column(_("Agency"), 3.0),
            Column(_("Source"), 1.3),
            Column(_("Times"), 0.8, "right"),
            Column(_("Hours lacking"), 0.9, "right"),
            Column(_("Longest from"), 1.8),
            Column(_("until"), 1.8),
        ),
        tuple(
            (
                number,
                names.get(row.agency, clean(row.agency_name)),
                clean(row.source, 80),
                row.gaps,
                row.hours_lacking,
                Moment(row.longest_since, zone),
                Moment(row.longest_until, zone),
            )
            for number, row in enumerate(shown, start=1)
        ),
        small=True,
    )
