"""Findings become alerts, alerts become incidents; what is to be told goes out with them."""

from __future__ import annotations

import datetime as dt
import itertools
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from citysoc.alerts.intake import Taken, take
from citysoc.config.models import Alerts, Webhook
from citysoc.flow import Finding
from citysoc.state import State

T0 = dt.datetime(2026, 10, 5, 1, 0, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 10, 5, 3, 7, 41, tzinfo=dt.UTC)
HOOK = Webhook(id="desk", url="https://receiver.example/hook", secret="env:DESK", min_level="medium")
POLICY = Alerts(window_seconds=60, incident_window_seconds=600)


def finding(event: str, seconds: float = 0, **changes) -> Finding:
    values = {
        "rule": "rule-1",
        "title": "Many failed log-ons",
        "level": "high",
        "agency": "so-y-te",
        "event_id": event,
        "timestamp": T0 + dt.timedelta(seconds=seconds),
        "matched": {"user.name": "an", "message": "raw line"},
        "tags": ("attack.t1110", "citysoc.brute"),
        "group": {"source.ip": "10.1.2.3"},
        "window_seconds": 60,
        "entity": "host:pc-1",
    }
    return Finding(**(values | changes))


@pytest.fixture
def state(tmp_path):
    opened = State(tmp_path / "citysoc.db")
    yield opened
    opened.close()


def taken(state, *batches, webhooks=(), policy=POLICY, now=NOW):
    results = []
    for batch in batches:
        with state.transaction() as db:
            results.append(take(db, batch, policy=policy, webhooks=webhooks, now=now))
    return results[-1]


def alerts(state):
    return [dict(row) for row in state.rows("SELECT * FROM alerts ORDER BY first_seen, id")]


def test_nothing_in_nothing_out(state):
    assert taken(state, []) == Taken(0, 0, 0)


def test_findings_within_the_window_are_one_counted_alert(state):
    result = taken(state, [finding("a", 0), finding("b", 60), finding("c", 120)])
    assert result == Taken(created=1, updated=0, incidents_created=1)
    (alert,) = alerts(state)
    assert (alert["count"], alert["suppressed"]) == (3, 2)
    assert (alert["first_seen"], alert["last_seen"]) == (
        "2026-10-05T01:00:00.000000Z",
        "2026-10-05T01:02:00.000000Z",
    )
    assert alert["created_at"] == "2026-10-05T03:07:41.000000Z"
    assert alert["class"] == "BRUTE"


def test_one_microsecond_past_the_window_is_another_alert(state):
    taken(state, [finding("a", 0), finding("b", 60.000001)])
    assert [alert["count"] for alert in alerts(state)] == [1, 1]


def test_a_late_finding_joins_the_alert_whose_span_it_touches(state):
    taken(state, [finding("a", 0), finding("z", 1000)], [finding("late", -60), finding("later", 950)])
    assert [alert["count"] for alert in alerts(state)] == [2, 2]
    assert alerts(state)[0]["first_seen"] == "2026-10-05T00:59:00.000000Z"


def test_rule_agency_and_group_tell_alerts_apart(state):
    taken(
        state,
        [
            finding("a"),
            finding("b", rule="rule-2"),
            finding("c", agency="so-gd"),
            finding("d", group={"source.ip": "10.1.2.4"}),
        ],
    )
    assert len(alerts(state)) == 4


def test_a_finding_repeated_in_one_batch_counts_once(state):
    taken(state, [finding("a"), finding("a")])
    assert alerts(state)[0]["count"] == 1


def test_samples_are_the_first_five_and_the_last_five(state):
    taken(state, [finding(f"e{i}", i) for i in range(7)], [finding(f"e{i}", i) for i in range(7, 20)])
    assert alerts(state)[0]["samples"] == ('["e0","e1","e2","e3","e4","e15","e16","e17","e18","e19"]')


def test_a_closed_alert_stays_closed_and_is_named_by_the_next(state):
    taken(state, [finding("a")])
    with state.transaction() as db:
        db.execute("UPDATE alerts SET state = 'closed'")
        db.execute("UPDATE incidents SET state = 'closed'")
    taken(state, [finding("b", 5)])
    first, second = alerts(state)
    assert (first["state"], first["count"]) == ("closed", 1)
    assert (second["state"], second["previous"]) == ("new", first["id"])
    assert second["incident"] != first["incident"]


def test_a_finding_replayed_after_its_alert_closed_is_not_a_new_alert(state):
    taken(state, [finding("a")])
    with state.transaction() as db:
        db.execute("UPDATE alerts SET state = 'closed'")
    assert taken(state, [finding("a")]).created == 0
    assert len(alerts(state)) == 1


def test_alerts_of_one_entity_are_one_incident_with_its_clocks(state):
    result = taken(
        state,
        [
            finding("a", level="medium"),
            finding("b", 300, rule="rule-2", level="critical", title="Ransom note"),
            finding("c", 10, entity="host:pc-2", group={}),
            finding("d", 10, level="low", rule="rule-3", group={}),
        ],
    )
    assert result.incidents_created == 2
    incident = state.rows("SELECT * FROM incidents ORDER BY id")[0]
    assert incident["id"] == "SC-2026-00001"
    assert (incident["alerts"], incident["severity"], incident["title"]) == (2, "critical", "Ransom note")
    assert incident["notice_due_at"] == "2026-10-06T03:07:41.000000Z"
    assert incident["report_due_at"] == "2026-10-08T03:07:41.000000Z"


def test_incident_numbers_follow_the_year_in_hue(state):
    taken(state, [finding("a")], now=dt.datetime(2026, 12, 31, 16, 59, tzinfo=dt.UTC))
    taken(state, [finding("b", entity="x", group={})], now=dt.datetime(2026, 12, 31, 17, 0, tzinfo=dt.UTC))
    assert [row["id"] for row in state.rows("SELECT id FROM incidents ORDER BY id")] == [
        "SC-2026-00001",
        "SC-2027-00001",
    ]


def test_messages_are_written_with_the_alert_or_not_at_all(state):
    def fail():
        with state.transaction() as db:
            take(db, [finding("a")], policy=POLICY, webhooks=(HOOK,), now=NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    for table in ("alerts", "incidents", "outbox", "deliveries", "incident_numbers"):
        assert state.rows(f"SELECT * FROM {table}") == []
    taken(state, [finding("a")], webhooks=(HOOK,))
    assert [row["event"] for row in state.rows("SELECT event FROM outbox ORDER BY event")] == [
        "alert.created",
        "incident.created",
    ]
    assert len(state.rows("SELECT * FROM deliveries")) == 2


def test_raw_lines_stay_in_the_house(state):
    taken(state, [finding("a")], webhooks=(HOOK,))
    body = state.rows("SELECT body FROM outbox WHERE event = 'alert.created'")[0]["body"]
    assert b"raw line" not in body
    assert b'"user.name":"an"' in body


def test_a_level_that_rises_reaches_those_who_had_not_heard(state):
    strict = Webhook(id="boss", url="https://receiver.example/b", secret="env:B", min_level="critical")
    hooks = (HOOK, strict)
    taken(state, [finding("a")], [finding("b", 1, level="critical")], webhooks=hooks)
    told = state.rows(
        "SELECT webhook, event FROM deliveries JOIN outbox ON id = message ORDER BY webhook, event"
    )
    assert [tuple(row) for row in told] == [
        ("boss", "alert.created"),
        ("boss", "incident.created"),
        ("boss", "incident.updated"),
        ("desk", "alert.created"),
        ("desk", "incident.created"),
        ("desk", "incident.updated"),
    ]


@pytest.mark.parametrize(
    "matched",
    [
        {"a": "\ud800"},
        {"a": float("nan")},
        {"a": 2**80},
        {"a": [b"\xff", {"deep": 1}]},
        {f"f{i}": "x" * 10_000 for i in range(100)},
    ],
)
def test_hostile_values_never_stop_the_line(state, matched):
    hostile = finding("\udcff", matched=matched, group=matched, entity="host:\ud800", level="absurd")
    taken(state, [hostile], [finding("ok", 1, group=matched)], webhooks=(HOOK,))
    assert alerts(state)[0]["count"] == 2
    assert len(alerts(state)[0]["matched"]) < 64 * 600


moments = st.integers(0, 400)
items = st.lists(
    st.tuples(
        moments,
        st.sampled_from(["k1", "k2"]),
        st.sampled_from(["low", "medium", "high", "critical"]),
        st.sampled_from(["host:a", "host:b"]),
        st.sampled_from([30, 60]),
    ),
    max_size=40,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    path = tmp_path_factory.mktemp("template") / "s.db"
    State(path).close()
    return path


def outcome(template, path, batches, policy):
    """Return the alerts and incidents that ``batches`` make in a fresh database."""
    shutil.copy(template, path)
    state = State(path)
    state.rows("PRAGMA synchronous = OFF")
    taken(state, [], *batches, policy=policy)
    incidents = [dict(row) for row in state.rows("SELECT * FROM incidents ORDER BY id")]
    for incident in incidents:
        del incident["revision"]  # counts messages, and a batch tells of an incident at most once
    found = alerts(state), incidents
    state.close()
    return found


CHAIN = [
    (0, "k1", "medium", "host:a", 30),
    (1, "k1", "low", "host:a", 30),
    (101, "k1", "medium", "host:a", 30),
]
RISE = [
    (101, "k1", "medium", "host:b", 30),
    (31, "k1", "low", "host:b", 30),
    (0, "k2", "medium", "host:b", 30),
    (16, "k1", "medium", "host:a", 30),
]


@settings(max_examples=100, deadline=None)
@example(CHAIN, [1])  # an incident that grows within the batch until it reaches the next alert
@example(RISE, [1, 2])  # a finding about one host raises the level of an alert about another
@given(items, st.lists(st.integers(0, 40), max_size=6))
def test_batches_may_be_cut_anywhere(template, items, cuts):
    """Same findings, other cuts: same alerts, same incidents, every finding counted once."""
    findings = [
        finding(f"e{i}", at, group={"k": key}, level=level, entity=entity, window_seconds=window)
        for i, (at, key, level, entity, window) in enumerate(items)
    ]
    edges = sorted({0, len(findings), *(cut for cut in cuts if cut < len(findings))})
    batches = [findings[a:b] for a, b in itertools.pairwise(edges)]
    policy = Alerts(incident_window_seconds=100)
    with tempfile.TemporaryDirectory() as folder:
        whole, incidents = outcome(template, Path(folder) / "whole.db", [findings], policy)
        assert (whole, incidents) == outcome(template, Path(folder) / "cut.db", batches, policy)
    assert sum(alert["count"] for alert in whole) == len(findings)
    for incident in incidents:
        assert incident["alerts"] == sum(alert["incident"] == incident["id"] for alert in whole)
