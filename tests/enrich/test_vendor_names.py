"""The forms in which vendors write threat names, and sensors signatures: what each must end in, by the tables alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from citysoc.enrich import names
from citysoc.enrich.malware_names import KNOWN, known
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
