"""Data hidden in the names that are asked for."""

from __future__ import annotations

from citysoc.detectors.anomaly.feature import Feature

_QUERY = "_exists_:dns.question.name"

FEATURES = (
    Feature(
        "questions",
        "tunnel",
        "events",
        "count(*) FILTER (question)",
        "DNS questions",
        "số truy vấn DNS",
        ("agency", "host"),
        _QUERY,
    ),
    Feature(
        "longest_name",
        "tunnel",
        "letters",
        "max(length(name)) FILTER (question)",
        "letters of the longest name",
        "độ dài tên miền dài nhất",
        ("agency", "host"),
        _QUERY,
    ),
    Feature(
        "names_of_one_domain",
        "tunnel",
        "names",
        "max over domains of the different names below it",
        "different names below one domain",
        "số tên khác nhau dưới cùng một tên miền",
        ("agency", "host"),
        _QUERY,
    ),
    Feature(
        "letters_of_one_domain",
        "tunnel",
        "letters",
        "max over domains of the letters of the different names below it",
        "letters in the names below one domain",
        "tổng số ký tự trong các tên dưới cùng một tên miền",
        ("agency", "host"),
        _QUERY,
    ),
)
