"""What is generated from the field dictionary, and what the real server makes of it."""

from __future__ import annotations

import datetime as dt
import json
import unicodedata
from pathlib import Path

import pytest

from citysoc.ecs.schema import to_table
from citysoc.stores import elastic_mapping
from citysoc.stores.base import Question
from citysoc.stores.elastic_chunks import chunks
from citysoc.stores.elastic_encode import encoded
from citysoc.stores.query import fold
from citysoc.stores.query_match import matches
from citysoc.stores.query_parse import parse

GOLDEN = Path(__file__).with_name("template.json")
START = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)


def generated():
    own = elastic_mapping.settings(shards=1, replicas=None, refresh_seconds=5)
    return elastic_mapping.events_template("citysoc", own, policy="citysoc-events")


def trusted_letters():
    """Return every letter that the mapping trusts."""
    return [
        chr(n)
        for n in range(1, 0x110000)
        if unicodedata.category(chr(n)) != "Cs" and not elastic_mapping.UNSAFE.match(chr(n))
    ]


def test_the_template_is_the_one_that_was_looked_at():
    """Write it anew with ``python -m tests.stores.elastic.test_mapping`` and look at the difference."""
    assert generated() == json.loads(GOLDEN.read_text("utf-8"))


def test_letters_that_are_trusted_are_composed_in_any_order():
    letters = trusted_letters()
    assert len(letters) > 30_000
    for letter in letters:
        assert unicodedata.combining(letter) == 0, hex(ord(letter))
        assert unicodedata.normalize("NFC", letter) == letter, hex(ord(letter))
    marks = {
        chr(n)
        for n in range(0x110000)
        if unicodedata.category(chr(n)) != "Cs"
        and (parts := unicodedata.decomposition(chr(n)))
        and parts[0] != "<"
        for part in parts.split()[1:]
        for n in (int(part, 16),)
    }
    assert not marks & set(letters), "a trusted letter is the second half of another"


@pytest.mark.parametrize(
    ("text", "alike"),
    [
        ("admin", True),
        ("ĐỘC HẠI", True),
        ("Ế", True),
        ("E\u0302\u0301", False),
        ("İ", False),
        ("nul\0", False),
        ("a" * 8191, True),
        ("a" * 8192, False),
        ("ộ" * 2730, True),
        ("ộ" * 2731, False),
    ],
)
def test_what_the_server_folds_as_we_do(text, alike):
    assert elastic_mapping.folds_alike(text) is alike


@pytest.mark.parametrize("name", ["winlog.event_data.TargetUserName", "zeek.n", "a^b.C", "cef.Độ", "x.\x1f"])
def test_a_vendors_name_outlives_folding(name):
    key = elastic_mapping.extra_key(name)
    assert fold(key) == key
    assert elastic_mapping.SEPARATOR not in key


def test_names_of_vendors_stay_apart():
    names = ["a.B", "a.b", "a.^42;", "a.^b", "a.Ab", "a.aB"]
    assert len({elastic_mapping.extra_key(name) for name in names}) == len(names)


def test_a_record_always_meets_its_own_index():
    """The index follows from the event and its arrival; a clock that is far off makes one index a year."""
    rows = [
        {"event.id": "a", "@timestamp": START + dt.timedelta(hours=23, minutes=59)},
        {"event.id": "b", "@timestamp": START + dt.timedelta(days=1)},
        {"event.id": "c", "@timestamp": dt.datetime(1999, 5, 7, tzinfo=dt.UTC)},
        {"event.id": "d", "@timestamp": dt.datetime(2031, 5, 7, tzinfo=dt.UTC)},
    ]
    arrived = {"event.ingested": START + dt.timedelta(days=2)}
    table = to_table([row | arrived for row in rows])
    made = [
        chunk.document(number)
        for chunk in chunks(encoded(table, "p"), 1 << 20)
        for number in range(len(chunk))
    ]
    found = {document.id: document.index for document in made}
    assert found == {
        "a": "p-events-2026.10.01",
        "b": "p-events-2026.10.02",
        "c": "p-events-1999.01.01",
        "d": "p-events-2031.01.01",
    }


@pytest.mark.elastic
def test_the_server_folds_each_trusted_letter_as_we_do(store):
    store.append(to_table([{"@timestamp": START, "event.id": "1"}]), 1)
    store.finish()
    letters = trusted_letters()
    for begin in range(0, len(letters), 1000):
        text = "".join(letters[begin : begin + 1000])
        index = f"/{store._settings.prefix}-events-2026.10.01/_analyze"
        answer = store.cluster.ask("POST", index, {"normalizer": "citysoc_folded", "text": [text]})
        assert answer["tokens"][0]["token"] == fold(text)


@pytest.mark.elastic
def test_the_indices_are_as_the_template_says(store):
    store.append(to_table([{"@timestamp": START, "event.id": "1"}]), 1)
    store.finish()
    prefix = store._settings.prefix
    index = f"{prefix}-events-2026.10.01"
    facts = store.cluster.ask("GET", f"/{index}")[index]
    assert facts["settings"]["index"]["codec"] == "best_compression"
    assert f"{prefix}-events" in facts["aliases"]
    assert facts["mappings"]["dynamic"] == "false"
    assert facts["mappings"]["properties"]["user"]["properties"]["name"]["fields"]["folded"]["normalizer"]


@pytest.mark.elastic
def test_long_and_strange_values_are_found_all_the_same(store):
    long = "x" * 40_000 + "Needle" + "y" * 40_000
    events = [
        {"@timestamp": START, "event.id": "1", "event.original": long, "user.name": long},
        {
            "@timestamp": START,
            "event.id": "2",
            "event.original": "E\u0302\u0301ch",
            "user.name": "E\u0302\u0301",
        },
        {"@timestamp": START, "event.id": "3", "event.original": "a\0b", "zeek.note": long},
    ]
    store.append(to_table(events), 1)
    store.refresh()
    for query, expected in {
        "needle": ["1"],
        "NEEDLE*y": ["1"],
        "user.name:*needle*": ["1"],
        f'user.name:"{long[:9000]}"': [],
        "user.name:ế": ["2"],
        "ếCH": ["2"],
        "_exists_:user.name": ["1", "2"],
        "zeek.note:*needle*": ["3"],
        "NOT zeek.note:*": ["1", "2"],
        "user.name:[x TO z]": ["1"],
    }.items():
        found = [e["event.id"] for e in store.search(Question(query), newest_first=False)]
        assert found == expected, query
    assert [e["event.original"] for e in store.search(Question(), newest_first=False)] == [
        long,
        "E\u0302\u0301ch",
        "a\0b",
    ]


@pytest.mark.elastic
@pytest.mark.parametrize(
    "pattern",
    [
        "a" * 3000,
        "Ab" * 2000,
        "a" + "?b" * 200,
        "*x" + "?" * 30 + "y*",
        "*".join("abcdefgh" * 6),
        "Đ" * 300 + "*",
        "*" + "?" * 50,
    ],
)
def test_a_pattern_too_heavy_for_the_server_is_answered_all_the_same(store, pattern):
    texts = ["a" * 4000, "aB" * 2500, "a" + "?b" * 200, "x" + "z" * 30 + "y", "abcdefgh" * 20, "đ" * 301, ""]
    events = [
        {
            "@timestamp": START,
            "event.id": str(n),
            "event.original": text,
            "user.name": text,
            "zeek.note": text,
        }
        for n, text in enumerate(texts)
    ]
    store.append(to_table(events), 1)
    store.refresh()
    for field in ("event.original", "user.name", "zeek.note"):
        query = f"{field}:{pattern}"
        expected = [event["event.id"] for event in events if matches(parse(query), event)]
        found = [e["event.id"] for e in store.search(Question(query), newest_first=False)]
        assert found == expected
        assert store.count(Question(f"NOT {query}")) == len(texts) - len(expected)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(generated(), indent=1, ensure_ascii=False) + "\n", "utf-8")
