"""Loops in machine code: what they give and refuse, and how they are kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.compiled.machine import Loops
from tests.compiled.processes import FORBID, TOTAL, said, start

numba = pytest.importorskip("numba")
MODULE = "tests.compiled.loops.numbers"
WHOLE = st.integers(-(2**31), 2**31 - 1)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A folder in which the loops are kept."""
    folder = tmp_path_factory.mktemp("kept")
    assert Loops(MODULE).load(folder)
    return folder


@pytest.fixture(scope="module")
def loops(directory):
    found = Loops(MODULE)
    assert found.load(directory)
    return found


@given(st.lists(WHOLE), st.integers(-(2**40), 2**40))
def test_arrays_and_numbers_arrive(loops, values, begin):
    assert loops.total(np.array(values, np.int32), begin) == begin + sum(values)


@given(st.data(), st.integers(0, 5), st.integers(0, 5))
def test_tables_arrive(loops, data, rows, sides):
    table = np.array(data.draw(st.lists(WHOLE, min_size=rows * sides, max_size=rows * sides)), np.int32)
    wanted = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), np.bool_)
    table = table.reshape(rows, sides)
    assert loops.largest(table, wanted) == max([-1, *table[wanted].ravel().tolist()])


@given(st.binary(min_size=9, max_size=40), st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=2))
def test_what_is_written_arrives(loops, data, seeds):
    block, out = np.frombuffer(data, np.uint8), np.empty(len(data) - 7, np.uint64)
    assert loops.words(block, np.array(seeds, np.uint64), out) == 0
    for place, made in enumerate(out.tolist()):
        word = int.from_bytes(data[place : place + 8], "little") ^ seeds[place & 1]
        assert made == word * 0x9E3779B97F4A7C15 % 2**64


def test_tables_are_written(loops):
    table = np.zeros((3, 4), np.int32)
    assert loops.fill(table, np.int64(5)) == 0
    assert table.ravel().tolist() == list(range(5, 17))
    assert loops.nothing() == 7


_FIVE = np.arange(5, dtype=np.int32)


class _Kind(np.ndarray):
    pass


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "2 arguments"),
        ((_FIVE,), "2 arguments"),
        ((_FIVE, 1, 2), "2 arguments"),
        ((_FIVE.astype(np.int64), 1), "values must be an array of int32"),
        ((_FIVE.astype(np.uint32), 1), "values must be"),
        ((_FIVE.astype(">i4"), 1), "values must be"),
        ((_FIVE.astype(np.float32), 1), "values must be"),
        ((_FIVE[::2], 1), "values must be"),
        ((_FIVE.reshape(1, 5), 1), "values must be"),
        ((np.array(3, np.int32), 1), "values must be"),
        ((np.frombuffer(bytes(9), np.uint8)[1:].view(np.int32), 1), "values must be"),
        ((_FIVE.view(_Kind), 1), "values must be"),
        (([1, 2], 1), "values must be"),
        ((None, 1), "values must be"),
        ((_FIVE, "1"), "integer"),
        ((_FIVE, 1.5), "integer"),
        ((_FIVE, None), "integer"),
    ],
    ids=str,
)
def test_what_entries_are_not_made_for_is_refused(loops, arguments, why):
    with pytest.raises(TypeError, match=why):
        loops.total(*arguments)


def test_numbers_that_are_too_large_are_refused(loops):
    with pytest.raises(OverflowError):
        loops.total(_FIVE, 2**63)
    assert loops.total(_FIVE, -1) == 9


def test_nothing_is_written_where_nothing_may_be(loops):
    table = np.zeros((3, 4), np.int32)
    table.flags.writeable = False
    with pytest.raises(TypeError, match="writable"):
        loops.fill(table, 5)
    assert not table.any()


def test_entries_that_are_not_there_are_named():
    with pytest.raises(AttributeError, match="'other'"):
        Loops(MODULE).other(1)
    with pytest.raises(AttributeError, match="'total'"):
        Loops("tests.compiled.loops.missing").total(_FIVE, 0)


def test_nothing_needs_to_be_kept():
    loops = Loops(MODULE)
    assert loops.load()
    assert loops.total(_FIVE, 0) == 10
    assert Loops(MODULE).total(_FIVE, 1) == 11


def test_what_is_kept_is_loaded_without_the_compiler(directory):
    program = FORBID.format(names={"numba"}) + TOTAL.format(module=MODULE, directory=str(directory))
    assert said(start(program))[0] == "True 110 False"


@pytest.mark.parametrize("names", [{"numba"}, {"llvmlite"}], ids=str)
def test_where_the_compiler_is_not_there_loops_are_not(tmp_path, names):
    program = FORBID.format(names=names) + TOTAL.format(module=MODULE, directory=str(tmp_path / "none"))
    out, log = said(start(program))
    assert out == "False None False"
    assert "loops.absent" in log
    assert not (tmp_path / "none").exists()


def test_where_the_compiler_is_turned_off_loops_are_not(tmp_path):
    program = "import os\nos.environ['NUMBA_DISABLE_JIT'] = '1'\n" + TOTAL.format(
        module=MODULE, directory=str(tmp_path / "none")
    )
    out, log = said(start(program))
    assert out == "False None True"
    assert "loops.absent" in log
    assert not (tmp_path / "none").exists()


_RAISING = """
from __future__ import annotations
from citysoc.compiled.marks import Int, entry
"""


@pytest.mark.parametrize(
    "body",
    [
        "@entry\ndef total(begin: Int) -> Int:\n    return len([begin])\n",
        "@entry\ndef total(begin: Int) -> Int:\n    return begin + 'x'\n",
        "",
    ],
    ids=["memory", "types", "nothing"],
)
def test_loops_that_cannot_stand_alone_are_refused(tmp_path, body):
    (tmp_path / "house_loops.py").write_text(_RAISING + body, "utf-8")
    out, log = said(start(TOTAL.format(module="house_loops", directory=str(tmp_path / "kept")), tmp_path))
    assert out == "False None True"
    assert "loops.absent" in log
    assert not (tmp_path / "kept").exists()
