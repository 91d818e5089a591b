"""The same question gives the same answer: Elasticsearch, the local store and plain Python."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from citysoc.ecs.schema import to_table
from citysoc.stores.base import Metric, Question
from citysoc.stores.local import LocalStore
from citysoc.stores.order import total
from citysoc.stores.query_match import matches
from citysoc.stores.query_parse import parse
from tests.stores import strategies as made
from tests.stores.elastic.conftest import elastic_store

pytestmark = pytest.mark.elastic

slow = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each try costs indices: no shrinking
)


@slow
@given(made.events, st.lists(made.queries, min_size=1, max_size=12))
def test_search_finds_what_plain_python_finds(elastic, some, questions):
    with elastic_store(elastic) as store, tempfile.TemporaryDirectory() as folder:
        local = LocalStore(Path(folder), threads=1)
        made.numbered(some)
        for one in (store, local):
            for commit, part in enumerate((some[::2], some[1::2]), start=1):
                if part:
                    one.append(to_table(part), commit)
        store.refresh()
        whole = list(local.search(Question(), newest_first=False))
        assert list(store.search(Question(), newest_first=False)) == whole
        for query in questions:
            expected = made.expected_ids(query, some)
            asked = Question(query)
            for one in (store, local):
                assert [e["event.id"] for e in one.search(asked, newest_first=False)] == expected, query
                assert [e["event.id"] for e in one.search(asked, limit=3)] == expected[::-1][:3], query
            assert store.count(asked) == len(expected), query


@slow
@given(made.events, st.lists(st.tuples(made.queries, made.sorts, st.integers(1, 4)), min_size=1, max_size=6))
def test_orders_and_pages_are_those_of_plain_python(elastic, some, questions):
    with elastic_store(elastic) as store, tempfile.TemporaryDirectory() as folder:
        local = LocalStore(Path(folder), threads=1)
        made.numbered(some)
        if some:
            store.append(to_table(some), 1)
            local.append(to_table(some), 1)
        store.refresh()
        for query, sorts, size in questions:
            wanted = total(sorts)
            ids = set(made.expected_ids(query, some))
            expected = [e["event.id"] for e in made.by_fields(some, wanted) if e["event.id"] in ids]
            for one in (store, local):
                assert [e["event.id"] for e in one.ordered(Question(query), wanted)] == expected
                assert made.paged(one, query, wanted, size) == expected


@slow
@given(
    made.events,
    st.lists(
        st.tuples(made.queries, made.group_fields, made.metrics, made.intervals), min_size=1, max_size=6
    ),
)
def test_aggregates_are_what_plain_python_computes(elastic, some, questions):
    with elastic_store(elastic) as store, tempfile.TemporaryDirectory() as folder:
        local = LocalStore(Path(folder), threads=1)
        made.numbered(some)
        if some:
            store.append(to_table(some), 1)
            local.append(to_table(some), 1)
        store.refresh()
        for query, by, wanted, interval in questions:
            chosen = [event for event in some if matches(parse(query), event)]
            for zone in ("UTC", "Asia/Ho_Chi_Minh"):
                expected = made.reference(chosen, by, wanted, interval, ZoneInfo(zone))
                for one in (store, local):
                    found = one.aggregate(
                        Question(query), by=by, metrics=wanted, interval_seconds=interval, timezone=zone
                    )
                    assert_same(found, expected)


FEW = {"elastic_groups._PAGE": 2, "elastic_groups._METRICS_PAGE": 2, "elastic_cut._MARGIN": 1}
"""So few groups come at a time that the cuts of the server and of ours matter with few events."""


@pytest.mark.parametrize(
    "sizes", [{}, FEW, {**FEW, "elastic_cut._SHARD_FACTOR": 1}], ids=["", "few", "fewer"]
)
@slow
@given(
    made.events,
    st.lists(
        st.tuples(made.queries, made.group_fields, made.metrics, made.intervals, st.integers(0, 6)),
        min_size=1,
        max_size=6,
    ),
)
def test_the_first_groups_are_the_first_of_all(elastic, sizes, some, questions):
    with elastic_store(elastic) as store, pytest.MonkeyPatch.context() as patch:
        for name, value in sizes.items():
            patch.setattr(f"citysoc.stores.{name}", value)
        made.numbered(some)
        if some:
            store.append(to_table(some), 1)
        store.refresh()
        for query, by, wanted, interval, limit in questions:
            chosen = [event for event in some if matches(parse(query), event)]
            for metrics in (wanted, [Metric()]):
                expected = made.reference(chosen, by, metrics, interval, ZoneInfo("UTC"))[:limit]
                asked = {"by": by, "metrics": metrics, "interval_seconds": interval, "limit": limit}
                assert_same(store.aggregate(Question(query), **asked), expected)


def test_the_server_cuts_and_is_believed_only_where_it_can_be_right(store):
    """Each day's shard sends its most frequent addresses only; where they differ from day to day it may be wrong."""
    start = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
    often = [f"10.0.0.{number}" for number in range(5) for _ in range(50 - number)]
    rare = [f"10.{day}.{number // 250}.{number % 250}" for day in range(1, 4) for number in range(3000)]
    events = [
        {"@timestamp": start + dt.timedelta(days=number % 3), "event.id": f"{number:032x}", "source.ip": one}
        for number, one in enumerate(often + rare + [f"10.9.9.{n % 7}" for n in range(21)])
    ]
    store.append(to_table(events), 1)
    store.refresh()
    whole = store.aggregate(Question(), by=("source.ip",))
    assert len(whole) == 5 + 9000 + 7
    requests, ask = [], store.cluster.ask
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            type(store.cluster),
            "ask",
            lambda _self, *args, **more: requests.append(args) or ask(*args, **more),
        )
        for limit, pages in ((5, 0), (6, 2), (9012, 0)):
            requests.clear()
            assert store.aggregate(Question(), by=("source.ip",), limit=limit) == whole[:limit]
            assert sum("composite" in str(one) for one in requests) == pages, limit


def assert_same(found, expected):
    assert len(found) == len(expected)
    for row, right in zip(found, expected, strict=True):
        assert list(row) == list(right)
        for name, cell in right.items():
            close = pytest.approx(cell) if isinstance(cell, float) else cell
            assert row[name] == close, name
