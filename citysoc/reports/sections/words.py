"""Phrases that several sections share."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from citysoc import i18n
from citysoc.alerts.records import title_in
from citysoc.i18n import _
from citysoc.reports.blocks import Column, Table
from citysoc.reports.figures import Ranked
from citysoc.reports.text import class_name, clean, date, integer, long_month, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from citysoc.reports.figures import Compared, Figures, Period

STEADY = 0.05
"""Changes below this many percent are written as none: they would be printed as 0.0."""


SPARSE = 10
"""An earlier period with so many times fewer records was hardly watched: nothing is compared with it."""


def hardly_watched(records: int, f: Figures) -> bool:
    """Return whether an earlier period with so many records is too thin to be compared with."""
    return records * SPARSE < f.records.value


def comparable(f: Figures) -> Figures:
    """Return figures that stand beside those of earlier periods only where these were watched as well.

    The records of earlier periods stay: they say why.
    """
    lost = tuple(
        name
        for name in ("before", "year_before")
        if (records := getattr(f.records, name)) is not None and hardly_watched(records, f)
    )
    if not lost:
        return f
    nothing: dict[str, Any] = dict.fromkeys(lost)
    totals: dict[str, Any] = {
        name: replace(getattr(f, name), **nothing)
        for name in ("cases", "attack", "spyware", "virus", "alerts", "incidents")
    }
    classes = tuple(replace(row, events=replace(row.events, **nothing)) for row in f.classes)
    return replace(f, classes=classes, **totals)


def during(period: Period) -> str:
    """Return when, as a title says it: ``tháng 10 năm 2026``, ``quý IV năm 2026``, else from day to day."""
    first = period.since.astimezone(ZoneInfo(period.timezone))
    if period.kind == "month":
        return _("in {month}").format(month=long_month(first.date()))
    part = (first.month - 1) // 3 if period.kind == "quarter" else (first.month - 1) // 6
    week = first.isocalendar()
    texts = {
        "quarter": _("in quarter {roman} of {year}"),
        "half": _("in the first half of {year}") if part == 0 else _("in the second half of {year}"),
        "year": _("in {year}"),
        "week": _("in week {week} of {year}"),
    }
    if text := texts.get(period.kind):
        year = week.year if period.kind == "week" else first.year
        return text.format(roman=("I", "II", "III", "IV")[part], year=year, week=week.week)
    return _("from {first} to {last}").format(
        first=date(period.since, period.timezone),
        last=date(period.until - dt.timedelta(microseconds=1), period.timezone),
    )


def change(figure: Compared, *, month: bool) -> str:
    """Return how a figure moved, in brackets behind it; nothing where there is nothing to compare with."""
    earlier = _("the month before") if month else _("the period before")
    parts = [
        moved(change, than)
        for change, than in (
            (figure.change, earlier),
            (figure.year_change, _("the same period of the year before")),
        )
        if change is not None
    ]
    return f" ({', '.join(parts)})" if parts else ""


def moved(change: float, than: str) -> str:
    """Return ``up 11.8% on the month before`` and its likes."""
    if abs(change) < STEADY:
        return _("unchanged on {than}").format(than=than)
    text = _("up {share} on {than}") if change > 0 else _("down {share} on {than}")
    return text.format(share=percent(abs(change)), than=than)


def agency_names(f: Figures) -> dict[str, str]:
    """Return agencies' clean names in the language in force, by id."""
    english = i18n.language() == "en"
    return {row.id: clean(row.name_en if english and row.name_en else row.name) for row in f.table}


def called(rows: Sequence[Ranked], f: Figures) -> list[Ranked]:
    """Return agencies with their names in the language in force."""
    names = agency_names(f)
    return [Ranked(row.key, names.get(row.key, clean(row.label)), row.count, row.more) for row in rows]


def titled(rows: Sequence[Ranked]) -> list[Ranked]:
    """Return rules with their titles in the language in force."""
    return [
        Ranked(row.key, title_in(i18n.language(), row.label, row.label_vi), row.count, row.more)
        for row in rows
    ]


def ranking(
    name: str,
    caption: str,
    heads: Sequence[str],
    rows: Sequence[Ranked],
    *,
    label: Callable[[str], str] = clean,
    more: Sequence[str] = (),
    total: bool = False,
) -> Table:
    """Return a numbered table of a ranking.

    Args:
        name: of the table.
        caption: above it.
        heads: of the label and of each figure.
        rows: from first to last.
        label: how a label is written.
        more: which further figures, after the count.
        total: whether the rows are all there are, so that they have a sum.
    """
    sums = (sum(row.count for row in rows), *(sum(row.more[key] for row in rows) for key in more))
    figures = [Column(head, 1.3, "right") for head in heads[1:]]
    return Table(
        name,
        caption,
        (Column(_("No."), 0.75, "center"), Column(heads[0], 4), *figures),
        tuple(
            (number, label(row.label), row.count, *(row.more[key] for key in more))
            for number, row in enumerate(rows, start=1)
        ),
        ("", _("Total"), *sums) if total and len(rows) > 1 else (),
    )


def named_class(code: str) -> str:
    """Return a class inside of a sentence: with a small letter, but for abbreviations."""
    name = class_name(code)
    return name if name[1:2].isupper() else name[:1].lower() + name[1:]


def named_list(rows: Sequence[Ranked]) -> str:
    """Return ``A (12), B (7) and C (3)``: a short ranking in a sentence."""
    parts = [f"{clean(row.label)} ({integer(row.count)})" for row in rows]
    if len(parts) < 2:
        return "".join(parts)
    return _("{first} and {last}").format(first=", ".join(parts[:-1]), last=parts[-1])


def excerpt(caption: str, shown: int, total: int) -> str:
    """Return a caption that says so where not all rows are shown."""
    if shown >= total:
        return caption
    return f"{caption} " + _("({shown} of {total}; all of them are in the JSON file)").format(
        shown=integer(shown), total=integer(total)
    )
