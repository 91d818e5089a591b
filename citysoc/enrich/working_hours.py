"""When Huế works: office hours by season, weekends and public holidays.

Hours since 01/01/2026 (Decision 4010/QĐ-UBND): 07:30-11:30, then 13:30-17:30 from April to
September and 13:00-17:00 from October to March.
"""

from __future__ import annotations

import datetime as dt
from functools import cache

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


def in_office_hours(moment: dt.datetime) -> bool:
    """Return whether offices are open at a local moment."""
    hour = moment.hour + moment.minute / 60
    return any(begin <= hour < end for begin, end in working_hours(moment.date()))


def first_working_day(year: int, month: int) -> dt.date:
    """Return the first day of a month on which offices are open."""
    day = dt.date(year, month, 1)
    while not is_working_day(day):
        day += dt.timedelta(days=1)
    return day


@cache
def _holidays(year: int) -> frozenset[dt.date]:
    import holidays

    return frozenset(holidays.country_holidays("VN", years=year))
