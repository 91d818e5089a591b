"""Values of a query in the type of their field: numbers, moments, addresses, spans of time."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

NUMBER = re.compile(r"-?[0-9]{1,21}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?")
"""What counts as a number in a field outside the dictionary; the same expression runs in SQL."""

_NOW = re.compile(r"now((?:[+-][0-9]{1,6}[smhdwMy])*)(/[smhdwMy])?")
_STEP = re.compile(r"([+-])([0-9]{1,6})([smhdwMy])")
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_MICROSECOND = dt.timedelta(microseconds=1)
_EARLIEST = dt.datetime(1, 1, 3, tzinfo=dt.UTC)
_LATEST = dt.datetime(9999, 12, 29, tzinfo=dt.UTC)


def span(text: str, zone: ZoneInfo, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """Return the half-open span of time that a text names, in UTC.

    ``2026``, ``2026-10`` and ``2026-10-01`` are a year, a month and a day in ``zone``; a full RFC 3339
    time (in ``zone`` where it names none) and ``now-1d`` are one moment; ``now/d`` is today.

    Raises:
        ValueError: the text names no time between the years 1 and 9999.
    """
    try:
        if match := _NOW.fullmatch(text):
            return _relative(match[1], match[2], zone, now)
        if match := _DATE.fullmatch(text):
            unit = "d" if match[3] else "M" if match[2] else "y"
            start = dt.datetime(int(match[1]), int(match[2] or 1), int(match[3] or 1), tzinfo=zone)
            return _utc(start), _utc(_add(start, 1, unit))
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return _utc(moment), _utc(moment) + _MICROSECOND
    except OverflowError as error:
        raise ValueError(text) from error


def _relative(
    steps: str, rounding: str | None, zone: ZoneInfo, now: dt.datetime
) -> tuple[dt.datetime, dt.datetime]:
    moment = now.astimezone(zone)
    for sign, count, unit in _STEP.findall(steps):
        moment = _add(moment, int(sign + count), unit)
    if rounding is None:
        return _utc(moment), _utc(moment) + _MICROSECOND
    start = _floor(moment, rounding[1])
    return _utc(start), _utc(_add(start, 1, rounding[1]))


def _utc(moment: dt.datetime) -> dt.datetime:
    return min(max(moment.astimezone(dt.UTC), _EARLIEST), _LATEST)


def _add(moment: dt.datetime, count: int, unit: str) -> dt.datetime:
    if unit in _SECONDS:
        return moment + dt.timedelta(seconds=count * _SECONDS[unit])
    months = moment.year * 12 + moment.month - 1 + count * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    for day in (moment.day, 30, 29, 28):
        try:
            return moment.replace(year=year, month=month + 1, day=day)
        except ValueError:
            if day == 28:
                raise
    raise AssertionError


def _floor(moment: dt.datetime, unit: str) -> dt.datetime:
    if unit == "w":
        return _floor(moment - dt.timedelta(days=moment.weekday()), "d")
    smaller = {"s": 0, "m": 1, "h": 2, "d": 3, "M": 4, "y": 5}[unit]
    names = ("microsecond", "second", "minute", "hour", "day", "month")[: smaller + 1]
    return moment.replace(**{name: int(name in ("day", "month")) for name in names})  # type: ignore[arg-type]  # all are numbers


def long(text: str) -> int:
    """Return a whole number of 64 bits.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text) or not -(2**63) <= (number := int(text)) < 2**63:
        raise ValueError(text)
    return number


def decimal(text: str) -> float:
    """Return a number.

    Raises:
        ValueError: it is none.
    """
    if not NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text)


def boolean(text: str) -> bool:
    """Return a truth value.

    Raises:
        ValueError: it is none.
    """
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return a network; a single address is the network of that address alone.

    Raises:
        ValueError: it is neither.
    """
    if text.isascii() and "%" not in text:
        found = ipaddress.ip_network(text, strict=False)
        if isinstance(found, ipaddress.IPv6Network) and found.prefixlen >= 96:
            mapped = found.network_address.ipv4_mapped
            if mapped is not None:
                return ipaddress.IPv4Network((mapped, found.prefixlen - 96))
        return found
    raise ValueError(text)
