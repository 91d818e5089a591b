"""Times as text, fast: a month's days and a day's seconds are rendered once and looked up after.

Inside the simulation a moment is a whole number of milliseconds since the local midnight that begins
the month. Huế has no daylight saving, so local time and UTC differ by seven hours all the year.
"""

from __future__ import annotations

import calendar
import datetime as dt
from functools import cache

from citysoc.clock import HUE
from citysoc.errors import UsageError

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
OFFSET = 7 * HOUR
"""Asia/Ho_Chi_Minh against UTC."""

_MARGIN = 40
"""Days rendered before and behind the month: for skewed clocks, late records and benchmarks."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@cache
def _clock_times() -> tuple[str, ...]:
    return tuple(f"{h:02}:{m:02}:{s:02}" for h in range(24) for m in range(60) for s in range(60))


class Stamps:
    """One month's times in the notations of the vendors.

    Args:
        month: ``YYYY-MM``.

    Raises:
        UsageError: the month is none.
    """

    def __init__(self, month: str) -> None:
        try:
            first = dt.datetime.strptime(month + "-01", "%Y-%m-%d").replace(tzinfo=HUE)
        except ValueError as error:
            raise UsageError(f"{month!r} is no month.", hint="Write it as 2026-10.") from error
        self.month = month
        self.first = first.date()
        self.days = calendar.monthrange(first.year, first.month)[1]
        self.length = self.days * DAY
        self.epoch = int(first.timestamp()) * 1000
        days = [self.first + dt.timedelta(days=n) for n in range(-_MARGIN, self.days + _MARGIN)]
        self._iso = [day.isoformat() for day in days]
        self._slashed = [f"{day:%d/%m/%Y}" for day in days]
        self._bsd = [f"{_MONTHS[day.month - 1]} {day.day:>2}" for day in days]
        self._apache = [f"{day.day:02}/{_MONTHS[day.month - 1]}/{day.year}" for day in days]
        self._times = _clock_times()

    def iso_pair(self, at: int) -> tuple[str, str]:
        """Return the local date and time, ``2026-10-01`` and ``07:30:00``."""
        day, rest = divmod(at, DAY)
        return self._iso[day + _MARGIN], self._times[rest // 1000]

    def utc(self, at: int) -> str:
        """Return ``2026-10-01T00:30:00.123Z``."""
        day, rest = divmod(at - OFFSET, DAY)
        return f"{self._iso[day + _MARGIN]}T{self._times[rest // 1000]}.{rest % 1000:03}Z"

    def local(self, at: int) -> str:
        """Return ``2026-10-01T07:30:00.123+07:00``, as RFC 5424 has it."""
        day, rest = divmod(at, DAY)
        return f"{self._iso[day + _MARGIN]}T{self._times[rest // 1000]}.{rest % 1000:03}+07:00"

    def eve(self, at: int) -> str:
        """Return ``2026-10-01T07:30:00.123000+0700``, as Suricata writes it."""
        day, rest = divmod(at, DAY)
        return f"{self._iso[day + _MARGIN]}T{self._times[rest // 1000]}.{rest % 1000:03}000+0700"

    def bsd(self, at: int) -> str:
        """Return ``Oct  1 07:30:00``, the local time of RFC 3164."""
        day, rest = divmod(at, DAY)
        return f"{self._bsd[day + _MARGIN]} {self._times[rest // 1000]}"

    def apache(self, at: int) -> str:
        """Return ``01/Oct/2026:07:30:00 +0700``."""
        day, rest = divmod(at, DAY)
        return f"{self._apache[day + _MARGIN]}:{self._times[rest // 1000]} +0700"

    def vietnamese(self, at: int) -> str:
        """Return ``01/10/2026 07:30:00``, as an office program set to Vietnamese exports it."""
        day, rest = divmod(at, DAY)
        return f"{self._slashed[day + _MARGIN]} {self._times[rest // 1000]}"

    def seconds(self, at: int) -> str:
        """Return seconds since 1970 with six decimals, as Zeek writes it."""
        whole, rest = divmod(self.epoch + at, 1000)
        return f"{whole}.{rest:03}000"

    def compact_day(self, at: int) -> str:
        """Return ``20261001``, for file names."""
        return self._iso[at // DAY + _MARGIN].replace("-", "")

    def moment(self, at: int) -> dt.datetime:
        """Return the aware moment in UTC."""
        return dt.datetime.fromtimestamp((self.epoch + at) / 1000, dt.UTC)
