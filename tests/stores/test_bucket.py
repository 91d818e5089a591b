"""The local store's table on S3-compatible storage, spoken to over a real socket; and opened by others."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import subprocess
import sys
import time

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder

from citysoc.config.load import load
from citysoc.ecs.schema import to_table
from citysoc.errors import ConfigError, StoreError
from citysoc.pipeline import backup as backups
from citysoc.state import State
from citysoc.stores.base import Question
from citysoc.stores.local import LocalStore
from citysoc.stores.local_place import Bucket
from citysoc.stores.named import open_store

START = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)


def event(number):
    return {
        "@timestamp": START + dt.timedelta(hours=number),
        "event.id": f"e{number:05d}",
        "agency.id": "yte",
        "event.category": ["network"],
        "event.original": f"line {number}",
        "zeek.uid": f"C{number}",
    }


@pytest.fixture(scope="module")
def server():
    """Start a server of its own process: deltalake keeps the interpreter while it waits for an answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        running.terminate()


@pytest.fixture
def options(server):
    from pyarrow.fs import S3FileSystem

    S3FileSystem(
        access_key="key",
        secret_key="secret",
        region="us-east-1",
        endpoint_override=server.removeprefix("http://"),
        scheme="http",
        allow_bucket_creation=True,
    ).create_dir("events")
    return {
        "AWS_ENDPOINT_URL": server,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }


def ids(store, query=""):
    return [e["event.id"] for e in store.search(Question(query), newest_first=False)]


def test_a_bucket_holds_the_table_and_any_cache_reads_it(options, tmp_path):
    uri = f"s3://events/{tmp_path.name}"
    store = LocalStore(Bucket(uri, options, tmp_path / "cache"), threads=1)
    assert (store.last_commit(), ids(store)) == (0, [])
    for commit in range(1, 10):
        store.append(to_table([event(n) for n in range(commit, 60, 10)]), commit)
    with pytest.raises(StoreError, match="Commit 9"):
        store.append(to_table([event(1)]), 9)
    expected = ids(store)
    assert len(expected) == 54
    assert store.compact() > 0
    other = LocalStore(Bucket(uri, options, tmp_path / "other"), threads=1)
    assert (ids(other), other.last_commit(), other.verify()) == (expected, 9, [])
    assert other.get("e00002")["zeek.uid"] == "C2"
    assert other.aggregate(Question(), by=["agency.id"])[0] == {"agency.id": "yte", "count": 54}
    assert store.retain(START + dt.timedelta(days=1)) == 21
    assert len(ids(other)) == 33


def test_the_cache_stays_small_and_old_days_leave_it_first(options, tmp_path):
    uri = f"s3://events/{tmp_path.name}"
    store = LocalStore(Bucket(uri, options, tmp_path / "cache"), threads=1)
    for commit in range(1, 6):
        store.append(to_table([event(24 * commit)]), commit)
    size = store.status().bytes // 5
    small = LocalStore(Bucket(uri, options, tmp_path / "small", cache_bytes=2 * size), threads=1)
    for day in range(1, 6):
        since = START + dt.timedelta(days=day)
        assert small.count(Question("", since, since + dt.timedelta(days=1))) == 1
    assert 1 <= len(list((tmp_path / "small").glob("*/*.parquet"))) <= 3
    assert len(ids(small)) == 5


def test_a_file_that_the_bucket_lost_is_left_out_and_told(options, tmp_path):
    uri = f"s3://events/{tmp_path.name}"
    place = Bucket(uri, options, tmp_path / "cache")
    store = LocalStore(place, threads=1)
    store.append(to_table([event(0)]), 1)
    store.append(to_table([event(30)]), 2)
    name = min(file.name for file in store._table.snapshot().files)
    place._s3().delete_file(place._key(name))
    other = LocalStore(Bucket(uri, options, tmp_path / "other"), threads=1)
    assert ids(other) == ["e00030"]
    assert name in other.left_out()[0]
    assert name in other.verify(isolate=True)[0]
    assert LocalStore(place, threads=1).verify() == []


def test_a_backup_of_a_bucket_comes_back_into_a_folder(options, tmp_path):
    store = LocalStore(Bucket(f"s3://events/{tmp_path.name}", options, tmp_path / "cache"), threads=1)
    state = State(tmp_path / "citysoc.db")
    with state.transaction() as db:
        db.execute("INSERT INTO commits (payload, prepared_at) VALUES ('', '')")
    store.append(to_table([event(n) for n in range(30)]), 1)
    backups.backup(store, state, tmp_path / "kept")
    state.close()
    back = LocalStore(tmp_path / "new" / "events", threads=1)
    backups.restore(tmp_path / "kept", back, tmp_path / "new" / "citysoc.db")
    assert (ids(back), back.verify()) == ([f"e{n:05d}" for n in range(30)], [])


def test_the_configuration_names_a_bucket_and_secrets_are_references(server, options, tmp_path, monkeypatch):
    (tmp_path / "sources").mkdir()
    (tmp_path / "agencies.yaml").write_text("agencies: []\n", encoding="utf-8")
    text = f"""
store:
  bucket:
    url: s3://events/{tmp_path.name}
    endpoint: {server}
    access_key_id: env:CITYSOC_S3_KEY
    secret_access_key: file:s3.secret
"""
    (tmp_path / "citysoc.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "s3.secret").write_text("secret\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="absent"):
        open_store(load(tmp_path))
    monkeypatch.setenv("CITYSOC_S3_KEY", "key")
    store = open_store(load(tmp_path))
    store.append(to_table([event(1)]), 1)
    assert ids(open_store(load(tmp_path))) == ["e00001"]
    (tmp_path / "citysoc.yaml").write_text(text.replace("file:s3.secret", "secret"), encoding="utf-8")
    with pytest.raises(ConfigError, match="reference"):
        load(tmp_path)


def test_others_open_the_table_as_it_is(tmp_path):
    """Plain deltalake and plain DuckDB, without a line of ours."""
    store = LocalStore(tmp_path / "events", threads=1)
    for commit in range(1, 10):
        store.append(to_table([event(n) for n in range(commit, 30, 10)]), commit)
    store.compact()
    store.append(to_table([event(100) | {"message": "xin chào"}]), 10)
    table = DeltaTable(str(tmp_path / "events"))
    assert table.transaction_version("citysoc") == 10
    assert table.count() == 28
    paths = [
        str(tmp_path / "events" / path) for path in pa.table(table.get_add_actions())["path"].to_pylist()
    ]
    asked = 'SELECT count(*), count(DISTINCT "event.id"), count(message) FROM read_parquet(?, union_by_name = true)'
    assert duckdb.connect().execute(asked, [[p.replace("%3D", "=") for p in paths]]).fetchone() == (28, 28, 1)
    rows = QueryBuilder().register("events", table)
    found = rows.execute("SELECT count(message) AS n FROM events WHERE \"agency.id\" = 'yte'")
    assert pa.table(found.read_all())["n"].to_pylist() == [1]
