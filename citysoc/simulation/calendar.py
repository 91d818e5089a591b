"""When Huế works: office hours by season, weekends, public holidays, and how busy each hour is.

Hours since 01/01/2026 (Decision 4010/QĐ-UBND): 07:30-11:30, then 13:30-17:30 from April to
September and 13:00-17:00 from October to March.
"""

from __future__ import annotations

import datetime as dt
from functools import cache

OFF_HOURS = 0.02
"""How busy a quiet hour is, where a full working hour is 1: servers, guards, a few late workers."""

_MORNING = (7.5, 11.5)
_SUMMER_AFTERNOON = (13.5, 17.5)
_WINTER_AFTERNOON = (13.0, 17.0)


def is_working_day(day: dt.date) -> bool:
    """Return whether offices are open that day."""
    return day.weekday() < 5 and day not in _holidays(day.year)


def working_hours(day: dt.date) -> tuple[tuple[float, float], ...]:
    """Return the spans of office hours of a day, in hours since midnight; none when closed."""
    if not is_working_day(day):
        return ()
    return (_MORNING, _SUMMER_AFTERNOON if 4 <= day.month <= 9 else _WINTER_AFTERNOON)


def intensity(day: dt.date) -> tuple[float, ...]:
    """Return for each of the 24 hours how busy people are: 1 is a whole working hour."""
    spans = working_hours(day)
    return tuple(
        OFF_HOURS + (1 - OFF_HOURS) * sum(_overlap(hour, span) for span in spans) for hour in range(24)
    )


def month_intensity(first: dt.date, days: int) -> tuple[float, ...]:
    """Return the intensity of every hour of ``days`` days from ``first`` on."""
    return tuple(value for n in range(days) for value in intensity(first + dt.timedelta(days=n)))


def _overlap(hour: int, span: tuple[float, float]) -> float:
    return max(0.0, min(hour + 1, span[1]) - max(hour, span[0]))


@cache
def _holidays(year: int) -> frozenset[dt.date]:
    import holidays

    return frozenset(holidays.country_holidays("VN", years=year))
