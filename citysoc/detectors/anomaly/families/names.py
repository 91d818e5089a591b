"""What asked-for names look like: made by people or by a program."""

from __future__ import annotations

from citysoc.detectors.anomaly.feature import Feature

NAMED = "(_exists_:dns.question.name OR _exists_:tls.client.server_name OR _exists_:url.domain)"
"""Events that name a place on the network."""

FEATURES = (
    Feature(
        "names",
        "names",
        "names",
        "count(DISTINCT name)",
        "different names asked for",
        "số tên miền khác nhau được truy vấn",
        ("agency", "host"),
        NAMED,
    ),
    Feature(
        "odd_names",
        "names",
        "names",
        "count(DISTINCT parent) FILTER (odd >= 0.6)",
        "domains that look made by a program",
        "số tên miền trông như do máy sinh ra",
        ("agency", "host"),
        NAMED,
    ),
    Feature(
        "oddest_name",
        "names",
        "0 to 10",
        "10 * max(odd)",
        "how odd the oddest name is",
        "mức bất thường của tên miền lạ nhất",
        ("agency", "host"),
        NAMED,
    ),
    Feature(
        "missing_names",
        "names",
        "events",
        "count(*) FILTER (nxdomain)",
        "questions for names that do not exist",
        "số truy vấn tên miền không tồn tại",
        ("agency", "host"),
        "dns.response_code:NXDOMAIN",
    ),
)
