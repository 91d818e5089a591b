"""Read the times that logs write: ISO 8601, epochs of any unit, yearless stamps, web servers' own."""

from __future__ import annotations

import datetime as dt
import functools
import re
from typing import TYPE_CHECKING, Any

from citysoc.clock import UTC

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_FUTURE = dt.timedelta(days=2)
_YEARS_BACK = 5  # far enough to find the leap year of a 29 February
_NAMED = re.compile(
    r"(?:(?P<year>\d{4})[ -])?(?P<month>[A-Za-z]{3})[a-z]{0,6}[ -]{1,3}(?P<day>\d{1,2}),?"
    r"(?:[ -](?P<year2>\d{4}),?)?"
    r"[ :](?P<clock>\d{1,2}:\d\d:\d\d)(?:[.,](?P<fraction>\d{1,9}))?"
    r"(?: [A-Z]{1,5})??(?: (?P<year3>\d{4}))?(?: ?(?P<offset>[+-]\d\d:?\d\d|Z|UTC|GMT))?$"
)
_DAY_FIRST = re.compile(
    r"(?P<day>\d{1,2})[-/ ](?P<month>[A-Za-z]{3})[a-z]{0,6}[-/ ](?P<year>\d{4})[: T]"
    r"(?P<clock>\d{1,2}:\d\d:\d\d)(?:[.,](?P<fraction>\d{1,9}))?(?: ?(?P<offset>[+-]\d\d:?\d\d|Z|UTC|GMT))?$"
)
_WEEKDAY = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? ")


def iso(text: str, zone: dt.tzinfo) -> dt.datetime | None:
    """Return the moment of an ISO 8601 text in UTC; ``zone`` is that of a text that names none."""
    try:
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is UTC:
            return moment
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def epoch(value: Any) -> dt.datetime | None:
    """Return the moment of an epoch number or text; its magnitude tells s, ms, µs or ns."""
    try:
        seconds = float(value)
        if seconds >= 1e11:  # later than the year 5138 in seconds: a finer unit
            seconds /= 1e3 if seconds < 1e14 else 1e6 if seconds < 1e17 else 1e9
        return dt.datetime.fromtimestamp(seconds, UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def named(text: str, zone: ZoneInfo, arrived: dt.datetime) -> dt.datetime | None:
    """Return the moment of a text with the month's name, in UTC.

    Reads ``Oct  1 07:30:00``, ``2026 Oct 1 07:30:00``, ``Thu Oct 1 07:30:00 2026``,
    ``01/Oct/2026:07:30:00 +0700`` and the like. A year that is not written is the latest one that does
    not put the moment into the future of its arrival.
    """
    if weekday := _WEEKDAY.match(text):
        text = text[weekday.end() :]
    match = _NAMED.match(text) or _DAY_FIRST.match(text)
    if match is None:
        return None
    parts = match.groupdict()
    month = MONTHS.get(parts["month"].lower())
    if month is None:
        return None
    year = parts["year"] or parts.get("year2") or parts.get("year3")
    zone_text = parts["offset"] or ""
    within = _seconds(parts["clock"], parts["fraction"])
    midnight = _midnight(year, month, int(parts["day"]), _offset(zone_text) or zone, arrived.date())
    if midnight is None or within is None:
        return None
    try:
        return midnight + within
    except OverflowError:
        return None


def guess(value: Any, zone: ZoneInfo, arrived: dt.datetime) -> dt.datetime | None:
    """Return the moment of a value whose form is not known, in UTC."""
    if isinstance(value, str):
        if not 8 <= len(value) <= 64:
            return None
        if value[-1] == "Z" and value[:4].isdecimal() and (moment := iso(value, zone)):
            return moment  # what most shippers write, and quickest to read
        return _text(value.strip(), zone, arrived)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return epoch(value) if value > 1e8 else None


def _text(value: str, zone: ZoneInfo, arrived: dt.datetime) -> dt.datetime | None:
    if value.replace(".", "", 1).isdigit() and value.isascii():
        return epoch(value) if len(value) >= 9 else None
    if value[0].isdigit() and (moment := iso(value.replace("/", "-").replace(" UTC", "Z"), zone)):
        return moment
    return named(value, zone, arrived)


def _seconds(clock: str, fraction: str | None) -> dt.timedelta | None:
    hour, minute, second = clock.split(":")
    micros = int(fraction[:6].ljust(6, "0")) if fraction else 0
    if int(hour) > 23 or int(minute) > 59 or int(second) > 60:
        return None
    return dt.timedelta(hours=int(hour), minutes=int(minute), seconds=int(second), microseconds=micros)


@functools.lru_cache(maxsize=256)
def _offset(text: str) -> dt.tzinfo | None:
    if not text:
        return None
    if text in {"Z", "UTC", "GMT"}:
        return UTC
    digits = text[1:].replace(":", "")
    span = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if span >= dt.timedelta(hours=24):
        return None
    return dt.timezone(-span if text[0] == "-" else span)


@functools.lru_cache(maxsize=1024)
def _midnight(
    year: str | None, month: int, day: int, zone: dt.tzinfo, arrived: dt.date
) -> dt.datetime | None:
    """Return the start of that day in UTC; days without a year are placed before the arrival."""
    for candidate in [int(year)] if year else range(arrived.year + 1, arrived.year - _YEARS_BACK, -1):
        try:
            midnight = dt.datetime(candidate, month, day, tzinfo=zone).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
        if year or midnight.date() <= arrived + _FUTURE:
            return midnight
    return None
