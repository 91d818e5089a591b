"""The lines of bulk requests, which Arrow puts together, are what plain Python makes of the same rows."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citysoc.ecs.fields import EXTRA, FIELDS
from citysoc.ecs.schema import to_table
from citysoc.stores import elastic_encode
from citysoc.stores.elastic_chunks import Chunk, chunks
from citysoc.stores.elastic_encode import encoded
from citysoc.stores.elastic_mapping import INDEX, SEPARATOR, extra_key, folds_alike
from citysoc.stores.query import fold
from citysoc.stores.query_match import text_of
from tests.stores import strategies as made

if TYPE_CHECKING:
    import pyarrow as pa

START = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
STRANGE = [
    '"',
    "\\",
    "\\\\",
    '\\"',
    "\x00",
    "\x1f",
    "\n\t\r\b\f",
    "\x7f",
    "\u2028",
    '":"',
    "",
    "ộ" * 3000,
    "é" * 2,
    "\U0001f600",
]


def expected(row: dict, commit: int) -> dict:
    """Return a row's document, made in the most obvious way."""
    found = {name: value for name, value in row.items() if value is not None}
    moments = {n: v for n, v in found.items() if isinstance(v, dt.datetime)}
    for name, moment in moments.items():
        found[name] = f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"
    own = {
        "commit": commit,
        "us": {n: (v - EPOCH) // dt.timedelta(microseconds=1) for n, v in moments.items()},
    }
    odd = {}
    for name, value in found.items():
        texts = value if isinstance(value, list) else [value]
        if name in FIELDS and FIELDS[name].type in ("keyword", "text") and not all(map(folds_alike, texts)):
            odd[name] = [fold(text) for text in texts]
    if EXTRA in found:
        own["extra"] = []
        for name, value in json.loads(found[EXTRA]).items():
            texts = [
                text_of(item) for item in (value if isinstance(value, list) else [value]) if item is not None
            ]
            entries = [extra_key(name) + SEPARATOR + text for text in texts]
            own["extra"] += entries
            if name not in FIELDS and not all(map(folds_alike, entries)):
                odd[extra_key(name)] = [fold(text) for text in texts]
    if odd:
        own |= {"odd": list(odd), "folded": odd}
    return found | {INDEX: own}


def documents(table: pa.Table, max_bytes: int = 1 << 20, commit: int = 7) -> list:
    return [
        chunk.document(number)
        for chunk in chunks(encoded(table, "p", commit), max_bytes)
        for number in range(len(chunk))
    ]


strange = st.lists(
    st.fixed_dictionaries(
        {"@timestamp": st.just(START)},
        optional={
            "message": st.sampled_from(STRANGE) | st.text(),
            "event.original": st.sampled_from(STRANGE) | st.text(),
            "event.category": st.lists(st.sampled_from(STRANGE), max_size=3),
            "source.port": st.integers(-5, 70_000),
            "event.risk_score": st.floats(allow_nan=False),
            "tls.established": st.booleans(),
            "winlog.event_data.Name": st.sampled_from(STRANGE) | st.integers() | st.floats() | st.none(),
            "zeek.n": made.json_value,
        },
    ),
    max_size=8,
)


@settings(deadline=None)
@given(st.one_of(made.events, strange))
def test_each_document_is_what_plain_python_makes_of_its_row(some):
    table = to_table(made.numbered(some)).sort_by("@timestamp")
    found = {document.id: json.loads(document.source) for document in documents(table)}
    assert found == {row["event.id"]: expected(row, 7) for row in table.to_pylist()}


@given(st.lists(st.integers(1, 300), max_size=40), st.integers(200, 2000))
def test_requests_are_even_and_none_is_too_large(lengths, max_bytes):
    rows = [
        {"@timestamp": START, "event.id": f"{number:04d}", "message": "x" * length}
        for number, length in enumerate(lengths)
    ]
    made_ = list(chunks(encoded(to_table(rows), "p"), max_bytes)) if rows else []
    assert [chunk.document(n).id for chunk in made_ for n in range(len(chunk))] == [
        r["event.id"] for r in rows
    ]
    assert all(len(chunk.body) <= max_bytes or len(chunk) == 1 for chunk in made_)
    assert all(chunk.body.count(b"\n") == 2 * len(chunk) for chunk in made_)


def test_few_large_requests_carry_many_slices(monkeypatch):
    monkeypatch.setattr(elastic_encode, "_SLICE_ROWS", 10)
    rows = [{"@timestamp": START, "event.id": f"{number:04d}"} for number in range(1000)]
    assert len(list(chunks(encoded(to_table(rows), "p"), 1 << 20))) == 1


def test_rows_of_many_megabytes_are_put_together_few_at_a_time(monkeypatch):
    monkeypatch.setattr(elastic_encode, "_SLICE_BYTES", 1 << 16)
    rows = [
        {"@timestamp": START, "event.id": str(number), "event.original": "z" * (1 << 15)}
        for number in range(9)
    ]
    assert [len(lines) for lines in encoded(to_table(rows), "p")] == [1] * 9
    assert len(documents(to_table(rows))) == 9


@pytest.mark.parametrize("id_", ["a b", 'quo"te', "ộ", "x" * 129, "y" * 5000])
def test_strange_ids_name_one_document(id_):
    table = to_table([{"@timestamp": START, "event.id": id_}, {"@timestamp": START, "event.id": "plain"}])
    first, second = documents(table)
    assert (first.id, second.id) == (elastic_encode.document_id(id_), "plain")
    assert len(first.id.encode()) <= 512


def test_rows_without_an_id_get_the_same_one_each_time():
    table = to_table([{"@timestamp": START, "message": str(number % 2)} for number in range(6)])
    ids = [document.id for document in documents(table)]
    assert len(set(ids)) == 6
    assert ids == [document.id for document in documents(table, max_bytes=1)]
    assert not set(ids) & {document.id for document in documents(table, commit=8)}


def test_a_chunk_can_be_taken_apart():
    rows = [{"@timestamp": START, "event.id": str(number)} for number in range(5)]
    chunk = next(chunks(encoded(to_table(rows), "p"), 1 << 20))
    first, second = chunk.halves()
    assert first.body + second.body == chunk.body == first.joined(second).body
    assert [chunk.only([4, 1]).document(n).id for n in (0, 1)] == ["4", "1"]
    assert not chunk.none()
    assert isinstance(second, Chunk)
    assert second.document(0).id == "2"


def test_a_value_that_does_not_fit_its_field_is_not_taken_for_one():
    """A mapping is no user's name; it is kept, and the query user.name:* must not find it."""
    (found,) = documents(
        to_table([{"@timestamp": START, "event.id": "1", "user.name": {"a": "e\u0302\u0301"}}])
    )
    assert "odd" not in json.loads(found.source)[INDEX]
