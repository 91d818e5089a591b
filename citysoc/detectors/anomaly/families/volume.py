"""How much is said about an entity."""

from __future__ import annotations

from citysoc.detectors.anomaly.feature import Feature

FEATURES = (
    Feature("events", "volume", "events", "count(*)", "events", "số sự kiện"),
    Feature(
        "connections",
        "volume",
        "events",
        "count(*) FILTER (outbound)",
        "connections to the outside",
        "số kết nối ra ngoài",
        ("agency", "host", "account"),
    ),
    Feature(
        "processes",
        "volume",
        "events",
        "count(program)",
        "programs started",
        "số lần khởi chạy chương trình",
        ("agency", "host", "account"),
        "event.category:process",
    ),
)
