"""A backup brings a whole place back: configuration, rules, indicators, models, store, state; and overwrites nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys

import pytest

LINE = (
    'date=2026-10-05 time=10:00:{:02d} devname="FW" type="traffic" subtype="forward" '
    'srcip=203.0.113.7 dstip=192.0.2.1 policyid={} action="accept"\n'
)
RULE = """title: Ours
id: 5e0c3e52-5f8f-4d9c-9df0-3d6a6c3f7a11
status: test
level: high
logsource: {product: fortigate}
detection:
  one: {policyid: '3'}
  condition: one
"""


def run(*arguments, check=True):
    command = [sys.executable, "-m", "citysoc", "--lang", "en", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=check, text=True)


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """A place with all that a backup should hold, and a secret that it should not; its backup is in ``kept``."""
    home = tmp_path_factory.mktemp("backed-up")
    city = home / "city"
    run("init", city, "--small")
    (city / "rules" / "own").mkdir(parents=True)
    (city / "rules" / "own" / "ours.yml").write_text(RULE, encoding="utf-8")
    (city / "secrets").mkdir()
    (city / "secrets" / "webhook").write_text("hunter2", encoding="utf-8")
    log = home / "firewall.log"
    log.write_text("".join(LINE.format(n, n) for n in range(20)), encoding="utf-8")
    run("--config", city / "citysoc.yaml", "ingest", log)
    feed = home / "bad.txt"
    feed.write_text("203.0.113.7\n", encoding="utf-8")
    run("--config", city / "citysoc.yaml", "intel", "import", feed, "--feed", "bad")
    (city / "data" / "anomaly").mkdir(exist_ok=True)
    (city / "data" / "anomaly" / "model-1.json").write_text("{}", encoding="utf-8")
    run("--config", city / "citysoc.yaml", "store", "backup", home / "kept")
    return city


@pytest.fixture
def kept(city, tmp_path):
    """A copy of the backup."""
    return shutil.copytree(city.parent / "kept", tmp_path / "kept")


def indicators(home):
    with sqlite3.connect(home / "data" / "intel" / "intel.db") as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: db.execute(f'SELECT count(*) FROM "{name}"').fetchone() for name in sorted(names)}


def found(home):
    config = ("--config", home / "citysoc.yaml")
    asked = run(
        *config, "events", "search", "policyid", "--fields", "event.id", "-f", "ndjson", "--limit", 100
    )
    return sorted(json.loads(line)["event.id"] for line in asked.stdout.splitlines())


@pytest.mark.faults
def test_a_place_stands_up_again_from_its_backup_alone(city, kept, tmp_path):
    new = tmp_path / "new"
    before, known = found(city), indicators(city)
    assert len(before) == 20
    assert not [path for path in kept.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    city.rename(tmp_path / "gone")
    said = run("store", "restore", kept, "--into", new).stderr
    assert "20 records" in said
    assert "stay" not in said
    assert found(new) == before
    assert indicators(new) == known
    assert (new / "rules" / "own" / "ours.yml").read_text(encoding="utf-8") == RULE
    assert (new / "data" / "anomaly" / "model-1.json").exists()
    assert not (new / "secrets").exists()
    assert "Ours" in run("--config", new / "citysoc.yaml", "rules", "list", "-f", "ndjson").stdout
    run("--config", new / "citysoc.yaml", "store", "verify")
    (tmp_path / "gone").rename(city)
    assert "already" in run("store", "restore", kept, "--into", new, check=False).stderr


def test_what_is_there_stays_and_is_told(kept, tmp_path):
    new = tmp_path / "new"
    run("init", new, "--small")
    own = (new / "queries.yaml").read_text(encoding="utf-8") + "# ours\n"
    (new / "queries.yaml").write_text(own, encoding="utf-8")
    said = run("--config", new / "citysoc.yaml", "store", "restore", kept).stderr
    assert "stay: queries.yaml." in said
    assert (new / "queries.yaml").read_text(encoding="utf-8") == own
    assert (new / "rules" / "own" / "ours.yml").exists()
    assert len(found(new)) == 20


def test_a_damaged_part_is_refused_before_anything_is_brought_back(kept, tmp_path):
    new = tmp_path / "new"
    [database] = kept.glob("parts/*/data/intel/intel.db")
    database.write_bytes(database.read_bytes()[:-1])
    refused = run("store", "restore", kept, "--into", new, check=False)
    assert refused.returncode == 1
    assert "damaged" in refused.stderr
    assert not (new / "data" / "citysoc.db").exists()
    assert not (new / "data" / "events").exists()


def test_a_list_that_leads_elsewhere_is_refused(kept, tmp_path):
    new = tmp_path / "new"
    [manifest] = (kept / "backups").glob("*.json")
    data = json.loads(manifest.read_text(encoding="utf-8"))
    data["parts"][0]["name"] = "../../escaped.yaml"
    manifest.write_text(json.dumps(data), encoding="utf-8")
    refused = run("store", "restore", kept, "--into", new, check=False)
    assert refused.returncode == 1
    assert "cannot be read" in refused.stderr
