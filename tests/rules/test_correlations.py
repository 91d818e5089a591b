"""What every shipped correlation promises: words in both languages, evidence, rules below it that stay silent."""

from __future__ import annotations

import unicodedata
import uuid
from collections import Counter

import pytest
import yaml
from shipped import CORRELATIONS, ROOT, rules

from citysoc.alerts.records import CLASSES
from citysoc.detectors import sigma
from citysoc.detectors.sigma.evidence import trials
from citysoc.ecs.fields import FIELDS

FILES = sorted(CORRELATIONS.glob("*.yml"))
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def documents(path):
    return list(yaml.load_all(path.read_text("utf-8"), Loader=yaml.CSafeLoader))


@each_file
def test_form(path):
    first, *below = documents(path)
    assert first["name"] == f"correlations_{path.stem}"
    assert first["level"] in {"low", "medium", "high", "critical"}
    assert first["title"].isascii()
    assert len(first["description"]) >= 80
    assert first["falsepositives"]
    assert [
        tag.partition(".")[2].upper() in CLASSES for tag in first["tags"] if tag.startswith("citysoc.")
    ] == [True]
    own = first["citysoc"]
    for text in (own["title_vi"], own["note_vi"]):
        assert unicodedata.is_normalized("NFC", text)
        assert not text.isascii()
    assert own["entity"] in first["correlation"]["group-by"]
    assert all(
        rule["level"] == "informational" and rule["name"].startswith("correlations_") for rule in below
    )
    for document in (first, *below):
        assert uuid.UUID(document["id"]).version == 4


def test_no_two_share_an_id_or_a_name():
    whole = [document for path in FILES for document in documents(path)] + [rule.document for rule in rules()]
    for key in ("id", "name"):
        assert [value for value, count in Counter(d[key] for d in whole).items() if count > 1] == []


def test_all_are_in_use_and_what_is_below_is_silent():
    loaded = sigma.load([ROOT], cache_dir=None)
    assert [check.reason for check in loaded.checks if check.status != "ok"] == []
    loud = {plan["id"] for plan in loaded.correlations if not plan["quiet"]}
    assert loud == {documents(path)[0]["id"] for path in FILES}
    assert all(feed["quiet"] for plan in loaded.correlations for feed in plan["feeds"])
    names = {
        name
        for p in loaded.correlations
        for f in p["feeds"]
        for part in f["group"] + f["value"]
        for name in part
    }
    assert names <= {*FIELDS, "agency.id"}


@each_file
def test_evidence(path):
    (trial,) = trials([path])
    assert trial.failures == ()
    assert trial.hits >= 1
    assert trial.misses >= 2


def test_evidence_can_fail(tmp_path):
    """Hits that are misses and misses that are hits are told by the line where their list begins."""
    path = FILES[0]
    (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / f"{path.stem}.hits.ndjson").write_bytes(path.with_suffix(".misses.ndjson").read_bytes())
    (tmp_path / f"{path.stem}.misses.ndjson").write_bytes(path.with_suffix(".hits.ndjson").read_bytes())
    (trial,) = trials([tmp_path])
    assert any(f.startswith("the list of hits from line 1 on brings nothing forth: ") for f in trial.failures)
    assert any(f.startswith("the list of misses from line 1 on brings ") for f in trial.failures)
