"""What rules did, day by day: once, bounded, and forgotten after a while."""

from __future__ import annotations

import datetime as dt

import pytest

from citysoc.state import State, ruledays
from citysoc.state.ruledays import RuleDay

NOW = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)


@pytest.fixture
def state(tmp_path):
    state = State(tmp_path / "citysoc.db")
    yield state
    state.close()


def test_days_add_up(state):
    with state.transaction() as db:
        ruledays.add(db, {("r", "2026-10-05"): RuleDay(2, 1, "2026-10-05T01:00:00.000000Z", 3, 300)})
        ruledays.add(db, {("r", "2026-10-05"): RuleDay(1, 0, "2026-10-04T01:00:00.000000Z", 1, 100)})
        ruledays.add(db, {("r", "2026-08-01"): RuleDay(5, 0, "2026-08-01T01:00:00.000000Z", 1, 900)})
        ruledays.add(db, {("s", "2026-10-05"): RuleDay(0, 0, "", 1, 100)})
    found = ruledays.summaries(state, since=NOW - dt.timedelta(days=30))
    assert (found["r"].hits, found["r"].staged, found["r"].tried) == (3, 1, 4)
    assert found["r"].last_hit == dt.datetime(2026, 10, 5, 1, tzinfo=dt.UTC)
    assert (found["r"].cost_share, found["s"].cost_share) == (0.8, 0.2)
    assert found["s"].last_hit is None
    assert ruledays.days(state, "r", since=NOW - dt.timedelta(days=90)) == [
        ("2026-10-05", 3, 1),
        ("2026-08-01", 5, 0),
    ]


def test_days_are_those_of_hue():
    assert ruledays.day_of(dt.datetime(2026, 10, 4, 17, tzinfo=dt.UTC), NOW)[0] == "2026-10-05"
    assert ruledays.day_of(dt.datetime(2026, 10, 4, 16, 59, tzinfo=dt.UTC), NOW)[0] == "2026-10-04"


def test_no_event_fills_the_table_with_days_far_away():
    moments = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in range(1, 9999, 7))
    days = {ruledays.day_of(moment, NOW)[0] for moment in moments}
    assert len(days) <= 3


def test_old_days_are_forgotten(state):
    with state.transaction() as db:
        ruledays.add(db, {("r", "2025-08-01"): RuleDay(1), ("r", "2026-10-01"): RuleDay(1)})
        assert ruledays.prune(db, NOW) == 1
    assert ruledays.first_day(state) is not None
    assert [day for day, _hits, _staged in ruledays.days(state, "r", since=NOW.replace(year=2020))] == [
        "2026-10-01"
    ]
