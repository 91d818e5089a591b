"""Section VII: how far the figures can be trusted; and what a later computation changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.i18n import _
from citysoc.reports import counts
from citysoc.reports.blocks import Block, Column, Moment, Table
from citysoc.reports.sections import trust
from citysoc.reports.sections.words import agency_names, excerpt
from citysoc.reports.text import clean, integer, percent, state_name

if TYPE_CHECKING:
    from citysoc.reports.figures import Figures

MAX_ROWS = 200
_WEAK = frozenset({"", "OTHER"})


def sentences(f: Figures) -> list[str]:
    """Return which streams speak, whether records add up, and how many events say no class."""
    return [
        sentence for sentence in (_streams(f), *trust.by_kind(f), _records(f), _unclassified(f)) if sentence
    ]


def _streams(f: Figures) -> str:
    total = sum(f.streams.values())
    if not total:
        return _("The registry expects no stream of logs.")
    return _(
        "Of {streams} expected, {ok} are speaking; late: {late}; silent: {silent}; never seen: {never}."
    ).format(
        streams=counts.streams(total),
        **{name: integer(f.streams.get(name, 0)) for name in ("ok", "late", "silent", "never")},
    )


def _records(f: Figures) -> str:
    if not f.completeness.received:
        return ""
    if not f.completeness.balanced:
        return _("The figures of records do not add up; the centre must look into it.")
    return _("Every received record is accounted for.")


def _unclassified(f: Figures) -> str:
    weak = sum(row.events.value for row in f.classes if row.code in _WEAK)
    if not f.cases.value:
        return ""
    if not weak:
        return _("Every event could be given a class.")
    told = _("No class could be given to {events} ({share}).").format(
        events=counts.about_events(weak), share=percent(weak * 100 / f.cases.value)
    )
    if not f.unnamed:
        return told
    named = _("Malware whose name tells no kind: {count} of them.").format(count=integer(f.unnamed))
    return f"{told} {named}"


def blocks(f: Figures) -> tuple[Block, ...]:
    """Return the conservation of records and the quiet streams."""
    c = f.completeness
    found: list[Block] = [
        Table(
            "conservation",
            _("Conservation of records, by time of arrival"),
            tuple(
                Column(head, 1, "right")
                for head in (_("Received"), _("Stored"), _("Duplicate"), _("Quarantined"), _("Rejected"))
            ),
            ((c.received, c.stored, c.duplicate, c.quarantined, c.rejected),),
        )
    ]
    if f.quiet:
        found.append(_quiet(f))
    if any(row.gaps for row in f.sources if row.expected):
        found.append(trust.gaps(f))
    return tuple(found)


def _quiet(f: Figures) -> Table:
    names = agency_names(f)
    shown = f.quiet[:MAX_ROWS]
    return Table(
        "quiet",
        excerpt(_("Streams that do not speak as they should"), len(shown), len(f.quiet)),
        (
            Column(_("No."), 0.75, "center"),
            Column(_("Agency"), 3.4),
            Column(_("Source"), 1.3),
            Column(_("State"), 1.5),
            Column(_("Last arrival"), 1.9),
        ),
        tuple(
            (
                number,
                names.get(row.agency, clean(row.agency_name)),
                clean(row.source, 80),
                state_name(row.state),
                Moment(row.last_arrival, f.period.timezone),
            )
            for number, row in enumerate(shown, start=1)
        ),
    )
