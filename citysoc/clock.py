"""The only clock: aware times in UTC inside, Huế's time at the edges."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

UTC = dt.UTC
HUE = ZoneInfo("Asia/Ho_Chi_Minh")
"""UTC+7 without daylight saving: the zone of the first user, the default at the edges."""

_shift = dt.timedelta()


def now() -> dt.datetime:
    """Return the present moment, aware, in UTC."""
    return dt.datetime.now(UTC) + _shift  # noqa: TID251  the one place that asks the system


def iso(moment: dt.datetime) -> str:
    """Return an aware moment as RFC 3339 in UTC, with ``Z`` and only the digits it needs.

    >>> iso(dt.datetime(2026, 10, 1, 7, 30, tzinfo=HUE))
    '2026-10-01T00:30:00Z'
    """
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


@contextlib.contextmanager
def pretending(moment: dt.datetime) -> Iterator[None]:
    """Inside the block the clock starts at ``moment`` and goes on from there.

    For the simulated city, whose month lies in the past; nothing in the service uses it.
    """
    global _shift  # noqa: PLW0603  the clock is one for the whole process
    before = _shift
    _shift = moment - dt.datetime.now(UTC)  # noqa: TID251  the one place that asks the system
    try:
        yield
    finally:
        _shift = before
