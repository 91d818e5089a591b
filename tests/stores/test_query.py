"""The query language: what text means, and how mistakes are told."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.errors import UsageError
from citysoc.stores.query import (
    And,
    Cidr,
    Contains,
    Everything,
    Exists,
    Gap,
    Not,
    Or,
    Range,
    Term,
    Wildcard,
    fold,
)
from citysoc.stores.query_parse import MAX_CLAUSES, MAX_DEPTH, MAX_LENGTH, parse

NOW = dt.datetime(2026, 10, 20, 3, 30, tzinfo=dt.UTC)


def utc(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


A, B, C = (Term("user.name", letter) for letter in "abc")


@pytest.mark.parametrize(
    ("query", "node"),
    [
        ("", Everything()),
        ("  *  ", Everything()),
        ("user.name:a", A),
        ('user.name:"a"', A),
        ("user.name:a AND user.name:b", And((A, B))),
        ("user.name:a user.name:b", And((A, B))),
        ("user.name:a && user.name:b || user.name:c", Or((And((A, B)), C))),
        ("user.name:a OR user.name:b AND user.name:c", Or((A, And((B, C))))),
        ("!user.name:a", Not(A)),
        ("-user.name:a +user.name:b", And((Not(A), B))),
        ("NOT user.name:a user.name:b", And((Not(A), B))),
        ("user.name:(a OR b)", Or((A, B))),
        ("user.name:(a -b)", And((A, Not(B)))),
        ("(user.name:a)", A),
        ("user.name:svc_*", Wildcard("user.name", ("svc_", Gap.ANY))),
        ('user.name:"svc_*"', Term("user.name", "svc_*")),
        (r"user.name:svc_\*", Term("user.name", "svc_*")),
        (r"file.path:C\:\\x", Term("file.path", "C:\\x")),
        ("url.path:/a/b:c", Term("url.path", "/a/b:c")),
        ("message:lỗi", Contains("message", "lỗi")),
        ("lỗi", Or((Contains("message", "lỗi"), Contains("event.original", "lỗi")))),
        ("source.port:443", Term("source.port", 443)),
        ("source.port:[1 TO 1024}", Range("source.port", 1, 1024, with_high=False)),
        ("source.port:>=5", Range("source.port", 5, None)),
        ("log.offset:-5", Term("log.offset", -5)),
        ("log.offset:(-5 OR 6)", Or((Term("log.offset", -5), Term("log.offset", 6)))),
        ("tls.established:true", Term("tls.established", value=True)),
        ("user.name:*", Exists("user.name")),
        ("_exists_:user.name", Exists("user.name")),
        ("source.port:[* TO *]", Exists("source.port")),
        ("source.ip:10.1.0.0/16", Cidr("source.ip", ipaddress.ip_network("10.1.0.0/16"))),
        ("source.ip:2001:db8::/32", Cidr("source.ip", ipaddress.ip_network("2001:db8::/32"))),
        ("source.ip:::ffff:10.0.0.1", Cidr("source.ip", ipaddress.ip_network("10.0.0.1/32"))),
        (
            "@timestamp:2026-10-01",
            Range("@timestamp", utc(2026, 9, 30, 17), utc(2026, 10, 1, 17), with_high=False),
        ),
        ("@timestamp:>2026-10-01", Range("@timestamp", utc(2026, 10, 1, 17), None)),
        ("@timestamp:<=2026-10", Range("@timestamp", None, utc(2026, 10, 31, 17), with_high=False)),
        ("@timestamp:>=now-1d/d", Range("@timestamp", utc(2026, 10, 18, 17), None)),
        ("@timestamp:>=now-1M", Range("@timestamp", utc(2026, 9, 20, 3, 30), None)),
        ("@timestamp:>=2026-10-01T07:00:00+07:00", Range("@timestamp", utc(2026, 10, 1), None)),
        (
            'agency:"Sở Y tế"',
            Or((Contains("agency.name", "Sở Y tế"), Term("agency.id", "Sở Y tế"))),
        ),
        ("winlog.event_data.TargetUserName:a", Term("winlog.event_data.TargetUserName", "a")),
        (
            r"winlog.event_data.Target\ User:>5",
            Range("winlog.event_data.Target User", 5.0, None, with_low=False),
        ),
    ],
)
def test_what_a_query_means(query, node):
    assert parse(query, timezone=ZoneInfo("Asia/Ho_Chi_Minh"), now=NOW) == node


@pytest.mark.parametrize(
    ("query", "where", "hint"),
    [
        ("sourc.ip:10.1.2.3", "column 1", "source.ip"),
        ("user.name:a AND usr.name:b", "column 17", "user.name"),
        ("ip:10.1.2.3", "column 1", "source.ip"),
        ("user.name:a OR", "column 15", None),
        ("AND user.name:a", "column 1", None),
        ("(user.name:a", "column 1", None),
        ("user.name:a)", "column 12", None),
        ('user.name:"a', "column 11", None),
        ("user.name:", "column 11", None),
        ("source.port:http", "column 13", None),
        ("source.port:44*", "column 13", "range"),
        ("source.port:99999999999999999999", "column 13", None),
        ("source.ip:10.1.2", "column 11", "10.1.0.0/16"),
        ("source.ip:[10.0.0.1 TO ::1]", "column 11", None),
        ("@timestamp:yesterday", "column 12", "now-1d"),
        ("user.name:jon~2", "column 14", "quotes"),
        ("user.name:jon^4", "column 14", "quotes"),
        ("url.path:/joh?n(ath[oa]n)/", "column 16", "quotes"),
        ("url.path:/jo.*n/", "column 10", "quote"),
        ("message:[a TO b]", "column 10", None),
        ("source.port:[1 TO", "column 13", "[1 TO 9]"),
        ("user.name:a OR source.port:[1 TO 5", "column 28", "[1 TO 9]"),
        ("source.port:{1, 5}", "column 13", "[1 TO 9]"),
        ("citysoc.extra:x", "column 1", None),
    ],
)
def test_a_mistake_is_told_with_its_column(query, where, hint):
    with pytest.raises(UsageError) as caught:
        parse(query, now=NOW)
    assert caught.value.where == where, caught.value
    assert hint is None or hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    "query",
    [
        "a" * (MAX_LENGTH + 1),
        "(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1),
        "NOT " * (MAX_DEPTH + 1) + "a",
        "!" * 9_000 + "a",
        " OR ".join(["a"] * (MAX_CLAUSES + 1)),
    ],
)
def test_a_query_is_bounded(query):
    with pytest.raises(UsageError):
        parse(query)


@given(st.text(alphabet='ab:()[]{}"\\*?<>=!+-&|~^/. \nANDORTO019@ộ\x00', max_size=40))
def test_any_text_is_a_query_or_a_mistake(query):
    with contextlib.suppress(UsageError):
        assert parse(query, now=NOW)


@pytest.mark.parametrize(
    ("left", "right"),
    [("ĐỘC HẠI", "độc hại"), ("Ế", "e\u0302\u0301"), ("Sở Y tế", "SỞ Y TẾ"), ("İ", "i"), ("Σ", "σ")],
)
def test_folding_joins(left, right):
    assert fold(left) == fold(right)


@pytest.mark.parametrize(("left", "right"), [("đ", "d"), ("ß", "ss"), ("ế", "e"), ("ς", "σ")])
def test_folding_keeps_apart(left, right):
    assert fold(left) != fold(right)


def test_duckdb_folds_every_letter_alike():
    import unicodedata

    import duckdb
    import pyarrow as pa

    from citysoc.stores.query_sql import folded

    letters = [chr(n) for n in range(0x30000) if unicodedata.category(chr(n)) not in ("Cn", "Cs")]
    connection = duckdb.connect()
    connection.register("letters", pa.table({"x": letters}))
    rows = connection.sql(f"SELECT x, {folded('x')} AS y FROM letters").to_arrow_table().to_pylist()
    assert [row for row in rows if row["y"] != fold(row["x"])] == []
    connection.close()


def test_a_range_with_one_bound_of_text_is_a_range_of_text():
    node = parse('zeek.n:["1" TO b]')
    assert (node.low, node.high) == ("1", "b")
    node = parse("zeek.n:[1 TO 20]")
    assert (node.low, node.high) == (1.0, 20.0)
    node = parse("zeek.n:[* TO b]")
    assert (node.low, node.high) == (None, "b")
