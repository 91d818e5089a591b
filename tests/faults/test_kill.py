"""Killed at any instant and started again, the store holds each record exactly once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

RECORDS = 60_000
FILES = 6
KILLS = 20

AGENCIES = """
agencies:
  - {id: so-y-te, name: Sở Y tế, level: department, networks: [10.1.0.0/24], expects: [firewall]}
"""

SOURCES = """
sources:
  - {id: firewall, kind: files, parser: fortigate, paths: ["inbox/{agency}/firewall/*.log"], follow: false}
"""


def line(number: int) -> str:
    """One firewall line; every twentieth is not understood."""
    if number % 20 == 7:
        return f"broken line {number}"
    return (
        f"date=2026-10-{1 + number % 28:02d} time=08:{number % 60:02d}:00 devname=fw-yte "
        f"logid=0000000013 type=traffic subtype=forward level=notice vd=root srcip=10.1.0.{number % 250} "
        f"srcport={1024 + number % 60000} dstip=198.51.100.7 dstport=443 "
        f"devid=FGT60F0000000001 action=accept proto=6 sessionid={number}"
    )


@pytest.fixture
def city(tmp_path):
    (tmp_path / "agencies.yaml").write_text(AGENCIES, encoding="utf-8")
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "all.yaml").write_text(SOURCES, encoding="utf-8")
    (tmp_path / "citysoc.yaml").write_text(
        "service: {commit_records: 5000, commit_seconds: 0.2, workers: 1}\n", encoding="utf-8"
    )
    inbox = tmp_path / "inbox" / "so-y-te" / "firewall"
    inbox.mkdir(parents=True)
    each = RECORDS // FILES
    for number in range(FILES):
        lines = (line(i) for i in range(number * each, (number + 1) * each))
        (inbox / f"fw-{number}.log").write_text("\n".join(lines) + "\n")
    return tmp_path


def citysoc(city, *arguments):
    return [sys.executable, "-m", "citysoc", "--config", str(city / "citysoc.yaml"), *arguments]


def ingest(city):
    return citysoc(
        city, "ingest", str(city / "inbox"), "--agency", "so-y-te", "--source", "firewall", "--workers", "1"
    )


@pytest.mark.faults
def test_twenty_kills_lose_nothing_and_store_nothing_twice(city):
    started = time.monotonic()
    environment = {**os.environ, "XDG_CACHE_HOME": str(city / "cache")}
    subprocess.run(
        citysoc(city, "rules", "list"), env=environment, check=True, capture_output=True
    )  # warm the cache
    dice = random.Random(20261001)
    kills = 0
    while kills < KILLS:
        process = subprocess.Popen(
            ingest(city), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(timeout=dice.uniform(0.4, 3.0))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            continue
        assert process.returncode == 0
        # Everything is in; add files so that the remaining kills have something to interrupt.
        folder = city / "inbox" / "so-y-te" / "firewall"
        extra = len(list(folder.iterdir()))
        (folder / f"fw-{extra}.log").write_text(
            "\n".join(line(i) for i in range(extra * 10_000, (extra + 1) * 10_000)) + "\n"
        )
    done = subprocess.run(ingest(city), env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    wanted = Counter()
    for path in (city / "inbox").rglob("*.log"):
        wanted.update(path.read_text().splitlines())
    found = Counter()
    for noun in (["events", "search", ""], ["quarantine", "list"]):
        output = subprocess.run(
            citysoc(
                city,
                *noun,
                "--limit",
                "0",
                "-f",
                "ndjson",
                *(["--fields", "event.original"] if noun[0] == "events" else []),
            ),
            env=environment,
            check=True,
            capture_output=True,
        )
        found.update(json.loads(row)["event.original"] for row in output.stdout.splitlines())
    assert sum(found.values()) == sum(wanted.values())
    assert found == wanted
    status = subprocess.run(
        citysoc(city, "sources", "status", "-f", "json"), env=environment, check=True, capture_output=True
    )
    row = next(r for r in json.loads(status.stdout) if r["stream"] == "so-y-te/firewall")
    assert row["received"] == sum(wanted.values())
    assert row["received"] == row["stored"] + row["duplicate"] + row["quarantined"] + row["rejected"]
    assert row["quarantined"] == sum(n for text, n in wanted.items() if text.startswith("broken"))
    assert time.monotonic() - started < 600
