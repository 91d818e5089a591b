"""Spans of time as people write them."""

from __future__ import annotations

import contextlib
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.clock import HUE
from citysoc.commands import times
from citysoc.errors import UsageError

NOW = dt.datetime(2026, 11, 3, 4, 5, 6, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("now", "2026-11-03T04:05:06+00:00"),
        ("90m", "2026-11-03T02:35:06+00:00"),
        ("24h", "2026-11-02T04:05:06+00:00"),
        ("now-1d", "2026-11-02T04:05:06+00:00"),
        ("4w", "2026-10-06T04:05:06+00:00"),
        ("2026-10-01", "2026-09-30T17:00:00+00:00"),
        ("01/10/2026", "2026-09-30T17:00:00+00:00"),
        ("2026-10-01T07:30:00", "2026-10-01T00:30:00+00:00"),
        ("2026-10-01T07:30:00Z", "2026-10-01T07:30:00+00:00"),
        ("2026-10-01T07:30:00+09:00", "2026-09-30T22:30:00+00:00"),
    ],
)
def test_moments(text, wanted):
    assert times.moment(text, now=NOW).isoformat() == wanted


@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_an_error_of_ours(text):
    with contextlib.suppress(UsageError):
        assert times.moment(text, now=NOW).tzinfo is not None


def test_a_month_is_half_open_in_hue():
    span = times.month("2026-12")
    assert span.since.astimezone(HUE) == dt.datetime(2026, 12, 1, tzinfo=HUE)
    assert span.until.astimezone(HUE) == dt.datetime(2027, 1, 1, tzinfo=HUE)


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "10/2026", "", "202610", "0000-01"])
def test_no_month(text):
    with pytest.raises(UsageError):
        times.month(text)


def test_contradictions_are_refused():
    with pytest.raises(UsageError, match="--month"):
        times.resolve("24h", None, "2026-10")
    with pytest.raises(UsageError, match="before"):
        times.resolve("2026-10-02", "2026-10-01", None)
