"""Durable first, then progress: what was appended survives whatever happens before it is settled."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter

import pytest
from cities import lines
from elastic_node import Settings, free_port, node, place

from citysoc.config.stores import Elastic
from citysoc.errors import StoreError
from citysoc.state import progress
from citysoc.stores.base import Question
from citysoc.stores.elastic import ElasticStore
from citysoc.stores.local import LocalStore
from citysoc.stores.migrate import migrate
from tests.intake import intake
from tests.stores.elastic.test_away import again, expected, ids, rows

pytestmark = pytest.mark.elastic


@pytest.fixture
def mortal(tmp_path):
    """Return what starts one node again and again, each time with what its disk has, and a store on it."""
    port = free_port()
    store = ElasticStore(
        Elastic(
            urls=(f"http://127.0.0.1:{port}",), timeout_seconds=5, bulk_bytes=64 << 10, refresh_seconds=3600
        ),
        root=tmp_path,
        spool=tmp_path / "spool",
    )
    with place() as folder:

        @contextlib.contextmanager
        def alive():
            with node(Settings(port=port, folder=folder)) as running:
                running.call("GET", "_cluster/health?wait_for_status=yellow&timeout=60s")
                yield running

        yield alive, store
        store.close()


def kill(running):
    """End the server at once, as a power failure does."""
    os.kill(running.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.kill(running.pid, 0)
            time.sleep(0.01)


def test_the_server_dies_between_append_and_settle(mortal):
    """Each commit counts as soon as append returns, whether or not the cluster has it; in the end it has all once."""
    alive, store = mortal
    noise = random.Random(3)
    for death in range(3):
        with alive() as running:
            store.begin()
            timer = threading.Timer(noise.uniform(0.05, 0.6), kill, [running])
            timer.start()
            for number in range(death * 8 + 1, death * 8 + 9):
                store.append(rows((number - 1) * 500, 500), number)
                assert again(store).last_commit() == number
            timer.join()
            store.settle()
    with alive():
        store.finish()
        assert store.outside().rows == 0
        assert Counter(ids(store)) == Counter(expected(24 * 500))
        assert store.verify() == []


@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
def test_a_move_goes_on_after_the_server_died(mortal, tmp_path, back):
    alive, store = mortal
    local = LocalStore(tmp_path / "local", threads=1)
    source, target = (store, local) if back else (local, store)
    with alive() as running:
        store.begin()
        source.append(rows(0, 8000), 3)  # 8,000 minutes: six days
        source.finish()
        moving = migrate(source, target)
        next(moving)
        kill(running)
        with pytest.raises(StoreError, match="cannot be reached"):
            list(moving)
        assert target.last_commit() == 0
    with alive():
        moved = list(migrate(source, target))
        assert moved[0].copied == 0
        assert sum(one.rows for one in moved) == 8000
        assert target.last_commit() == 3
        store.refresh()
        assert Counter(ids(store)) == Counter(expected(8000))
        assert local.count(Question()) == 8000


def test_progress_takes_effect_after_the_rows_are_durable(elastic, open_store, tmp_path, monkeypatch):
    """Whenever positions move, another process already sees the commit as durable, though the cluster is frozen."""
    store = open_store(timeout_seconds=1)
    store.begin()
    seen = []
    apply = progress.apply

    def noting(db, number, changes):
        seen.append((number, again(store).last_commit()))
        apply(db, number, changes)

    monkeypatch.setattr("citysoc.state.progress.apply", noting)
    file = tmp_path / "a.log"
    file.write_text(lines(0, 3000))
    with intake(tmp_path / "state") as city, elastic.frozen():
        city.store = store
        city.take(file)
        assert store.outside().rows == 3000
    assert seen
    assert all(durable >= number for number, durable in seen), seen
    store.finish()
    assert store.outside().rows == 0
    assert store.status().events + store.status().quarantined == 3000
