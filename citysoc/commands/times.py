"""Spans of time as people write them: ``--since 24h --until now``, dates, ``--month 2026-10``.

A span is half-open, [since, until). Dates and months without an offset are in the zone of the
configuration's service, Asia/Ho_Chi_Minh by default.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from citysoc import clock
from citysoc.errors import UsageError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

Function = TypeVar("Function", bound="Callable[..., Any]")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_RELATIVE = re.compile(r"(?:now-)?(\d{1,6})([smhdw])")
_MONTH = re.compile(r"(\d{4})-(\d{2})")


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open span of time; None leaves an end open.

    Args:
        since: its first moment.
        until: the moment after it.
        is_month: whether it was asked for as a calendar month.
    """

    since: dt.datetime | None = None
    until: dt.datetime | None = None
    is_month: bool = False


def moment(text: str, *, now: dt.datetime, zone: ZoneInfo = clock.HUE) -> dt.datetime:
    """Return the moment that a person wrote, in UTC.

    Args:
        text: ``now``, an age (``90m``, ``24h``, ``7d``, ``4w``, ``now-1d``), ``2026-10-01``,
            ``01/10/2026``, or RFC 3339.
        now: the present.
        zone: of dates and times without an offset.

    Raises:
        UsageError: it is none of these.

    >>> moment("2026-10-01", now=clock.now()).isoformat()
    '2026-09-30T17:00:00+00:00'
    """
    text = text.strip()
    if text == "now":
        return now
    if match := _RELATIVE.fullmatch(text):
        return _ago(now, int(match[1]) * _UNITS[match[2]], text)
    try:
        parsed = (
            dt.datetime.strptime(text, "%d/%m/%Y")  # noqa: DTZ007  the zone is added below
            if "/" in text
            else dt.datetime.fromisoformat(text)
        )
        aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)
        return aware.astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            _("{text!r} is no time.").format(text=text),
            hint=_("Write 24h, 7d, 2026-10-01, 01/10/2026 or 2026-10-01T07:30:00+07:00."),
        ) from error


def _ago(now: dt.datetime, seconds: int, text: str) -> dt.datetime:
    try:
        return now - dt.timedelta(seconds=seconds)
    except OverflowError as error:
        raise UsageError(_("{text!r} is before the beginning of time.").format(text=text)) from error


def month(text: str, *, zone: ZoneInfo = clock.HUE) -> Span:
    """Return the span of a calendar month in ``zone``.

    Raises:
        UsageError: ``text`` is no month.

    >>> month("2026-10").since.isoformat()
    '2026-09-30T17:00:00+00:00'
    """
    match = _MONTH.fullmatch(text.strip())
    if not match or not 1 <= int(match[2]) <= 12 or not 1990 <= int(match[1]) <= 9000:
        raise UsageError(_("{text!r} is no month.").format(text=text), hint=_("Write it as 2026-10."))
    year, number = int(match[1]), int(match[2])
    first = dt.datetime(year, number, 1, tzinfo=zone)
    after = dt.datetime(year + number // 12, number % 12 + 1, 1, tzinfo=zone)
    return Span(first.astimezone(dt.UTC), after.astimezone(dt.UTC), is_month=True)


def resolve(since: str | None, until: str | None, month_text: str | None) -> Span:
    """Return the span that the options of a command describe.

    Raises:
        UsageError: they contradict each other, or are no times.
    """
    if month_text:
        if since or until:
            raise UsageError(_("--month excludes --since and --until."))
        return month(month_text)
    now = clock.now()
    span = Span(moment(since, now=now) if since else None, moment(until, now=now) if until else None)
    if span.since and span.until and span.since >= span.until:
        raise UsageError(_("--since must be before --until."))
    return span


def span_options(function: Function) -> Function:
    """Add ``--since``, ``--until`` and ``--month``; the command gets them as ``span``."""

    @functools.wraps(function)
    def wrapped(*args: Any, since: str | None, until: str | None, month: str | None, **rest: Any) -> Any:
        return function(*args, span=resolve(since, until, month), **rest)

    decorated: Any = wrapped
    for option in (
        click.option("--month", metavar="YYYY-MM", help="A calendar month, in Huế's time."),
        click.option("--until", "--to", "until", metavar="TIME", help="Before this moment (excluded)."),
        click.option(
            "--since", "--from", "since", metavar="TIME", help="From this moment: 24h, 7d, 2026-10-01."
        ),
    ):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]  # click's decorators keep the signature
