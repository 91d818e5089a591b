"""Periods of reports: calendar months and others, and those they are compared with."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from zoneinfo import ZoneInfo

from citysoc.errors import UsageError
from citysoc.i18n import _
from citysoc.reports.figures import Period

_FORMS = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})|-[Ww](?P<week>\d{1,2})|-[Qq](?P<quarter>[1-4])|-[Hh](?P<half>[12])"
    r"|(?P<law>-law))?"
)


_AS_LISTED = re.compile(r"(?P<part>[WwQqHh]?\d{1,2})/(?P<year>\d{4})")
_FROM_TO = re.compile(r"(\d{2})/(\d{2})/(\d{4}) ?- ?(\d{2})/(\d{2})/(\d{4})")


def month_period(year: int, month: int, timezone: str) -> Period:
    """Return the period of a calendar month in a zone; its name is ``10/2026``."""
    zone = ZoneInfo(timezone)
    first = dt.datetime(year, month, 1, tzinfo=zone)
    after = dt.datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone)
    return Period(first.astimezone(dt.UTC), after.astimezone(dt.UTC), f"{month:02}/{year}", timezone)


def named_period(text: str, timezone: str) -> Period:
    """Return a period by its name.

    Args:
        text: ``2026-10`` a month, ``2026-W41`` an ISO week, ``2026-Q4``, ``2026-H2``, ``2026`` a year, or
            ``2026-law``, the year of the report by Decree 331/2026, Article 35: from 15/12 of the year
            before to 14/12. Also a name as reports bear it and ``citysoc reports list`` shows it: ``10/2026``,
            ``W41/2026``, ``Q4/2026``, ``01/10/2026 - 05/10/2026``.
        timezone: whose days and months.

    Raises:
        UsageError: it is none of these.
    """
    name = _AS_LISTED.sub(r"\g<year>-\g<part>", text) if _AS_LISTED.fullmatch(text.strip()) else text
    if days := _FROM_TO.fullmatch(text.strip()):
        with contextlib.suppress(ValueError, OverflowError):  # 31/02, a last day before the first
            return _from_to([int(number) for number in days.groups()], timezone)
    match = _FORMS.fullmatch(name.strip())
    if match and 1990 <= int(match["year"]) <= 9000:
        with contextlib.suppress(ValueError):  # month 13, week 54
            return _by_name(match, timezone)
    raise UsageError(
        _("{text!r} is no period.").format(text=text[:40]),
        hint=_("Write 2026-10, 2026-W41, 2026-Q4, 2026-H2, 2026 or 2026-law."),
    )


def _from_to(numbers: list[int], timezone: str) -> Period:
    first = dt.date(numbers[2], numbers[1], numbers[0])
    last = dt.date(numbers[5], numbers[4], numbers[3])
    if last < first:
        raise ValueError(last)
    if (first.month, first.day, last) == (12, 15, dt.date(first.year + 1, 12, 14)):
        return named_period(f"{last.year}-law", timezone)
    return _days(first, last + dt.timedelta(days=1), f"{first:%d/%m/%Y} - {last:%d/%m/%Y}", timezone)


def _by_name(match: re.Match[str], timezone: str) -> Period:
    year = int(match["year"])
    if match["week"]:
        monday = dt.date.fromisocalendar(year, int(match["week"]), 1)
        return _days(monday, monday + dt.timedelta(days=7), f"W{int(match['week']):02}/{year}", timezone)
    if match["law"]:
        return _days(
            dt.date(year - 1, 12, 15), dt.date(year, 12, 15), f"15/12/{year - 1} - 14/12/{year}", timezone
        )
    if match["month"]:
        return month_period(year, dt.date(year, int(match["month"]), 1).month, timezone)
    for name, letter, months in (("quarter", "Q", 3), ("half", "H", 6)):
        if match[name]:
            first = (int(match[name]) - 1) * months + 1
            return _months(year, first, months, f"{letter}{match[name]}/{year}", timezone)
    return _months(year, 1, 12, str(year), timezone)


def _months(year: int, first: int, months: int, name: str, timezone: str) -> Period:
    after = first + months
    end = dt.date(year + (after - 1) // 12, (after - 1) % 12 + 1, 1)
    return _days(dt.date(year, first, 1), end, name, timezone)


def _days(first: dt.date, after: dt.date, name: str, timezone: str) -> Period:
    zone = ZoneInfo(timezone)
    since, until = (dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC) for day in (first, after))
    return Period(since, until, name, timezone)


def before(period: Period) -> Period:
    """Return the period before: as many calendar months where it is whole months, else one as long."""
    zone = ZoneInfo(period.timezone)
    first, after = period.since.astimezone(zone), period.until.astimezone(zone)
    if period.months:
        month = first.year * 12 + first.month - 1 - period.months
        since = first.replace(year=month // 12, month=month % 12 + 1)
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
