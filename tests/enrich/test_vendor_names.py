"""The forms in which vendors write threat names, and sensors signatures: what each must end in, by the tables alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from citysoc.enrich import names
from citysoc.enrich.classify import classify
from citysoc.enrich.malware_names import KNOWN, known
from citysoc.enrich.own import Own
from citysoc.enrich.taxonomy import CLASSES

FOLDER = Path(__file__).parent / "names"


def rows(name):
    found = yaml.load((FOLDER / name).read_bytes(), Loader=yaml.CSafeLoader)  # noqa: TID251  our own file, safe loader
    return [
        (maker, code, text)
        for maker, codes in found.items()
        for code, texts in codes.items()
        for text in texts
    ]


@pytest.mark.parametrize(("maker", "code", "name"), rows("threats.yml"))
def test_a_threat_name_says_its_class_in_the_form_of_each_vendor(maker, code, name):
    found = names.malware_known(name, "", "", KNOWN, guess=False)
    assert (found.code or "none") == code, (maker, found.reason)


def test_the_list_has_every_vendor_and_every_class_of_malware():
    found = rows("threats.yml")
    assert {"kaspersky", "microsoft", "eset", "bitdefender", "trend", "symantec", "mcafee", "sophos", "clamav", "avast", "fortinet", "bkav"} <= {maker for maker, _code, _name in found}  # fmt: skip
    assert {code for _maker, code, _name in found} <= {"none", *CLASSES}


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("W32.SalityZQ", "sality"),  # letters behind a known family count variants
        ("W32/Confick-C", "conficker"),  # vendors cut long ones short
        ("Win32/Sality.A", ""),  # that is the family itself
        ("W32.Rame", ""),  # too short to say
    ],
)
def test_a_name_written_like_a_known_family_is_said_to_be_near_it(name, near):
    found = names.malware_known(name, "", "", KNOWN, guess=False)
    assert found.reason == f"near:{near}" if near else not found.reason.startswith("near:")


def test_what_could_be_cut_short_from_families_of_two_types_is_near_none():
    two = known({"quilmara": "worm", "quilmarx": "ransomware", "velnoriax": "miner"})
    assert two.near("quilma") == two.near("quilmar") == ""
    assert two.near("velnori") == "velnoriax"
    assert two.near("quilmaraxy") == "quilmara"
    assert two.near("quilmaraxyzq") == ""


@pytest.mark.parametrize(("maker", "code", "name"), rows("signatures.yml"))
def test_a_signature_says_its_class_in_the_manner_of_its_maker(maker, code, name):
    found = names.signature_known(name)
    assert (found.code if found else "none") == code, (maker, found and found.reason)


CATEGORIES = yaml.load((FOLDER / "categories.yml").read_bytes(), Loader=yaml.CSafeLoader)  # noqa: TID251  our own file, safe loader


@pytest.mark.parametrize(
    ("code", "category"), [(code, one) for code, texts in CATEGORIES.items() for one in texts]
)
def test_a_classification_of_suricata_says_its_class_where_the_name_says_nothing(code, category):
    found = names.signature_known("own rule 7", category)
    assert (found.code if found else "none") == code


@pytest.mark.parametrize(
    ("subtype", "name", "category", "blocked", "code", "threat"),
    [
        ("webfilter", "", "Phishing", True, "PHISH", "attack"),
        ("webfilter", "", "Spam URLs", True, "PHISH", "attack"),
        ("webfilter", "", "Malicious Websites", True, None, "attack"),
        ("webfilter", "", "Malicious Websites", False, None, None),
        ("webfilter", "", "Potentially Unwanted Program", True, "MINER", "virus"),
        ("webfilter", "", "Gambling", True, "POLICY", None),
        ("webfilter", "", "Gambling", False, None, None),
        ("app-ctrl", "BitTorrent", "P2P", True, "POLICY", None),
        ("app-ctrl", "TeamViewer", "Remote.Access", False, None, None),
        ("dns", "", "", True, "POLICY", None),
        ("anomaly", "ip_dst_session", "", True, "DDOS", "attack"),
        ("anomaly", "icmp_sweep", "", False, "SCAN", "attack"),
        ("ips", "Velnor.Unheard.Of", "", True, "EXPL", "attack"),
        ("waf", "", "", True, "WEB", "attack"),
        ("emailfilter", "", "", True, "SPAM", None),
        ("dlp", "", "", False, "LEAK", None),
        ("virus", "", "", True, None, None),
    ],
)
def test_the_kinds_of_fortigate_logs(subtype, name, category, blocked, code, threat):  # noqa: PLR0917  a row of the table
    found = names.fortigate(subtype, name, category, blocked, False)
    assert (found.code if found else None, found.threat if found else None) == (code, threat)


DEFENDER = "Microsoft-Windows-Windows Defender/Operational"


@pytest.mark.parametrize(
    ("channel", "code", "case"),
    [
        (DEFENDER, "5001", "CONFIG"),
        (DEFENDER, "5007", None),
        ("Security", "4649", "UNAUTH"),
        ("Security", "4625", None),  # one failed log-on is no case
        ("Microsoft-Windows-AppLocker/EXE and DLL", "8004", "POLICY"),
        ("System", "5001", None),
    ],
)
def test_windows_events_that_are_a_case_by_themselves(channel, code, case):
    event = {"event.module": "windows", "winlog.channel": channel, "event.code": code}
    classify([event])
    assert event.get("citysoc.class") == case


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("Phần mềm diệt virus bị tắt", "signature", "CONFIG"),
        ("MALWARE-CNC Win.Trojan.Velnor variant outbound", "signature", "BOT"),
        ("ET MALWARE Win32/Velstealer CnC Exfil via HTTP", "signature", "BOT"),
        ("ET SCAN Nmap", "signature", "SCAN"),
        ("a variant of Win32/Filecoder.Phobos.C trojan", "threat", "RANSOM"),
        ("a variant of Win32/Velsoft.A potentially unwanted application", "threat", "MINER"),
        ("Trojan Horse", "threat", "TROJAN"),
        ("W32.SalityVG.PE", "threat", "VIRUS"),
        ("HTTP.URI.SQL.Injection", "signature", "WEB"),
        ("Mirai.Botnet", "threat", "BOT"),
        ("Win32:Malware-gen", "threat", None),
        ("ET DROP Velist Listed Traffic Inbound group 3", "signature", None),
        ("Velpress.xmlrpc.Pingback.DoS", "signature", "DDOS"),
        ("MS.IIS.ASP.DoS", "signature", "DDOS"),
        ("ip_src_session", "signature", "DDOS"),
    ],
)
def test_sentences_are_taken_for_signatures_and_names_for_threats(name, kind, code):
    told, found = names.either(name, None, Own(()))
    assert (told, found.code if found else None) == (kind, code)


def test_a_name_that_machine_learning_gave_is_less_sure() -> None:
    guessed, named = names.malware("TROJ.Win32.TRX.XXPE50FFF048"), names.malware("TROJ_VELGEN.A")
    assert guessed.confidence < named.confidence
