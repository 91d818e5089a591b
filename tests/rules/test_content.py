"""What every shipped rule promises: a fixed id, words in both languages, honest tags, fields that exist."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections import Counter
from pathlib import Path

import pytest
from shipped import (
    CORRELATIONS,
    RETIRED,
    ROOT,
    VENDORS,
    can_be_parsed_again,
    evidence,
    fields_of,
    parsed_again,
    rules,
)

from citysoc.alerts.records import CLASSES
from citysoc.detectors.sigma.detector import SigmaDetector
from citysoc.detectors.sigma.evidence import trials
from citysoc.detectors.sigma.nodes import node_of
from citysoc.detectors.sigma.view import with_plain_names
from citysoc.ecs.fields import FIELDS
from citysoc.flow import LEVELS

TACTICS = {
    *("reconnaissance", "resource-development", "initial-access", "execution", "persistence"),
    *("privilege-escalation", "stealth", "defense-impairment", "credential-access", "discovery"),
    *("lateral-movement", "collection", "command-and-control", "exfiltration", "impact"),
}
"""The tactics of ATT&CK since version 19, which parted "defense evasion" in two."""
VIETNAMESE = re.compile(
    "[àáảãạăằắẳẵặâầấẩẫậđèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵ]", re.IGNORECASE
)
NEW_TONES = re.compile(r"(?<!q)(oà|oá|oả|oã|oạ|uỳ|uý|uỷ|uỹ|uỵ)\b", re.IGNORECASE)
KEYS = {
    *("title", "id", "name", "status", "description", "references", "author", "date", "tags"),
    *("logsource", "detection", "falsepositives", "level", "citysoc"),
}
each_rule = pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)


def test_there_are_rules_for_every_theme():
    themes = Counter(rule.path.parent.name for rule in rules())
    assert set(themes) >= {"antivirus", "firewall", "ids", "dns", "web", "proxy", "windows", "linux", "zeek"}
    assert len(rules()) >= 160


def test_the_readmes_count_right():
    rule_count, correlation_count = len(rules()), len(list(CORRELATIONS.glob("*.yml")))
    checkout = Path(__file__).parents[2]
    english = (checkout / "README.md").read_text("utf-8")
    assert f"{rule_count} rules and {correlation_count} correlations" in english
    vietnamese = (checkout / "README.vi.md").read_text("utf-8")
    assert f"{rule_count} quy tắc và {correlation_count} tương quan" in vietnamese


@pytest.mark.parametrize("key", ["id", "title", "name"])
def test_no_two_rules_share(key):
    counts = Counter(str(rule.document[key]).casefold() for rule in rules())
    assert [value for value, count in counts.items() if count > 1] == []


def test_no_two_rules_share_a_vietnamese_title():
    counts = Counter(rule.document["citysoc"]["title_vi"].casefold() for rule in rules())
    assert [value for value, count in counts.items() if count > 1] == []


@each_rule
def test_form(rule):
    document = rule.document
    assert set(document) <= KEYS
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", rule.path.stem)
    assert document["name"] == f"{rule.path.parent.name}_{rule.path.stem}"
    assert uuid.UUID(document["id"]).version == 4
    assert str(uuid.UUID(document["id"])) == document["id"]
    assert document["title"].isascii()
    assert 10 <= len(document["title"]) <= 100
    assert len(document["description"]) >= 80
    assert document["author"] == "citysoc"
    assert document["status"] in {"stable", "test", "experimental"}
    assert document["level"] in LEVELS
    assert document["falsepositives"]
    assert all(isinstance(text, str) for text in document["falsepositives"]), "a colon makes it a mapping"


@each_rule
def test_references_are_the_techniques_it_is_tagged_with(rule):
    techniques = {tag[7:] for tag in rule.document["tags"] if re.match(r"attack\.t\d", tag)}
    named = {
        "https://attack.mitre.org/techniques/" + technique.upper().replace(".", "/")
        for technique in techniques
    }
    assert set(rule.document.get("references", ())) == {f"{url}/" for url in named}


@each_rule
def test_tags(rule):
    classes = []
    for tag in rule.document["tags"]:
        space, _, name = tag.partition(".")
        if space == "citysoc":
            classes.append(name.upper())
        else:
            assert space == "attack"
            assert name in TACTICS or re.fullmatch(r"t\d{4}(\.\d{3})?", name), tag
            assert not RETIRED.fullmatch(name), tag
    assert len(classes) == 1
    assert classes[0] in CLASSES
    assert any(name in TACTICS for _, _, name in (tag.partition(".") for tag in rule.document["tags"]))


@each_rule
def test_vietnamese(rule):
    own = rule.document["citysoc"]
    for text in (own["title_vi"], own["note_vi"]):
        assert unicodedata.is_normalized("NFC", text)
        assert VIETNAMESE.search(text), text
        assert not NEW_TONES.search(text), "hóa, thủy: as the offices of Huế write"
    assert len(own["title_vi"]) <= 100


@each_rule
def test_both_notes_say_what_to_check_and_when_to_close(rule):
    own = rule.document["citysoc"]
    assert "Close " in own["note"]
    assert "đóng " in own["note_vi"].casefold()
    for note in (own["note"], own["note_vi"]):
        assert 40 <= len(note) <= 420, "short, and not a title"


@each_rule
def test_alerting(rule):
    own = rule.document["citysoc"]
    assert set(own) == {"title_vi", "note", "note_vi", "group_by", "window_seconds", "entity"}
    assert own["group_by"], "an alert for every event would be a flood"
    assert 3600 <= own["window_seconds"] <= 31 * 86400
    events = evidence(rule.path, "hits")
    for field in (*own["group_by"], own["entity"]):
        assert field == "agency.id" or any(field in event for event in events), field


@each_rule
def test_the_engine_honours_it_in_full(rule):
    assert rule.plan["status"] == "ok", rule.plan["reason"]


@each_rule
def test_fields_exist(rule):
    for field in fields_of(node_of(rule.plan)):
        assert field in FIELDS or field.startswith(VENDORS), field


def test_parsers_make_the_fields_that_rules_read():
    made = {
        field
        for rule in rules()
        for kind in ("hits", "misses")
        for event in evidence(rule.path, kind)
        for field in with_plain_names(event)
    }
    read = {field for rule in rules() for field in fields_of(node_of(rule.plan))}
    assert sorted(read - made) == []


@each_rule
def test_evidence(rule):
    (trial,) = trials([rule.path])
    assert trial.failures == ()
    assert trial.hits >= 1
    assert trial.misses >= 2


@each_rule
def test_evidence_is_what_the_parsers_make_today(rule):
    detector = SigmaDetector([rule.plan])
    for kind in ("hits", "misses"):
        for event in evidence(rule.path, kind):
            if can_be_parsed_again(event):
                assert bool(detector.detect([parsed_again(event)])) == (kind == "hits"), event[
                    "event.original"
                ]


@each_rule
def test_near_misses_reach_the_rule(rule):
    """At least one miss is seen by the rule's logsource: the detection refuses it, not the routing."""
    detector = SigmaDetector([{**rule.plan, "codes": None}])
    assert any(detector.sees(event) for event in evidence(rule.path, "misses"))


def test_no_stray_files():
    known = {rule.path for rule in rules()}
    known |= {rule.path.with_suffix(f".{kind}.ndjson") for rule in rules() for kind in ("hits", "misses")}
    found = {
        path
        for path in ROOT.rglob("*")
        if path.is_file() and path.suffix in {".yml", ".ndjson", ".yaml"} and path.parent != CORRELATIONS
    }
    assert found == known
