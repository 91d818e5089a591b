"""Orders by fields: total, paged, and what plain Python makes of them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from citysoc.ecs.schema import to_table
from citysoc.errors import UsageError
from citysoc.stores import order_local
from citysoc.stores.base import Question
from citysoc.stores.local import LocalStore
from citysoc.stores.order import mark, order, place, total
from tests.stores import strategies as made

slow = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


@slow
@given(made.events, made.queries, made.sorts, st.integers(1, 4))
def test_pages_give_the_order_of_plain_python(some, query, wanted, size):
    wanted = total(wanted)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(order_local, "PAGE_ROWS", 3)
        store = LocalStore(Path(folder), threads=1)
        made.numbered(some)
        if some:
            store.append(to_table(some), 1)
        ids = set(made.expected_ids(query, some))
        expected = [event["event.id"] for event in made.by_fields(some, wanted) if event["event.id"] in ids]
        assert [e["event.id"] for e in store.ordered(Question(query), wanted)] == expected
        assert made.paged(store, query, wanted, size) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("source.ip,-@timestamp", "source.ip,-@timestamp,-event.id"),
        (" source.port , event.id", "source.port,event.id,-@timestamp"),
        ("-winlog.event_data.X", "-winlog.event_data.X,-@timestamp,-event.id"),
    ],
)
def test_an_order_is_total(text, expected):
    assert ",".join(map(str, order(text))) == expected


@pytest.mark.parametrize(
    ("text", "where", "told"),
    [
        ("", "column 1", "missing"),
        ("source.ip,,user.name", "column 11", "missing"),
        ("source.ip, user.nam", "column 12", "'user.nam'"),
        ("message", "column 1", "free text"),
        ("source.ip,-source.ip", "column 11", "twice"),
        (",".join(made.SORTED[:9]), None, "at most 8"),
    ],
)
def test_a_wrong_order_is_told_with_its_column(text, where, told):
    with pytest.raises(UsageError, match=told) as caught:
        order(text)
    assert caught.value.where == where


def test_a_misspelt_field_is_told_with_the_one_that_was_meant():
    with pytest.raises(UsageError) as caught:
        order("user.nam")
    assert "user.name" in caught.value.hint


@pytest.mark.parametrize("text", ["", "x", "2026-10-01T00:00:00Z,abc", "W10", "%%%", "bnVsbA", "é"])
def test_what_is_no_mark_is_refused(text):
    with pytest.raises(UsageError, match="mark"):
        place(text, order("source.ip"))


def test_a_mark_of_another_order_is_refused():
    event = {"source.port": 5, "event.id": "a", "@timestamp": made.START}
    text = mark(event, order("source.port"))
    assert place(text, order("source.port")) == [5, made.START, "a"]
    with pytest.raises(UsageError, match="another order"):
        place(text, order("-source.port"))
