"""Values picked by where they stand, against a reader of whole records."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from tests.compiled.sheets import np, sheet_of

from citysoc.compiled.pick import picked  # isort: skip  (after the check that there is a compiler)

VALUES = st.one_of(st.text(max_size=12), st.integers(-(10**17), 10**17), st.booleans(), st.none())
RECORDS = st.lists(st.lists(VALUES, min_size=1, max_size=5), max_size=6)


@given(RECORDS, st.randoms(use_true_random=False))
def test_what_is_picked_is_what_records_say(rows, dice):
    records = [orjson.dumps({f"n{place}": value for place, value in enumerate(row)}) for row in rows]
    some = [number for number in range(len(rows)) for _twice in range(dice.randrange(3))]
    wanted = [tuple(dice.choices(range(len(rows[number])), k=dice.randrange(4))) for number in some]
    found = picked(sheet_of(records), np.array(some, np.int32), wanted)
    assert orjson.dumps(found) == orjson.dumps(
        [[rows[number][place] for place in places] for number, places in zip(some, wanted, strict=True)]
    )


def test_what_is_no_text_is_not_picked():
    sheet = sheet_of([b'{"a":"\xff","b":"b"}'])
    assert picked(sheet, np.zeros(1, np.int32), [(0,)]) is None
    assert picked(sheet, np.zeros(1, np.int32), [(1,)]) == [["b"]]
    assert picked(sheet, np.zeros(0, np.int32), []) == []


def test_lists_are_picked_with_their_brackets():
    sheet = sheet_of([b'{"a":123,"b":4,"c":5}'])
    ends = sheet.end.copy()
    ends[2] = sheet.begin[2]  # nothing stands between the brackets
    assert picked(sheet._replace(end=ends), np.zeros(1, np.int32), [(~2, 1, ~0)]) == [[[], 4, [123]]]
