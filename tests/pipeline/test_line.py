"""The line under stress: it ends when it is told to, and says so when it ends by itself."""

from __future__ import annotations

import concurrent.futures as cf
import datetime as dt
import threading
import time

import pytest

from citysoc.config.models import Alerts
from citysoc.errors import StoreError
from citysoc.flow import Batch, Position
from citysoc.pipeline import line as line_module
from citysoc.pipeline.commit import Committer
from citysoc.pipeline.line import Line
from citysoc.pipeline.work import Work
from citysoc.pipeline.worker import Worker
from citysoc.state import State, progress
from citysoc.stores.base import Question
from citysoc.stores.local import LocalStore

AT = dt.datetime(2026, 10, 5, 1, 30, tzinfo=dt.UTC)
STREAM = "so-y-te/syslog"


@pytest.fixture
def committer(tmp_path):
    state = State(tmp_path / "citysoc.db")
    yield Committer(state, LocalStore(tmp_path / "events"), Alerts(), ())
    state.close()


def batch(number, records=10, *, size=0):
    return Batch(
        stream=STREAM,
        agency="so-y-te",
        parser="syslog",
        records=tuple(
            f"<13>Oct  5 08:30:00 pc{number} app: {number}-{i}{'x' * size}".encode() for i in range(records)
        ),
        offsets=tuple(range(number * records, (number + 1) * records)),
        arrived=AT,
        path="/var/log/a",
        identity="a",
        position=Position("a", {"offset": (number + 1) * records}),
    )


def opened(committer, **options):
    return Line(Work(), committer, workers=None, **options)


def test_closing_ends_a_feeder_that_has_more_to_bring(committer):
    """A stop in the middle of a long pull: the feeder is refused, what was taken is committed."""
    line = opened(committer, commit_seconds=0.05)
    fed = []
    refused = []

    def pull():
        try:
            for number in range(1_000_000):
                line.feed(batch(number, 500))
                fed.append(number)
        except StoreError as error:
            refused.append(error)

    feeder = threading.Thread(target=pull)
    feeder.start()
    while len(fed) < 20:
        time.sleep(0.01)
    line.close()
    feeder.join(10)
    assert not feeder.is_alive()
    assert "being closed" in str(refused[0])
    assert committer.store.count(Question()) == 500 * len(fed)
    assert progress.positions(committer.state, STREAM)["a"]["offset"] == 500 * len(fed)


def test_a_store_that_refuses_stops_the_line_and_tells(committer, monkeypatch):
    def refuse(*_):
        raise StoreError("The disk is full.")

    monkeypatch.setattr(LocalStore, "append", refuse)
    told = threading.Event()
    line = opened(committer, commit_seconds=0.01, on_failure=told.set)
    future = line.feed(batch(1))
    with pytest.raises(StoreError, match="disk is full"):
        future.result(10)
    assert told.wait(10)
    with pytest.raises(StoreError, match="disk is full"):
        line.feed(batch(2))
    with pytest.raises(StoreError, match="disk is full"):
        line.close()


def test_a_worker_that_died_is_said_in_words(committer, monkeypatch):
    def dead(*_):
        raise cf.BrokenExecutor("terminated abruptly")

    monkeypatch.setattr(Worker, "process", dead)
    line = opened(committer)
    line.feed(batch(1))
    with pytest.raises(StoreError, match="worker process died"):
        line.close()


def test_rows_that_wait_are_bounded_by_their_size(committer, monkeypatch):
    monkeypatch.setattr(line_module, "_COMMIT_BYTES", 1 << 20)
    monkeypatch.setattr(line_module, "GROUP_BYTES", 1 << 20)
    line = opened(committer, commit_seconds=3600)
    first = line.feed(batch(1, 20, size=100_000))
    first.result(20)  # no other reason to commit than the size
    line.close()


def test_a_flush_does_not_wait_for_company(committer):
    line = opened(committer, commit_seconds=3600)
    futures = [line.feed(batch(number)) for number in range(3)]
    line.flush()
    for future in futures:
        future.result(10)
    line.flush()
    line.close()
    line.flush()


def test_a_detector_that_fails_stops_nothing(committer):
    class Broken:
        rules = ()

        def detect(self, events):
            if any("1-3" in event["event.original"] for event in events):
                raise ValueError("a bug")
            return []

    worker = Worker(Work())
    worker.detector = Broken()
    processed = worker.process([batch(1)])
    assert processed.table.num_rows == 10
    assert processed.accounts[0].stored == 10
