from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.config.document import MAX_BYTES, Document, parse, read

FILE = Path("x.yaml")


def _only(document: Document) -> tuple[str, str]:
    """The place and the text of the one problem."""
    (problem,) = document.problems
    return problem.where or "", f"{problem.message} {problem.hint or ''}"


def test_plain_values_are_what_they_look_like_to_people():
    text = (
        "a: 5\nb: 1.5\nc: true\nd: null\ne: '5'\nf: no\ng: 08:30\nh: 10:30\ni: 019\nj: 2026-10-01\nk: 1_0\n"
    )
    assert parse(text.encode(), FILE).value == {
        "a": 5,
        "b": 1.5,
        "c": True,
        "d": None,
        "e": "5",
        "f": "no",
        "g": "08:30",
        "h": "10:30",
        "i": "019",
        "j": "2026-10-01",
        "k": "1_0",
    }


def test_byte_order_mark_is_fine_and_text_becomes_nfc():
    decomposed = "\ufeffname: Hue\u0302\u0301\n"
    assert parse(decomposed.encode(), FILE).value == {"name": "Huế"}


def test_aliases_stand_for_their_values():
    assert parse(b"a: &x [1, 2]\nb: *x\n", FILE).value == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        (b"a: 1\nb: 2\na: 3\n", "x.yaml:3", "'a' is here twice It was first given in line 1"),
        (b"a:\n\tb: 1\n", "x.yaml:2", "begins with a tab"),
        (b"a: 1\nb: \xff\n", "x.yaml:2", "not UTF-8"),
        ("a: Huế\n".encode("utf-16"), "x.yaml:1", "not UTF-8"),
        (b"a: \x00\n", "x.yaml:1", "character that YAML does not allow"),
        (b'a: "b\n', "x.yaml:2", "not valid YAML"),
        (b"a: !!python/object/apply:os.system [x]\n", "x.yaml:1", "tag"),
        (b"? [a]\n: b\n", "x.yaml:1", "key must be text"),
        (b"a: 1\n---\nb: 1\n", "x.yaml:2", "second document"),
        (b"a: &a [*a]\n", "x.yaml:1", "names nothing above it"),
        (b"a: *b\n", "x.yaml:1", "*b names nothing"),
        (b"[" * 300_000, "x.yaml:1", "too deeply"),
        (b"- " * 300_000 + b"a", "x.yaml:1", "too deeply"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else None,
)
def test_hostile_or_broken_yaml_is_one_clear_problem(text, where, words):
    place, said = _only(parse(text, FILE))
    assert place == where
    assert words in said


def test_aliases_may_not_expand_without_bound():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for n in range(1, 9):
        bomb += f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n"
    place, said = _only(parse(bomb.encode(), FILE))
    assert "too many values" in said
    assert place == "x.yaml:6"


def test_too_large_a_file_is_not_read(tmp_path):
    path = tmp_path / "big.yaml"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "too large" in _only(read(path))[1]


def test_absent_file_and_folder_are_problems(tmp_path):
    assert "no such file" in _only(read(tmp_path / "none.yaml"))[1]
    assert "cannot be read" in _only(read(tmp_path))[1]
    assert "cannot be read" in _only(read(Path("a\0b")))[1]


@given(st.binary(max_size=300))
def test_no_bytes_raise(raw):
    parse(raw, FILE)


@given(st.text(alphabet="a:-[]{}&*!|>'\"#%@\n\t ,?1~", max_size=120))
def test_no_yaml_like_text_raises(text):
    parse(text.encode(), FILE)
