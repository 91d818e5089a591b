"""Outcomes and severities: the words that devices and consoles have for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.enrich.classify import judge
from citysoc.enrich.outcomes import outcome_of, severity_of
from citysoc.enrich.taxonomy import OUTCOMES, SEVERITIES
from citysoc.parsers.antivirus_values import verdict

WORDS = {
    "blocked": "Đã chặn|Chặn|Ngăn chặn|Từ chối truy cập|blocked|Deny|DENIED|dropped|reset-both|reset_client|prevented|"
    "blocked-quarantine|sinkhole|connection blocked|terminated|reject",
    "cleaned": "Đã làm sạch|Đã khôi phục|Đã xử lý thành công|cleaned|Disinfected|repaired|remediated|healed",
    "quarantined": "Đã cách ly|Cách ly|cô lập|Quarantined|quarantine|moved to quarantine|file quarantined|isolated",
    "deleted": "Đã diệt|Đã xóa|Xóa bỏ|deleted|removed|Delete file",
    "failed": "Chưa xử lý|Diệt không thành công|Không diệt được|Cần khởi động lại|unresolved|clean failed|not quarantined|"
    "unable to delete|thất bại|Lỗi",
    "allowed": "Bỏ qua|Cho phép|allowed|accept|permit|pass|passthrough|ignored|no action|would block|not blocked|monitor",
}


@pytest.mark.parametrize(
    ("word", "outcome"), [(word, code) for code, words in WORDS.items() for word in words.split("|")]
)
def test_words_of_outcomes(word, outcome):
    if word == "blocked-quarantine":
        outcome = "quarantined"  # what was done with the file says more
    assert outcome_of(word) == outcome
    assert outcome_of(word.upper()) == outcome


@pytest.mark.parametrize("word", ["", "whatever", "logon", "alert", "detected", "unknown"])
def test_words_that_say_no_outcome(word):
    assert outcome_of(word) is None


@pytest.mark.parametrize(
    "word",
    ["Đã diệt", "Đã cách ly", "Đã làm sạch", "Đã chặn", "Bỏ qua", "Chưa xử lý", "deleted", "quarantined", "cleaned"],
)  # fmt: skip
def test_consoles_and_classification_agree(word):
    told = verdict(word, "", {})
    assert told is not None
    assert outcome_of(word) == told.outcome


@pytest.mark.parametrize(
    ("word", "level"),
    [
        ("Nghiêm trọng", "critical"),
        ("Severe", "critical"),
        ("very-high", "critical"),
        ("Cao", "high"),
        ("High", "high"),
        ("Trung bình", "medium"),
        ("warning", "medium"),
        ("Thấp", "low"),
        ("notice", "low"),
        ("Thông tin", "informational"),
        ("info", "informational"),
        ("x", None),
        ("", None),
    ],
)
def test_words_of_severities(word, level):
    assert severity_of(word) == level


DETECTION = {
    "event.module": "antivirus",
    "event.kind": "alert",
    "threat.software.name": "Virus.Win32.Sality.l",
}


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        (DETECTION, "medium"),
        ({**DETECTION, "citysoc.outcome": "failed"}, "high"),
        ({**DETECTION, "citysoc.outcome": "deleted"}, "medium"),
        ({**DETECTION, "antivirus.severity": "Thấp", "citysoc.outcome": "failed"}, "low"),
        (
            {
                "event.module": "suricata",
                "event.kind": "alert",
                "rule.name": "ET SCAN Nmap",
                "event.severity": 1,
            },
            "high",
        ),
        ({"event.module": "suricata", "event.kind": "alert", "rule.name": "ET SCAN Nmap"}, "low"),
        (
            {
                "event.module": "fortigate",
                "event.dataset": "fortigate.utm",
                "fortigate.subtype": "ips",
                "rule.name": "Nmap",
                "fortigate.severity": "critical",
            },
            "critical",
        ),
        ({"event.module": "cef", "event.kind": "alert", "rule.name": "Port Scan", "event.severity": 5}, "medium"),
        (
            {
                "event.module": "windows",
                "threat.software.name": "Trojan:Win32/Emotet.A",
                "winlog.event_data.Severity ID": "5",
            },
            "critical",
        ),
        ({"event.module": "syslog", "event.kind": "event"}, None),
    ],
)  # fmt: skip
def test_how_bad_a_case_is(fields, level):
    assert judge(fields).severity == level


@given(st.text(max_size=300))
def test_any_text_is_one_of_the_codes_or_none(text):
    assert outcome_of(text) in {None, *OUTCOMES}
    assert severity_of(text) in {None, *SEVERITIES}
