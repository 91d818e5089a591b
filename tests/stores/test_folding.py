"""What the local store's SQL spares itself when it folds text changes no answer."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata

import pytest

from citysoc.ecs.schema import to_table
from citysoc.stores.base import Question
from citysoc.stores.local import LocalStore
from citysoc.stores.query import fold
from citysoc.stores.query_sql import _STEADY, COMPOSED


def test_letters_that_are_never_normalized_are_neither_changed_nor_joined():
    joined = {chr(n) for n in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}
    for letter in map(chr, range(0x110000)):
        parts = unicodedata.decomposition(letter).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            joined.add(chr(int(parts[1], 16)))
    held = [
        chr(n)
        for low, high in re.findall(r"\\x\{(\w+)\}(?:-\\x\{(\w+)\})?", COMPOSED)
        for n in range(int(low, 16), int(high or low, 16) + 1)
    ]
    assert len(held) > 30_000
    assert [c for c in held if unicodedata.combining(c) or c in joined] == []
    assert [c for c in held if not unicodedata.is_normalized("NFC", c)] == []


def test_the_part_that_is_looked_for_first_is_in_every_composition():
    steady = {chr(n) for n in range(128) if _STEADY.fullmatch(chr(n))}
    letters = (chr(n) for n in range(128, 0x110000) if not 0xD800 <= n < 0xE000)
    assert [c for c in letters if steady & set(fold(c))] == []
    assert len(steady) > 110


@pytest.mark.parametrize(
    "needle",
    ["cách ly", "CÁCH LY", "ca\u0301ch ly", "kết", "İ", "is", "Ω", "77", "kh", "?", "kt", "ách"],
)
def test_substrings_are_found_in_every_composition_and_case(tmp_path, needle):
    texts = [
        "Đã cách ly",
        "kết QUẢ",
        "İstanbul",
        "is K\u212a kh",
        "policyid=77",
        "Ω Ω",
        "what?",
        "I\u0307s",
        "\u212aT",
    ]
    texts += [unicodedata.normalize("NFD", text).upper() for text in texts]
    store = LocalStore(tmp_path, threads=1)
    when = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
    rows = [{"@timestamp": when, "event.id": f"e{n:02d}", "message": text} for n, text in enumerate(texts)]
    store.append(to_table(rows), 1)
    expected = [f"e{n:02d}" for n, text in enumerate(texts) if fold(needle) in fold(text)]
    assert [
        e["event.id"] for e in store.search(Question(f'message:"{needle}"'), newest_first=False)
    ] == expected
    assert expected
