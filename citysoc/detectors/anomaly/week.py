"""The hours of the local week and its three parts: working hours, other hours of working days, closed days."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.detectors.anomaly.facts import closed, local

if TYPE_CHECKING:
    import numpy as np

WEEK = 168


def slot_of(hours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the hour of the local week, Monday first, and the part of the week, of hours since 1970."""
    import numpy as np

    unique, place = np.unique(hours, return_inverse=True)
    moments = [local(int(hour)) for hour in unique]
    slot = np.array([m.weekday() * 24 + m.hour for m in moments], dtype=np.int64)
    shut = np.array([closed(int(hour)) for hour in unique])
    day_open = np.array(
        [
            any(closed(int(h)) < 1 for h in _day(int(hour), m.hour))
            for hour, m in zip(unique, moments, strict=True)
        ]
    )
    part = np.where(shut < 0.75, 0, np.where(day_open, 1, 2)).astype(np.int64)
    # A public holiday on a Tuesday is a Sunday to the people.
    slot = np.where((part == 2) & (slot < 120), 144 + slot % 24, slot)
    return slot[place], part[place]


def _day(hour: int, local_hour: int) -> range:
    return range(hour - local_hour, hour - local_hour + 24)


def parts_of_week() -> np.ndarray:
    """Return the part of an ordinary week's hours."""
    import numpy as np

    part = np.ones(WEEK, np.int64)
    part[120:] = 2
    for slot in range(120):
        if slot % 24 in {7, 8, 9, 10, 11, 13, 14, 15, 16, 17}:
            part[slot] = 0
    return part
