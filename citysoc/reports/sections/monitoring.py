"""Section II: what monitoring saw, class by class, from where, against whom and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.i18n import _
from citysoc.reports import charts, counts, trend
from citysoc.reports.blocks import Block, Chart, Column, Paragraph, Share, Subheading, Table
from citysoc.reports.sections.words import called, change, named_class, named_list, ranking
from citysoc.reports.shares import shares
from citysoc.reports.text import about, class_name, clean, integer, outcome_name, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citysoc.reports.figures import ClassDetail, ClassRow, Figures

TREND_CLASSES = 8
"""So many classes have days of their own drawn, those with most events."""
FLAT = 40.0
"""One class, agency or source is named when it has at least this share, percent."""


def sentences(f: Figures) -> list[str]:
    """Return which class weighs most, and where it came from."""
    known = [row for row in f.classes if row.events.value and row.code]
    if not known:
        return [_("Monitoring recorded no attack, spyware or virus.")]
    first = known[0]
    unknown = max((row.events.value for row in f.classes if not row.code), default=0)
    form = (
        _("The most frequent known class was {name}: {events}, {share} of all.")
        if unknown > first.events.value
        else _("Most frequent was {name}: {events}, {share} of all.")
    )
    found = [
        form.format(
            name=named_class(first.code),
            events=counts.about_events(first.events.value),
            share=percent(first.share),
        )
    ]
    if f.attackers and f.attack.value and f.attackers[0].count * 100 >= FLAT * f.attack.value:
        found.append(
            _("One address, {address}, is behind {share} of the attacks.").format(
                address=clean(f.attackers[0].label),
                share=percent(f.attackers[0].count * 100 / f.attack.value),
            )
        )
    return found


def blocks(f: Figures) -> tuple[Block, ...]:
    """Return the tables of classes, one part a class of note, outcomes, addresses and hours."""
    parts = [
        (_("By class of attack"), (_class_table(f), *_class_trend(f))),
        *_details(f),
        (
            _("By outcome"),
            (
                ranking(
                    "outcomes",
                    _("Events by outcome"),
                    [_("Outcome"), _("Number of events")],
                    f.outcomes,
                    label=outcome_name,
                    total=True,
                ),
            ),
        ),
        (_("Sources and targets of attacks"), (_attackers(f), _targets(f))),
    ]
    if f.cases.value:
        parts.append((_("By hour"), _hours(f)))
    if f.cases.value and len(f.table) > 1:
        parts.append((_("Agencies with most events"), _agencies(f)))
    return tuple(_numbered(parts))


def _numbered(parts: list[tuple[str, tuple[Block, ...]]]) -> Iterator[Block]:
    for number, (title, inside) in enumerate(parts, start=1):
        yield Subheading(f"{number}. {title}")
        yield from inside


def _known_first(f: Figures) -> list[ClassRow]:
    """Return the classes, most events first, what has none last."""
    return sorted(f.classes, key=lambda row: not row.code)


def _class_table(f: Figures) -> Table:
    before = _("Against the month before") if f.period.is_month else _("Against the period before")
    stopped = sum(row.stopped for row in f.classes)
    return Table(
        "classes",
        _("Events by class"),
        (
            Column(_("No."), 0.75, "center"),
            Column(_("Class"), 3.6),
            Column(_("Number of events"), 1.2, "right"),
            Column(_("Share"), 1.15, "right"),
            Column(before, 1.3, "right"),
            Column(_("Against the year before"), 1.3, "right"),
            Column(_("Stopped or cleaned"), 1.2, "right"),
        ),
        tuple(
            (
                number,
                class_name(row.code),
                row.events.value,
                Share(row.share),
                Share(row.events.change, signed=True),
                Share(row.events.year_change, signed=True),
                row.stopped,
            )
            for number, row in enumerate(_known_first(f), start=1)
        ),
        (
            "",
            _("Total"),
            f.cases.value,
            Share(100.0 if f.cases.value else None),
            Share(f.cases.change, signed=True),
            Share(f.cases.year_change, signed=True),
            stopped,
        ),
    )


def _details(f: Figures) -> Iterator[tuple[str, tuple[Block, ...]]]:
    rows = {row.code: row for row in f.classes}
    for detail in f.details:
        if detail.code in rows and rows[detail.code].events.value:
            yield class_name(detail.code), (Paragraph(_detail(rows[detail.code], detail, f)),)


def _detail(row: ClassRow, detail: ClassDetail, f: Figures) -> str:
    parts = [
        _("{events}{change}; {stopped}.").format(
            events=counts.about_events(row.events.value),
            change=change(row.events, month=f.period.is_month),
            stopped=_stopped(row),
        )
    ]
    if detail.agencies and len(f.table) > 1:
        parts.append(_("Most affected: {agencies}.").format(agencies=named_list(called(detail.agencies, f))))
    if detail.sources:
        parts.append(_("Main sources: {sources}.").format(sources=named_list(detail.sources)))
    return " ".join(parts)


def _stopped(row: ClassRow) -> str:
    if not row.stopped:
        return _("none of them stopped")
    if row.stopped == row.events.value:
        return _("all of them stopped")
    return _("{stopped} of them stopped").format(stopped=about(row.stopped))


def _attackers(f: Figures) -> Table:
    heads = [_("Address"), _("Number of events")]
    table = ranking("attackers", _("Top source addresses of attacks"), heads, f.attackers)
    if not any(row.place for row in f.attackers):
        return table
    return Table(
        table.name,
        table.caption,
        (table.columns[0], Column(_("Address"), 2), Column(_("Country, network"), 3), table.columns[2]),
        tuple(
            (number, clean(row.label), clean(row.place, 80) or "–", row.count)
            for number, row in enumerate(f.attackers, start=1)
        ),
    )


def _targets(f: Figures) -> Table:
    heads = [_("Address"), _("Number of events")]
    return ranking("targets", _("Top attacked addresses"), heads, f.targets)


def _hours(f: Figures) -> tuple[Block, ...]:
    kinds = tuple(zip(f.hour_types.items(), shares(list(f.hour_types.values())), strict=True))
    said = _(
        "{office} of the events fell into office hours, {outside} outside of them on working days, {day_off} on"
        " days off."
    ).format(**{kind: percent(share) for (kind, _count), share in kinds})
    names = {
        "office": _("Office hours"),
        "outside": _("Outside of them on working days"),
        "day_off": _("Days off"),
    }
    table = Table(
        "hour_types",
        _("Events by kind of hour"),
        (
            Column(_("Hours"), 4),
            Column(_("Number of events"), 1.3, "right"),
            Column(_("Share"), 1.3, "right"),
        ),
        tuple((names[kind], count, Share(share)) for (kind, count), share in kinds),
    )
    hours = {hour: (count,) for hour, count in f.hours.items()}
    drawn = charts.stacked_bars(_("Events by hour of the day"), hours, [_("Number of events")], height=180)
    return Paragraph(said), table, Chart(drawn, _("Events by hour of the day"))


def _class_trend(f: Figures) -> tuple[Block, ...]:
    """Return the days of the classes with most events, each on a scale of its own."""
    if not f.cases.value:
        return ()
    steps = trend.steps(f.class_days)
    rows = [
        (class_name(row.code), [counts[row.code] for counts in steps.values()])
        for row in _known_first(f)[:TREND_CLASSES]
        if row.events.value
    ]
    caption = trend.class_caption(len(f.class_days))
    return (Chart(charts.small_columns(caption, list(steps), rows), caption),)


def _agencies(f: Figures) -> tuple[Block, ...]:
    rows = [(row.label, row.count, integer(row.count)) for row in called(f.busiest, f)]
    return (Chart(charts.bars(_("Agencies with most events"), rows), _("Agencies with most events")),)
