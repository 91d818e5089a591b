"""A report as values: sections of blocks. Said once in a language, set by every renderer alike.

HTML, PDF, DOCX, XLSX and CSV are made from the same :class:`Document`, so that they cannot differ in
what they say. Text in blocks is clean (:func:`citysoc.reports.text.clean`) but not escaped: escaping is
each renderer's own.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from citysoc.reports.text import integer, percent, time


@dataclass(frozen=True, slots=True)
class Share:
    """A share or a change in percent; None where there is nothing to compare with."""

    value: float | None
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """A time, RFC 3339 in UTC, shown in a zone; None where it never was."""

    at: str | None
    zone: str

    def local(self) -> dt.datetime | None:
        """Return the local time without its zone, as spreadsheets want it."""
        if not self.at:
            return None
        from zoneinfo import ZoneInfo

        return dt.datetime.fromisoformat(self.at).astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)


Cell = str | int | Share | Moment
Align = Literal["left", "right", "center"]


def shown(cell: Cell) -> str:
    """Return a cell as the language in force writes it."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Share):
        return percent(cell.value, signed=cell.signed)
    if isinstance(cell, Moment):
        return time(cell.at, cell.zone)
    return integer(cell)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Args:
        title: its head.
        width: its share of the table's width, relative to the other columns.
        align: how its cells are set; heads are centred.
    """

    title: str
    width: float = 1.0
    align: Align = "left"


@dataclass(frozen=True, slots=True)
class Subheading:
    """A titled part of a section: ``1. Tổng hợp theo loại hình``."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of running text; ``note`` sets it in italics."""

    text: str
    note: bool = False


@dataclass(frozen=True, slots=True)
class Cards:
    """The few figures that a reader takes away: label and figure."""

    cards: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; without rows it is a sentence that says so.

    Args:
        name: of the sheet or file that holds it alone, ASCII.
        caption: above it.
        columns: as many as each row has cells.
        rows: from top to bottom.
        foot: the line of sums.
        small: set in smaller type: wide tables.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    foot: tuple[Cell, ...] = ()
    small: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing as SVG, with what it shows below it."""

    svg: str
    caption: str


Block = Subheading | Paragraph | Cards | Table | Chart


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its key in templates and texts, its Roman number, its title, its blocks."""

    key: str
    number: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Annex:
    """An annex, with pages of its own."""

    key: str
    number: str
    title: str
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What stands above and below the text, by Decree 30/2020/NĐ-CP, Annex I.

    Number, date and signature are left blank: they are given when the report is signed.
    """

    superior: str
    issuer: str
    nation: str
    motto: str
    number: str
    mark: str
    place_and_date: str
    kind: str
    addressee: str
    signer: str
    signed: str
    recipients_head: str
    recipients: tuple[str, ...]
    annex_reference: str


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report in one language.

    Args:
        language: vi or en.
        head: letterhead and signature.
        title: what it is about, below its kind.
        period: the span of the figures in words.
        opening: the sentence before the first section, and ``closing`` the one after the last.
        sections: in order.
        annexes: each on pages of its own.
        dated: the moment that files carry as their own, so that same figures give same bytes.
    """

    language: str
    head: Letterhead
    title: str
    period: str
    opening: str
    closing: str
    sections: tuple[Section, ...]
    annexes: tuple[Annex, ...]
    dated: dt.datetime

    def tables(self) -> tuple[Table, ...]:
        """Return every table with rows, in order: the annexes of figures."""
        blocks = [block for section in self.sections for block in section.blocks]
        found = [block for block in blocks if isinstance(block, Table) and block.rows]
        return (*found, *(table for annex in self.annexes for table in annex.tables if table.rows))
