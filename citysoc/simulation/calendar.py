"""How busy each hour of a month is in Huế's offices."""

from __future__ import annotations

import datetime as dt

from citysoc.enrich.working_hours import working_hours

OFF_HOURS = 0.02
"""How busy a quiet hour is, where a full working hour is 1: servers, guards, a few late workers."""


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
