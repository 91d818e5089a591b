"""What the antivirus found, could not clean, or no longer watches."""

from __future__ import annotations

from citysoc.detectors.anomaly.feature import Feature

FEATURES = (
    Feature(
        "detections",
        "antivirus",
        "events",
        "count(malware)",
        "malware detections",
        "số lần phát hiện mã độc",
        ("agency", "host", "account"),
        "event.category:malware",
    ),
    Feature(
        "malware_names",
        "antivirus",
        "names",
        "count(DISTINCT malware)",
        "different malware",
        "số loại mã độc khác nhau",
        ("agency", "host"),
        "event.category:malware",
    ),
    Feature(
        "infected_hosts",
        "antivirus",
        "machines",
        "count(DISTINCT host) FILTER (malware IS NOT NULL)",
        "machines with malware",
        "số máy có mã độc",
        ("agency",),
        "event.category:malware",
    ),
    Feature(
        "one_malware_hosts",
        "antivirus",
        "machines",
        "machines of the malware with the most machines",
        "machines with the same malware",
        "số máy nhiễm cùng một mã độc",
        ("agency",),
        "event.category:malware",
    ),
    Feature(
        "not_cleaned",
        "antivirus",
        "events",
        "count(*) FILTER (malware IS NOT NULL AND result IN ('failed', 'allowed'))",
        "malware that was not removed",
        "số mã độc chưa xử lý được",
        ("agency", "host"),
        "event.category:malware AND citysoc.outcome:(failed OR allowed)",
    ),
    Feature(
        "protection_off",
        "antivirus",
        "events",
        "count(*) FILTER (protection_off)",
        "protection switched off",
        "số lần bảo vệ bị tắt",
        ("agency", "host"),
        "event.dataset:(windows.defender OR avreport.quality)",
    ),
    Feature(
        "stale",
        "antivirus",
        "machines",
        "max(stale)",
        "machines whose signatures are older than 15 days",
        "số máy có mẫu nhận diện cũ hơn 15 ngày",
        ("agency",),
        "event.dataset:avreport.update",
    ),
)

REMEMBERED = (
    Feature(
        "outbreak_hosts",
        "antivirus",
        "machines",
        "max over malware of the machines where it was found in the last 24 hours",
        "machines with the same malware in 24 hours",
        "số máy nhiễm cùng một mã độc trong 24 giờ",
        ("agency",),
        "event.category:malware",
    ),
)
