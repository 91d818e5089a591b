"""The tables as a workbook and as CSV."""

from __future__ import annotations

import csv
import io

import openpyxl
import pytest

from citysoc import i18n
from citysoc.reports import sheets
from tests.reports.made import document


def test_sheets_hold_numbers_as_numbers(figures):
    with i18n.speaking("vi"):
        book = openpyxl.load_workbook(io.BytesIO(sheets.workbook(document(figures))))
    rows = list(book["Loại hình"].iter_rows(min_row=4, values_only=True))
    assert rows[0][1:4] == ("Vi-rút, sâu máy tính", 70, 0.636)
    assert {"Đơn vị", "Mã độc chưa xử lý", "Sự cố nghiêm trọng nhất"} <= set(book.sheetnames)


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_tabs_have_names_that_spreadsheets_take(language):
    with i18n.speaking(language):
        titles = [title.lower() for title in sheets._titles().values()]
    assert len(set(titles)) == len(titles)
    assert all(0 < len(title) <= 31 and not set(title) & set("[]:*?/\\'") for title in titles)


def test_csv_holds_what_the_table_holds(figures):
    (table,) = (table for table in document(figures).tables() if table.name == "agencies")
    text = sheets.csv(table).decode("utf-8-sig")
    assert text.endswith("\r\n")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[1][:4] == ["1", "Sở Y tế", "40", "40"]
    assert rows[-1][1:4] == ["Tổng cộng", "110", "110"]
