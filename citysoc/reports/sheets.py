"""The tables of a report as a workbook and as CSV: numbers as numbers, text never as a formula."""

from __future__ import annotations

import csv as csv_format
import io
from typing import TYPE_CHECKING, Any

from citysoc.i18n import _
from citysoc.reports.blocks import Moment, Share
from citysoc.reports.text import percent, time

if TYPE_CHECKING:
    from citysoc.reports.blocks import Cell, Document, Table

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_CSV_BOM = "\ufeff"
_TITLE_LETTERS = 31
"""As long as the format lets a tab's name be."""


def workbook(document: Document) -> bytes:
    """Return all tables with rows as XLSX, one a sheet; same document, same bytes."""
    import xlsxwriter

    held = io.BytesIO()
    # Text stays text, whatever it begins with: no formula, no link is made of it.
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    book = xlsxwriter.Workbook(held, options)
    book.set_properties({"title": document.title, "created": document.dated.replace(tzinfo=None)})
    formats = _formats(book)
    titles = _titles()
    for table in document.tables():
        _sheet(book, table, titles.get(table.name, table.name[:_TITLE_LETTERS]), formats)
    if not document.tables():
        sheet = book.add_worksheet(_("Report"))
        sheet.write_string(0, 0, _("No table of this report has rows."))
    book.close()
    from citysoc.reports.packages import settled

    return settled(held.getvalue(), document.dated)


def _formats(book: Any) -> dict[str, Any]:
    base = {"font_name": "Times New Roman", "font_size": 12, "valign": "top", "border": 1}
    return {
        "title": book.add_format({"font_name": "Times New Roman", "font_size": 13, "bold": True}),
        "head": book.add_format(
            {**base, "bold": True, "text_wrap": True, "bg_color": "#ECECEC", "align": "center"}
        ),
        "text": book.add_format({**base, "text_wrap": True}),
        "count": book.add_format({**base, "num_format": "#,##0"}),
        "share": book.add_format({**base, "num_format": "0.0%"}),
        "change": book.add_format({**base, "num_format": "+0.0%;-0.0%;0.0%"}),
        "moment": book.add_format({**base, "num_format": "dd/mm/yyyy hh:mm"}),
    }


def _titles() -> dict[str, str]:
    """Return what the tabs of tables are called, in the language in force: short, and each another."""
    return {
        "classes": _("Classes"),
        "outcomes": _("Outcomes"),
        "attackers": _("Sources of attacks"),
        "targets": _("Targets of attacks"),
        "hour_types": _("Kinds of hours"),
        "coverage": _("Coverage"),
        "malware": _("Malware"),
        "infected": _("Infected agencies"),
        "spyware": _("Spyware"),
        "servers": _("C&C servers"),
        "bots": _("Agencies with bots"),
        "incidents": _("Gravest incidents"),
        "levels": _("Alerts by level"),
        "rules": _("Rules"),
        "vulnerabilities": _("Weaknesses"),
        "conservation": _("Records checked"),
        "quiet": _("Quiet streams"),
        "gaps": _("Interrupted streams"),
        "levels_of_agencies": _("Level of agencies"),
        "agencies": _("Agencies"),
        "uncleaned": _("Malware not removed"),
        "all_incidents": _("All incidents"),
    }


def _sheet(book: Any, table: Table, title: str, formats: dict[str, Any]) -> None:
    sheet = book.add_worksheet(title)
    sheet.write_string(0, 0, table.caption, formats["title"])
    total = sum(column.width for column in table.columns)
    for position, column in enumerate(table.columns):
        sheet.set_column(position, position, max(8, round(column.width / total * 110)))
        sheet.write_string(2, position, column.title, formats["head"])
    rows = [*table.rows, *([table.foot] if table.foot else [])]
    for line, row in enumerate(rows, start=3):
        for position, cell in enumerate(row):
            _cell(sheet, line, position, cell, formats)
    sheet.freeze_panes(3, 0)
    sheet.autofilter(2, 0, 2 + len(table.rows), len(table.columns) - 1)
    sheet.repeat_rows(2)
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)


def _cell(sheet: Any, line: int, position: int, cell: Cell, formats: dict[str, Any]) -> None:
    if isinstance(cell, Share):
        if cell.value is None:
            sheet.write_string(line, position, percent(None), formats["text"])
        else:
            sheet.write_number(
                line, position, cell.value / 100, formats["change" if cell.signed else "share"]
            )
    elif isinstance(cell, Moment):
        local = cell.local()
        if local is None:
            sheet.write_string(line, position, time(None, cell.zone), formats["text"])
        else:
            sheet.write_datetime(line, position, local, formats["moment"])
    elif isinstance(cell, int):
        sheet.write_number(line, position, cell, formats["count"])
    else:
        sheet.write_string(line, position, cell, formats["text"])


def csv(table: Table) -> bytes:
    """Return a table as CSV for spreadsheets and programs alike.

    UTF-8 with a byte order mark, lines end with CR LF (RFC 4180); numbers without separators, shares in
    percent with a point, times as ``YYYY-MM-DD HH:MM`` local. Text that a spreadsheet would run as a
    formula gets an apostrophe in front.
    """
    held = io.StringIO()
    writer = csv_format.writer(held, lineterminator="\r\n")
    writer.writerow(_guarded(column.title) for column in table.columns)
    for row in (*table.rows, *((table.foot,) if table.foot else ())):
        writer.writerow(_written(cell) for cell in row)
    return (_CSV_BOM + held.getvalue()).encode("utf-8")


def _written(cell: Cell) -> str:
    if isinstance(cell, Share):
        return "" if cell.value is None else f"{cell.value:.1f}"
    if isinstance(cell, Moment):
        local = cell.local()
        return f"{local:%Y-%m-%d %H:%M}" if local else ""
    return _guarded(cell) if isinstance(cell, str) else str(cell)


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
