"""Which periods' reports are due, by the city's calendar; and which were missed while nobody was there to build them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from citysoc.enrich.working_hours import first_working_day
from citysoc.reports.periods import before, month_period, named_period

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from citysoc.config.load import Config
    from citysoc.reports.figures import Period

MAX_MISSED = 12
"""So many periods of a kind are made up for; what lies further back is asked for by a command."""


def due(config: Config, now: dt.datetime) -> Iterator[Period]:
    """Yield the periods whose report is due, by the configured schedule, the newest of each kind."""
    zone = config.settings.service.timezone
    local = now.astimezone(ZoneInfo(zone))
    hour, minute = map(int, config.settings.reports.day_of_month_time.split(":"))
    at = dt.time(hour, minute)
    for kind in config.settings.reports.schedule:
        if kind == "week":
            yield _last_week(local, at, zone)
        else:
            yield _last_months(local, at, zone, 1 if kind == "month" else 3)


def _last_week(local: dt.datetime, at: dt.time, zone: str) -> Period:
    """Return the last whole week, from Monday at the hour of reports on."""
    monday = local.date() - dt.timedelta(days=local.weekday())
    weeks = 2 if local.replace(tzinfo=None) < dt.datetime.combine(monday, at) else 1
    year, week, _day = (monday - dt.timedelta(weeks=weeks)).isocalendar()
    return named_period(f"{year}-W{week:02}", zone)


def _last_months(local: dt.datetime, at: dt.time, zone: str, months: int) -> Period:
    """Return the last whole month or quarter, from the next one's first working day at that hour on.

    Until then it is the one before, which a service that was down so long has yet to build.
    """
    month = local.year * 12 + local.month - 1
    first = month - month % months
    ready = dt.datetime.combine(first_working_day(first // 12, first % 12 + 1), at)
    before = first - months if local.replace(tzinfo=None) >= ready else first - 2 * months
    if months == 1:
        return month_period(before // 12, before % 12 + 1, zone)
    return named_period(f"{before // 12}-Q{before % 12 // 3 + 1}", zone)


def missed(newest: Period, is_built: Callable[[Period], bool]) -> list[Period]:
    """Return the periods up to the newest that nobody built, oldest first.

    They reach back to the last one that was built. Where none was, only the newest is due: a service that is
    new has missed nothing.

    Args:
        newest: the last period that is due.
        is_built: whether a report of a period was ever built.
    """
    found = [newest]
    while len(found) <= MAX_MISSED:
        earlier = _before(found[-1])
        if is_built(earlier):
            return found[::-1]
        found.append(earlier)
    return [newest]


def _before(period: Period) -> Period:
    """Return the month, quarter or week before, with its name."""
    first = before(period).since.astimezone(ZoneInfo(period.timezone))
    if period.kind == "month":
        return month_period(first.year, first.month, period.timezone)
    if period.kind == "quarter":
        return named_period(f"{first.year}-Q{(first.month + 2) // 3}", period.timezone)
    year, week, _day = first.isocalendar()
    return named_period(f"{year}-W{week:02}", period.timezone)
