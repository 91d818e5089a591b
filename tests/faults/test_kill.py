"""Killed at any instant and started again, the store holds each record exactly once."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import time
from collections import Counter

import pytest
from cities import build, lines, wait_for

KILLS = 20
FILES = 6
EACH = 10_000
STREAM = "so-y-te/firewall"

pytestmark = pytest.mark.faults


@pytest.fixture
def city(tmp_path):
    city = build(tmp_path / "city")
    settings = city.root / "citysoc.yaml"
    settings.write_text(
        settings.read_text().replace("commit_seconds: 0.3", "commit_seconds: 0.2, commit_records: 3000")
    )
    for number in range(FILES):
        add(city, number)
    city.run("rules", "list")  # warm the cache
    return city


def add(city, number):
    (city.inbox() / f"fw-{number}.log").write_text(lines(number * EACH, (number + 1) * EACH))


def check(city, kills):
    """Compare the store with the files: each record once, and all figures right."""
    wanted = Counter()
    for path in (city.root / "inbox").rglob("*.log"):
        wanted.update(path.read_text().splitlines())
    found = Counter(city.originals())
    assert found.total() == wanted.total(), kills
    assert found == wanted
    figures = city.figures(STREAM)
    assert figures["received"] == wanted.total()
    assert figures["quarantined"] == sum(n for text, n in wanted.items() if text.startswith("broken"))


def test_twenty_kills_lose_nothing_and_store_nothing_twice(city, capsys):
    """Some of the kills come at any time after the start, most while commits are being made."""
    dice = random.Random(20261001)
    command = city.command(
        "ingest", str(city.root / "inbox"), "--agency", "so-y-te", "--source", "firewall", "--workers", "1"
    )
    (city.root / "data").mkdir()
    kills = Counter()
    files = FILES
    while kills["all"] < KILLS:
        before, received = city.commits()[0], city.received()
        process = subprocess.Popen(
            command, env=city.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        way = kills["all"] % 4
        if way == 3:  # at any time
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(dice.uniform(0.2, 2.5))
        elif city.begun(process, before + way):  # in the first commit of the run, the second or the third
            time.sleep(dice.choice((0, dice.uniform(0, 0.05), dice.uniform(0, 0.5))))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills["all"] += 1
            kills["under way"] += city.commits()[1]
            kills["advanced"] += city.received() > received
            continue
        assert process.returncode == 0
        # Everything is in: add files, so that the remaining kills have something to interrupt.
        for _ in range(2):
            add(city, files)
            files += 1
    city.run(*command[5:])
    with capsys.disabled():
        print(f"\n{dict(kills)}, {files * EACH:,} records")  # noqa: T201
    assert kills["under way"] >= 2, "some kills fall between the steps of a commit"
    assert kills["advanced"] >= 5, "some kills come after commits of the same run"
    check(city, kills)


def test_a_killed_service_goes_on_where_it_was(city):
    """The same for ``run``, while files grow; syslog acknowledges nothing, so only files are counted."""
    dice = random.Random(5)
    files = FILES
    for _ in range(6):
        before = city.commits()[0] if (city.root / "data").exists() else 0
        with city.running() as service:
            wait_for((city.root / "data" / "citysoc.db").exists, what=city.log())
            city.begun(service, before)
            with (city.inbox() / "fw-0.log").open("a") as stream:
                stream.write(lines(10_000_000 + files * 1000, 10_000_000 + files * 1000 + 500))
            time.sleep(dice.uniform(0, 1.0))
            assert service.poll() is None
            service.send_signal(signal.SIGKILL)
            service.wait()
        add(city, files)
        files += 1
    total = sum(path.read_text().count("\n") for path in city.inbox().iterdir())
    starts = city.started()
    with city.running() as service:
        wait_for(lambda: city.started() > starts, what=city.log())
        wait_for(lambda: city.received() >= total, 60, what=city.log())
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
    assert "Traceback" not in city.log(), city.log()[-6000:]
    check(city, 6)
