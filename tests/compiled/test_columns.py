"""Fields of records by their bytes: what went wrong once is not taken for anything the next time."""

from __future__ import annotations

import pytest

from citysoc.detectors.sigma.columns import Column, Columns
from citysoc.parsers.windows_cells import Forms
from tests.compiled.sheets import memory, np, sheet_of


class OddError(Exception):
    """What goes wrong here."""


class Combinations:
    """Says of each combination what it is; now and then it cannot."""

    def __init__(self):
        self.fails = False

    def candidates(self, columns, count):
        if self.fails:
            raise OddError
        return [tuple(column[place] for column in columns) for place in range(count)]


def records(numbers):
    return [b'{"a":"%d"}' % number for number in numbers]


def of_columns(columns):
    (column,) = columns
    return list(map(int, column))


def test_combinations_that_could_not_be_worked_out_are_worked_out_later():
    combinations = Combinations()
    columns = Columns([Column(memory.Memory(), [(0, False)], of_columns)], combinations)

    def candidates(numbers):
        some = np.arange(len(numbers), dtype=np.int32)
        return [own for _place, own in columns.candidates(sheet_of(records(numbers)), some)[0]]

    assert candidates([1, 2]) == [(1,), (2,)]
    combinations.fails = True
    with pytest.raises(OddError):
        candidates([3, 4, 5])
    combinations.fails = False
    assert candidates([6]) == [(6,)]
    assert candidates([5, 4, 1, 7, 3]) == [(5,), (4,), (1,), (7,), (3,)]


def test_values_that_could_not_be_judged_are_judged_later():
    fails = True

    def judge(columns):
        if fails:
            raise OddError
        return of_columns(columns)

    column = Column(memory.Memory(), [(0, False)], judge)
    sheet = sheet_of(records([1, 2, 1]))
    some = np.arange(3, dtype=np.int32)
    with pytest.raises(OddError):
        column.classes(sheet, some)
    fails = False
    assert column.classes(sheet, some[1:]).tolist() == [2, 1]
    assert column.classes(sheet, some).tolist() == [1, 2, 1]


def test_records_whose_kinds_could_not_be_worked_out_have_them_later(monkeypatch):
    kind = b'{"EventID":%d,"Provider_Name":"p","Channel":"c","A":"%d"}'
    rows = [kind % (number % 3, number) for number in range(9)]
    sheet = sheet_of(rows)
    forms = Forms()
    make = forms._number
    monkeypatch.setattr(forms, "_number", lambda *_: (_ for _ in ()).throw(OddError))
    with pytest.raises(OddError):
        list(forms.kinds(sheet, rows))
    monkeypatch.setattr(forms, "_number", make)
    for _time in range(2):
        found = [(kind.same["event.code"], some.tolist()) for kind, some, _read in forms.kinds(sheet, rows)]
        assert sorted(found) == [(str(code), [code, code + 3, code + 6]) for code in range(3)]
