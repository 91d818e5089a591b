"""Values remembered by their bytes, against a dictionary."""

from __future__ import annotations

import itertools

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.compiled.sheets import memory, np, sheet_of, values

LONGEST = 4096
TEXTS = st.one_of(
    st.sampled_from(
        ["", "a", "aa", "aaaaaa", "aaaaaaa", "aaaaaaab", "aaaaaaaa", "aaaaaaaaaaaaaa", "aaaaaaaaaaaaaab"]
    ),
    st.sampled_from(
        [1, 12, 123, 23, 3, -1, 10**17, True, False, None, "1", "12", "true", "null", "n\u00e9", "\\", "\0"]
    ),
    st.integers(LONGEST - 12, LONGEST + 3).map(lambda size: "x" * size),
    st.text(max_size=20),
)
RECORDS = st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=12)
PLACES = st.sampled_from([[0], [1], [0, 1], [1, 0], [0, 2], [0, 1, 2], [2, 2], []])
LOOKS = st.lists(st.tuples(st.integers(1, 2), PLACES, RECORDS), min_size=1, max_size=6)


def written(rows):
    """Write rows as records, each of three values, and of one more letter each so that they begin anywhere."""
    return [
        orjson.dumps(dict(zip(("a" * (number % 9), "b!", "c?"), row, strict=True)))
        for number, row in enumerate(rows)
    ]


class Model:
    """What a memory must say: numbers that belong to one value of one column each."""

    def __init__(self, own=None):
        self.memory = own or memory.Memory()
        self._numbers = {}
        self._seen = set()

    def look(self, records, places, column):
        """Look values up and learn those that are fresh, as others do; return the fresh ones."""
        sheet = sheet_of(records)
        keys = [
            (column, *(values(sheet, number)[place] for place in places)) for number in range(len(records))
        ]
        dice = np.random.default_rng(len(records)).permutation(len(records)).astype(np.int32)
        found = self.memory.look(sheet, dice, np.array(places, np.int32), column)
        fresh = [keys[number] for number in dice[found.fresh].tolist()]
        said = [self._numbers.setdefault(key, len(self._numbers) + 1) for key in fresh]
        told = self.memory.learn(found, np.array(said, np.int32))
        assert told.tolist() == [self._numbers[keys[number]] for number in dice.tolist()]
        short = [key for key in fresh if sum(map(len, key[1:])) + len(key) - 1 <= LONGEST]
        assert len(short) == len({*short})
        assert self._seen.isdisjoint(short)
        self._seen.update(short)
        return fresh

    def forget(self):
        """Nothing need be remembered any more."""
        self._seen.clear()


@settings(max_examples=150)
@given(LOOKS)
def test_no_value_is_taken_for_another(looks):
    model = Model()
    for column, places, rows in looks:
        model.look(written(rows), places, column)


@pytest.mark.faults
@settings(max_examples=5000)
@given(LOOKS)
def test_no_value_is_taken_for_another_deeper(looks):
    test_no_value_is_taken_for_another.hypothesis.inner_test(looks)


_MASK = (1 << 64) - 1
_MIX = 0x9E3779B97F4A7C15


def _mixed(code, word):
    code = (code ^ word) * _MIX & _MASK
    return code ^ code >> 32


def colliding(number):
    """Yield texts of 18 letters, in no known encoding, that all have one hash in the first column."""
    after = int.from_bytes(bytes(range(0x41, 0x49)), "little") ^ 0x5A5A5A5A5A5A5A5A
    for count in itertools.count():
        first = b'"%07d' % count
        code = _mixed(_mixed(1, 18), int.from_bytes(first, "little"))
        second = (code ^ after).to_bytes(8, "little")
        if min(second) >= 32 and not {*second} & {*b'"\\'}:
            yield first + second + b'."'
            number -= 1
            if not number:
                return


def test_values_of_one_hash_are_told_apart():
    records = [b'{"a":%s}' % text for text in colliding(100)]
    model = Model()
    assert len(model.look(records, [0], 1)) == 100
    assert len({*model.memory._hashes[: model.memory._used[0]].tolist()}) == 1  # else this finds nothing
    model.forget()
    assert len(model.look(records, [0], 1)) == 100 - 32  # more with one hash are not looked through


def test_values_of_one_slot_are_told_apart(monkeypatch):
    """Numbers whose hashes end the same."""
    monkeypatch.setattr(memory, "_SLOTS", 1 << 18)
    digits = np.arange(10_000_000, 26_000_000, dtype=np.uint64)
    words = np.zeros(len(digits), np.uint64)
    for place in range(8):
        words |= (digits // np.uint64(10 ** (7 - place)) % np.uint64(10) + np.uint64(48)) << np.uint64(
            8 * place
        )
    code = (np.uint64(_mixed(1, 8)) ^ words) * np.uint64(_MIX)
    slots = (code ^ code >> np.uint64(32)) & np.uint64((1 << 18) - 1)
    some = digits[slots == slots[0]].tolist()
    assert len(some) > 32
    model = Model()
    records = [b'{"a":%d}' % number for number in some]
    model.look(records, [0], 1)
    assert len({*(model.memory._hashes[: model.memory._used[0]] & np.uint64((1 << 18) - 1)).tolist()}) == 1
    model.forget()
    assert len(model.look(records, [0], 1)) == len(some) - 32
    model.look([b'{"a":%d}' % number for number in range(3000)], [0], 1)


def test_what_comes_several_times_at_once_is_fresh_once():
    records = [b'{"a":"%d"}' % (number % 3) for number in range(10)]
    assert len(Model().look(records, [0], 1)) == 3


def test_long_values_are_never_remembered():
    model = Model()
    records = [b'{"a":"%s"}' % (b"x" * size) for size in (LONGEST - 3, LONGEST - 2, LONGEST)]
    assert len(model.look(records * 2, [0], 1)) == 1 + 2 * 2
    assert len(model.look(records * 2, [0], 1)) == 2 * 2


@pytest.mark.parametrize("size", [4000, 140])
def test_what_does_not_fit_is_forgotten_and_never_confused(size):
    model = Model()
    count = 24_000_000 // (size + 200)
    records = [b'{"a":"%d%s"}' % (number, b"y" * size) for number in range(count)]
    sheet = sheet_of(records)
    numbers = np.arange(1, count + 1, dtype=np.int32)
    for column, step in itertools.product((1, 2), (1000, count)):
        for begin in [*range(0, count, step), 0]:
            some = numbers[begin : begin + step] - np.int32(1)
            found = model.memory.look(sheet, some, np.zeros(1, np.int32), column)
            told = model.memory.learn(found, numbers[some[found.fresh]] * np.int32(column))
            assert told.tolist() == (numbers[some] * np.int32(column)).tolist()


def look(own, records):
    some = np.arange(len(records), dtype=np.int32)
    return own.look(sheet_of(records), some, np.zeros(1, np.int32), 1)


def test_nothing_to_say_is_remembered():
    own = memory.Memory()
    found = look(own, [b'{"a":1}', b'{"a":2}'])
    assert own.learn(found, np.array([0, 5], np.int32)).tolist() == [0, 5]
    again = look(own, [b'{"a":1}', b'{"a":2}'])
    assert (again.said.tolist(), len(again.fresh)) == ([0, 5], 0)


def test_values_of_which_nobody_said_what_they_are_are_fresh_again():
    own = memory.Memory()
    look(own, [b'{"a":1}', b'{"a":2}'])
    found = look(own, [b'{"a":2}', b'{"a":1}'])
    assert found.fresh.tolist() == [0, 1]
    with pytest.raises(ValueError, match="1 said of 2"):
        own.learn(found, np.array([1], np.int32))
    found = look(own, [b'{"a":2}', b'{"a":1}', b'{"a":2}'])
    assert own.learn(found, np.array([7, 8], np.int32)).tolist() == [7, 8, 7]


@settings(max_examples=50)
@given(RECORDS, st.integers(0, 2))
def test_values_of_a_column_as_an_array(rows, place):
    records = written(rows)
    some = np.arange(len(records), dtype=np.int32)[::-1].copy()
    read = [list(orjson.loads(record).values())[place] for record in reversed(records)]
    assert orjson.loads(memory.tokens(sheet_of(records), some, place)) == read
    assert memory.tokens(sheet_of(records), some[:0], place) == b"[]"
