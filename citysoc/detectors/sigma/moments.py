"""Values of events as moments, and the parts of a moment that rules ask for."""

from __future__ import annotations

import datetime as dt
from typing import Any

from citysoc.clock import UTC


def moment_of(value: Any) -> dt.datetime | None:
    """Return a value of an event as a moment in UTC, None where it is none."""
    if isinstance(value, str) and 8 <= len(value) <= 64:
        try:
            value = dt.datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if not isinstance(value, dt.datetime):
        return None
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:
        return None


def time_part(moment: dt.datetime, part: str, zone: dt.tzinfo) -> int:
    """Return a part of a time in a zone; weeks and their days are those of ISO 8601."""
    try:
        there = moment.astimezone(zone)
    except OverflowError:  # the first or the last day that there is
        there = moment
    if part == "week":
        return there.isocalendar().week
    if part == "weekday":
        return there.isoweekday()
    return int(getattr(there, part))
