"""detect on logs that a source must declare, on rules with placeholders, and where no rule is left."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

DOOR = """\
title: Door forced
id: 00000000-0000-4000-8000-000000000001
logsource: {product: acme, service: door}
detection:
  s: {state: forced}
  f: {badge|expand: '%guards%'}
  condition: s and not f
level: high
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CITYSOC_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "door.yml").write_text(DOOR)
    lines = [{"state": "forced", "badge": badge} for badge in ("G-1", "V-7")]
    (tmp_path / "door.json").write_text("\n".join(map(json.dumps, lines)))

    def call(*arguments):
        command = [sys.executable, "-m", "citysoc", "--lang", "en", "detect", "door.json", "-r", "door.yml"]
        return subprocess.run([*command, *arguments], capture_output=True, check=False, text=True)

    return call


def configure(folder, placeholders):
    (folder / "agencies.yaml").write_text("agencies: []\n")
    (folder / "sources").mkdir(exist_ok=True)
    (folder / "citysoc.yaml").write_text(f"rules: {{placeholders: {placeholders}}}\n")


def test_code_4_when_every_rule_is_refused(run):
    result = run("--logsource", "product=acme,service=door")
    assert result.returncode == 4
    assert "%guards%" in result.stderr


@pytest.mark.parametrize("values", ["{guards: [G-*]}", "{guards: 'file:guards.txt'}"], ids=["list", "file"])
def test_placeholders_and_a_declared_logsource(run, tmp_path, values):
    (tmp_path / "guards.txt").write_text("# of the night\nG-1\n\n")
    configure(tmp_path, values)
    result = run("--logsource", "product=acme,service=door")
    assert result.returncode == 0, result.stderr
    (found,) = map(json.loads, result.stdout.splitlines())
    assert found["matched"]["acme.state"] == "forced"
    assert found["log.offset"] > 0
    assert run().stdout == ""  # nobody says what the file is


def test_a_file_of_values_that_is_not_there(run, tmp_path):
    configure(tmp_path, "{guards: 'file:none.txt'}")
    result = run("--logsource", "product=acme")
    assert result.returncode == 3
    assert "guards" in result.stderr


@pytest.mark.parametrize("text", ["acme", "product=", "colour=red", "product=a,product=b", ""])
def test_what_is_no_logsource(run, text):
    result = run("--logsource", text)
    assert result.returncode == 2
    assert "no logsource" in result.stderr
