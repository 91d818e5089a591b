"""How many bytes went, and in which direction."""

from __future__ import annotations

from citysoc.detectors.anomaly.feature import Feature

FEATURES = (
    Feature(
        "bytes_out",
        "bytes",
        "bytes",
        "sum(bytes_out)",
        "bytes sent to the outside",
        "số byte gửi ra ngoài",
    ),
    Feature(
        "bytes_in",
        "bytes",
        "bytes",
        "sum(bytes_in)",
        "bytes received from the outside",
        "số byte nhận từ bên ngoài",
    ),
    Feature(
        "largest_out",
        "bytes",
        "bytes",
        "max(bytes_out)",
        "bytes of the largest sending",
        "số byte của lần gửi lớn nhất",
    ),
    Feature(
        "one_sided",
        "bytes",
        "ratio",
        "greatest(0, sum(bytes_out) - 1000000) / (sum(bytes_in) + 1000000)",
        "megabytes sent for each received",
        "tỷ lệ dữ liệu gửi đi so với nhận về",
    ),
)
