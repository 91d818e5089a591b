"""Periods by name, and those they are compared with."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from citysoc import i18n
from citysoc.errors import UsageError
from citysoc.reports.periods import before, named_period
from citysoc.reports.sections.words import during
from tests.reports.made import ZONE


@pytest.mark.parametrize(
    ("name", "first", "last", "title"),
    [
        ("2026-10", "2026-10-01", "2026-10-31", "tháng 10 năm 2026"),
        ("2026-W01", "2025-12-29", "2026-01-04", "tuần 1 năm 2026"),
        ("2026-Q4", "2026-10-01", "2026-12-31", "quý IV năm 2026"),
        ("2026-H1", "2026-01-01", "2026-06-30", "6 tháng đầu năm 2026"),
        ("2026", "2026-01-01", "2026-12-31", "năm 2026"),
        ("2026-law", "2025-12-15", "2026-12-14", "từ ngày 15/12/2025 đến ngày 14/12/2026"),
    ],
)
def test_periods_by_name(name, first, last, title):
    period = named_period(name, ZONE)
    zone = ZoneInfo(ZONE)
    assert period.since.astimezone(zone).isoformat() == f"{first}T00:00:00+07:00"
    assert (period.until.astimezone(zone) - dt.timedelta(days=1)).date().isoformat() == last
    with i18n.speaking("vi"):
        assert during(period) == title


@pytest.mark.parametrize(
    "name", ["2026-13", "2026-W54", "2026-Q5", "26-10", "", "2026-10-01", "0000", "tháng 10"]
)
def test_what_is_no_period(name):
    with pytest.raises(UsageError):
        named_period(name, ZONE)


@pytest.mark.parametrize(
    ("name", "earlier"), [("2026-Q1", "2025-Q4"), ("2026-10", "2026-09"), ("2026-H1", "2025-H2")]
)
def test_the_period_before_is_one_of_the_calendar(name, earlier):
    found, wanted = before(named_period(name, ZONE)), named_period(earlier, ZONE)
    assert (found.since, found.until) == (wanted.since, wanted.until)
