"""Runs of jobs are written down, whatever happens in them."""

from __future__ import annotations

import asyncio

import pytest

from citysoc import schedule
from citysoc.errors import SourceError
from citysoc.schedule import Job, covered_until, run_once
from citysoc.state import State


@pytest.fixture
def state(tmp_path):
    state = State(tmp_path / "citysoc.db")
    yield state
    state.close()


def job(name, *outcomes):
    todo = list(outcomes)

    async def work(_since, _until):
        outcome = todo.pop(0) if todo else outcomes[-1]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return Job(name, work)


def runs(state, name):
    return [
        (row["outcome"], row["detail"])
        for row in state.rows("SELECT * FROM jobs WHERE name = ? ORDER BY id", (name,))
    ]


@pytest.mark.parametrize("error", [SourceError("It is gone."), ZeroDivisionError("division by zero")])
def test_a_failure_is_written_down_and_its_time_is_taken_again(state, error):
    one = job("pull", "1 records", error, "2 records")
    for _ in range(3):
        asyncio.run(run_once(state, one))
    outcomes = runs(state, "pull")
    assert [outcome for outcome, _ in outcomes] == ["done", "failed", "done"]
    assert str(error) in outcomes[1][1]
    first, _, third = state.rows("SELECT * FROM jobs ORDER BY id")
    assert third["covers_from"] == first["covers_until"]


def test_busy_jobs_do_not_push_out_the_runs_of_rare_ones(state, monkeypatch):
    monkeypatch.setattr(schedule, "KEPT_RUNS", 5)
    rare, busy = job("report", "a report"), job("deliver", "sent 1")
    for _ in range(3):
        asyncio.run(run_once(state, rare))
        for _ in range(10):
            asyncio.run(run_once(state, busy))
    assert len(runs(state, "report")) == 3
    assert len(runs(state, "deliver")) == 5


def test_the_last_good_run_is_remembered_however_many_failed_since(state, monkeypatch):
    monkeypatch.setattr(schedule, "KEPT_RUNS", 5)
    asyncio.run(run_once(state, job("pull", "1 records")))
    good = covered_until(state, "pull")
    broken = job("pull", SourceError("It is gone."))
    for _ in range(12):
        asyncio.run(run_once(state, broken))
    assert covered_until(state, "pull") == good
    assert len(runs(state, "pull")) == 6
