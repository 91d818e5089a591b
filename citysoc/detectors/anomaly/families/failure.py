"""What was refused or went wrong."""

from __future__ import annotations

from citysoc.detectors.anomaly.feature import Feature

_LOGON = "event.category:authentication AND event.outcome:failure"

FEATURES = (
    Feature(
        "failed_logons",
        "failure",
        "events",
        "count(*) FILTER (failed_logon)",
        "failed log-ons",
        "số lần đăng nhập thất bại",
        query=_LOGON,
    ),
    Feature(
        "failed_accounts",
        "failure",
        "accounts",
        "count(DISTINCT account) FILTER (failed_logon)",
        "different accounts with a failed log-on",
        "số tài khoản đăng nhập thất bại",
        ("agency", "host", "outside"),
        _LOGON,
    ),
    Feature(
        "denied_out",
        "failure",
        "events",
        "count(*) FILTER (denied AND src_in)",
        "refused connections from inside",
        "số kết nối từ bên trong bị chặn",
        ("agency", "host"),
        "citysoc.outcome:blocked",
    ),
    Feature(
        "denied_in",
        "failure",
        "events",
        "count(*) FILTER (denied AND NOT src_in)",
        "refused connections from outside",
        "số kết nối từ bên ngoài bị chặn",
        ("agency", "host", "outside"),
        "citysoc.outcome:blocked",
    ),
    Feature(
        "web_errors",
        "failure",
        "events",
        "count(*) FILTER (status >= 400)",
        "web requests answered with an error",
        "số yêu cầu web trả về lỗi",
        ("agency", "outside"),
        "http.response.status_code:[400 TO *]",
    ),
)
