"""Events made by a recipe are the events that the plain way makes."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.parsers import windows
from citysoc.parsers.base import Context
from tests.bench import sigma_events

CONTEXT = Context(
    arrived=dt.datetime(2026, 11, 17, tzinfo=dt.UTC),
    zone=ZoneInfo("Asia/Ho_Chi_Minh"),
    header="",
    sender=None,
    options={},
)
NAMES = (
    *windows._FLAT,
    *windows._FLAT_TIMES,
    *(
        "Image",
        "ProcessName",
        "ProcessId",
        "NewProcessId",
        "User",
        "Hashes",
        "IpAddress",
        "DestinationPort",
        "Protocol",
    ),
    *(
        "Details",
        "Threat Name",
        "ThreatName",
        "@x",
        "xmlns",
        "Data",
        "EventData",
        "SubjectUserName",
        "Anything",
        "",
    ),
)
VALUES = st.one_of(
    st.sampled_from(
        [
            "",
            "-",
            "1",
            "0x1f",
            "C:\\a\\b.exe",
            "2026-11-16T01:02:03Z",
            "A\\b",
            "::ffff:10.0.0.1",
            "tcp",
            "MD5=aa,SHA256=bb",
        ]
    ),
    st.integers(-5, 5_000_000_000),
    st.booleans(),
    st.floats(allow_nan=False),
    st.none(),
    st.just(["a"]),
    st.just({"x": "y"}),
)
HEADS = st.fixed_dictionaries(
    {"EventID": st.sampled_from([1, "1", 3, "4688", 4624, 7, True, 1.0])},
    optional={
        "Provider_Name": st.sampled_from(
            ["Microsoft-Windows-Sysmon", "Microsoft-Windows-Security-Auditing", "x", "", 1]
        ),
        "Channel": st.sampled_from(["Microsoft-Windows-Sysmon/Operational", "Security", "", 5]),
    },
)


def same(record):
    text = orjson.dumps(record)
    fast = windows._SHAPES.event(orjson.loads(text), CONTEXT)
    plain = windows._from_flat(orjson.loads(text), CONTEXT)
    if fast is not None:
        assert fast == plain
        assert {name: type(value) for name, value in fast.items()} == {n: type(v) for n, v in plain.items()}
    return fast


@given(HEADS, st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=12))
def test_any_record(head, rest):
    same({**rest, **head})
    same({**head, **rest})


def test_made_events():
    made = [same(orjson.loads(line)) for line in sigma_events.windows(500, seed=3)]
    assert all(made)


@pytest.mark.parametrize("values", [["a", "b"], ["b", ""], ["", "c"]])
def test_a_recipe_serves_other_values(values):
    for value in values:
        same({"EventID": 1, "Provider_Name": "Microsoft-Windows-Sysmon", "Computer": value, "Image": value})


PLAIN = st.one_of(st.text(max_size=4), st.integers(), st.booleans(), st.floats(allow_nan=False), st.none())
DATA = st.one_of(
    st.dictionaries(st.sampled_from(NAMES), st.one_of(PLAIN, st.lists(PLAIN), st.just({"a": 1})), max_size=6),
    st.none(),
    st.just("x"),
)
WINLOG = st.fixed_dictionaries(
    {},
    optional={
        "event_data": DATA,
        "user_data": DATA,
        "channel": PLAIN,
        "event_id": PLAIN,
        "event_data.Image": PLAIN,
    },
)


@given(
    WINLOG, st.dictionaries(st.sampled_from(["winlog.event_data.Image", "host", "winlog.event_id"]), PLAIN)
)
def test_the_data_of_a_nested_event_is_the_same_taken_apart(winlog, rest):
    record = {**rest, "winlog": winlog}
    quick = windows._from_beat(record, CONTEXT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "_apart", lambda whole: (whole, {}))
        assert windows._from_beat(record, CONTEXT) == quick
