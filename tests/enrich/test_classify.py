from __future__ import annotations

import datetime as dt

import orjson
import pytest
from corpus import CORPUS, needs_corpus
from hypothesis import given
from hypothesis import strategies as st

from citysoc.config.agencies import Agency
from citysoc.enrich.agencies import facts
from citysoc.enrich.classify import classify
from citysoc.enrich.malware_names import UNKNOWN_TYPE, read_name, read_type
from citysoc.enrich.taxonomy import CLASSES, HANDLED, OUTCOMES, SEVERITIES, THREATS
from citysoc.flow import LEVELS
from citysoc.parsers.base import Context
from citysoc.parsers.suricata import PARSER as SURICATA

CODES = [
    "SCAN",
    "BRUTE",
    "EXPL",
    "WEB",
    "DEFACE",
    "DDOS",
    "PHISH",
    "SPAM",
    "VIRUS",
    "TROJAN",
    "SPY",
    "RANSOM",
    "MINER",
    "BOT",
    "APT",
    "UNAUTH",
    "LEAK",
    "POLICY",
    "VULN",
    "CONFIG",
    "OTHER",
]


def case(**fields):
    """Return what an event is classified as: class, word, outcome."""
    event = {name.replace("__", "."): value for name, value in fields.items()}
    classify([event])
    return event.get("citysoc.class"), event.get("citysoc.threat"), event.get("citysoc.outcome")


def detection(name, kind=None, **fields):
    event = {"event.module": "antivirus", "event.kind": "alert", "threat.software.name": name, **fields}
    if kind:
        event["antivirus.type"] = kind
    return case(**event)[:2]


def suricata(name, category="", action=None):
    event = {"event.module": "suricata", "event.kind": "alert", "rule.name": name, "rule.category": category}
    if action:
        event["event.action"] = action
    return case(**event)


def fortigate(subtype, outcome="blocked", kind="utm", **fields):
    return case(
        **{
            "event.module": "fortigate",
            "event.dataset": f"fortigate.{kind}",
            "fortigate.subtype": subtype,
            "citysoc.outcome": outcome,
            **fields,
        }
    )[:2]


def test_the_taxonomy_has_its_21_classes_with_both_names():
    assert list(CLASSES) == CODES
    for entry in CLASSES.values():
        assert entry.name("vi") == entry.vi != entry.en == entry.name("en")
        assert set(entry.law) <= {"a", "b", "c", "d", "đ", "e"}
        assert entry.threat in {*THREATS, None}
    assert list(SEVERITIES) == list(LEVELS)
    assert set(OUTCOMES) > HANDLED


@pytest.mark.parametrize(
    ("threat", "codes"),
    [
        ("attack", "SCAN BRUTE EXPL WEB DEFACE DDOS PHISH APT UNAUTH"),
        ("spyware", "SPY BOT"),
        ("virus", "VIRUS TROJAN RANSOM MINER"),
        (None, "SPAM LEAK POLICY VULN CONFIG OTHER"),
    ],
)
def test_the_three_words_count_their_classes(threat, codes):
    assert [code for code, entry in CLASSES.items() if entry.threat == threat] == sorted(
        codes.split(), key=CODES.index
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("W32.SalityVG.PE", ("VIRUS", "virus")),
        ("W32.FakeDoc.Worm", ("VIRUS", "virus")),
        ("Virus.Win32.Sality.l", ("VIRUS", "virus")),
        ("WORM_DOWNAD.AD", ("VIRUS", "virus")),
        ("HEUR:Trojan.Win32.Generic", ("TROJAN", "virus")),
        ("Trojan:Win32/Emotet.A!ml", ("TROJAN", "virus")),
        ("Backdoor.Win32.Farfli.gen", ("TROJAN", "virus")),
        ("W97M.Dropper.Macro", ("TROJAN", "virus")),
        ("Trojan-Spy.Win32.Noon.gen", ("SPY", "spyware")),
        ("TSPY_AGENTTESLA", ("SPY", "spyware")),
        ("Infostealer.Limitail", ("SPY", "spyware")),
        ("Trojan:Win32/LummaStealer.D", ("SPY", "spyware")),
        ("Win32/Filecoder.Phobos.C", ("RANSOM", "virus")),
        ("Ransom.Win32.WCRY.A", ("RANSOM", "virus")),
        ("a variant of Win32/CoinMiner.BX", ("MINER", "virus")),
        ("not-a-virus:HEUR:AdWare.Win32.Agent.gen", ("MINER", "virus")),
        ("PUA:Win32/InstallCore", ("MINER", "virus")),
        ("Linux/Mirai.A", ("BOT", "spyware")),
        ("Exploit:O97M/CVE-2017-11882.A", ("EXPL", "attack")),
        ("JS/Phishing.A", ("PHISH", "attack")),
        ("W32.AIDetectMalware", (None, "virus")),
        ("HW32.Packed", (None, "virus")),
        ("Eicar-Test-Signature", (None, None)),
    ],
)
def test_threat_names_of_all_vendors(name, expected):
    assert detection(name) == expected


def test_the_consoles_own_type_helps_where_the_name_says_nothing():
    assert detection("W32.AIDetectMalware", "Mã độc gián điệp") == ("SPY", "spyware")
    assert detection("W32.AIDetectMalware", "Mã độc") == (None, "virus")
    assert detection("W32.SalityVG.PE", "Mã độc gián điệp") == ("VIRUS", "virus")


@pytest.mark.parametrize(
    ("name", "platform", "kind", "family", "confidence"),
    [
        ("W32.Sality.PE", "windows", "virus", "sality", "high"),
        ("HEUR:Trojan.Win32.Generic", "windows", "trojan", "", "low"),
        ("Virus.Win32.Sality.l", "windows", "virus", "sality", "high"),
        ("Trojan:Win32/Emotet.A!ml", "windows", "trojan", "emotet", "low"),
        ("Win32/Filecoder.X", "windows", "ransomware", "", "high"),
        ("W32.AIDetectMalware", "windows", UNKNOWN_TYPE, "", "low"),
        ("W64.AIDetectMalware", "windows", UNKNOWN_TYPE, "", "low"),
        ("HW32.Packed", "windows", UNKNOWN_TYPE, "", "low"),
        ("W32.Common.1A2B3C4D", "windows", UNKNOWN_TYPE, "", "low"),
        ("Win.Trojan.Agent-12345-0", "windows", "trojan", "agent", "high"),
        ("BKDR_POISON.A", "", "backdoor", "poison", "high"),
        ("Mal/Generic-S", "", UNKNOWN_TYPE, "", "low"),
        ("Gen:Variant.Zusy.12345", "", UNKNOWN_TYPE, "", "low"),
        ("", "", UNKNOWN_TYPE, "", "low"),
    ],
)
def test_pieces_of_threat_names(name, platform, kind, family, confidence):
    found = read_name(name)
    assert (found.platform, found.type, found.family, found.confidence) == (
        platform,
        kind,
        family,
        confidence,
    )


def test_the_variant_is_kept_as_written():
    assert read_name("Win32/Filecoder.Phobos.C").variant == "C"
    assert read_name("Virus.Win32.Sality.l").variant == "l"


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("Sâu máy tính", "worm"),
        ("SPYWARE", "spyware"),
        ("Phần mềm quảng cáo", "adware"),
        ("lạ", UNKNOWN_TYPE),
    ],
)
def test_words_of_the_consoles_type_column(word, kind):
    assert read_type(word) == kind


@pytest.mark.parametrize(
    ("name", "category", "expected"),
    [
        ("ET SCAN Potential SSH Scan", "Attempted Information Leak", "SCAN"),
        ("ET SCAN RDP Brute Force attempt", "", "BRUTE"),
        ("ET WEB_SERVER SQL injection in URI", "Web Application Attack", "WEB"),
        ("ET WEB_SERVER odd header of an exploit", "", "WEB"),
        ("ET EXPLOIT something odd", "Misc activity", "EXPL"),
        ("ET TROJAN Zbot Checkin", "A Network Trojan was detected", "BOT"),
        ("ET MALWARE Some Loader", "A Network Trojan was detected", "TROJAN"),
        ("ET COINMINER pool login", "", "MINER"),
        ("ET PHISHING landing page", "", "PHISH"),
        ("ET DOS NTP amplification", "", "DDOS"),
        ("ET P2P BitTorrent announce", "A Network Trojan was detected", "POLICY"),
        ("ET ATTACK_RESPONSE id returned root", "", "UNAUTH"),
        ("our own rule", "Detection of a Denial of Service Attack", "DDOS"),
        ("our own rule", "Malware Command and Control Activity Detected", "BOT"),
        ("ET INFO scan of something", "Misc activity", None),
        ("ET CINS Poor Reputation IP group 4", "Misc Attack", None),
        ("SURICATA STREAM exploit overflow", "Generic Protocol Command Decode", None),
        ("our own rule", "Misc activity", None),
        ("Scandinavian airline", "", None),
        ("", "", None),
    ],
)
def test_signatures_of_intrusion_detection(name, category, expected):
    code, threat, _outcome = suricata(name, category)
    assert code == expected
    assert threat == (CLASSES[code].threat if code else None)


def test_the_outcome_follows_the_action_where_the_parser_left_it_open():
    assert suricata("ET SCAN x", "", "blocked")[2] == "blocked"
    assert suricata("ET SCAN x", "", "allowed")[2] == "allowed"
    assert suricata("ET SCAN x", "", "whatever")[2] is None
    assert case(**{"event.module": "syslog", "event.action": "deny"}) == (None, None, None)


@pytest.mark.parametrize(
    ("subtype", "fields", "expected"),
    [
        ("ips", {"rule.name": "MS.SMB.Server.SMB1.Trans2.Secondary.Handling.Code.Execution"}, "EXPL"),
        ("ips", {"rule.name": "Nmap.Script.Scanner"}, "SCAN"),
        ("ips", {"rule.name": "SSH.Connection.Brute.Force"}, "BRUTE"),
        ("ips", {"rule.name": "HTTP.URI.SQL.Injection"}, "WEB"),
        ("anomaly", {"rule.name": "tcp_syn_flood"}, "DDOS"),
        ("anomaly", {"rule.name": "tcp_port_scan"}, "SCAN"),
        ("anomaly", {"rule.name": "icmp_sweep"}, "SCAN"),
        ("waf", {}, "WEB"),
        ("webfilter", {"fortigate.catdesc": "Phishing"}, "PHISH"),
        ("webfilter", {"fortigate.catdesc": "Games"}, "POLICY"),
        ("app-ctrl", {}, "POLICY"),
        ("dns", {"fortigate.botnetdomain": "x.example"}, "BOT"),
        ("emailfilter", {}, "SPAM"),
        ("virus", {"threat.software.name": "W32/Sality.AA"}, "VIRUS"),
    ],
)
def test_security_logs_of_fortigate(subtype, fields, expected):
    assert fortigate(subtype, **fields) == (expected, CLASSES[expected].threat)


def test_denied_traffic_is_policy_and_no_attack():
    assert fortigate("forward", kind="traffic") == ("POLICY", None)
    assert fortigate("forward", outcome="allowed", kind="traffic") == (None, None)
    denied = {"event.kind": "event", "event.category": ["network"], "citysoc.outcome": "blocked"}
    assert case(**{"event.module": "syslog", **denied})[:2] == ("POLICY", None)
    assert case(**{"event.module": "syslog", **denied, "event.category": ["host"]})[:2] == (None, None)


def test_allowed_pages_and_programs_are_nothing():
    assert fortigate("webfilter", outcome="allowed", **{"fortigate.catdesc": "Games"}) == (None, None)
    assert fortigate("app-ctrl", outcome="allowed") == (None, None)


@pytest.mark.parametrize("module", ["windows", "syslog", "fortigate", "zeek"])
def test_a_failed_log_on_is_no_case_by_itself(module):
    event = {"event.category": ["authentication"], "event.outcome": "failure", "event.action": "logon-failed"}
    assert case(**{"event.module": module, "event.kind": "event", **event}) == (None, None, None)


def test_parts_of_avreport():
    part = {"event.module": "avreport"}
    assert case(**part, **{"event.dataset": "avreport.connection"})[:2] == ("BOT", "spyware")
    assert case(**part, **{"event.dataset": "avreport.vulnerability"})[:2] == ("VULN", None)
    quality = {**part, "event.dataset": "avreport.quality"}
    assert case(**quality, **{"avreport.auto_protect": False})[0] == "CONFIG"
    assert case(**quality, **{"avreport.auto_protect": True, "avreport.firewall": True})[0] is None
    assert case(**part, **{"event.dataset": "avreport.os"}) == (None, None, None)


def test_quarantined_records_stay_without_a_class():
    assert case(**{"citysoc.unparsed": "csv.invalid"}) == (None, None, None)


VALUES = (
    st.none()
    | st.text(max_size=40)
    | st.integers()
    | st.booleans()
    | st.lists(st.text(max_size=5), max_size=2)
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "event.kind",
                "event.category",
                "event.dataset",
                "event.action",
                "rule.name",
                "rule.category",
                "threat.software.name",
                "antivirus.type",
                "citysoc.outcome",
                "fortigate.subtype",
                "fortigate.catdesc",
            ]
        ),
        VALUES,
    ),
    st.sampled_from(["antivirus", "avreport", "fortigate", "suricata", "windows", "zeek", "cef", ["x"], 1]),
    st.sampled_from(["fortigate.utm", "avreport.quality", "zeek.notice", "x"]),
)
def test_any_event_is_taken(event, module, dataset):
    event = {"event.dataset": dataset, **event, "event.module": module}
    classify([event])
    assert event.get("citysoc.class") in {None, *CODES}
    assert event.get("citysoc.threat") in {None, *THREATS}


@given(st.text(max_size=300))
def test_any_threat_name_is_taken(name):
    assert read_name(name).confidence in {"high", "low"}
    assert read_type(name)


def test_facts_name_agency_and_level():
    agency = Agency(id="vyda", name="UBND phường Vỹ Dạ", level="ward")
    assert facts([agency]) == {"vyda": {"agency.name": "UBND phường Vỹ Dạ", "agency.level": "ward"}}


@pytest.mark.corpus
@needs_corpus
def test_real_alerts_have_classes_where_their_signature_tells():
    lines = [
        line
        for path in sorted((CORPUS / "suricata").glob("*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]
    lines = [line for line in lines if orjson.loads(line).get("event_type") == "alert"]
    events = SURICATA.parse(lines, Context(arrived=dt.datetime(2026, 11, 1, tzinfo=dt.UTC)))
    classify(events)
    told = [event for event in events if "citysoc.class" in event]
    assert len(told) > len(events) / 2
    for event in events:
        if event["rule.name"].startswith("SURICATA "):
            assert "citysoc.class" not in event
        elif event["rule.name"].startswith("ET SCAN"):
            assert event["citysoc.threat"] == "attack"
