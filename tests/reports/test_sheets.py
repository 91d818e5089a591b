"""The tables as a workbook and as CSV."""

from __future__ import annotations

import csv
import io

import openpyxl

from citysoc.reports import sheets
from tests.reports.made import document


def test_sheets_hold_numbers_as_numbers(figures):
    book = openpyxl.load_workbook(io.BytesIO(sheets.workbook(document(figures))))
    rows = list(book["classes"].iter_rows(min_row=4, values_only=True))
    assert rows[0][1:4] == ("Vi-rút, sâu máy tính", 70, 0.636)
    assert {"agencies", "uncleaned", "incidents"} <= set(book.sheetnames)


def test_csv_holds_what_the_table_holds(figures):
    (table,) = (table for table in document(figures).tables() if table.name == "agencies")
    text = sheets.csv(table).decode("utf-8-sig")
    assert text.endswith("\r\n")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[1][:4] == ["1", "Sở Y tế", "40", "40"]
    assert rows[-1][1:4] == ["Tổng cộng", "110", "110"]
