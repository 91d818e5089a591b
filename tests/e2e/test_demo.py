"""The demonstration, small: everything that was written is accounted for, every attack that rules can see is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    home = tmp_path_factory.mktemp("demo")
    environment = {**os.environ, "XDG_CACHE_HOME": str(home / "cache"), "CITYSOC_LANG": "en"}
    done = subprocess.run(
        [sys.executable, "-m", "citysoc", "demo", "--directory", str(home / "city"), "--records", "8000"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=300,
    )
    return done, home / "city", environment


def citysoc(city, environment, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "citysoc", "--config", str(city / "citysoc.yaml"), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    return done.stdout


def test_it_ends_well(played):
    """Code 0 says: figures equal the ground truth, signatures right, nothing missed that rules can see."""
    done, _, _ = played
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-4000:]
    assert "MISSED" not in done.stdout
    assert "signatures right: all" in done.stdout


def test_its_streams_are_what_the_simulation_says(played):
    _, city, environment = played
    rows = json.loads(citysoc(city, environment, "sources", "status", "--month", "2026-10", "-f", "json"))
    assert all(
        row["received"] == row["stored"] + row["duplicate"] + row["quarantined"] + row["rejected"]
        for row in rows
    )
    states = {
        state: sum(row["state"] == state for row in rows) for state in ("ok", "late", "silent", "never")
    }
    assert states["never"] >= 1
    assert states["silent"] >= 1
    assert states["ok"] > 900


def test_its_report_has_the_figures_of_the_store(played):
    _, city, environment = played
    folder = city / "data" / "reports" / "2026-10-01_2026-10-31"
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))["figures"]
    counted = citysoc(
        city, environment, "events", "stats", "citysoc.threat:attack", "--month", "2026-10", "-f", "json"
    )
    assert json.loads(counted)[0]["count"] == figures["attack"]["value"] > 0
    listed = citysoc(city, environment, "alerts", "list", "--limit", "0", "-f", "ndjson").splitlines()
    month = ("2026-09-30T17", "2026-10-31T17")  # in UTC
    first = [json.loads(line)["first_seen"] for line in listed]
    assert sum(month[0] <= seen < month[1] for seen in first) == figures["alerts"]["value"] > 0
    assert "BÁO CÁO" in (folder / "report.vi.html").read_text(encoding="utf-8")


def test_the_same_report_has_the_same_bytes(played):
    _, city, environment = played
    folder = city / "data" / "reports" / "2026-10-01_2026-10-31"
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    citysoc(city, environment, "reports", "build", "--month", "2026-10", "--lang", "vi", "--lang", "en")
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
