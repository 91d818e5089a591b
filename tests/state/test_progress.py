"""What a commit writes down: it holds whatever an event brought, and does not grow for ever."""

from __future__ import annotations

import datetime as dt
import sqlite3

import pytest

from citysoc.errors import StoreError
from citysoc.flow import Finding
from citysoc.state import State, progress

AT = dt.datetime(2026, 10, 5, 1, 30, tzinfo=dt.UTC)


@pytest.fixture
def state(tmp_path):
    state = State(tmp_path / "citysoc.db")
    yield state
    state.close()


def finding(**more):
    whole = {
        "rule": "r1",
        "title": "A rule",
        "level": "high",
        "agency": "so-y-te",
        "event_id": "0" * 32,
        "timestamp": AT,
        "matched": {},
    }
    return Finding(**whole | more)


@pytest.mark.parametrize(
    "value",
    [
        1 << 70,
        -(1 << 70),
        "\ud800",
        ["\udfff", 1 << 64],
        {"a": {1: 1 << 99}},
        float("nan"),
        AT,
        "\0\x1b[31m",
        None,
    ],
)
def test_a_finding_survives_being_written_down(state, value):
    """A value that JSON cannot hold must not stop the line for ever."""
    found = finding(matched={"x": value}, group={"x": value}, entity="host:\ud800")
    with state.transaction() as db:
        number = progress.prepare(db, progress.Changes(findings=[found]))
    [(same, changes)] = progress.pending(state)
    assert same == number
    assert changes.findings[0].rule == "r1"
    assert changes.findings[0].timestamp == AT
    assert "x" in changes.findings[0].matched


def test_contents_and_counters_are_forgotten_in_time(state):
    with state.transaction() as db:
        for number, day in ((1, "2025-01-01"), (2, "2026-10-01")):
            db.execute("INSERT INTO seen (id, day) VALUES (?, ?)", (bytes([number] * 16), day))
            db.execute("INSERT INTO counters (stream, hour) VALUES ('a/b', ?)", (f"{day}T00:00:00.000000Z",))
        gone = progress.prune(
            db, seen_before=AT - dt.timedelta(days=365), counters_before=AT - dt.timedelta(days=365)
        )
    assert gone == 2
    assert [row["hour"][:10] for row in state.rows("SELECT hour FROM counters")] == ["2026-10-01"]
    assert [row["day"] for row in state.rows("SELECT day FROM seen")] == ["2026-10-01"]


def test_a_full_disk_is_an_error_of_ours_and_leaves_no_transaction_open(state):
    pages = state.rows("PRAGMA page_count")[0][0]
    state.rows(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreError, match="full"), state.transaction() as db:
        db.execute("INSERT INTO commits (payload, prepared_at) VALUES (?, '')", (b"x" * 1_000_000,))
    state.rows("PRAGMA max_page_count = 100000")
    with state.transaction() as db:
        db.execute("INSERT INTO commits (payload, prepared_at) VALUES ('', '')")
    assert state.rows("SELECT count(*) AS n FROM commits")[0]["n"] == 1


def test_a_wrong_statement_stays_a_bug(state):
    with pytest.raises(sqlite3.OperationalError):
        state.rows("SELECT nothing FROM nowhere")


def test_a_database_that_is_none_is_told(tmp_path):
    (tmp_path / "citysoc.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(StoreError, match="not a database"):
        State(tmp_path / "citysoc.db")
