"""Log events: what is written, how, and that structlog is loaded for nothing less."""

from __future__ import annotations

import os
import subprocess
import sys

import orjson
import pytest

PROGRAM = """
import sys
from citysoc import telemetry
log = telemetry.logger("room.part")
{body}
print("structlog" in sys.modules)
"""


def written(body, level=None):
    environment = {**os.environ}
    environment.pop("CITYSOC_LOG_LEVEL", None)
    if level:
        environment["CITYSOC_LOG_LEVEL"] = level
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        (None, ["warning", "error"]),
        ("debug", ["debug", "info", "warning", "error"]),
        ("INFO", ["info", "warning", "error"]),
        ("error", ["error"]),
        ("loud", ["warning", "error"]),
    ],
)
def test_what_is_below_the_level_is_not_written(level, shown):
    body = "\n".join(f"log.{name}('thing.{name}', n=1)" for name in ("debug", "info", "warning", "error"))
    lines = written(body, level).stderr.splitlines()
    assert [line.partition("thing.")[2].split()[0] for line in lines] == shown
    assert all("n=1" in line and "room=room.part" in line for line in lines)


def test_structlog_is_loaded_when_the_first_event_is_written():
    assert written("log.info('thing.done')").stdout == "False\n"
    assert written("log.warning('thing.odd')").stdout == "True\n"


def test_an_exception_is_told_without_what_was_held():
    body = """
def fail(secret):
    raise ValueError("no good")
try:
    fail("s3cret")
except ValueError:
    log.exception("thing.failed", n=2)
"""
    told = written(body).stderr
    assert "thing.failed" in told
    assert "ValueError: no good" in told
    assert told.count("s3cret") == 0


def test_one_json_object_a_line():
    body = """
telemetry.configure(level="info", json=True)
log.info("thing.done", text="độc hại")
try:
    raise ValueError("no\\\\ngood")
except ValueError:
    log.exception("thing.failed")
"""
    first, second = map(orjson.loads, written(body).stderr.splitlines())
    assert (first["event"], first["level"], first["text"], first["room"]) == (
        "thing.done",
        "info",
        "độc hại",
        "room.part",
    )
    assert first["timestamp"].endswith("Z")
    assert "ValueError" in second["exception"]
