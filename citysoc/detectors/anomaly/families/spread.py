"""How many different things an entity touches."""

from __future__ import annotations

from citysoc.detectors.anomaly.feature import Feature

FEATURES = (
    Feature(
        "peers",
        "spread",
        "addresses",
        "count(DISTINCT peer)",
        "different addresses spoken to",
        "số địa chỉ khác nhau đã giao tiếp",
        ("agency", "host", "account"),
    ),
    Feature(
        "ports",
        "spread",
        "ports",
        "count(DISTINCT port)",
        "different ports",
        "số cổng khác nhau",
        ("agency", "host", "outside"),
    ),
    Feature(
        "inside_peers",
        "spread",
        "addresses",
        "count(DISTINCT dst) FILTER (src_in AND dst_in)",
        "different inside addresses spoken to",
        "số địa chỉ nội bộ khác nhau đã giao tiếp",
        ("agency", "host"),
    ),
    Feature(
        "targets",
        "spread",
        "addresses",
        "count(DISTINCT ours)",
        "different machines of ours touched",
        "số máy nội bộ bị chạm tới",
        ("outside",),
    ),
    Feature(
        "agencies",
        "spread",
        "agencies",
        "count(DISTINCT agency)",
        "different agencies touched",
        "số cơ quan bị chạm tới",
        ("outside",),
    ),
    Feature(
        "accounts",
        "spread",
        "accounts",
        "count(DISTINCT account)",
        "different accounts",
        "số tài khoản khác nhau",
        ("agency", "host", "outside"),
        "_exists_:user.name",
    ),
    Feature(
        "hosts",
        "spread",
        "machines",
        "count(DISTINCT host)",
        "different machines",
        "số máy khác nhau",
        ("agency", "account"),
    ),
)
