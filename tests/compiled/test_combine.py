"""Combinations of numbers, against a dictionary."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.compiled.sheets import combine, np

NUMBERS = st.one_of(st.integers(0, 3), st.sampled_from([-1, 2**31 - 1, -(2**31), 1 << 29, 65536]))


class Model:
    """What combinations must be numbered: in the order in which they came, since all were forgotten."""

    def __init__(self, width, most):
        self._own = combine.Combinations(width, most)
        self._known = {}
        self.forgotten = 0

    def add(self, columns):
        keys = list(map(tuple, columns.T.tolist()))
        before = len(self._known)
        numbers, begin = self._own.numbers(columns)
        if begin < before:
            assert begin == 0
            self._known = {}
            self.forgotten += 1
        assert numbers.tolist() == [self._known.setdefault(key, len(self._known)) for key in keys]
        assert (begin, self._own.count) == (0 if begin < before else before, len(self._known))
        assert list(map(tuple, self._own.keys[: self._own.count].tolist())) == list(self._known)


@settings(max_examples=100)
@given(st.data(), st.integers(0, 4), st.sampled_from([1, 1024, 50_000]))
def test_the_same_numbers_as_a_dictionary(data, width, most):
    model = Model(width, most)
    for _time in range(data.draw(st.integers(1, 5))):
        rows = data.draw(st.lists(st.tuples(*[NUMBERS] * width), max_size=20))
        model.add(np.array(rows, np.int32).reshape(len(rows), width).T.copy())


@pytest.mark.parametrize("width", [1, 2, 7])
@pytest.mark.parametrize("most", [1, 1024, 3000, 50_000])
def test_growth_and_forgetting(width, most):
    model = Model(width, most)
    dice = np.random.default_rng(3)
    for size in (1, 0, 1000, 1023, 5000, 1, 700, 700, 2000, 9000, 300):
        model.add(dice.integers(0, 1 + 12_000 // width, (width, size), np.int32))
    assert bool(model.forgotten) is (most < 50_000)


@pytest.mark.parametrize("step", [1, 2, 1 << 10, 1 << 20])
def test_numbers_that_are_alike_are_found_as_soon(step):
    """A hash that puts such numbers together would take minutes here."""
    model = Model(2, 200_000)
    rows = np.arange(50_000, dtype=np.int64) * step
    model.add(np.array([rows, rows[::-1] >> 3]).astype(np.int32))
    model.add(np.array([rows, rows[::-1] >> 3]).astype(np.int32))
