"""Alerts and incidents go only the ways they may, and every step is in the audit trail."""

from __future__ import annotations

import datetime as dt
import itertools
import sqlite3

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from citysoc.alerts import incidents
from citysoc.alerts.intake import take
from citysoc.alerts.lives import STATES, TRANSITIONS, VERDICTS, Change, move_alerts
from citysoc.config.models import Alerts, Webhook
from citysoc.errors import UsageError
from citysoc.flow import Finding
from citysoc.state import State

T0 = dt.datetime(2026, 10, 5, 1, 0, tzinfo=dt.UTC)
HOOK = Webhook(
    id="desk",
    url="https://receiver.example/",
    secret="env:D",
    events=("alert.updated", "incident.updated"),
    min_level="low",
)


def finding(event, seconds=0, **changes):
    values = {
        "rule": "rule-1",
        "title": "Title",
        "level": "high",
        "agency": "so-y-te",
        "event_id": event,
        "timestamp": T0 + dt.timedelta(seconds=seconds),
        "matched": {},
        "entity": f"host:{event}",
        "group": {"host.name": event},
    }
    return Finding(**(values | changes))


@pytest.fixture
def state(tmp_path):
    opened = State(tmp_path / "citysoc.db")
    yield opened
    opened.close()


def raise_alerts(state, *events, now=T0, **changes):
    with state.transaction() as db:
        take(db, [finding(e, **changes) for e in events], policy=Alerts(), webhooks=(), now=now)
    return [row["id"] for row in state.rows("SELECT id FROM alerts ORDER BY entity")]


def audit(state, **where):
    clause = " AND ".join(f"{name} = ?" for name in where) or "1"
    return state.rows(f"SELECT * FROM audit WHERE {clause} ORDER BY id", tuple(where.values()))


class Lives(RuleBasedStateMachine):
    """Any sequence of wishes: the state follows the allowed ways and the audit trail tells the same story."""

    def __init__(self):
        super().__init__()
        self.state = None

    @initialize()
    def begin(self):
        import tempfile
        from pathlib import Path

        self.folder = tempfile.TemporaryDirectory()
        self.state = State(Path(self.folder.name) / "s.db")
        self.state.rows("PRAGMA synchronous = OFF")
        self.ids = raise_alerts(self.state, "a", "b")
        self.expected = dict.fromkeys(self.ids, ("new", None))
        self.steps = 0

    @rule(
        which=st.sampled_from([(0,), (1,), (0, 1)]),
        to=st.sampled_from(STATES),
        verdict=st.sampled_from(VERDICTS),
    )
    def wish(self, which, to, verdict):
        ids = [self.ids[i] for i in which]
        verdict = verdict if to == "closed" else None
        with self.state.transaction() as db:
            moved = move_alerts(db, ids, Change(to, "analyst", T0, verdict, "because"), webhooks=(HOOK,))
        for id_ in ids:
            now_is = self.expected[id_]
            if now_is == (to, verdict):
                assert id_ in moved.unchanged
            elif to in TRANSITIONS[now_is[0]] or now_is[0] == to == "closed":
                assert id_ in moved.changed
                self.expected[id_] = (to, verdict)
                self.steps += 1
            else:
                assert moved.refused[id_] == now_is[0]

    @invariant()
    def audit_tells_the_same_story(self):
        if self.state is None:
            return
        rows = audit(self.state)
        assert len(rows) == self.steps
        for id_, (state, verdict) in self.expected.items():
            trail = [row for row in rows if row["subject"] == id_]
            for earlier, later in itertools.pairwise(trail):
                assert earlier["after"] == later["before"]
            last = trail[-1]["after"] if trail else "new"
            assert last == (f"{state}/{verdict}" if verdict else state)
            row = self.state.rows("SELECT state, verdict, closed_at FROM alerts WHERE id = ?", (id_,))[0]
            assert (row["state"], row["verdict"]) == (state, verdict)
            assert (row["closed_at"] is not None) == (state == "closed")

    def teardown(self):
        if self.state is not None:
            self.state.close()
            self.folder.cleanup()


Lives.TestCase.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
TestLives = Lives.TestCase


@pytest.mark.parametrize("statement", ["DELETE FROM audit", "UPDATE audit SET who = 'nobody'"])
def test_the_audit_trail_cannot_be_rewritten(state, statement):
    (alert,) = raise_alerts(state, "a")
    with state.transaction() as db:
        move_alerts(db, [alert], Change("acknowledged", "an", T0))

    def tamper():
        with state.transaction() as db:
            db.execute(statement)

    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        tamper()
    assert [row["who"] for row in audit(state)] == ["an"]


@pytest.mark.parametrize(
    ("to", "verdict"), [("closed", None), ("acknowledged", "benign"), ("gone", None), ("closed", "maybe")]
)
def test_a_change_makes_sense_or_is_refused(to, verdict):
    with pytest.raises(UsageError):
        Change(to, "an", T0, verdict)


def test_a_change_of_an_alert_is_told(state):
    (alert,) = raise_alerts(state, "a")
    with state.transaction() as db:
        move_alerts(db, [alert], Change("closed", "an", T0, "benign"), webhooks=(HOOK,))
    (row,) = state.rows("SELECT event, body FROM outbox")
    assert row["event"] == "alert.updated"
    assert b'"verdict":"benign"' in row["body"]


def incident_ids(state):
    return [row["id"] for row in state.rows("SELECT id FROM incidents ORDER BY id")]


def test_closing_an_incident_closes_its_alerts_with_the_same_verdict(state):
    raise_alerts(state, "a")
    raise_alerts(state, "b", entity="host:a")
    (incident,) = incident_ids(state)
    with state.transaction() as db:
        change = Change("closed", "an", T0, "false_positive", "a scanner of ours")
        assert incidents.move(db, incident, change, webhooks=(HOOK,))
        assert not incidents.move(db, incident, change, webhooks=(HOOK,))
    assert {row["verdict"] for row in state.rows("SELECT verdict FROM alerts")} == {"false_positive"}
    assert len(audit(state, kind="alert")) == 2
    assert [row["detail"] for row in audit(state, kind="incident")] == ["a scanner of ours"]
    with state.transaction() as db, pytest.raises(UsageError):
        incidents.assign(db, incident, "role-1", who="an", now=T0)


def test_an_owner_makes_a_new_incident_acknowledged(state):
    raise_alerts(state, "a")
    (incident,) = incident_ids(state)
    with state.transaction() as db:
        assert incidents.assign(db, incident, "truc-ca", who="an", now=T0, webhooks=(HOOK,))
        assert not incidents.assign(db, incident, "truc-ca", who="an", now=T0, webhooks=(HOOK,))
    row = state.rows("SELECT owner, state, revision FROM incidents")[0]
    assert tuple(row) == ("truc-ca", "acknowledged", 2)
    assert [r["action"] for r in audit(state)] == ["owner", "state"]


def test_merging_keeps_the_earliest_clock_and_what_comes_later(state):
    raise_alerts(state, "a", now=T0)
    raise_alerts(state, "b", now=T0 + dt.timedelta(hours=2), level="critical")
    first, second = incident_ids(state)
    with state.transaction() as db:
        incidents.note(db, first, "seen by phone", who="an", now=T0)
        incidents.merge(db, second, [first], who="an", now=T0, webhooks=(HOOK,))
    raise_alerts(state, "c", entity="host:a", now=T0 + dt.timedelta(hours=3))
    rows = {row["id"]: row for row in state.rows("SELECT * FROM incidents")}
    assert rows[second]["detected_at"] == "2026-10-05T01:00:00.000000Z"
    assert rows[second]["notice_due_at"] == "2026-10-06T01:00:00.000000Z"
    assert (rows[second]["alerts"], rows[second]["severity"]) == (3, "critical")
    assert (rows[first]["state"], rows[first]["merged_into"], rows[first]["alerts"]) == ("closed", second, 0)
    assert state.rows("SELECT incident FROM incident_notes")[0]["incident"] == second
    assert {row["incident"] for row in state.rows("SELECT incident FROM alerts")} == {second}
    assert len(rows) == 2


def test_incidents_that_cannot_be_merged(state):
    raise_alerts(state, "a")
    raise_alerts(state, "b", agency="so-gd")
    first, second = incident_ids(state)
    with state.transaction() as db:
        for into, others in ((first, [first]), (first, [second]), (first, ["SC-2026-99999"])):
            with pytest.raises(UsageError):
                incidents.merge(db, into, others, who="an", now=T0)
    assert audit(state) == []


def test_the_clocks_are_answered(state):
    raise_alerts(state, "a")
    (incident,) = incident_ids(state)
    with state.transaction() as db:
        incidents.mark_sent(db, incident, "notice", at=T0 + dt.timedelta(hours=3), who="an", now=T0)
        with pytest.raises(UsageError):
            incidents.note(db, incident, "  ", who="an", now=T0)
    row = state.rows("SELECT notice_sent_at, report_sent_at FROM incidents")[0]
    assert tuple(row) == ("2026-10-05T04:00:00.000000Z", None)
    assert audit(state)[0]["action"] == "notice_sent"
