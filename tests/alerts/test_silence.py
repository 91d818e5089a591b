"""Every expected source is ok, late, silent or has never spoken; silence raises one alert and resolves it."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citysoc.alerts.lives import Change, move_alerts
from citysoc.alerts.silence import RULE, watch
from citysoc.config.models import Webhook
from citysoc.state import State

T0 = dt.datetime(2026, 10, 5, 1, 0, tzinfo=dt.UTC)
HOOK = Webhook(id="desk", url="https://receiver.example/", secret="env:D")


@dataclass(frozen=True)
class Stream:
    id: str = "so-y-te/av"
    agency: str = "so-y-te"
    source: str = "av"
    expected: bool = True
    late_after_seconds: int = 3600
    silent_after_seconds: int = 7200


@pytest.fixture
def state(tmp_path):
    opened = State(tmp_path / "citysoc.db")
    yield opened
    opened.close()


def look(state, hours, streams=(Stream(),), **options):
    with state.transaction() as db:
        return watch(db, streams, now=T0 + dt.timedelta(hours=hours), webhooks=(HOOK,), **options)


def arrive(state, hours, stream="so-y-te/av"):
    at = (T0 + dt.timedelta(hours=hours)).isoformat().replace("+00:00", "Z")
    with state.transaction() as db:
        db.execute(
            "INSERT INTO streams (stream, agency, source, first_arrival, last_arrival) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (stream) DO UPDATE SET last_arrival = excluded.last_arrival",
            (stream, *stream.split("/"), at, at),
        )


def current(state):
    return state.rows("SELECT state FROM streams")[0]["state"]


def alerts(state):
    return state.rows("SELECT * FROM alerts ORDER BY created_at")


def events(state):
    return [row["event"] for row in state.rows("SELECT event FROM outbox ORDER BY created_at, id")]


def test_a_source_that_never_spoke_alarms_once_it_has_been_expected_long_enough(state):
    assert look(state, 0) == ()
    assert current(state) == "never"
    assert look(state, 1.99) == ()
    (change,) = look(state, 2)
    assert (change.after, change.raised) == ("never", True)
    assert look(state, 3) == ()
    (alert,) = alerts(state)
    assert (alert["rule"], alert["level"], alert["state"]) == (RULE, "medium", "new")
    assert alert["title"] == "Source has never spoken"
    assert events(state) == ["source.silent"]


def test_silence_comes_and_goes(state):
    arrive(state, 0)
    look(state, 0)
    assert current(state) == "ok"
    look(state, 1)
    assert current(state) == "late"
    assert events(state) == []
    (change,) = look(state, 2)
    assert (change.before, change.after, change.raised) == ("late", "silent", True)
    arrive(state, 5)
    (change,) = look(state, 5.1)
    assert (change.before, change.after, change.raised) == ("silent", "ok", False)
    (alert,) = alerts(state)
    assert (alert["state"], alert["verdict"]) == ("closed", "benign")
    (row,) = state.rows("SELECT * FROM audit")
    assert (row["who"], row["after"]) == ("citysoc", "closed/benign")
    assert sorted(events(state)) == ["source.recovered", "source.silent"]
    arrive(state, 6)
    look(state, 9)
    second = alerts(state)[1]
    assert second["previous"] == alert["id"]
    data = json.loads(state.rows("SELECT body FROM outbox ORDER BY created_at DESC")[0]["body"])["data"]
    assert data["last_arrival"] == "2026-10-05T07:00:00Z"


def test_a_restart_forgets_nothing(state, tmp_path):
    look(state, 0)
    state.close()
    again = State(tmp_path / "citysoc.db")
    assert len(look(again, 2)) == 1
    again.close()


def test_no_alarm_while_the_sources_catch_up_after_a_stop(state):
    arrive(state, 0)
    look(state, 0)
    start = T0 + dt.timedelta(hours=50)
    look(state, 50, alarms_from=start + dt.timedelta(minutes=5))
    assert current(state) == "silent"
    assert events(state) == []
    assert len(look(state, 51, alarms_from=start + dt.timedelta(minutes=5))) == 1


def test_a_stream_that_becomes_expected_later_gets_its_time(state):
    arrive(state, -100)
    look(state, 0, [Stream(expected=False)])
    look(state, 10)
    assert events(state) == []
    assert len(look(state, 12)) == 1


def test_a_stream_that_is_no_longer_expected_is_resolved(state):
    look(state, 0)
    look(state, 2)
    (change,) = look(state, 3, [])
    assert change.alert == alerts(state)[0]["id"]
    assert alerts(state)[0]["state"] == "closed"
    assert sorted(events(state)) == ["source.recovered", "source.silent"]


def test_an_alarm_closed_by_a_person_is_not_raised_again_and_still_recovers(state):
    look(state, 0)
    look(state, 2)
    with state.transaction() as db:
        move_alerts(db, [alerts(state)[0]["id"]], Change("closed", "an", T0, "true_positive"))
    assert look(state, 3) == ()
    arrive(state, 4)
    look(state, 4)
    assert len(alerts(state)) == 1
    assert alerts(state)[0]["verdict"] == "true_positive"
    assert sorted(events(state)) == ["source.recovered", "source.silent"]


def test_silence_is_no_security_incident(state):
    look(state, 0)
    look(state, 2)
    assert state.rows("SELECT * FROM incidents") == []


def test_hundreds_of_streams_each_have_their_own_alarm(state):
    streams = [Stream(id=f"agency-{i}/av", agency=f"agency-{i}") for i in range(500)]
    look(state, 0, streams)
    assert len(look(state, 2, streams)) == 500


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(5, 180), st.booleans()), min_size=1, max_size=20))
def test_alarms_and_recoveries_alternate(tmp_path_factory, steps):
    """Whatever happens: an open alarm exists exactly while the stream is quiet long enough."""
    state = State(tmp_path_factory.mktemp("s") / "s.db")
    state.rows("PRAGMA synchronous = OFF")
    minutes, last = 0, None
    look(state, 0)
    raised = []
    for step, speaks in steps:
        minutes += step
        if speaks:
            arrive(state, minutes / 60)
            last = minutes
        raised += [change.raised for change in look(state, minutes / 60) if change.alert]
        quiet = minutes - (last or 0) >= 120
        still_open = [alert for alert in alerts(state) if alert["state"] == "new"]
        assert len(still_open) == int(quiet)
    assert raised == [i % 2 == 0 for i in range(len(raised))]
    state.close()
