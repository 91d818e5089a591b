"""Values are written so that text order is time order, and JSON never fails."""

from __future__ import annotations

import datetime as dt
import json

from hypothesis import given
from hypothesis import strategies as st

from citysoc.state.values import clean, dump, load, micros, moment, stamp

moments = st.datetimes(
    min_value=dt.datetime(2, 1, 1),  # noqa: DTZ001  hypothesis adds the zone
    max_value=dt.datetime(9998, 1, 1),  # noqa: DTZ001  and its offset stays within the calendar
    timezones=st.timezones() | st.just(dt.UTC),
)
hostile = st.text(st.characters(), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | hostile | st.binary(max_size=8) | moments,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(hostile, inner, max_size=4),
    max_leaves=10,
)


@given(moments, moments)
def test_text_order_is_time_order(one, two):
    one, two = one.astimezone(dt.UTC), two.astimezone(dt.UTC)
    assert (stamp(one) < stamp(two)) == (one < two)
    assert moment(stamp(one)) == one
    assert len(stamp(one)) == 27


@given(st.integers(-(2**80), 2**80))
def test_times_beyond_the_calendar_are_held_at_its_ends(number):
    assert stamp(number) <= "9999-12-31T23:59:59.999999Z"
    assert len(stamp(number)) == 27
    assert micros(moment(stamp(1_000_001))) == 1_000_001


@given(values)
def test_json_never_fails_and_is_what_every_reader_takes(value):
    text = dump(value)
    text.encode()
    json.loads(text, parse_constant=lambda name: 1 / 0)
    load(text)


@given(hostile, st.integers(0, 30))
def test_clean_text_is_short_and_utf_8(text, limit):
    assert len(clean(text, limit)) <= limit
    clean(text, limit).encode()
