"""What holds for every text: one result a line, plain values, no exception; and what is written is read back."""

from __future__ import annotations

import datetime as dt
import time

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from citysoc.flow import Unparsed
from citysoc.parsers import cef, keyvalue, leef, registry, times, values, zeek_layout
from citysoc.parsers.base import Context

ARRIVED = dt.datetime(2026, 11, 2, 1, 0, tzinfo=dt.UTC)
ZEEK_HEADER = "#separator \\x09\n#path\tdns\n#fields\tts\tid.orig_h\tquery\n#types\ttime\taddr\tstring"
OURS = [
    name for name in registry.PARSERS if not name.startswith(("antivirus", "avreport", "evtx", "windows"))
]
PIECES = (
    *("<134>", "<999>", "1 ", "Oct 12 08:00:00 ", "2026-10-12T08:00:00Z ", "may-a ", "sshd[1]: ", "kernel: "),
    *(
        "CEF:0|a|b|c|d|e|5|",
        "LEEF:2.0|a|b|c|d|^|",
        "LEEF:1.0|a|b|c|d|",
        "src=10.1.1.1 ",
        'msg="a\\"b" ',
        "type=",
    ),
    *(
        "date=2026-10-12 ",
        "time=25:61:61 ",
        "devid=FG1 ",
        "logid=1 ",
        '{"ts":',
        '{"event_type":"dns","src_ip":1}',
    ),
    *(
        '{"@timestamp":1e400}',
        "%ASA-6-302013: ",
        "Built inbound TCP ",
        "IN=eth0 OUT= SRC=",
        "[a@1 b=",
        "\t",
        "|",
    ),
    *(
        "audit(1:1): ",
        "query[A] ",
        "Failed password for ",
        " from ",
        " port 99999",
        "=",
        '"',
        "\\",
        "\n",
        "é",
        "{",
    ),
    *(
        "10.1.1.1 - - [12/Oct/2026:10:15:00 +0700] ",
        '"GET / HTTP/1.1" 200 1',
        "[Mon Oct 12 11:00:04 2026] [error] ",
    ),
    *("1,2026/10/12 10:00:10,007,TRAFFIC,", "1,x,0,THREAT,virus,", ",,,,,", '","', "x(1)"),
    *("eventtime=99999999999999999999 ", "epoch=1e999 ", "0" * 5000, "client 10.1.1.1#1: query: "),
)
LINES = st.lists(
    st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=12).map("".join)), max_size=6
)
KEY = st.from_regex(r"[a-zA-Z][a-zA-Z0-9._-]{0,11}", fullmatch=True)
VALUE = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=40)


def plain(value):
    if isinstance(value, list):
        return all(isinstance(item, str | int | float | bool) or item is None for item in value)
    if isinstance(value, dt.datetime):
        return value.utcoffset() == dt.timedelta(0)
    return isinstance(value, str | int | float | bool)


@pytest.mark.parametrize("name", OURS)
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    lines=LINES,
    header=st.sampled_from(["", ZEEK_HEADER, "#Fields: date time c-ip", "#fields", "\x00#fields\t"]),
)
def test_no_text_breaks_a_parser(name, lines, header):
    results = registry.parser(name).parse(lines, Context(arrived=ARRIVED, header=header))
    assert len(results) == len(lines)
    for result in results:
        if isinstance(result, Unparsed):
            assert result.reason
        else:
            assert all(isinstance(key, str) and plain(value) for key, value in result.items()), result
            assert result["event.module"]
            assert "event.original" not in result


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
NAMES = st.sampled_from(
    [
        "event_type",
        "src_ip",
        "timestamp",
        "ts",
        "uid",
        "dns",
        "alert",
        "flow",
        "@timestamp",
        "event",
        "ecs",
        "http",
    ]
)


@pytest.mark.parametrize("name", ["suricata", "zeek-json", "ndjson", "syslog"])
@settings(deadline=None, max_examples=150)
@given(record=st.dictionaries(NAMES, JSON, max_size=6))
@example(record={"event_type": "dns", "src_ip": "1", "dns": {"queries": [None], "answers": [{"rdata": {}}]}})
def test_no_object_breaks_a_json_parser(name, record):
    line = orjson.dumps(record).decode()
    [result] = registry.parser(name).parse([line], Context(arrived=ARRIVED))
    if not isinstance(result, Unparsed):
        assert all(plain(value) for value in result.values()), result


@given(st.lists(st.tuples(KEY, VALUE), max_size=8))
def test_quoted_pairs_are_read_back(pairs):
    pairs = [(name, value.replace("\\", "/")) for name, value in pairs]
    text = " ".join('{}="{}"'.format(name, value.replace('"', '\\"')) for name, value in pairs)
    assert keyvalue.pairs(text) == pairs


@given(st.dictionaries(KEY, VALUE, max_size=6))
def test_a_cef_extension_is_read_back(pairs):
    pairs = {name: " ".join(value.split()) for name, value in pairs.items()}
    text = " ".join(
        "{}={}".format(name, value.replace("\\", "\\\\").replace("=", "\\=")) for name, value in pairs.items()
    )
    assert dict(cef.extension(text)) == pairs


@given(st.dictionaries(KEY, VALUE.filter(lambda value: "^" not in value), min_size=1, max_size=6))
def test_leef_attributes_are_read_back(pairs):
    pairs = {name: value.strip("\r\n") for name, value in pairs.items()}
    assert dict(leef.attributes("^".join(f"{name}={value}" for name, value in pairs.items()), "^")) == pairs


@given(st.text(max_size=50))
def test_what_zeek_escapes_is_read_back(text):
    escaped = "".join(f"\\x{byte:02x}" for byte in text.encode()) if text else ""
    assert zeek_layout.unescape(escaped) == text


@given(st.datetimes(dt.datetime(1991, 1, 1), dt.datetime(2026, 11, 1)))  # noqa: DTZ001  made aware below
def test_times_written_in_any_usual_way_are_the_same_moment(moment):
    moment = moment.replace(microsecond=0, tzinfo=dt.UTC)
    zone = Context(arrived=ARRIVED).zone
    local = moment.astimezone(zone)
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][
        local.month - 1
    ]
    clock = local.strftime("%H:%M:%S")
    assert times.guess(moment.isoformat(), zone, ARRIVED) == moment
    assert times.guess(local.strftime("%Y-%m-%d %H:%M:%S"), zone, ARRIVED) == moment
    assert times.guess(str(int(moment.timestamp())), zone, ARRIVED) == moment
    assert times.guess(int(moment.timestamp()) * 1_000_000, zone, ARRIVED) == moment
    assert times.guess(f"{local.day:02d}/{month}/{local.year}:{clock} +0700", zone, ARRIVED) == moment or (
        local.utcoffset() != dt.timedelta(hours=7)
    )
    assert times.guess(f"{month} {local.day} {local.year} {clock}", zone, ARRIVED) == moment


@given(st.datetimes(dt.datetime(2025, 11, 10), dt.datetime(2026, 11, 1)))  # noqa: DTZ001  made aware below
def test_a_time_without_a_year_is_the_latest_before_its_arrival(moment):
    moment = moment.replace(microsecond=0, tzinfo=dt.UTC)
    local = moment.astimezone(Context(arrived=ARRIVED).zone)
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][
        local.month - 1
    ]
    text = f"{month} {local.day:2d} {local:%H:%M:%S}"
    assert times.named(text, Context(arrived=ARRIVED).zone, ARRIVED) == moment


def test_deep_and_wide_json_is_bounded():
    deep = {"a": 1}
    for _ in range(200):
        deep = {"x": deep}
    wide = {f"k{n}": [{f"m{n}": n}] * 2000 for n in range(2000)}
    assert len(values.flatten(deep)) == 1
    leaves = values.flatten(wide)
    assert len(leaves) <= values.MAX_FIELDS
    assert all(len(value) <= values.MAX_ITEMS for _, value in leaves)


HOSTILE = [
    "1,2026/10/12,007,THREAT,virus," + '"' + "a" * 400_000,
    'a="' * 50_000,
    'type=x devid=FG1 date=2026-10-12 m="' + '\\" ' * 100_000,
    "CEF:0|a|b|c|d|e|5|" + "a=b " * 50_000,
    "CEF:0|a|b|c|d|e|5|" + " " * 200_000,
    "<13>Oct 12 08:00:00 h sudo: " + "a : PWD=" + " ; " * 50_000,
    "<13>1 2026-10-12T08:00:00Z h a 1 - " + '[a b="' * 50_000,
    "<13>1 2026-10-12T08:00:00Z h a 1 - " + '[a b="c"' * 50_000,
    "%ASA-4-106023: Deny tcp src " + "(" * 100_000,
    '1.1.1.1 - - [12/Oct/2026:10:15:00 +0700] "' + "\\" * 200_000,
    "[" * 100_000,
    '{"a":' * 50_000,
    "<13>Oct 12 08:00:00 h kernel: IN= OUT=" + " SRC=" * 50_000,
    "a" * 500_000,
    "x=1|" * 100_000,
    " " * 500_000,
]


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_no_line_takes_long(line):
    start = time.process_time()
    registry.parser("syslog").parse([line], Context(arrived=ARRIVED))
    assert time.process_time() - start < 2.0
