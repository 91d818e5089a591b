"""Rows for people, pipes and spreadsheets; hostile text drives none of them."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.commands.output import Column, emit, number, printable
from citysoc.i18n import speaking

COLUMNS = (Column("name", "Name"), Column("count", "Count", kind="number"))
ROW = {"name": "Sở Y tế", "count": 5661, "at": dt.datetime(2026, 10, 1, 0, 30, tzinfo=dt.UTC)}


def test_a_pipe_gets_ndjson_with_every_key(capfdbinary):
    assert emit([ROW], COLUMNS, None) == 1
    assert json.loads(capfdbinary.readouterr().out) == {
        "name": "Sở Y tế",
        "count": 5661,
        "at": "2026-10-01T00:30:00Z",
    }


def test_what_json_has_no_form_for_is_written_all_the_same(capfdbinary):
    odd = {
        "huge": 1 << 70,
        "low": -(1 << 64),
        "most": (1 << 64) - 1,
        "text": "a\udcff",
        "in": [{"x": 1 << 65}],
    }
    assert emit([odd], (), "ndjson") == 1
    assert json.loads(capfdbinary.readouterr().out) == {
        "huge": str(1 << 70),
        "low": str(-(1 << 64)),
        "most": (1 << 64) - 1,
        "text": "a\\udcff",
        "in": [{"x": str(1 << 65)}],
    }


def test_a_table_shows_columns_and_groups_numbers(capfd):
    with speaking("vi"):
        emit([ROW], COLUMNS, "table")
    out = capfd.readouterr().out
    assert "Sở Y tế" in out
    assert "5.661" in out
    assert "2026" not in out


def test_a_table_leaves_out_optional_columns_without_values_and_shows_excerpts(capfd):
    columns = (Column("a", optional=True), Column("b", optional=True), Column("long", kind="excerpt"))
    emit([{"a": "", "b": 1, "long": "x" * 500}, {"a": None, "b": None}], columns, "table")
    heading, *_rest = (line.split() for line in capfd.readouterr().out.splitlines() if line.strip())
    assert heading == ["b", "long"]
    emit([{"long": "x" * 500}], columns, "table")
    assert capfd.readouterr().out.count("x") < 100


def test_a_csv_keeps_optional_columns_and_long_texts(capfdbinary):
    columns = (Column("a", optional=True), Column("long", kind="excerpt"))
    emit([{"long": "x" * 500}], columns, "csv")
    assert capfdbinary.readouterr().out == b"a,long\r\n," + b"x" * 500 + b"\r\n"


def test_nothing_found_is_said_on_stderr(capfd):
    emit([], COLUMNS, "table")
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "Nothing found" in captured.err


@pytest.mark.parametrize("bad", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx", "\rx"])
def test_csv_guards_against_formulas(capfdbinary, bad):
    emit([{"name": bad, "count": -5}], COLUMNS, "csv")
    rows = list(csv.reader(io.StringIO(capfdbinary.readouterr().out.decode(), newline="")))
    assert rows[1] == [f"'{bad}", "-5"]


@given(st.text(max_size=60))
def test_printable_text_is_all_printable_or_space(text):
    assert all(c.isprintable() or c.isspace() for c in printable(text))
    assert not set(printable(text)) & set("\x1b\x9b\u202e\u2066\x07")


def test_json_takes_text_that_is_no_unicode(capfdbinary):
    emit([{"name": "a\ud800b"}], COLUMNS, "ndjson")
    assert json.loads(capfdbinary.readouterr().out) == {"name": "a\\ud800b"}


@pytest.mark.parametrize(("language", "wanted"), [("vi", "1.234.567"), ("en", "1,234,567")])
def test_numbers_follow_the_language(language, wanted):
    with speaking(language):
        assert number(1234567) == wanted
