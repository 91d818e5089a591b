"""``events sql``: one SELECT over the store's views, and nothing else whatever is written."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys

import pytest

from citysoc.ecs.schema import to_table
from citysoc.errors import UsageError
from citysoc.stores.base import Question
from citysoc.stores.local import LocalStore

EVENT = {
    "@timestamp": dt.datetime(2026, 10, 1, tzinfo=dt.UTC),
    "event.id": "e1",
    "agency.id": "yte",
    "event.original": "line 1",
}
ATTACKS = [
    "SELECT * FROM read_text('/etc/hostname')",
    "SELECT * FROM 'http://127.0.0.1/x.csv'",
    "COPY events TO '/tmp/stolen.csv'",
    "SELECT 1; SELECT 2",
    "SET threads = 1",
    "INSTALL httpfs",
    "ATTACH '/tmp/x.db'",
    "DROP VIEW events",
    "SELECT nonsense FROM events",
    "",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv_auto('/etc/passwd')",
    "SELECT * FROM read_json('/etc/hostname')",
    "SELECT * FROM read_blob('/proc/self/environ')",
    "SELECT * FROM read_parquet('/tmp/*.parquet')",
    "SELECT * FROM parquet_metadata('/tmp/x.parquet')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM '{store}/../citysoc.db'",
    "SELECT * FROM read_text('{store}/../secret.txt')",
    "SELECT * FROM read_text('{store}/x/../../secret.txt')",
    "SELECT * FROM read_text('{store}-secret/secret.txt')",
    "SELECT * FROM sqlite_scan('/tmp/x.db', 'commits')",
    "SELECT * FROM read_text('s3://bucket/key')",
    "SELECT * FROM query('COPY events TO ''/tmp/stolen.csv''')",
    "SELECT * FROM query('ATTACH ''/tmp/x.db''')",
    "SELECT * FROM query_table('/etc/passwd')",
    "SELECT getenv('HOME')",
    "SELECT * FROM json_execute_serialized_sql('{{}}')",
    "WITH x AS (DELETE FROM events RETURNING *) SELECT * FROM x",
    "PRAGMA database_list",
    "PRAGMA enable_external_access = true",
    "SET enable_external_access = true",
    "SET allowed_directories = ['/']",
    "SET lock_configuration = false",
    "RESET lock_configuration",
    "LOAD httpfs",
    "INSTALL httpfs; LOAD httpfs",
    "IMPORT DATABASE '/tmp/x'",
    "EXPORT DATABASE '/tmp/x'",
    "CREATE SECRET (TYPE s3)",
    "CREATE TABLE x AS SELECT * FROM events",
    "CALL pragma_version()",
    "COPY (SELECT 1) TO '{store}/x.csv'",
    "CHECKPOINT",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{store}/x.csv'",
    "SELECT 1; COPY (SELECT 1) TO '{store}/x.csv'",
]


@pytest.fixture
def store(tmp_path):
    made = LocalStore(tmp_path / "events", threads=1)
    made.append(to_table([EVENT, EVENT | {"event.id": "q", "citysoc.unparsed": "x"}]), 1)
    return made


@pytest.mark.parametrize("statement", ATTACKS)
def test_sql_can_only_ask_the_store(store, tmp_path, statement):
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (tmp_path / "events-secret").mkdir()
    (tmp_path / "events-secret" / "secret.txt").write_text("secret", encoding="utf-8")
    files = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError):
        list(store.sql(statement.format(store=tmp_path / "events"))[1])
    assert [path for path in sorted(tmp_path.rglob("*")) if path.name != "_spill"] == files


def test_sql_sees_events_and_quarantine(store):
    names, rows = store.sql('SELECT "event.id", 1 AS "event.id" FROM quarantine')
    assert (names, list(rows)) == (["event.id", "event.id_2"], [{"event.id": "q", "event.id_2": 1}])


def test_sql_leaves_nothing_behind_when_the_process_ends(store, tmp_path):
    """A thread that still held the connection then made its library print pages of complaints."""
    asked = (
        "import sys; from pathlib import Path; from citysoc.stores.local import LocalStore\n"
        "print(list(LocalStore(Path(sys.argv[1])).sql('SELECT count(*) AS n FROM events')[1]))"
    )
    command = [sys.executable, "-c", asked, str(store.place.folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == (f"[{{'n': {store.count(Question())}}}]\n", "")


def test_a_mistake_in_sql_is_told_in_one_line(store):
    with pytest.raises(UsageError) as caught:
        store.sql("SELECT getenv('HOME')")
    assert "\n" not in caught.value.message


def test_sql_has_little_memory_and_says_so(tmp_path):
    small = LocalStore(tmp_path / "events", threads=1, memory_bytes=64 << 20)
    small.append(to_table([EVENT]), 1)
    with pytest.raises(UsageError, match="cannot be answered"):
        list(small.sql("SELECT list(repeat('x', 1000) || a.range) FROM range(10000000) a")[1])


def test_sql_that_takes_too_long_is_ended_also_between_rows(store):
    slow = "SELECT a.range FROM range(100000) a WHERE a.range % 40000 = 0 OR (SELECT sum(b.range * a.range) FROM range(200000) b) < 0"
    with pytest.raises(UsageError, match="longer than"):
        list(store.sql(slow, timeout_seconds=1)[1])
