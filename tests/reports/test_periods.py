"""Periods by name, and those they are compared with."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from citysoc import i18n
from citysoc.errors import UsageError
from citysoc.reports import trend
from citysoc.reports.figures import Period
from citysoc.reports.periods import before, named_period, year_before
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


@pytest.mark.parametrize("name", ["2026-10", "2026-W01", "2026-Q4", "2026-H1", "2026", "2026-law"])
def test_a_period_is_found_by_the_name_that_lists_show(name):
    period = named_period(name, ZONE)
    assert named_period(period.name, ZONE) == period


def test_a_period_of_days_is_found_by_its_name():
    period = named_period("01/10/2026 - 05/10/2026", ZONE)
    assert (period.until - period.since).days == 5
    assert period.name == "01/10/2026 - 05/10/2026"


@pytest.mark.parametrize(
    "name",
    [
        "13/2026",
        "32/10/2026 - 05/11/2026",
        "05/10/2026 - 01/10/2026",
        "31/12/9999 - 31/12/9999",
        "2026-13",
        "2026-W54",
        "2026-Q5",
        "26-10",
        "",
        "2026-10-01",
        "0000",
        "tháng 10",
    ],
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


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("2028-02", "2027-02-01", "2027-02-28"),  # 29 days beside 28
        ("2029-02", "2028-02-01", "2028-02-29"),
        ("2029-Q1", "2028-01-01", "2028-03-31"),
        ("2028", "2027-01-01", "2027-12-31"),
        ("2026-law", "2024-12-15", "2025-12-14"),
    ],
)
def test_the_same_period_of_the_year_before(name, first, last):
    found, zone = year_before(named_period(name, ZONE)), ZoneInfo(ZONE)
    assert found.since.astimezone(zone).date().isoformat() == first
    assert (found.until.astimezone(zone) - dt.timedelta(days=1)).date().isoformat() == last


def test_a_period_that_ends_on_29_february_is_compared_with_one_that_ends_a_day_later():
    zone = ZoneInfo(ZONE)
    since, until = dt.datetime(2028, 2, 28, tzinfo=zone), dt.datetime(2028, 2, 29, tzinfo=zone)
    found = year_before(Period(since, until, "", ZONE))
    assert [end.astimezone(zone).date().isoformat() for end in (found.since, found.until)] == [
        "2027-02-28",
        "2027-03-01",
    ]


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("2026-10", ["01", "02", "31"]),
        ("2026-W41", ["05", "06", "11"]),
        ("2026-Q4", ["28/09", "05/10", "28/12"]),
        ("2026", ["01/2026", "02/2026", "12/2026"]),
    ],
)
def test_a_chart_has_a_column_a_day_a_week_or_a_month(name, labels):
    """No two days of a long period fall into one column by their number in the month."""
    period, zone = named_period(name, ZONE), ZoneInfo(ZONE)
    day, days = period.since.astimezone(zone).date(), {}
    while day < period.until.astimezone(zone).date():
        days[day.isoformat()] = {"attack": 1}
        day += dt.timedelta(days=1)
    steps = trend.steps(days)
    assert [*list(steps)[:2], list(steps)[-1]] == labels
    assert sum(counts["attack"] for counts in steps.values()) == len(days)
