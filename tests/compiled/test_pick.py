"""Some values of each of some records, against a reader of JSON."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.compiled.sheets import np, pick, sheet_of

VALUES = st.one_of(
    st.text(max_size=12),
    st.integers(-(10**9), 10**9),
    st.booleans(),
    st.none(),
    st.lists(st.text(max_size=5), min_size=1),
)
RECORDS = st.lists(st.lists(VALUES, min_size=1, max_size=5), min_size=1, max_size=6)


@settings(max_examples=100)
@given(RECORDS, st.data())
def test_the_values_asked_for(rows, data):
    records = [orjson.dumps({str(number): value for number, value in enumerate(row)}) for row in rows]
    some = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8))
    places = [data.draw(st.lists(st.integers(0, len(rows[number]) - 1), max_size=4)) for number in some]
    wanted = [
        [~place if type(rows[number][place]) is list else place for place in own]
        for number, own in zip(some, places, strict=True)
    ]
    expected = [[rows[number][place] for place in own] for number, own in zip(some, places, strict=True)]
    assert pick.picked(sheet_of(records), np.array(some, np.int32), wanted) == expected


@pytest.mark.parametrize("odd", [b"\xff", b"\xed\xa0\x80"])
def test_what_cannot_be_read(odd):
    sheet = sheet_of([b'{"a":"b"}', b'{"a":"%s"}' % odd])
    some = np.arange(2, dtype=np.int32)
    assert pick.picked(sheet, some, [[0], [0]]) is None
    assert pick.picked(sheet, some[:1], [[0]]) == [["b"]]
