"""The house's own table: before ours, in the configuration, at the command line."""

from __future__ import annotations

import orjson
import pytest
from click.testing import CliRunner

from citysoc.cli import root
from citysoc.config.classification import ClassificationFile
from citysoc.config.load import load
from citysoc.enrich.classify import classify
from citysoc.enrich.own import Own
from citysoc.errors import ConfigError

TABLE = """\
names:
  - {name: "W32.AIDetect*", class: TROJAN, kind: threat, about: what this house agreed on}
  - {name: "W32.OurTool.*", class: null}
  - {name: "*[Susp]", class: MINER}
  - {name: "cảnh báo ?", class: SCAN, kind: signature}
"""


@pytest.fixture
def home(tmp_path):
    assert CliRunner().invoke(root, ["init", str(tmp_path / "city"), "--small"]).exit_code == 0
    (tmp_path / "city" / "classification.yaml").write_text(TABLE, "utf-8")
    return tmp_path / "city"


def judged(own, **fields):
    event = {"event.module": "antivirus", "event.kind": "alert", **fields}
    classify([event], own)
    return event.get("citysoc.class"), event.get("citysoc.threat"), event.get("citysoc.reason")


def test_the_houses_table_goes_before_ours(home):
    own = Own(load(home).classification)
    assert judged(own, **{"threat.software.name": "w32.aidetectmalware"}) == (
        "TROJAN",
        "virus",
        "own:W32.AIDetect*",
    )
    assert judged(own, **{"threat.software.name": "W32.OurTool.Virus"}) == (None, None, "own:W32.OurTool.*")
    assert judged(own, **{"threat.software.name": "Win32:Evo-gen [Susp]"})[0] == "MINER"
    assert judged(own, **{"threat.software.name": "W32.Sality.PE"})[0] == "VIRUS"


def test_a_pattern_is_only_for_its_kind_and_takes_composed_letters_as_any(home):
    own = Own(load(home).classification)
    import unicodedata

    name = unicodedata.normalize("NFD", "Cảnh báo 7")
    assert judged(own, **{"event.module": "suricata", "rule.name": name})[0] == "SCAN"
    assert judged(own, **{"threat.software.name": name})[0] is None


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{name: x, class: TROYAN}", "TROJAN"),
        ("{name: x}", "is missing"),
        ("{name: '', class: SCAN}", "name"),
        ("{name: x, class: SCAN, sort: threat}", "no such key"),
    ],
)
def test_mistakes_in_the_table_are_named_with_their_line(home, row, words):
    (home / "classification.yaml").write_text(f"names:\n  - {row}\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(home)
    (problem,) = caught.value.problems
    assert problem.where.endswith("classification.yaml:2")
    assert words in f"{problem.message} {problem.hint}" or words in str(problem)


def test_no_table_says_nothing():
    assert not Own(ClassificationFile().names)


def asked(*arguments, text=None):
    done = CliRunner().invoke(root, ["--lang", "en", *arguments, "-f", "json"], input=text)
    assert done.exit_code == 0, done.output
    return orjson.loads(done.stdout)


def test_the_command_says_class_word_confidence_and_why(home):
    (row,) = asked("--config", str(home / "citysoc.yaml"), "classify", "W32.AIDetectMalware")
    assert (row["class"], row["confidence"], row["why"]) == (
        "TROJAN",
        95,
        "the house's own table: W32.AIDetect*",
    )


def test_the_command_reads_names_from_standard_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = asked("classify", "-", text="W32.Sality.PE\n\nET SCAN Nmap\ntcp_syn_flood\n")
    assert [(row["kind"], row["class"]) for row in rows] == [
        ("threat", "VIRUS"),
        ("signature", "SCAN"),
        ("signature", "DDOS"),
    ]


def test_the_command_says_so_where_nobody_knows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    threat, signature = asked("classify", "W32.AIDetectMalware", "a quiet and friendly word")
    assert (threat["class"], threat["confidence"]) == (None, 20)
    assert (signature["class"], signature["reason"]) == (None, "")
    assert "no table knows it" in signature["why"]
