"""A house for the commands about rules."""

from __future__ import annotations

import datetime as dt

import pytest

from citysoc import clock
from tests.house import House

RULE = "00000000-0000-4000-8000-00000000000{}"


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Two rules, one correlation; nothing is stored yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CITYSOC_USER", "truc-ca")
    monkeypatch.delenv("CITYSOC_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "house"
    folder.mkdir()
    house = House(folder)
    for number, word, level in ((1, "alpha", "high"), (2, "beta", "low")):
        house.rule(
            word,
            title=f"Word {word}",
            id=RULE.format(number),
            name=f"word_{word}",
            logsource={"product": "ndjson"},
            detection={"selection": {"message|contains": word}, "condition": "selection"},
            level=level,
            tags=["attack.execution", f"attack.t105{number}"],
            citysoc={"group_by": ["host.name"], "window_seconds": 600, "entity": "host.name"},
        )
    house.rule(
        "often",
        title="Beta often",
        id=RULE.format(3),
        correlation={
            "type": "event_count",
            "rules": ["word_beta"],
            "group-by": ["host.name"],
            "timespan": "5m",
            "condition": {"gte": 3},
            "generate": True,
        },
        level="medium",
    )
    return house


@pytest.fixture
def said():
    """Make an event that says something on a host, some seconds after the beginning of yesterday's noon."""
    noon = (clock.now() - dt.timedelta(days=1)).replace(hour=5, minute=0, second=0, microsecond=0)

    def make(seconds, message, host="pc-1"):
        time = noon + dt.timedelta(seconds=seconds)
        return {
            "@timestamp": clock.iso(time),
            "message": message,
            "host.name": host,
            "event.module": "ndjson",
        }

    return make
