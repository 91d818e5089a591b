"""Programs that call home: at even intervals, around the clock, to a place that hardly anybody else knows."""

from __future__ import annotations

from citysoc.detectors.anomaly.feature import Feature

LEAST_CALLS = 5
"""So many calls to one place and port in the hour before their intervals are looked at."""
RARE_HOSTS = 2
"""A place that no more machines of the city speak to on a day is rare."""

HOURLY = (
    Feature(
        "regular_calls",
        "beaconing",
        "calls",
        "max over places of n * greatest(0, 1 - deviation(gap) / mean(gap)) where n >= 5",
        "calls at even intervals to one place",
        "số lần gọi đều đặn tới một nơi",
        ("agency", "host"),
        "_exists_:destination.ip",
    ),
)

REMEMBERED = (
    Feature(
        "faithful_hours",
        "beaconing",
        "hours",
        "max over rare places of the hours with contact among the last 24",
        "hours of the last 24 with contact to the same rare place",
        "số giờ trong 24 giờ qua liên hệ tới cùng một nơi hiếm gặp",
        ("host",),
        "_exists_:destination.ip",
    ),
)
