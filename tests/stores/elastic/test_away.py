"""The cluster is away, comes back, loses an answer; the process is killed: everything arrives once."""

from __future__ import annotations

import datetime as dt
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from elastic_node import Settings, free_port, node, place

from citysoc.config.stores import Elastic
from citysoc.ecs.schema import to_table
from citysoc.errors import StoreError
from citysoc.stores.base import Question
from citysoc.stores.elastic import ElasticStore

pytestmark = pytest.mark.elastic

START = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)


def rows(first, count):
    return to_table(
        [
            {
                "@timestamp": START + dt.timedelta(minutes=number),
                "event.id": f"{number:032x}",
                "event.original": f"line {number}",
                "agency.id": "so-y-te",
            }
            for number in range(first, first + count)
        ]
    )


def ids(store):
    store.refresh()
    return [event["event.id"] for event in store.search(Question(), newest_first=False)]


def expected(count):
    return [f"{number:032x}" for number in range(count)]


def again(store, **more):
    """Return a second store on the same spool, as a new process would open it."""
    settings = store._settings.model_copy(update=more)
    return ElasticStore(settings, root=store._root, spool=store._spool.path)


def test_a_commit_waits_while_the_cluster_is_frozen_and_arrives_once(elastic, open_store):
    store = open_store(timeout_seconds=1, bulk_bytes=64 << 10)
    store.begin()
    store.append(rows(0, 1000), 1)
    store.finish()
    with elastic.frozen():
        for commit in range(2, 5):
            store.append(rows((commit - 1) * 1000, 1000), commit)
        store.settle()
        waiting = store.outside()
        assert (waiting.commits, waiting.rows) == (3, 3000)
        assert waiting.away_since is not None
        assert "cannot be reached" in waiting.reason
        assert store.last_commit() == 4
        with pytest.raises(StoreError, match="cannot be reached"):
            store.status()
    store.finish()
    assert store.outside().rows == 0
    assert store.outside().away_since is None
    assert ids(store) == expected(4000)


def test_an_absence_with_nothing_to_send_ends_as_well(elastic, open_store):
    """Nothing waits, but copies of alerts do not go while the cluster counts as away."""
    store = open_store(timeout_seconds=1)
    store.begin()
    store.close()
    later = again(store)
    with elastic.frozen():
        later.begin()
        assert later.outside().away_since is not None
    assert later.drain() == 0
    assert later.outside().away_since is not None  # the next try comes a little later
    later.finish()
    assert later.outside().away_since is None
    later.close()


def test_a_mistake_of_ours_stops_the_line_once_and_loses_nothing(store, monkeypatch):
    store.begin()
    read = store._spool.read

    def wrong(_one):
        raise RuntimeError("a mistake")

    monkeypatch.setattr(store._spool, "read", wrong)
    store.append(rows(0, 5), 1)
    store.settle()
    with pytest.raises(RuntimeError, match="a mistake"):
        store.append(rows(5, 5), 2)
    assert store.last_commit() == 2
    monkeypatch.setattr(store._spool, "read", read)
    store.append(rows(10, 5), 3)
    assert ids(store) == expected(15)


def test_what_waits_outlives_the_process(elastic, open_store):
    store = open_store(timeout_seconds=1)
    store.begin()
    with elastic.frozen():
        store.append(rows(0, 50), 7)
        other = again(store)
        assert other.last_commit() == 7
        assert other.outside().rows == 50
    other.begin()
    assert ids(other) == expected(50)
    assert other.last_commit() == 7
    other.close()


@pytest.mark.parametrize("damage", ["short", "garbage", "flipped"])
def test_a_damaged_file_of_the_spool_is_named_and_put_aside_and_the_rest_arrives(store, monkeypatch, damage):
    monkeypatch.setattr(store._sender, "wake", lambda: None)  # all of it waits
    for commit in range(1, 5):
        store.append(rows((commit - 1) * 100, 100), commit)
    path = store._spool.waiting()[1].path
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "short": whole[:middle],
            "garbage": b"ARROW1\0\0 and nothing else",
            "flipped": whole[: middle - 200] + bytes(400) + whole[middle + 200 :],
        }[damage]
    )
    later = again(store)
    later.begin()
    later.finish()
    assert later.outside().rows == 0
    assert later.outside().away_since is None
    assert later.last_commit() == 4
    assert ids(later) == expected(100) + expected(400)[200:]
    (problem,) = later.verify()
    assert "100 rows did not arrive" in problem
    assert path.with_suffix(".damaged").exists()
    later.append(rows(400, 10), 5)
    assert len(ids(later)) == 310
    later.close()


def test_a_number_that_was_used_is_refused(store):
    store.append(rows(0, 5), 3)
    for number in (2, 3):
        with pytest.raises(StoreError, match="stored already"):
            store.append(rows(5, 5), number)
    assert ids(store) == expected(5)


def test_what_is_sent_again_is_a_duplicate(store):
    """The answer to a bulk request was lost: the file is still there, its documents are too."""
    store.append(rows(0, 100), 1)
    store.finish()
    one = store._spool.write(2, rows(0, 120))
    fate = store._sender.send(one)
    assert (fate.stored, fate.duplicates, fate.refused) == (20, 100, [])
    assert ids(store) == expected(120)


def test_a_full_spool_holds_the_line_until_there_is_room(elastic, open_store):
    store = open_store(timeout_seconds=1, spool_bytes=1 << 20, room_seconds=3)
    store.begin()
    noise = random.Random(7)
    events = rows(0, 2000).to_pylist()
    for event in events:
        event["event.original"] = noise.randbytes(400).hex()
    big = to_table([{k: v for k, v in event.items() if v is not None} for event in events])
    with elastic.frozen():
        store.append(big, 1)
        before = time.monotonic()
        with pytest.raises(StoreError, match="spool is full") as caught:
            store.append(rows(2000, 10), 2)
        assert time.monotonic() - before >= 3
        assert caught.value.transient
    assert store.last_commit() == 1
    store.append(rows(2000, 10), 2)
    assert ids(store) == expected(2010)


def test_a_cluster_never_seen_is_a_mistake_and_not_an_absence(tmp_path):
    settings = Elastic(urls=(f"http://127.0.0.1:{free_port()}",), timeout_seconds=1)
    store = ElasticStore(settings, root=tmp_path, spool=tmp_path / "spool")
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        store.begin()
    assert "store.elasticsearch.urls" in caught.value.hint


def test_a_backlog_does_not_hold_the_line(elastic, open_store, monkeypatch):
    """After an outage commits that come in do not wait for all that is sent before them; the order stays."""
    store = open_store(timeout_seconds=1)
    store.begin()
    with elastic.frozen():
        for commit in range(1, 7):
            store.append(rows((commit - 1) * 10, 10), commit)
        store.settle()
    done, taken = store._spool.done, []

    def slowly(one):
        time.sleep(0.3)
        taken.append(one.number)
        done(one)

    monkeypatch.setattr(store._spool, "done", slowly)
    monkeypatch.setattr("citysoc.stores.elastic._APPEND_SECONDS", 0)
    store._sender._next_try = 0
    before = time.monotonic()
    store.append(rows(60, 10), 7)
    assert time.monotonic() - before < 1
    assert store.outside().commits >= 5
    store.finish()
    assert taken == [1, 2, 3, 4, 5, 6, 7]
    assert ids(store) == expected(70)


WRITER = """
import sys
from pathlib import Path
from citysoc.config.stores import Elastic
from citysoc.stores.elastic import ElasticStore
from tests.stores.elastic.test_away import rows
url, prefix, spool = sys.argv[1:]
store = ElasticStore(
    Elastic(urls=(url,), prefix=prefix, bulk_bytes=64 << 10, refresh_seconds=3600),
    root=Path(spool), spool=Path(spool),
)
store.begin()
while (number := store.last_commit() + 1) <= 40:
    # The next commit follows from the last one that is durable, as the pipeline's positions do.
    print(number, flush=True)
    store.append(rows((number - 1) * 500, 500), number)
store.finish()
"""


def test_killed_at_any_instant_each_event_is_there_once(elastic, store, tmp_path):
    settings = store._settings
    command = [sys.executable, "-c", WRITER, settings.urls[0], settings.prefix, str(tmp_path / "spool")]
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}"}
    noise = random.Random(11)
    for kill in range(9):
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            if kill < 8:  # in its first to fourth commit: eight times four are fewer than all forty
                for _ in range(noise.randint(1, 4)):
                    assert writer.stdout.readline()
                time.sleep(noise.choice((0, noise.uniform(0, 0.02), noise.uniform(0, 0.2))))
                writer.kill()
            else:
                writer.communicate(timeout=240)
    assert writer.returncode == 0
    assert Counter(ids(store)) == Counter(expected(20_000))


def test_a_cluster_that_stops_and_starts_again(elastic, tmp_path):
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    store = ElasticStore(Elastic(urls=(address,), timeout_seconds=5), root=tmp_path, spool=tmp_path / "spool")
    with place() as folder:
        settings = Settings(port=port, folder=folder)
        with node(settings):
            store.begin()
            store.append(rows(0, 300), 1)
            store.finish()
        store.append(rows(300, 300), 2)
        assert store.outside().rows == 300
        with node(settings) as running:
            running.call("GET", "_cluster/health?wait_for_status=yellow&timeout=60s")
            store.finish()
            assert ids(store) == expected(600)
        store.close()
