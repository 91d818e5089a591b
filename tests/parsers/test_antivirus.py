from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.flow import Unparsed, content_id
from citysoc.framing.documents import csv_line
from citysoc.parsers import antivirus, avreport
from citysoc.parsers.antivirus_values import addresses, hardware_addresses, moment, verdict
from citysoc.parsers.base import Context
from citysoc.parsers.sniff import identify

HUE = ZoneInfo("Asia/Ho_Chi_Minh")
ARRIVED = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def parse(header, *rows, parser=antivirus.CSV, **options):
    context = Context(arrived=ARRIVED, header=header, options=options)
    return parser.parse(list(rows), context)


def at(text, **options):
    return moment(text, zone=HUE, **options)


@pytest.mark.parametrize("day", range(1, 32))
def test_the_day_comes_before_the_month_always(day):
    found = at(f"{day:02}/10/2026 12:00:00")
    assert found == dt.datetime(2026, 10, day, 12, tzinfo=HUE)


@pytest.mark.parametrize("text", ["10/13/2026", "1/31/2026 08:00", "12-25-26", "2026-13-01", "02/30/2026"])
def test_no_order_of_month_and_day_is_tried_to_save_a_date(text):
    assert at(text) is None


@given(st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2098, 12, 31)))  # noqa: DTZ001  local by meaning
def test_every_way_of_writing_a_moment_means_the_same(local):
    local = local.replace(microsecond=0)
    expected = local.replace(tzinfo=HUE)
    day = f"{local.day}/{local.month}/{local.year}"
    half = local.strftime("%I:%M:%S") + (" CH" if local.hour >= 12 else " SA")
    serial = (local - dt.datetime(1899, 12, 30)) / dt.timedelta(days=1)  # noqa: DTZ001  a day count
    for text in (
        local.strftime("%d/%m/%Y %H:%M:%S"),
        local.strftime("%H:%M:%S %d-%m-%Y"),
        local.strftime("%d.%m.%Y, %H:%M:%S"),
        f"{day} {half}",
        local.isoformat(),
        local.isoformat(" "),
        expected.isoformat(),
        expected.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
        repr(serial),
        repr(serial).replace(".", ","),
    ):
        assert at(text) == expected, text


def test_a_source_may_name_its_own_order_and_iso_still_reads():
    assert at("10/13/2026", pattern="%m/%d/%Y") == dt.datetime(2026, 10, 13, tzinfo=HUE)
    assert at("2026-10-13T08:00:00", pattern="%m/%d/%Y") == dt.datetime(2026, 10, 13, 8, tzinfo=HUE)
    assert at("13/10/2026", pattern="%m/%d/%Y") is None


@pytest.mark.parametrize(
    ("action", "result", "expected"),
    [
        ("Đã diệt", "", ("deleted", "deleted", "success")),
        ("Đã cách ly", "", ("quarantined", "quarantined", "success")),
        ("Đã khôi phục", "", ("cleaned", "cleaned", "success")),
        ("Đã chặn", "", ("blocked", "blocked", "success")),
        ("Bỏ qua", "", ("allowed", "allowed", "unknown")),
        ("Chưa xử lý", "", ("unresolved", "failed", "failure")),
        ("Xóa", "Không thành công", ("unresolved", "failed", "failure")),
        ("Quarantine", "Success", ("quarantined", "quarantined", "success")),
        ("", "Đã xử lý", ("cleaned", "cleaned", "success")),
        ("Diệt", "Đã xử lý", ("deleted", "deleted", "success")),
        ("DA DIET", "", ("deleted", "deleted", "success")),
        ("Not cleaned", "", ("unresolved", "failed", "failure")),
    ],
)
def test_what_became_of_a_file(action, result, expected):
    found = verdict(action, result, {})
    assert (found.action, found.outcome, found.event_outcome) == expected


@pytest.mark.parametrize(
    ("action", "result"), [("", ""), ("Cảnh báo", ""), ("", "Thành công"), ("xyz", "abc")]
)
def test_what_nobody_says_stays_open(action, result):
    assert verdict(action, result, {}) is None


def test_a_source_names_its_own_columns_actions_and_vendor():
    [event] = parse(
        "Mã số,Tệp gây hại,Mối nguy,Cổng,Địa chỉ máy chủ,Xử trí,Lúc",
        'MS-1,C:\\a.exe,W32.Sality.PE,8443,"10.1.2.3 (C2)",Đã dọn,10/13/2026',
        columns={
            "ma so": "host.id",
            "Tệp gây hại": "file.path",
            "Mối nguy": "threat",
            "CỔNG": "destination.port",
            "Địa chỉ máy chủ": "destination.ip",
            "Xử trí": "action",
            "Lúc": "time",
        },
        actions={"đã dọn": "cleaned"},
        date_format="%m/%d/%Y",
        vendor="Bkav",
    )
    assert event["host.id"] == "MS-1"
    assert event["file.path"] == "C:\\a.exe"
    assert event["threat.software.name"] == "W32.Sality.PE"
    assert event["destination.port"] == 8443
    assert event["destination.ip"] == "10.1.2.3"
    assert event["citysoc.outcome"] == "cleaned"
    assert event["@timestamp"] == dt.datetime(2026, 10, 13, tzinfo=HUE)
    assert event["observer.vendor"] == "Bkav"


def test_the_unit_of_the_export_is_never_the_agency():
    [event] = parse("Tên máy,Tên virus,Đơn vị", "m,W32.X.PE,Sở Tài chính")
    assert event["antivirus.unit"] == "Sở Tài chính"
    assert not [name for name in event if name.startswith("agency.")]


def test_a_row_without_a_threat_is_unparsed_with_its_reason():
    assert (
        parse("Tên máy,Tên virus,Thời gian", "m,,01/10/2026", "", "a,-,")
        == [Unparsed("antivirus.no_threat", "The row names no threat.")] * 3
    )


def test_an_export_of_machines_gives_their_state():
    [event] = parse("Tên máy,Hệ điều hành,Cập nhật lần cuối", "m,Windows 10,01/10/2026")
    assert (event["event.kind"], event["event.dataset"]) == ("state", "antivirus.machine")
    assert "citysoc.outcome" not in event


def test_addresses_are_cleaned():
    assert addresses("10.1.2.3:445 (LAN); 010.001.002.004, ::ffff:10.1.2.5 fe80::1%12") == (
        "10.1.2.3",
        "10.1.2.4",
        "10.1.2.5",
        "fe80::1",
    )
    assert addresses("999.1.1.1, 08:30:05, 1.2.3, v10.2.4.1.7") == ()
    assert hardware_addresses("001a2b3c4d5e / 00:1A:2B:3C:4D:5F / 00:00:00:00:00:00") == (
        "00-1A-2B-3C-4D-5E",
        "00-1A-2B-3C-4D-5F",
    )


ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@pytest.mark.parametrize("parser", [antivirus.CSV, antivirus.XLSX, avreport.PARSER], ids=lambda p: p.name)
@given(header=ANY, rows=st.lists(ANY, max_size=5))
def test_any_text_gives_one_result_a_row(parser, header, rows):
    assert len(parse(header, *rows, parser=parser)) == len(rows)


@given(cells=st.lists(ANY, min_size=11, max_size=11))
def test_any_cells_give_one_result(cells):
    header = "Tên máy,IP,MAC,Người dùng,Tên virus,Đường dẫn,Thời gian,Hành động,Kết quả,Mã băm,Số tệp"
    assert len(parse(header, csv_line(cells).decode())) == 1


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
)


@given(
    kind=st.sampled_from(["malware", "connection", "vulnerability", "os", "update", "qualityfeature", "x"]),
    values=st.dictionaries(
        st.sampled_from(
            ["MalwareName", "NumberFile", "TargetIP", "TargetPort", "LastUpdate", "Md5", "AutoProtect"]
        ),
        st.text(max_size=12) | st.integers().map(str) | JSONISH,
    ),
    machine=JSONISH,
)
def test_any_fact_gives_one_result(kind, values, machine):
    import orjson

    try:
        line = orjson.dumps({"kind": kind, "machine": machine, "values": values}).decode()
    except TypeError:  # a whole number beyond 64 bits
        return
    assert len(parse("{}", line, parser=avreport.PARSER)) == 1


def test_the_same_row_of_another_export_is_the_same_record():
    assert antivirus.CSV.identity == antivirus.XLSX.identity == avreport.PARSER.identity == "content"
    row = csv_line(["Máy 1", "W32.X.PE"])
    assert content_id("a/av", row) == content_id("a/av", row) != content_id("b/av", row)


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        ("Tên máy;Tên virus;Thời gian\n", "a.csv", "antivirus"),
        ("DANH SÁCH\n\nHostname,Threat,Detection time\n", "export", "antivirus"),
        ("<?xml version='1.0'?><AVReport/>", "a.xml", "avreport"),
        ("Oct  1 08:30:05 fw01 sshd[1]: Failed password, user, IP, virus\n", "messages", "syslog"),
        ("", "empty.csv", "syslog"),
    ],
)
def test_files_are_told_by_their_first_bytes(head, name, expected):
    assert identify(head.encode(), name)[0] == expected


@given(st.binary(max_size=300), st.sampled_from(["a.csv", "a.xlsx", "a.xml", ""]))
def test_sniffing_never_raises(head, name):
    for parser in (antivirus.CSV, antivirus.XLSX, avreport.PARSER):
        assert 0 <= parser.sniff(head, name) <= 100
