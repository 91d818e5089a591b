"""The rules commands: exit codes, what is said where, and a word on every failure."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from citysoc.cli import root

RULE = """\
title: Thử
id: 00000000-0000-4000-8000-000000000001
logsource: {category: antivirus}
detection:
  selection: {Signature|contains: thu}
  condition: selection
level: high
"""
HIT = {"event.category": ["malware"], "threat.software.name": "W32.Thu"}
MISS = {"event.category": ["malware"], "threat.software.name": "W32.Khac"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CITYSOC_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        return CliRunner().invoke(root, ["--lang", "en", "rules", *map(str, arguments)])

    return call


@pytest.fixture
def rules(tmp_path):
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "a.yml").write_text(RULE, "utf-8")
    (folder / "a.hits.ndjson").write_text(json.dumps(HIT) + "\n")
    (folder / "a.misses.ndjson").write_text(json.dumps(MISS) + "\n")
    return folder


def rows(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_shipped_rules_are_honoured_and_have_evidence(run):
    assert run("check").exit_code == 0
    assert run("test").exit_code == 0


def test_list(run, rules):
    (row,) = rows(run("list", rules))
    assert (row["title"], row["level"], row["status"]) == ("Thử", "high", "ok")


def test_check_fails_on_a_refused_rule(run, rules):
    assert run("check", rules).exit_code == 0
    (rules / "b.yml").write_text("title: [")
    result = run("check", rules)
    assert result.exit_code == 1
    assert [row["status"] for row in rows(result)] == ["ok", "refused"]
    assert "1 refused" in result.stderr


def test_test_passes_only_with_both_kinds_of_evidence(run, rules):
    assert run("test", rules).exit_code == 0
    (rules / "a.misses.ndjson").write_text(json.dumps(HIT) + "\n")
    result = run("test", rules)
    assert result.exit_code == 1
    assert "line 1 of the misses is matched" in rows(result)[0]["reason"]
    (rules / "a.misses.ndjson").unlink()
    assert "there is no a.misses.ndjson" in rows(run("test", rules))[0]["reason"]


def test_no_rules_is_no_success(run, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    result = run("test", empty)
    assert result.exit_code == 1
    assert "nothing was tested" in result.stderr


def test_explain_names_the_field_that_did_not_match(run, rules):
    result = run("explain", rules / "a.yml", rules / "a.misses.ndjson")
    assert result.exit_code == 0
    steps = {row["selection"]: row for row in rows(result)}
    assert steps["logsource"]["holds"] == "yes"
    assert steps["selection"]["holds"] == "no"
    assert steps["selection"]["field"].strip() == "threat.software.name"
    assert steps["selection"]["value"] == "W32.Khac"
    assert steps["verdict"]["holds"] == "no"


def test_explain_of_an_unknown_rule_says_what_to_do(run, rules):
    result = run("explain", "la", rules / "a.hits.ndjson")
    assert result.exit_code != 0
