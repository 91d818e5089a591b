"""Two builds at once: one waits for the other, in whatever processes they are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from citysoc.ecs.schema import to_table
from citysoc.errors import StoreError
from citysoc.reports.turn import FILE, turn
from citysoc.state import State
from citysoc.stores.local import LocalStore
from tests.reports.made import event, written

HOLD = """
import sys, time
from pathlib import Path
from citysoc.reports.turn import turn
with turn(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
PUBLISH = """
import datetime as dt, json, sys
from pathlib import Path
from citysoc.config.load import load
from citysoc.reports import publish
from citysoc.state import State
from citysoc.stores.local import LocalStore
config = load(Path(sys.argv[1]))
state = State(config.state_path)
print("ready", flush=True)
sys.stdin.readline()
built = publish.publish(config, state, LocalStore(config.store_path), now=dt.datetime(2026, 11, 3, tzinfo=dt.UTC))
state.close()
print(json.dumps(built), flush=True)
"""


@pytest.fixture
def config(tmp_path):
    share = {"id": "share", "kind": "directory", "path": str(tmp_path / "share"), "formats": ["html"]}
    config = written(
        tmp_path, settings=json.dumps({"reports": {"formats": ["html", "csv"], "targets": [share]}})
    )
    LocalStore(config.store_path).append(to_table([event(n) for n in range(3)]), 1)
    State(config.state_path).close()
    return config


def started(code, *words):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, words)], **pipes)
    process.stdout.readline()  # it is there
    return process


def command(config, *words):
    line = [sys.executable, "-m", "citysoc", "--config", str(config.path), "--lang", "en", "reports", *words]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def files(config):
    return {
        path: path.read_bytes()
        for path in config.reports_dir.rglob("*")
        if path.is_file() and path.name != FILE
    }


@pytest.mark.parametrize("words", [(), ("--each-agency",)], ids=["city", "each agency"])
def test_a_command_waits_for_who_builds_and_says_so(config, words):
    holder = started(HOLD, config.reports_dir)
    waiting = command(config, "build", "--month", "2026-10", *words)
    assert f"Another process ({holder.pid}) is building reports" in waiting.stderr.readline()
    assert not files(config), "nothing is written meanwhile"
    holder.communicate("")
    waiting.communicate(timeout=60)
    assert waiting.returncode == 0
    assert files(config)


def test_who_was_killed_is_waited_for_no_longer(config):
    holder = started(HOLD, config.reports_dir)
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    with turn(config.reports_dir, seconds=5):
        pass


def test_who_builds_for_too_long_is_named(config):
    holder = started(HOLD, config.reports_dir)
    begun = time.monotonic()
    with pytest.raises(StoreError, match=f"{holder.pid}") as caught, turn(config.reports_dir, seconds=0.5):
        pass
    assert caught.value.transient
    assert time.monotonic() - begun < 10
    holder.communicate("")


def test_two_commands_at_once_write_what_one_writes(config):
    command(config, "build", "--month", "2026-10").communicate(timeout=60)
    alone = files(config)
    both = [command(config, "build", "--month", "2026-10") for _ in range(2)]
    for process in both:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert files(config) == alone


def test_two_services_at_once_publish_a_period_once(config):
    both = [started(PUBLISH, config.path) for _ in range(2)]
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = sorted(json.loads(process.communicate(timeout=60)[0]) for process in both)
    assert said == [[], ["10/2026"]]
    state = State(config.state_path)
    assert len(state.rows("SELECT * FROM reports")) == 1
    assert len(state.rows("SELECT * FROM report_deliveries")) == 1
    state.close()


def test_a_service_and_a_command_at_once_leave_one_whole_report(config):
    service = started(PUBLISH, config.path)
    service.stdin.write("go\n")
    service.stdin.flush()
    build = command(config, "build", "--month", "2026-10")
    assert json.loads(service.communicate(timeout=60)[0]) == ["10/2026"]
    build.communicate(timeout=60)
    assert build.returncode == 0
    before = files(config)
    command(config, "build", "--month", "2026-10").communicate(timeout=60)
    assert files(config) == before
