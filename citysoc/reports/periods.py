"""Periods of reports: calendar months and others, and those they are compared with."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from citysoc.reports.figures import Period


def month_period(year: int, month: int, timezone: str) -> Period:
    """Return the period of a calendar month in a zone; its name is ``10/2026``."""
    zone = ZoneInfo(timezone)
    first = dt.datetime(year, month, 1, tzinfo=zone)
    after = dt.datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone)
    return Period(first.astimezone(dt.UTC), after.astimezone(dt.UTC), f"{month:02}/{year}", timezone)


def before(period: Period) -> Period:
    """Return the period before: the month before a calendar month, else one as long."""
    zone = ZoneInfo(period.timezone)
    first, after = period.since.astimezone(zone), period.until.astimezone(zone)
    if period.is_month:
        year, month = (first.year, first.month - 1) if first.month > 1 else (first.year - 1, 12)
        since = first.replace(year=year, month=month)
    else:
        since = first - (after - first)
    return Period(since.astimezone(dt.UTC), period.since, "", period.timezone)


def year_before(period: Period) -> Period:
    """Return the same days of the year before."""
    zone = ZoneInfo(period.timezone)
    since, until = (_back_a_year(end.astimezone(zone)) for end in (period.since, period.until))
    return Period(since.astimezone(dt.UTC), until.astimezone(dt.UTC), "", period.timezone)


def _back_a_year(moment: dt.datetime) -> dt.datetime:
    try:
        return moment.replace(year=moment.year - 1)
    except ValueError:  # 29 February
        return moment.replace(year=moment.year - 1, month=3, day=1)
