"""The same question gives the same answer: the local store against plain Python."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from citysoc.ecs.schema import to_table
from citysoc.stores.base import Question
from citysoc.stores.local import LocalStore
from citysoc.stores.query_match import matches
from citysoc.stores.query_parse import parse
from tests.stores import strategies as made

slow = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each try costs a table on the disk: no shrinking
)


def stored(folder: str, some: list) -> LocalStore:
    store = LocalStore(Path(folder), threads=1)
    made.numbered(some)
    for commit, part in enumerate((some[::2], some[1::2]), start=1):
        if part:
            store.append(to_table(part), commit)
    return store


@slow
@given(made.events, st.lists(made.queries, min_size=1, max_size=8))
def test_search_finds_what_plain_python_finds(some, questions):
    with tempfile.TemporaryDirectory() as folder:
        store = stored(folder, some)
        for query in questions:
            expected = made.expected_ids(query, some)
            assert [e["event.id"] for e in store.search(Question(query), newest_first=False)] == expected, (
                query
            )
            assert [e["event.id"] for e in store.search(Question(query), limit=3)] == expected[::-1][:3], (
                query
            )
            assert store.count(Question(query)) == len(expected), query
            if len(expected) > 1:
                first = next(store.search(Question(query), newest_first=False))
                mark = (first["@timestamp"], first["event.id"])
                behind = store.search(Question(query), newest_first=False, after=mark)
                assert [e["event.id"] for e in behind] == expected[1:], query


@slow
@given(made.events, st.lists(made.queries, min_size=1, max_size=4), made.queries)
def test_merged_files_answer_alike_and_retention_removes_what_matches(some, questions, gone):
    with tempfile.TemporaryDirectory() as folder:
        store = stored(folder, some)
        store.compact()
        for query in questions:
            expected = made.expected_ids(query, some)
            assert [e["event.id"] for e in store.search(Question(query), newest_first=False)] == expected, (
                query
            )
        before = made.START + dt.timedelta(days=1)
        removed = [e for e in some if e["@timestamp"] < before and matches(parse(gone), e)]
        assert store.retain(before, gone) == len(removed), gone
        left = [event for event in some if event not in removed]
        assert [e["event.id"] for e in store.search(Question(), newest_first=False)] == made.expected_ids(
            "", left
        )
        assert store.verify() == []


@slow
@given(made.events, made.queries, made.group_fields, made.metrics, made.intervals)
def test_aggregates_are_what_plain_python_computes(some, query, by, wanted, interval):
    with tempfile.TemporaryDirectory() as folder:
        store = stored(folder, some)
        chosen = [event for event in some if matches(parse(query), event)]
        for zone in ("UTC", "Asia/Ho_Chi_Minh"):
            found = store.aggregate(
                Question(query), by=by, metrics=wanted, interval_seconds=interval, timezone=zone
            )
            expected = made.reference(chosen, by, wanted, interval, ZoneInfo(zone))
            assert len(found) == len(expected)
            for row, right in zip(found, expected, strict=True):
                assert list(row) == list(right)
                for name_, cell in right.items():
                    close = pytest.approx(cell) if isinstance(cell, float) else cell
                    assert row[name_] == close, name_
