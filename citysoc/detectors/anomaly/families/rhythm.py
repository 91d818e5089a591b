"""When people work: Huế's office hours by season, weekends, public holidays and Tết.

``closed`` is the share of the hour in which offices are closed (``enrich.working_hours``), ``night`` says
whether the hour is between 22:00 and 05:00 in Huế.
"""

from __future__ import annotations

from citysoc.detectors.anomaly.feature import Feature

FEATURES = (
    Feature(
        "closed_people",
        "rhythm",
        "events",
        "count(*) FILTER (people) * closed",
        "what people do while offices are closed",
        "hoạt động của người dùng ngoài giờ hành chính",
        ("agency", "host", "account"),
    ),
    Feature(
        "night_people",
        "rhythm",
        "events",
        "count(*) FILTER (people) * night",
        "what people do by night",
        "hoạt động của người dùng ban đêm",
        ("agency", "host", "account"),
    ),
    Feature(
        "night_logons",
        "rhythm",
        "events",
        "count(*) FILTER (logon) * night",
        "log-ons by night, failed ones too",
        "số lần đăng nhập ban đêm, kể cả thất bại",
        ("agency", "host", "account", "outside"),
        "event.category:authentication",
    ),
    Feature(
        "closed_bytes",
        "rhythm",
        "bytes",
        "sum(bytes_out) * closed",
        "bytes sent to the outside while offices are closed",
        "số byte gửi ra ngoài khi cơ quan đóng cửa",
        ("agency", "host", "account", "outside"),
    ),
)
