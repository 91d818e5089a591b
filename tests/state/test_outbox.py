"""A webhook gets what it asked for, once; a message is always the same message."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from citysoc.config.models import Webhook
from citysoc.state import State
from citysoc.state.outbox import Message, enqueue, wanted_by

NOW = dt.datetime(2026, 10, 5, tzinfo=dt.UTC)


def hook(**changes):
    return Webhook(**({"id": "desk", "url": "https://receiver.example/", "secret": "env:D"} | changes))


def message(**changes):
    values = {
        "event": "alert.created",
        "subject": "a1",
        "level": "high",
        "agency": "so-y-te",
        "rules": ("rule-1", "rule-2"),
        "data": lambda: {"id": "a1"},
    }
    return Message(**(values | changes))


@pytest.mark.parametrize(
    ("webhook", "said", "wanted"),
    [
        ({}, {}, True),
        ({}, {"level": "medium"}, False),
        ({"min_level": "low"}, {"level": "medium"}, True),
        ({}, {"event": "alert.updated"}, False),
        ({"events": ("alert.updated",)}, {"event": "alert.updated"}, True),
        ({"agencies": ("so-gd",)}, {}, False),
        ({"agencies": ("so-gd", "so-y-te")}, {}, True),
        ({"rules": ("rule-2",)}, {}, True),
        ({"rules": ("rule-3",)}, {}, False),
        ({}, {"event": "source.silent", "level": "medium"}, True),
        ({"rules": ("rule-3",)}, {"event": "source.silent"}, False),
        ({}, {"level": "critical", "raised_from": "high"}, False),
        ({}, {"level": "critical", "raised_from": "medium"}, True),
        ({"min_level": "critical"}, {"level": "critical", "raised_from": "high"}, True),
        ({"min_level": "informational"}, {"level": "unheard of"}, True),
    ],
)
def test_filters(webhook, said, wanted):
    assert bool(wanted_by(message(**said), [hook(**webhook)])) is wanted


def test_the_same_message_is_written_once_for_each_who_asked(tmp_path):
    state = State(tmp_path / "s.db")
    hooks = [hook(), hook(id="other"), hook(id="deaf", events=("source.silent",))]
    for _ in range(2):
        with state.transaction() as db:
            enqueue(db, [message(), message(key="2")], hooks, NOW)
    rows = state.rows("SELECT * FROM outbox ORDER BY id")
    assert [row["id"] for row in rows] == sorted([message().id, message(key="2").id])
    assert all(row["id"].startswith("msg_") for row in rows)
    assert json.loads(rows[0]["body"]) == {
        "type": "alert.created",
        "timestamp": "2026-10-05T00:00:00Z",
        "data": {"id": "a1"},
    }
    found = state.rows("SELECT webhook, count(*) AS n FROM deliveries GROUP BY webhook ORDER BY webhook")
    assert [tuple(row) for row in found] == [("desk", 2), ("other", 2)]
    state.close()


def test_a_payload_nobody_wants_is_not_built(tmp_path):
    def explode():
        raise AssertionError

    state = State(tmp_path / "s.db")
    with state.transaction() as db:
        assert enqueue(db, [message(data=explode, level="low")], [hook()], NOW) == 0
    state.close()
