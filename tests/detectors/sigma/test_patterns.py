"""Texts looked for many at once, against looking for each alone: one value, blocks of values, at their very ends."""

from __future__ import annotations

import random
import re
import warnings

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from citysoc.detectors.sigma import databases, index_plan
from citysoc.detectors.sigma.databases import Databases
from citysoc.detectors.sigma.expressions import (
    as_in_perl,
    as_written,
    is_linear,
    least_chars,
    literals,
    searcher,
)
from citysoc.detectors.sigma.index import Index
from citysoc.detectors.sigma.index_plan import kept_plan
from citysoc.detectors.sigma.patterns import Finder, Glance, block_of
from citysoc.detectors.sigma.written import read, written

HOWS = ("is", "starts", "ends", "has")
LETTERS = 'ab:{\\c" '


def holds(how, text, value):
    if how == "is":
        return value == text
    return {"starts": value.startswith, "ends": value.endswith, "has": value.__contains__}[how](text)


def made(seed):
    dice = random.Random(seed)

    def word(most):
        return "".join(dice.choices(LETTERS, k=dice.randint(1, most)))

    wanted = list({(dice.choice(HOWS), word(5)) for _ in range(dice.choice((1, 1, 2, 3, 9, 40)))})
    if seed % 3 == 0:
        wanted.append(("is", ""))
    values = []
    for _ in range(dice.choice((1, 2, 30))):
        known = dice.choice(wanted)[1]
        values.append(
            dice.choice(("", word(40)))
            + dice.choice(("", known, known[:-1]))
            + dice.choice(("", "", word(30)))
        )
    return wanted, values


@pytest.mark.parametrize("fast", [True, False], ids=["hyperscan", "re2"])
def test_texts_are_found_exactly(fast):
    for seed in range(300):
        wanted, values = made(seed)
        find = Finder(wanted, fast=fast)
        expected = [{place for place, one in enumerate(wanted) if holds(*one, value)} for value in values]
        assert [set(find.one(value, value)) for value in values] == expected
        hits = find.many(block_of(values), values)
        if fast:
            assert [set(hits.get(number, ())) for number in range(len(values))] == expected


PATTERNS = (
    r":\s*\{",
    r"a\s*b",
    r"^a.*b$",
    r"(?i)AB?c",
    r"[ab]\s*c",
    r"\{\\?\"",
    r"a\d*:",
    r"b$",
    r"^$",
    r"c{2,}\b",
    "(a|:)*c",
)


def test_patterns_are_never_overlooked():
    wanted = [("re", pattern) for pattern in PATTERNS]
    find = Finder(wanted)
    for seed in range(300):
        values = made(seed)[1]
        hits = find.many(block_of([*map(str.lower, values)]), values)
        for number, value in enumerate(values):
            expected = {place for place, pattern in enumerate(PATTERNS) if re.search(pattern, value)}
            assert expected <= set(find.one(value, value))
            assert expected <= set(hits.get(number, ()))


LONG = (r".{300,}", r"(?i)[a-c]{256}X", r"a\+(?:b|cd){300}$", "ab")


@pytest.mark.parametrize(
    "text", ["", "a", "b" * 255, "ac" * 128, "a+" + "b" * 300, "a" * 299, "á" * 300, "ab\n" * 200]
)
def test_patterns_of_long_texts_are_found_in_them(text):
    find = Finder([("re", pattern) for pattern in LONG])
    for value in (text, text + "X"):
        expected = {place for place, pattern in enumerate(LONG) if re.search(pattern, value)}
        assert set(find.one(value, value)) == expected


def test_classes_by_name_are_read_as_the_search_reads_them():
    assert literals("[[:alpha:]]xyz", "") is None
    assert least_chars("(?:[[:alpha:]]){200}", "") == 0
    test = ["re", "file.name", "^[[:alpha:]]xyz", ""]
    assert Index([test]).candidates([{"file.name": "axyz"}, {"file.name": "1xyz"}]) == [(~0,), ()]


def test_a_database_is_taken_from_its_file(tmp_path, monkeypatch):
    wanted = [("has", "whoami"), ("ends", "\\cmd.exe")]
    assert list(Finder(wanted, store=Databases(tmp_path)).one("c:\\cmd.exe", None)) == [1]
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2  # one for single values, one for blocks
    monkeypatch.setattr(databases, "_save", lambda *_: pytest.fail("it was compiled"))
    assert list(Finder(wanted, store=Databases(tmp_path)).one("whoami /all", None)) == [0]


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-7], lambda data: data[:-7] + b"X" * 7, lambda _data: b""]
)
def test_a_broken_database_is_compiled_anew(tmp_path, damage):
    wanted = [("has", "whoami")]
    Finder(wanted, store=Databases(tmp_path))
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    finder = Finder(wanted, store=Databases(tmp_path))
    assert finder.many(block_of(["a", "whoami"]), ["a", "whoami"]) == {1: [0]}
    assert path.read_bytes() == whole


def test_other_texts_have_other_databases(tmp_path):
    for text in ("a", "b"):
        Finder([("has", text)], store=Databases(tmp_path))
    assert len(list(tmp_path.iterdir())) == 2


TESTS = [
    ["text", "ends", False, "process.executable", ["\\whoami.exe", "\\net.exe"]],
    ["all", [["exists", "user.name"], ["not", ["text", "is", False, "user.name", ["system"]]]]],
    ["number", "source.port", "gt", 1024.0],
    ["any", [["null", "user.name"], ["text", "has", False, "process.executable", ["temp"]]]],
    ["ref", "user.name", "is", False, "host.name"],
]
WRITTEN = list(map(written, TESTS))
VALUES = [
    {"process.executable": executable, "user.name": user, "source.port": port}
    for executable in ("C:\\Temp\\whoami.exe", "c:\\net.exe", None)
    for user in ("SYSTEM", "an", None)
    for port in (80, 5000, None)
]


def test_the_plan_of_an_index_is_taken_from_its_file(tmp_path, monkeypatch):
    made = Index(kept_plan(WRITTEN, Databases(tmp_path))).candidates(VALUES)
    assert len({*made}) > 4
    assert [path.suffix for path in tmp_path.iterdir()] == [".plan"]
    monkeypatch.setattr(index_plan, "plan_of", lambda _tests: pytest.fail("it was worked out"))
    assert Index(kept_plan(WRITTEN, Databases(tmp_path))).candidates(VALUES) == made


def test_a_broken_plan_is_worked_out_anew_and_other_rules_have_another(tmp_path):
    whole = kept_plan(WRITTEN, Databases(tmp_path))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    assert kept_plan(WRITTEN, Databases(tmp_path)) == whole
    kept_plan(WRITTEN[1:], Databases(tmp_path))
    assert len(list(tmp_path.iterdir())) == 2
    assert kept_plan(WRITTEN, Databases()) == whole


@given(
    st.lists(
        st.sampled_from([*"ab$^[]|.", r"\$", r"\[", r"\]", r"\\", "[^", "[]", "[[:alpha:]]"]), max_size=8
    ).map("".join),
    st.text("ab$[]\n\\", max_size=6),
)
@example("[a[]$", "[\n")
@example("[^]$]$", "a\n")
def test_an_end_is_where_perl_has_it(pattern, text):
    with warnings.catch_warnings(action="ignore"):
        try:
            wanted = re.search(pattern, text)
        except re.error:
            return
    ours = as_in_perl(pattern, "")
    if "[:" in pattern or not is_linear(ours, ""):  # Python knows no classes by name
        return
    assert searcher(ours, "", 100)(text) is (wanted is not None)
    assert as_written(ours) == pattern


@pytest.mark.parametrize(
    ("record", "may"),
    [
        (rb'{"a": "say mimikatz"}', True),
        (rb'{"a": "say MimiKatz"}', True),
        (rb'{"a": "\u006dimikatz"}', True),
        (rb'{"a": "C:\\\u006dimikatz"}', True),
        (rb'{"a": "C:\\u006dimi"}', False),  # a backslash, then letters of a path
        (rb'{"a": "C:\\\\u006dimi"}', False),
        (rb"\u006d", True),
        ('{"a": "mimi\u212aatz"}'.encode(), True),
        (rb'{"a": "C:\\users\\uploads"}', False),
    ],
)
def test_what_a_glance_may_not_pass_by(record, may):
    glance = Glance([("has", "mimikatz")])
    assert glance.is_quick
    quiet = b'{"b": 1}'
    assert list(glance.records([quiet, record, quiet])) == ([1] if may else [])
    assert list(glance.records([record])) == ([0] if may else [])


@pytest.mark.parametrize(
    "text", ["half \ud800 a pair", "hóa \x00\n", "", 10**40, 0.1, ["a", None, {"b": True}]]
)
def test_what_is_written_is_read_as_it_was(text):
    line = written(["text", text])
    assert b"\n" not in line
    assert read(line) == ["text", text]


def test_a_test_that_the_quick_library_does_not_write_is_kept_all_the_same(tmp_path):
    tests = [["text", "has", False, "user.name", ["\ud800", "an"]]]
    values = [{"user.name": "An"}, {"user.name": "x"}, {}]
    expected = Index(tests).candidates(values)
    assert expected[0]
    for _time in range(2):
        index = Index(kept_plan(list(map(written, tests)), Databases(tmp_path)))
        assert index.candidates(values) == expected
    assert [path.suffix for path in tmp_path.iterdir()].count(".plan") == 1
