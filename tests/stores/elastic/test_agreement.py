"""The same question gives the same answer: Elasticsearch, the local store and plain Python."""

from __future__ import annotations

import tempfile
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from citysoc.ecs.schema import to_table
from citysoc.stores.base import Question
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


def assert_same(found, expected):
    assert len(found) == len(expected)
    for row, right in zip(found, expected, strict=True):
        assert list(row) == list(right)
        for name, cell in right.items():
            close = pytest.approx(cell) if isinstance(cell, float) else cell
            assert row[name] == close, name
