"""What the store does with odd documents, old events, missing shards, credentials."""

from __future__ import annotations

import datetime as dt
import time

import pyarrow as pa
import pytest
from elastic_node import Settings, free_port, node, place

from citysoc.config.stores import Elastic
from citysoc.ecs.schema import to_table
from citysoc.errors import StoreError, UsageError
from citysoc.pipeline.refused import follow
from citysoc.state import State
from citysoc.state.progress import Changes, apply, prepare
from citysoc.stores import selftest
from citysoc.stores.base import Metric, Question
from citysoc.stores.elastic import ElasticStore
from citysoc.stores.elastic_copies import Copy
from citysoc.stores.elastic_retention import lifecycle, probe
from citysoc.stores.local import LocalStore
from citysoc.stores.migrate import content, migrate

pytestmark = pytest.mark.elastic

START = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)


def rows(count, *, every=dt.timedelta(hours=1), **more):
    return to_table(
        [
            {"@timestamp": START + every * n, "event.id": f"{n:032x}", "event.original": f"line {n}", **more}
            for n in range(count)
        ]
    )


def test_its_own_selftest_passes(store):
    assert [one for one in selftest.run(store) if not one.passed] == []


def test_the_selftest_can_fail(store):
    """Somebody else's event in the throwaway store is noticed."""
    store.take(to_table([{"@timestamp": START, "event.id": "x"}]))
    failed = {one.operation for one in selftest.run(store) if not one.passed}
    assert "count" in failed
    assert "refuse a commit that is there already" not in failed


def test_a_document_that_the_cluster_refuses_is_quarantined_with_its_reason(store, elastic):
    """An index whose mapping somebody changed takes no text where the mapping says number."""
    prefix = store._settings.prefix
    wrong = {"mappings": {"properties": {"user": {"properties": {"name": {"type": "long"}}}}}}
    store.begin()
    elastic.call("PUT", f"{prefix}-events-2026.10.01", wrong)
    store.append(rows(3, every=dt.timedelta(0), **{"user.name": "not a number", "agency.id": "yte"}), 1)
    store.refresh()
    assert store.count(Question()) == 0
    kept = list(store.search(Question(quarantine=True), newest_first=False))
    assert [row["event.original"] for row in kept] == ["line 0", "line 1", "line 2"]
    assert {row["citysoc.unparsed"] for row in kept} == {"store.refused"}
    assert all("user.name" in row["citysoc.unparsed_detail"] for row in kept)
    assert {row["agency.id"] for row in kept} == {"yte"}
    store.finish()
    assert store.outside().rows == 0


def test_the_counters_follow_what_the_cluster_refuses(store, elastic, tmp_path):
    """Counted as stored when the commit lay in the spool; refused later; counted anew once, however often told."""
    prefix = store._settings.prefix
    wrong = {"mappings": {"properties": {"user": {"properties": {"name": {"type": "long"}}}}}}
    store.begin()
    elastic.call("PUT", f"{prefix}-events-2026.10.01", wrong)
    here = {"citysoc.source": "yte/fw", "event.ingested": START + dt.timedelta(minutes=90)}
    state = State(tmp_path / "citysoc.db")
    changes = Changes()
    tally = changes.tally("yte/fw", here["event.ingested"])
    tally.received, tally.stored = 4, 4
    with state.transaction() as db:
        number = prepare(db, changes)
    bad = rows(3, every=dt.timedelta(0), **{"user.name": "not a number"}, **here)
    good = to_table([{"@timestamp": START, "event.id": "good", **here}])
    store.append(pa.concat_tables([bad, good]), number)
    with state.transaction() as db:
        apply(db, number, changes)
    store.drain()
    store.refresh()
    assert (store.count(Question()), store.count(Question(quarantine=True))) == (1, 3)
    (told,) = store.refusals()
    assert follow(state, store) == 3
    store._spool.refuse(told)  # killed between the counters and the spool
    assert follow(state, store) == 0
    assert store.refusals() == []
    (row,) = state.rows("SELECT * FROM counters")
    assert (row["received"], row["stored"], row["quarantined"], row["rejected"]) == (4, 1, 3, 0)
    assert row["hour"] == "2026-10-01T01:00:00.000000Z"
    (audit,) = state.rows("SELECT * FROM audit")
    assert "user.name" in audit["detail"]
    state.close()


def test_a_request_that_is_too_large_is_halved(tmp_path, elastic):
    """The server's own limit is far above ours; one document alone above it would be quarantined."""
    with place() as folder:
        port = free_port()
        options = {"http.max_content_length": "64kb"}
        with node(Settings(port=port, folder=folder, options=options)) as small:
            settings = Elastic(urls=(small.url,), bulk_bytes=1 << 20, refresh_seconds=3600)
            store = ElasticStore(settings, root=tmp_path, spool=tmp_path / "spool")
            events = rows(400).to_pylist()
            some = [{k: v for k, v in event.items() if v is not None} for event in events]
            some[7]["event.original"] = "z" * 100_000
            store.append(to_table(some), 1)
            store.refresh()
            assert store.count(Question()) == 399
            refused = list(store.search(Question(quarantine=True)))
            assert [row["event.id"] for row in refused] == [f"{7:032x}"]
            assert refused[0]["event.original"] == "z" * 1000
            store.close()


def test_retention_removes_whole_days_and_parts_of_one(store, elastic):
    store.append(rows(24 * 5), 1)
    store.refresh()
    assert store.retain(START + dt.timedelta(days=2, hours=6)) == 54
    store.refresh()
    assert store.count(Question()) == 66
    names = sorted(elastic.call("GET", f"{store._settings.prefix}-events-*"))
    assert [name[-10:] for name in names] == ["2026.10.03", "2026.10.04", "2026.10.05"]
    assert store.retain(START + dt.timedelta(days=2, hours=6)) == 0


def test_retention_leaves_what_a_wrong_clock_put_into_an_old_day(store):
    arrived = {"event.ingested": START}
    events = [
        {"@timestamp": dt.datetime(2028, 3, 1, tzinfo=dt.UTC), "event.id": "future", **arrived},
        {"@timestamp": dt.datetime(2028, 1, 1, tzinfo=dt.UTC), "event.id": "earlier", **arrived},
    ]
    store.append(to_table(events), 1)
    store.refresh()
    assert store.retain(dt.datetime(2028, 2, 1, tzinfo=dt.UTC)) == 1
    store.refresh()
    assert [event["event.id"] for event in store.search(Question())] == ["future"]


def test_retention_by_a_query(store):
    kinds = to_table(
        [
            {"@timestamp": START, "event.id": str(n), "event.category": [kind]}
            for n, kind in enumerate(("malware", "network", "malware"))
        ]
    )
    store.append(kinds, 1)
    store.refresh()
    assert store.retain(START + dt.timedelta(days=9), "event.category:network") == 1
    store.refresh()
    assert store.count(Question("event.category:malware")) == store.count(Question()) == 2


def test_what_fits(store):
    store.append(rows(24 * 4, every=dt.timedelta(hours=1)), 1)
    store.refresh()
    assert store.fitting(1 << 40) is None
    assert store.fitting(0) == START + dt.timedelta(days=4)
    size = store.status().bytes
    assert START < store.fitting(size // 2) < START + dt.timedelta(days=4)


def test_news_are_what_was_stored_since(store):
    store.append(rows(3), 1)
    mark = store.news(Question(), since=None).mark
    assert store.news(Question(), since=mark).events == []
    store.append(to_table([{"@timestamp": START, "event.id": "late", "event.original": "old but new"}]), 2)
    news = store.news(Question("old"), since=mark)
    assert [event["event.id"] for event in news.events] == ["late"]
    assert store.news(Question(), since=news.mark).events == []
    with pytest.raises(UsageError):
        store.news(Question(), since="a mark of another store")


def test_an_answer_behind_an_event(store):
    store.append(rows(6, every=dt.timedelta(0)), 1)
    store.refresh()
    after = (START, f"{2:032x}")
    older = [e["event.id"][-1] for e in store.search(Question(), after=after)]
    newer = [e["event.id"][-1] for e in store.search(Question(), newest_first=False, after=after)]
    assert (older, newer) == (["1", "0"], ["3", "4", "5"])


def test_a_shard_that_does_not_answer_is_told(store, elastic):
    """Of two days one is lost: the other answers, and what is missing has a name."""
    store.append(rows(48), 1)
    store.refresh()
    lost = f"{store._settings.prefix}-events-2026.10.02"
    nowhere = {"index.routing.allocation.require._name": "nobody", "index.number_of_replicas": 0}
    elastic.call("DELETE", lost)
    elastic.call("PUT", f"{lost}?wait_for_active_shards=0&timeout=1s", {"settings": nowhere})
    assert store.left_out() == []
    assert store.count(Question()) == 24
    assert len(list(store.search(Question()))) == 24
    assert "1 of 2 shards" in store.left_out()[0]
    assert store.verify() == [f"{lost}: 1 of 1 shards are missing"]


def test_groups_of_more_than_a_page(store):
    some = [
        {"@timestamp": START, "event.id": f"{n:05d}", "user.name": f"u{n % 4500}", "source.port": n}
        for n in range(9000)
    ]
    store.append(to_table(some), 1)
    store.refresh()
    found = store.aggregate(Question(), by=("user.name",), metrics=(Metric(), Metric("max", "source.port")))
    assert len(found) == 4500
    assert {row["count"] for row in found} == {2}
    whole = store.aggregate(Question(), by=(), metrics=(Metric("cardinality", "source.port"),))
    assert whole == [{"cardinality:source.port": 9000}]
    assert len(list(store.search(Question(), fields=("user.name",)))) == 9000


def test_a_copy_never_goes_back(store, elastic):
    new, old = Copy("a1", 20, {"state": "closed"}), Copy("a1", 10, {"state": "new"})
    assert store.copy("alerts", [new]) == 1
    assert store.copy("alerts", [old]) == 0
    assert store.copy("alerts", [new]) == 1
    index = f"{store._settings.prefix}-alerts"
    assert elastic.call("GET", f"{index}/_doc/a1")["_source"] == {"state": "closed"}


def test_what_this_server_can_do_is_asked(store):
    """The node of the tests has no lifecycles: it says so, and the store does without."""
    found = probe(store.cluster)
    assert found.version.startswith("9.")
    assert found.lifecycles is False
    with pytest.raises(StoreError):
        lifecycle(store.cluster, "test", 30)
    store._retention_days = 30
    store.append(rows(1), 1)
    store.finish()
    assert store.outside().rows == 0


def test_days_are_moved_and_proven(store, tmp_path):
    local = LocalStore(tmp_path / "local", threads=1)
    local.append(rows(100), 5)
    half = rows(100).slice(10, 30)
    store.take(half)
    moved = list(migrate(local, store))
    assert sum(one.rows for one in moved) == 100
    assert sum(one.copied for one in moved) == 70
    for one in moved:
        assert content(local, one.day) == content(store, one.day)
    assert store.last_commit() == 5
    assert sum(one.copied for one in migrate(local, store)) == 0
    store.append(to_table([{"@timestamp": START, "event.id": "own"}]), 6)
    back = LocalStore(tmp_path / "back", threads=1)
    assert sum(one.copied for one in migrate(store, back)) == 101
    assert back.last_commit() == 6
    assert back.count(Question()) == 101


@pytest.mark.parametrize("back", [False, True])
def test_a_move_that_was_interrupted_goes_on_where_it_stopped(store, tmp_path, back):
    local = LocalStore(tmp_path / "local", threads=1)
    source, target = (store, local) if back else (local, store)
    source.append(rows(100), 5)  # 100 hours: five days
    store.finish()
    moving = migrate(source, target)
    first = next(moving)
    moving.close()
    assert (first.rows, first.copied, target.last_commit()) == (24, 24, 0)
    assert [one.copied for one in migrate(source, target)] == [0, 24, 24, 24, 4]
    assert target.last_commit() == 5
    assert content(source, first.day) == content(target, first.day)


def test_pages_are_one_moment_while_others_write_and_remove(store, monkeypatch):
    """Reading sees the store as it was when it began; pages by marks neither repeat nor skip what was there."""
    monkeypatch.setattr("citysoc.stores.elastic_scan.PAGE", 7)
    store.append(rows(60), 1)
    store.refresh()
    there = [event["event.id"] for event in store.search(Question(), newest_first=False)]
    reading = store.search(Question(), newest_first=False)
    seen = [next(reading)["event.id"] for _number in range(10)]
    more = [{"@timestamp": START + dt.timedelta(minutes=90 * n), "event.id": f"new{n}"} for n in range(30)]
    store.append(to_table(more), 2)
    store.refresh()
    store.retain(START + dt.timedelta(hours=5))
    store.refresh()
    assert seen + [event["event.id"] for event in reading] == there
    pages, after = [], None
    for number in range(50):
        page = list(store.search(Question(), limit=9, after=after))
        pages += [event["event.id"] for event in page]
        if len(page) < 9:
            break
        after = (page[-1]["@timestamp"], page[-1]["event.id"])
        store.append(
            to_table([{"@timestamp": START + dt.timedelta(hours=7 * number), "event.id": f"x{number}"}]),
            3 + number,
        )
        store.refresh()
    assert len(set(pages)) == len(pages)
    kept = {event["event.id"] for event in store.search(Question("NOT event.id:x*"))}
    assert kept <= set(pages)


@pytest.mark.parametrize("pattern", ["*a" * 60 + "*b", "*a?" * 30 + "*b", "*" + "a" * 4000 + "*b*"])
def test_no_pattern_takes_long(store, pattern):
    some = [
        {"@timestamp": START, "event.id": str(n), "user.name": "a" * 9000, "message": "a" * 9000}
        for n in range(5)
    ]
    store.append(to_table(some), 1)
    store.refresh()
    started = time.monotonic()
    assert store.count(Question(f"user.name:{pattern} OR message:{pattern}")) == 0
    assert time.monotonic() - started < 20


def test_a_day_that_differs_is_named(store, tmp_path):
    local = LocalStore(tmp_path / "local", threads=1)
    local.append(rows(30), 1)
    store.take(to_table([{"@timestamp": START, "event.id": f"{3:032x}", "event.original": "forged"}]))
    with pytest.raises(StoreError, match="2026-10-01"):
        list(migrate(local, store))


def test_a_query_that_is_too_deep_for_the_cluster_is_an_error_of_ours(store):
    store.append(rows(1), 1)
    store.settle()
    query = "event.action:a"
    for number in range(48):
        query = f"event.action:b{number} {'OR' if number % 2 else 'AND'} ({query})"
    with pytest.raises(StoreError, match="nested depth"):
        store.count(Question(query))
