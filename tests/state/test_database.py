"""The state database: brought up to date by writers, refused where it cannot be read."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from citysoc.errors import StoreError
from citysoc.state import State


def set_version(path, number):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {number}")


def test_a_second_start_migrates_nothing_again(tmp_path):
    path = tmp_path / "citysoc.db"
    for _ in range(2):
        state = State(path)
        applied = [row["number"] for row in state.rows("SELECT number FROM migrations ORDER BY number")]
        state.close()
    assert applied == list(range(1, len(applied) + 1))


def test_a_database_of_a_newer_citysoc_is_refused(tmp_path):
    path = tmp_path / "citysoc.db"
    State(path).close()
    set_version(path, 9999)
    with pytest.raises(StoreError, match="9999"):
        State(path)


def test_a_reader_does_not_read_an_older_database(tmp_path):
    """It says which commands bring it up to date, instead of failing on a missing column later."""
    path = tmp_path / "citysoc.db"
    State(path).close()
    set_version(path, 1)
    with pytest.raises(StoreError, match="older citysoc") as caught:
        State(path, read_only=True)
    assert "ingest" in caught.value.hint


def test_a_reader_wants_a_database(tmp_path):
    with pytest.raises(StoreError, match="no state database"):
        State(tmp_path / "citysoc.db", read_only=True)
    assert not (tmp_path / "citysoc.db").exists()


def test_a_transaction_is_all_or_nothing(tmp_path):
    state = State(tmp_path / "citysoc.db")
    with contextlib.suppress(ZeroDivisionError), state.transaction() as db:
        db.execute("INSERT INTO seen (id, day) VALUES (x'00', '2026-10-01')")
        raise ZeroDivisionError
    assert state.rows("SELECT * FROM seen") == []
    state.close()
