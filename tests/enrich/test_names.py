"""Names: the forms of vendors, what is said of them and why, and that nothing in them can confuse it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.enrich import names
from citysoc.enrich.classify import classify, judge, of_finding
from citysoc.enrich.malware_names import read_name
from citysoc.enrich.taxonomy import CLASSES, OUTCOMES, SEVERITIES, THREATS
from citysoc.enrich.verdicts import STEPS
from citysoc.flow import Finding


def confidence_word(confidence):
    """A confidence as STIX 2.1 reads it."""
    return "low" if confidence < 30 else "medium" if confidence < 70 else "high"


@pytest.mark.parametrize(
    ("name", "form", "platform", "kind", "family", "variant"),
    [
        ("Trojan-Spy.Win32.Noon.gen", "kaspersky", "windows", "spyware", "noon", "gen"),
        (
            "not-a-virus:HEUR:AdWare.Win32.Bundlore.x",
            "kaspersky",
            "windows",
            "adware",
            "bundlore",
            "x",
        ),
        ("Trojan:Win32/Emotet.A!ml", "microsoft", "windows", "trojan", "emotet", "A"),
        ("Ransom:Win64/Akira.SA!MTB", "microsoft", "windows", "ransomware", "akira", "SA"),
        ("a variant of Win32/Filecoder.Phobos.C trojan", "eset", "windows", "ransomware", "phobos", "C"),
        ("MSIL/PSW.Agent.RXP", "eset", "windows", "spyware", "agent", "RXP"),
        ("Win32:Sality-AB [Inf]", "avast", "windows", "virus", "sality", "AB"),
        ("Win.Ransomware.Conti-9876-1", "clamav", "windows", "ransomware", "conti", "9876-1"),
        ("BKDR_POISON.AB", "trend", "", "backdoor", "poison", "AB"),
        ("Troj/Qakbot-CX", "sophos", "", "trojan", "qakbot", "CX"),
        ("W32/Mydoom.M!worm", "fortinet", "windows", "worm", "mydoom", "M"),
        ("Gen:Variant.Ransom.Lockbit.9", "", "", "ransomware", "lockbit", "9"),
        ("Backdoor.Graybird!gen", "symantec", "", "backdoor", "graybird", ""),
        ("Ransom-WannaCry!1A2B", "mcafee", "", "ransomware", "wannacry", ""),
        ("W32.VirutNS.PE", "bkav", "windows", "virus", "virutns", ""),
        ("LNK.USBShortcutVN.Worm", "bkav", "script", "worm", "usbshortcutvn", ""),
    ],
)
def test_the_forms_of_vendors(name, form, platform, kind, family, variant):  # noqa: PLR0917  a row of the table
    found = read_name(name)
    assert (found.platform, found.type, found.family) == (platform, kind, family)
    if form:
        assert (found.form, found.variant) == (form, variant)


@pytest.mark.parametrize(
    ("name", "kind", "code", "reason", "sure"),
    [
        ("Virus.Win32.Sality.l", "", "VIRUS", "family:sality", "high"),
        ("LNK.SomethingNew.Worm", "", "VIRUS", "type:worm", "high"),
        (
            "LNK.USBShortcutVN.Worm",
            "",
            "VIRUS",
            "type:worm",
            "high",
        ),  # what it states is surer than what it is like
        ("Trojan-Spy.Win32.SalityQQ.a", "", "SPY", "type:spyware", "high"),
        ("W32.SalityQQ.Trojan", "", "VIRUS", "near:sality", "high"),
        ("Trojan:Win32/Emotet.A!ml", "", "TROJAN", "guess:emotet", "medium"),
        ("HEUR:Trojan.Win32.Generic", "", "TROJAN", "generic:trojan", "medium"),
        ("W32.AIDetectMalware", "Mã độc gián điệp", "SPY", "console:mã độc gián điệp", "medium"),
        ("W32.AIDetectMalware", "Virus", "VIRUS", "vague:virus", "low"),
        ("X97M.LarouxHC.Macro", "", "VIRUS", "near:laroux", "high"),
        ("a variant of Win32/Kryptik.HIVE", "", None, "unnamed", "low"),
    ],
)
def test_how_sure_a_threat_name_is_and_why(name, kind, code, reason, sure):
    found = names.malware(name, kind)
    assert (found.code, confidence_word(found.confidence)) == (code, sure)
    assert found.reason == reason if ":" in reason else found.reason.startswith(reason)


@pytest.mark.parametrize("name", ["W32.AIDetectMalware", "W64.AIDetectMalware", "W32.AIDetectVM.malware1", "HW32.Packed", "W32.Common.4F1A09C2"])  # fmt: skip
def test_names_that_machines_give_have_no_class_and_say_so(name):
    found = names.malware(name)
    assert (found.code, found.threat, confidence_word(found.confidence)) == (None, "virus", "low")
    assert found.reason.startswith("unnamed")


@pytest.mark.parametrize(
    ("name", "category", "kind", "code", "step"),
    [
        ("ET PHISHING Landing 7", "", "", "PHISH", "signature"),
        ("ET MALWARE Quilmara activity", "", "", "TROJAN", "group"),
        ("own rule 7", "coin-mining", "", "MINER", "category"),
        ("own rule 7", "", "wildfire", None, None),
        ("own rule 7", "", "dns-c2", "BOT", "category"),
        ("Phát hiện dò quét cổng", "", "", "SCAN", "signature"),
        ("Dò mật khẩu dịch vụ SSH", "", "", "BRUTE", "signature"),
    ],
)
def test_how_sure_a_signature_is_and_why(name, category, kind, code, step):
    found = names.signature_known(name, category, kind)
    assert (found.code if found else None) == code
    if found:
        assert found.reason.startswith(f"{step}:")
        assert found.confidence == STEPS[step]


def product(**fields):
    event = {"event.module": "cef", "event.dataset": "cef.event", "event.kind": "event", **fields}
    classify([event])
    return event.get("citysoc.class")


def test_kinds_of_alerts_of_security_products():
    assert product(**{"event.code": "MC", "cef.name": "malware-callback"}) == "BOT"
    assert product(**{"event.code": "smb_brute_force", "rule.category": "LATERAL MOVEMENT"}) == "UNAUTH"
    assert product(**{"event.code": "1", "cef.name": "User Signed In"}) is None


TEXTS = st.text(max_size=150)


@given(TEXTS)
def test_composition_of_letters_makes_no_difference(name):
    composed, parted = unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)
    assert names.malware(composed) == names.malware(parted)
    assert names.signature(composed) == names.signature(parted)
    assert names.malware("x", composed) == names.malware("x", parted)


@given(
    st.text("abdeghilmnoprstuvwxyzáđấ. :/_-!3", max_size=60)
    | st.sampled_from(["Trojan:Win32/Emotet.A!ml", "W32.CoinStealer.Worm", "SQL Injection", "Quét cổng"])
)
def test_case_makes_no_difference(name):
    def said(verdict):
        return verdict and (verdict.code, verdict.threat, verdict.confidence, verdict.reason)

    assert said(names.malware(name)) == said(names.malware(name.upper()))
    assert said(names.signature(name)) == said(names.signature(name.upper()))


@given(
    st.dictionaries(
        st.sampled_from(
            [
                *("event.kind", "event.category", "event.dataset", "event.action", "event.code", "event.severity"),
                *("rule.name", "rule.category", "threat.software.name", "antivirus.type", "antivirus.severity"),
                *("citysoc.outcome", "fortigate.subtype", "fortigate.severity", "cef.name", "log.level"),
                *("citysoc.intel.class", "citysoc.intel.field", "citysoc.intel.confidence"),
            ]
        ),
        st.none() | TEXTS | st.integers(-9, 99) | st.booleans() | st.lists(TEXTS, max_size=2)
        | st.sampled_from(["alert", "network", "blocked", "ips", "virus", "BOT", "source.ip", "destination.ip"]),
    ),
    st.sampled_from(["antivirus", "avreport", "fortigate", "suricata", "windows", "zeek", "cef", "leef", "syslog"]),
)  # fmt: skip
def test_whatever_comes_ends_in_one_of_the_codes_and_stays_there(event, module):
    event = {**event, "event.module": module}
    first, second = dict(event), dict(event)
    classify([first])
    classify([second])
    assert first == second
    again = dict(first)
    classify([again])
    assert again == first
    assert first.get("citysoc.class") in {None, *CLASSES}
    assert first.get("citysoc.threat") in {None, *THREATS}
    assert first.get("citysoc.severity") in {None, *SEVERITIES}
    if "citysoc.outcome" not in event:
        assert first.get("citysoc.outcome") in {None, *OUTCOMES}
    if "citysoc.reason" in first:
        assert 1 <= first["citysoc.confidence"] <= 100
    said = judge(event)
    assert (said.code, said.threat) == (first.get("citysoc.class"), first.get("citysoc.threat"))


def known(case, field, *, confidence=70, **fields):
    event = {
        "event.module": "fortigate",
        "event.dataset": "fortigate.traffic",
        "citysoc.intel.class": case,
        "citysoc.intel.field": field,
        "citysoc.intel.confidence": confidence,
        **fields,
    }
    classify([event])
    return event.get("citysoc.class"), event.get("citysoc.reason"), event.get("citysoc.confidence")


def test_intelligence_counts_where_all_else_is_silent():
    assert known("BOT", "destination.ip") == ("BOT", "indicator:destination.ip", 70)
    assert known("BOT", "destination.ip", **{"citysoc.outcome": "blocked"})[0] == "BOT"
    assert known("SCAN", "source.ip", **{"citysoc.outcome": "blocked"})[0] == "POLICY"
    assert known("NOTHING", "source.ip") == (None, None, None)


def finding(*tags, level="high", **matched):
    import datetime as dt

    return Finding(
        rule="r",
        title="r",
        level=level,
        agency="a",
        event_id="e",
        timestamp=dt.datetime(2026, 10, 1, tzinfo=dt.UTC),
        matched=matched,
        tags=tags,
    )


def test_a_finding_says_more_than_its_event_and_its_level_counts_where_it_is_worse():
    event = {
        "event.module": "antivirus",
        "event.kind": "alert",
        "threat.software.name": "W32.AIDetectMalware",
    }
    alone = judge(event)
    assert (alone.code, alone.severity, alone.reason.partition(":")[0]) == (None, "medium", "unnamed")
    both = judge(event, finding=finding("citysoc.virus", level="critical"))
    assert (both.code, both.threat, both.severity, both.reason) == (
        "VIRUS",
        "virus",
        "critical",
        "rule:citysoc.virus",
    )
    assert judge(event, finding=finding("attack.t1486")).code == "RANSOM"


@pytest.mark.parametrize(
    ("tags", "matched", "code"),
    [
        (("attack.t1110.003",), {}, "BRUTE"),
        (("attack.t1505.003",), {}, "WEB"),
        (("attack.initial-access", "attack.t1190"), {}, "WEB"),
        (("attack.t1110", "citysoc.unauth"), {}, "UNAUTH"),
        (("attack.t1110",), {"citysoc.class": "SCAN"}, "SCAN"),
        (("attack.t9999",), {}, None),
        ((), {}, None),
    ],
)
def test_the_class_of_a_rule(tags, matched, code):
    found = of_finding(tags, matched)
    assert (found.code if found else None) == code
