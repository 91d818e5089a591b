"""Times in evidence as offsets: ``"@timestamp": "+90s"`` is ninety seconds after the list's first time."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from citysoc import clock
from citysoc.detectors.sigma.anomalous import spelt_out
from citysoc.detectors.sigma.moments import moment_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from citysoc.flow import Event

BASE = dt.datetime(2026, 1, 5, 9, tzinfo=clock.HUE).astimezone(dt.UTC)
"""Where a list begins that names no time itself: nine o'clock in Huế on a Monday."""
_OFFSET = re.compile(r"\+(?:(\d{1,4})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9}(?:\.\d{1,6})?)s)?")
_TIME = "@timestamp"


def offset(value: Any) -> dt.timedelta | None:
    """Return what ``+90s``, ``+2h30m`` or ``+1d`` says; None for anything else.

    >>> offset("+1h30m")
    datetime.timedelta(seconds=5400)
    """
    found = _OFFSET.fullmatch(value) if isinstance(value, str) and len(value) > 1 else None
    if found is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return dt.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def timed(events: Sequence[Mapping[str, Any]]) -> list[Event]:
    """Return a list of events with offsets as times, and what stands for an anomaly spelt out.

    Offsets count from the first event that names a time; where none does, from ``BASE``.
    """
    events = list(map(spelt_out, events))
    named = (moment_of(event.get(_TIME)) for event in events)
    base = next((moment for moment in named if moment is not None), BASE)
    found = []
    for event in events:
        after = offset(event.get(_TIME))
        found.append({**event, _TIME: base + after} if after is not None else dict(event))
    return found
