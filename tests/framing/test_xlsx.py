from __future__ import annotations

import datetime as dt
import io
import struct
import zipfile

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from citysoc.framing.base import Limits
from citysoc.framing.xlsx import frame_xlsx

SHEET = "xl/worksheets/sheet1.xml"


def frame(data, start=0, **limits):
    return list(frame_xlsx(io.BytesIO(data), start=start, header=b"", final=True, limits=Limits(**limits)))


def reasons(data, **limits):
    return [refused.reason for run in frame(data, **limits) for refused in run.refused]


def workbook(*sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f"s{number}")
        for row in rows:
            sheet.append(row)
    packed = io.BytesIO()
    book.save(packed)
    return packed.getvalue()


def with_member(data, name, content, compression=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", compression) as new:
        for member in old.infolist():
            if member.filename != name:
                new.writestr(member.filename, old.read(member))
        new.writestr(name, content)
    return out.getvalue()


HEADER = ["STT", "Tên máy", "Tên virus", "Thời gian"]
GOOD = workbook([HEADER, [1, "Máy 1", "W32.Sality.PE", dt.datetime(2026, 10, 1, 8, 30)]])  # noqa: DTZ001  a cell has no zone


def test_dates_are_iso_and_whole_numbers_have_no_fraction():
    cells = [2, "m", 7, dt.date(2026, 10, 2)]
    [run] = frame(workbook([["BÁO CÁO"], [], HEADER, cells, [3, "n", 7.5, dt.time(8, 5)], ["Tổng số", 2]]))
    assert [r.decode() for r in run.records] == ["m,7,2026-10-02", "n,7.5,08:05:00"]


def test_every_sheet_with_columns_is_read_behind_its_own_header():
    data = workbook(
        [HEADER, [1, "a", "V", "01/10/2026"]], [["chỉ là ghi chú"]], [["Hostname", "Threat"], ["b", "W"]]
    )
    runs = frame(data)
    assert [(run.header.decode(), [r.decode() for r in run.records], run.offsets) for run in runs] == [
        ("Tên máy,Tên virus,Thời gian", ["a,V,01/10/2026"], (0,)),
        ("Hostname,Threat", ["b,W"], (1,)),
    ]
    assert frame(data, start=1) == runs[1:]


def test_a_workbook_without_columns_is_refused():
    assert reasons(workbook([["ghi chú"]])) == ["xlsx.no_header"]


@pytest.mark.parametrize("data", [b"", b"no workbook", GOOD[:-40], GOOD[:200], b"PK\x05\x06" + bytes(18)])
def test_what_is_no_workbook_is_refused(data):
    assert reasons(data) == ["xlsx.unreadable"]


def test_a_password_is_told():
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le")
    assert reasons(ole) == ["xlsx.encrypted"]
    flagged = bytearray(GOOD)
    flagged[GOOD.index(b"PK\x01\x02") + 8] |= 1
    assert reasons(bytes(flagged)) == ["xlsx.encrypted"]


def test_a_member_that_unpacks_to_too_much_is_refused():
    bomb = with_member(GOOD, SHEET, b"<a>" + b" " * (40 << 20))
    assert reasons(bomb) == ["xlsx.bomb"]
    assert reasons(GOOD, max_unpacked_bytes=1000) == ["xlsx.bomb"]


def test_a_directory_that_lies_about_sizes_is_not_believed():
    bomb = bytearray(with_member(GOOD, SHEET, b"<a>" + b" " * (40 << 20)))
    entry = bomb.rindex(b"PK\x01\x02")
    bomb[entry + 24 : entry + 28] = struct.pack("<I", 1000)
    assert reasons(bytes(bomb)) == ["xlsx.bomb"]


def test_two_cells_far_apart_cannot_take_the_memory():
    book = openpyxl.Workbook()
    book.active["A1"] = "Tên máy"
    book.active["XFD1048576"] = "x"
    packed = io.BytesIO()
    book.save(packed)
    assert reasons(packed.getvalue()) == ["xlsx.unreadable"]


def test_another_archive_is_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("content.xml", "<office/>")
    assert reasons(out.getvalue()) == ["xlsx.unreadable"]


def test_a_document_over_the_limit_is_refused():
    assert reasons(GOOD, max_document_bytes=100) == ["too_large"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255), cut=st.integers(0, 4))
def test_a_damaged_workbook_never_raises(place, value, cut):
    data = bytearray(GOOD)
    data[place] = value
    frame(bytes(data[: len(data) - cut]))


with zipfile.ZipFile(io.BytesIO(GOOD)) as _archive:
    SHEET_XML = _archive.read(SHEET)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.integers(0, len(SHEET_XML)), junk=st.binary(max_size=12), cut=st.integers(0, 40))
def test_a_damaged_sheet_never_raises(place, junk, cut):
    frame(with_member(GOOD, SHEET, SHEET_XML[:place] + junk + SHEET_XML[place + cut :]))
