"""The local store through its public door: transactions, order, snapshots, upkeep."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import textwrap

import pytest

from citysoc.ecs.schema import to_table
from citysoc.errors import StoreError, UsageError
from citysoc.stores.base import Metric, Question
from citysoc.stores.local import LocalStore

START = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def event(number, **fields):
    when = START + number * HOUR
    return {
        "@timestamp": when,
        "event.id": f"e{number:05d}",
        "event.ingested": when,
        "agency.id": "yte",
        "source.ip": f"10.0.{number // 256}.{number % 256}",
        "event.original": f"line {number}",
        **{name.replace("__", "."): value for name, value in fields.items()},
    }


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "events", threads=1)


def ids(store, query="", **options):
    return [e["event.id"] for e in store.search(Question(query), **options)]


def test_an_empty_store_answers_everything(store):
    assert store.last_commit() == 0
    assert store.count(Question("source.ip:10.0.0.0/8")) == 0
    assert list(store.search(Question())) == []
    assert list(store.scan(Question())) == []
    assert store.get("x") is None
    assert store.status().events == 0
    assert store.status().first is None
    assert store.aggregate(Question(), by=["agency.id"]) == []
    assert store.aggregate(Question(), by=[], metrics=[Metric(), Metric("sum", "source.bytes")]) == [
        {"count": 0, "sum:source.bytes": None}
    ]
    assert store.compact() == 0
    assert store.retain(START) == 0
    assert store.verify() == []
    assert list(store.sql("SELECT count(*) AS n FROM events")[1]) == [{"n": 0}]


def test_an_empty_commit_moves_the_number(store):
    store.append(to_table([]), 4)
    assert store.last_commit() == 4
    assert store.status().events == 0


def test_a_batch_and_its_number_are_one_transaction(store, tmp_path):
    store.append(to_table([event(1)]), 7)
    again = LocalStore(tmp_path / "events")
    assert (again.last_commit(), again.count(Question())) == (7, 1)
    with pytest.raises(StoreError, match="Commit 7"):
        again.append(to_table([event(2)]), 7)
    assert again.count(Question()) == 1


def test_an_event_comes_back_as_it_was(store):
    given = event(
        1, message="xin chào", related__ip=["10.0.0.1", "::1"], zeek__x={"a": [1, None]}, source__port="x"
    )
    store.append(to_table([given]), 1)
    assert list(store.search(Question())) == [given]
    assert store.get("e00001") == given


def test_order_limit_and_fields(store):
    same = [event(5, event__id=f"s{n}") for n in range(3)]
    store.append(to_table([event(9), *same]), 1)
    store.append(to_table([event(2, zeek__uid="C1")]), 2)
    assert ids(store) == ["e00009", "s2", "s1", "s0", "e00002"]
    assert ids(store, newest_first=False, limit=3) == ["e00002", "s0", "s1"]
    assert next(store.search(Question(), fields=["zeek.uid"], newest_first=False)) == {
        "@timestamp": START + 2 * HOUR,
        "event.id": "e00002",
        "zeek.uid": "C1",
    }
    with pytest.raises(UsageError, match=r"Did you mean source\.ip"):
        store.search(Question(), fields=["sourc.ip"])


def test_order_holds_over_many_windows(store, monkeypatch):
    monkeypatch.setattr("citysoc.stores.local_read._WINDOW_BYTES", 1)
    for commit in range(1, 4):
        store.append(to_table([event(n) for n in range(commit, 150, 3)]), commit)
    expected = [f"e{n:05d}" for n in range(1, 150)]
    assert ids(store, newest_first=False) == expected
    assert ids(store, limit=40) == expected[::-1][:40]
    assert sum(batch.num_rows for batch in store.scan(Question(), fields=["source.ip"])) == 149


def test_a_span_is_half_open_and_an_agency_exact(store):
    store.append(to_table([event(n, agency__id="a" if n % 2 else "A") for n in range(6)]), 1)
    question = Question("", START + HOUR, START + 4 * HOUR, "a")
    assert [e["event.id"] for e in store.search(question)] == ["e00003", "e00001"]


def test_quarantined_records_are_asked_for_apart(store):
    store.append(to_table([event(1), event(2, citysoc__unparsed="json.invalid")]), 1)
    assert ids(store) == ["e00001"]
    assert [e["event.id"] for e in store.search(Question(quarantine=True))] == ["e00002"]
    assert store.get("e00002")["citysoc.unparsed"] == "json.invalid"
    assert (store.status().events, store.status().quarantined) == (1, 1)


def test_a_hostile_clock_makes_one_partition_a_year_and_is_found(store, tmp_path):
    wild = [
        event(n, **{"@timestamp": dt.datetime(year, 7, n + 1, 12, tzinfo=dt.UTC)})
        for year in (1970, 1999, 2500)
        for n in range(20)
    ]
    for number, each in enumerate(wild):
        each["event.id"] = f"w{number:02d}"
    store.append(to_table([*wild, event(1)]), 1)
    assert sorted(p.name for p in (tmp_path / "events").glob("citysoc.day=*")) == [
        "citysoc.day=1970-01-01",
        "citysoc.day=1999-01-01",
        "citysoc.day=2026-10-01",
        "citysoc.day=2500-01-01",
    ]
    day = dt.datetime(1999, 7, 5, tzinfo=dt.UTC)
    assert store.count(Question("", day, day + 24 * HOUR)) == 1
    assert len(ids(store)) == 61


def test_events_without_a_time_get_that_of_their_arrival(store):
    late = event(3)
    del late["@timestamp"]
    store.append(to_table([late]), 1)
    assert next(store.search(Question()))["@timestamp"] == START + 3 * HOUR


def test_a_crash_between_files_and_transaction_leaves_nothing(store, tmp_path, monkeypatch):
    store.append(to_table([event(1)]), 1)

    def crash(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("citysoc.stores.local_table.Table._commit", crash)
    with pytest.raises(KeyboardInterrupt):
        store.append(to_table([event(2)]), 2)
    monkeypatch.undo()
    again = LocalStore(tmp_path / "events", threads=1)
    assert (again.last_commit(), ids(again)) == (1, ["e00001"])
    again.append(to_table([event(2)]), 2)
    assert (again.last_commit(), ids(again)) == (2, ["e00002", "e00001"])
    assert again.verify() == []


def test_compaction_keeps_answers_and_the_last_commit(store, tmp_path):
    for commit in range(1, 61):  # past a checkpoint of the table's log
        store.append(to_table([event(n, zeek__n=n) for n in (commit, commit + 100)]), commit)
    before = list(store.search(Question()))
    files = store.status().files
    assert store.compact() == files - store.status().files > 100
    assert list(store.search(Question())) == before
    again = LocalStore(tmp_path / "events", threads=1)
    assert list(again.search(Question())) == before
    assert (again.last_commit(), again.compact(), again.verify()) == (60, 0, [])
    again.append(to_table([event(500)]), 61)
    assert store.last_commit() == 61


def test_vacuum_and_log_cleanup_keep_the_last_commit(store, tmp_path):
    for commit in range(1, 4):
        store.append(to_table([event(commit)]), commit)
    store.compact()
    assert store._table.vacuum(retention_hours=0) == 3
    log = tmp_path / "events" / "_delta_log"
    assert list(log.glob("*.checkpoint.parquet"))
    for old in sorted(log.glob("*.json"))[:-1]:
        old.unlink()
    again = LocalStore(tmp_path / "events", threads=1)
    assert (again.last_commit(), len(ids(again)), again.verify()) == (3, 3, [])


def test_a_reader_keeps_its_files_while_they_are_compacted(store):
    for commit in range(1, 4):
        store.append(to_table([event(n) for n in range(commit, 9000, 3)]), commit)
    reading = store.search(Question(), newest_first=False)
    first = next(reading)
    store.compact()
    assert [first["event.id"], *(e["event.id"] for e in reading)] == [f"e{n:05d}" for n in range(1, 9000)]


def test_compaction_and_appends_of_another_process_do_not_disturb_each_other(store, tmp_path, monkeypatch):
    from citysoc.stores import local_compact

    for commit in range(1, 4):
        store.append(to_table([event(commit)]), commit)
    other = LocalStore(tmp_path / "events", threads=1)
    rewrite = local_compact.rewritten

    def meanwhile(*arguments):
        other.append(to_table([event(9)]), other.last_commit() + 1)
        return rewrite(*arguments)

    monkeypatch.setattr(local_compact, "rewritten", meanwhile)
    store.compact()
    assert ids(store, newest_first=False) == ["e00001", "e00002", "e00003", "e00009"]
    assert store.last_commit() == 4


def test_files_that_another_process_removed_meanwhile_are_not_brought_back(store, tmp_path, monkeypatch):
    from citysoc.stores import local_compact

    for commit in range(1, 4):
        store.append(to_table([event(commit)]), commit)
    other = LocalStore(tmp_path / "events", threads=1)
    rewrite = local_compact.rewritten

    def meanwhile(*arguments):
        made = rewrite(*arguments)
        other.retain(START + 100 * HOUR)
        return made

    monkeypatch.setattr(local_compact, "rewritten", meanwhile)
    with pytest.raises(StoreError):
        store.compact()
    assert ids(store) == []


def test_retention_removes_exactly_what_is_older(store):
    store.append(to_table([event(n) for n in range(100)]), 1)
    assert store.retain(START + 30 * HOUR) == 30
    assert ids(store, newest_first=False) == [f"e{n:05d}" for n in range(30, 100)]
    assert (store.last_commit(), store.verify()) == (1, [])
    assert store.retain(START + 1000 * HOUR) == 70
    assert (store.status().events, store.last_commit()) == (0, 1)


def test_verify_names_what_is_wrong(store, tmp_path):
    store.append(to_table([event(1), event(30)]), 1)
    store.append(to_table([event(30)]), 2)
    assert store.verify() == ["event.id e00030: stored 2 times"]
    broken, missing = sorted((tmp_path / "events").glob("citysoc.day=*/*.parquet"))[:2]
    broken.write_bytes(b"x" * broken.stat().st_size)
    missing.unlink()
    found = " ".join(store.verify())
    assert f"{broken.parent.name}/{broken.name}: it is no Parquet file" in found
    assert f"{missing.parent.name}/{missing.name}: the file is missing" in found


def test_a_directory_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "events").write_bytes(b"a file in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        LocalStore(tmp_path / "events").append(to_table([event(1)]), 1)


def test_a_broken_log_is_told(store, tmp_path):
    store.append(to_table([event(1)]), 1)
    (tmp_path / "events" / "_delta_log" / f"{1:020d}.json").write_bytes(b"{]")
    with pytest.raises(StoreError, match="log cannot be read"):
        LocalStore(tmp_path / "events").count(Question())


WRITER = """
    import datetime as dt, sys
    from pathlib import Path
    from citysoc.ecs.schema import to_table
    from citysoc.stores.local import LocalStore

    store = LocalStore(Path(sys.argv[1]), threads=1)
    start = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
    for commit in range(1, 31):
        store.append(to_table([
            {"@timestamp": start + dt.timedelta(days=n % 3), "event.id": f"{commit}-{n}"} for n in range(10)
        ]), commit)
        if commit % 10 == 0:
            store.compact()
"""


@pytest.mark.faults
def test_readers_see_whole_commits_while_another_process_writes(store, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path / "events")]
    ) as writer:
        seen = set()
        while writer.poll() is None or not seen:
            seen.add(store.count(Question()))
    assert writer.returncode == 0
    assert {count % 10 for count in seen} == {0}
    assert len(seen) > 2
    assert (store.count(Question()), store.last_commit()) == (300, 30)


ATTACKS = [
    "x' OR 1=1 --",
    '"; DROP TABLE events; --',
    "$1",
    "\\'; SELECT 1",
    "%' ESCAPE '",
    "{{7*7}}",
    "\x00' OR true",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_values_and_names_stay_values_and_names(store, attack):
    store.append(to_table([event(1), event(2, user__name=attack, **{f"winlog__{attack}": attack})]), 1)
    quoted = '"' + attack.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert ids(store, f"user.name:{quoted}") == ["e00002"]
    assert [e["event.id"] for e in store.search(Question(agency=attack))] == []
    assert store.get(attack) is None
    if attack.isprintable():
        name = "winlog." + "".join(c if c.isalnum() else f"\\{c}" for c in attack)
        assert ids(store, f"{name}:{quoted}") == ["e00002"]
        assert store.aggregate(Question(), by=[f"winlog.{attack}"])[0]["count"] == 1
    with pytest.raises(UsageError):
        store.aggregate(Question(), by=[attack])


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("limit", [None, 40, 11])
def test_an_answer_in_pieces_is_the_answer(tmp_path, monkeypatch, newest_first, limit):
    """However small the pieces, and however many rows share a moment: each row once, in order."""
    monkeypatch.setattr("citysoc.stores.local_read._PIECE_ROWS", 7)
    store = LocalStore(tmp_path)
    day = dt.datetime(2026, 10, 5, tzinfo=dt.UTC)
    events = [
        {
            "event.id": f"{(n * 7919) % 101:032x}",
            "@timestamp": day + dt.timedelta(hours=(n * 13 % 5) * 20, microseconds=n % 3),
            "event.ingested": day + dt.timedelta(days=5),
            "event.original": f"line {n}",
        }
        for n in range(101)
    ]
    store.append(to_table(events), 1)
    found = [
        (e["@timestamp"], e["event.id"])
        for e in store.search(Question(), newest_first=newest_first, limit=limit)
    ]
    wanted = sorted(((e["@timestamp"], e["event.id"]) for e in events), reverse=newest_first)
    assert found == wanted[:limit]


def test_all_of_a_large_day_fits_into_little_memory(tmp_path):
    """Rows with all columns are ordered piece by piece, so a day of any size can be read."""
    store = LocalStore(tmp_path, memory_bytes=160 << 20)
    day = dt.datetime(2026, 10, 5, tzinfo=dt.UTC)
    events = [
        {
            "event.id": f"{n:032x}",
            "@timestamp": day + dt.timedelta(milliseconds=n),
            "event.ingested": day,
            "event.original": f"line {n} " + "x" * 300,
            "host.name": f"pc-{n % 97}",
            "event.category": ["network"],
        }
        for n in range(60_000)
    ]
    store.append(to_table(events), 1)
    assert sum(1 for _ in store.search(Question())) == 60_000


def test_the_schema_grows_without_rewriting(tmp_path, monkeypatch):
    """A field that the dictionary gains is a new column; files of before read as empty there."""
    import pyarrow as pa
    from deltalake import DeltaTable

    from citysoc.ecs.schema import schema
    from citysoc.stores import local_table

    older = pa.schema([field for field in schema() if field.name not in ("user.name", "related.ip")])
    monkeypatch.setattr(local_table, "schema", lambda: older)
    LocalStore(tmp_path).append(to_table([event(1)]), 1)
    assert "user.name" not in {field.name for field in DeltaTable(str(tmp_path)).schema().fields}
    (before,) = tmp_path.glob("citysoc.day=*/*.parquet")
    monkeypatch.undo()
    store = LocalStore(tmp_path, threads=1)
    store.append(to_table([event(2, user__name="an", related__ip=["::1"])]), 2)
    assert "user.name" in {field.name for field in DeltaTable(str(tmp_path)).schema().fields}
    assert [e.get("user.name") for e in store.search(Question(), newest_first=False)] == [None, "an"]
    assert ids(store, "user.name:an AND related.ip:::1") == ["e00002"]
    assert before.exists()


def test_filters_skip_files_and_row_groups(tmp_path, monkeypatch):
    """An agency, an address and an id are read in few row groups of a merged file."""
    import duckdb

    from citysoc.stores import local_files

    monkeypatch.setattr(local_files, "GROUP_ROWS", 500)
    monkeypatch.setattr("citysoc.stores.local_compact.OVER", -400 * dt.timedelta(days=1))
    store = LocalStore(tmp_path, threads=1)
    rows = [
        {
            "@timestamp": START + dt.timedelta(seconds=n),
            "event.id": f"{n * 7919 % 10_007:032x}",
            "agency.id": f"a{n % 20:02d}",
            "source.ip": f"10.{n % 20}.{n // 256}.{n % 256}",
        }
        for n in range(5000)
    ]
    store.append(to_table(rows), 1)
    store.compact()
    (path,) = (p for p in tmp_path.glob("citysoc.day=*/s-*.parquet"))
    probe = "SELECT count(*) FILTER (NOT bloom_filter_excludes), count(*) FROM parquet_bloom_probe(?, ?, ?)"
    for name in ("event.id", "source.ip"):
        may, groups = duckdb.execute(probe, [str(path), name, rows[77][name]]).fetchone()
        assert (may <= 3, groups) == (True, 10)
    spans = duckdb.execute(
        "SELECT stats_min_value, stats_max_value FROM parquet_metadata(?) WHERE path_in_schema = 'agency.id'",
        [str(path)],
    ).fetchall()
    assert sum(low <= "a07" <= high for low, high in spans) <= 2
    assert store.get(rows[77]["event.id"])["source.ip"] == rows[77]["source.ip"]
    assert store.count(Question("", agency="a07")) == 250


def test_files_of_an_older_layout_are_merged_with_newer_ones(tmp_path, monkeypatch):
    """How values are written may change from version to version; the events do not, and any reader knows the encodings."""
    import duckdb
    from deltalake import DeltaTable

    from citysoc.stores import local_files

    def some(first):
        return [
            event(
                n % 24,
                event__id=f"{n:032x}",
                host__name=f"pc{n}",
                agent__name=f"pc{n}",
                dns__id=str(n * 7919),
                file__hash__md5=f"{n * 104_729:032x}",
                source__port=n,
                log__offset=n * 541,
                event__created=START,
                vendor__field=f"v{n}",
            )
            for n in range(first, first + 100)
        ]

    monkeypatch.setattr(local_files, "_ENCODINGS", {"event.original": "DELTA_LENGTH_BYTE_ARRAY"})
    monkeypatch.setattr(local_files, "_ORDER", ("agency.id", "event.dataset", "@timestamp"))
    store = LocalStore(tmp_path, threads=1)
    store.append(to_table(some(0)), 1)
    monkeypatch.undo()
    store.append(to_table(some(100)), 2)
    before = sorted(store.search(Question()), key=lambda e: e["event.id"])
    monkeypatch.setattr("citysoc.stores.local_compact.OVER", -400 * dt.timedelta(days=1))
    assert store.compact() == 1
    assert sorted(store.search(Question()), key=lambda e: e["event.id"]) == before
    assert store.verify() == []
    assert len(DeltaTable(str(tmp_path)).to_pyarrow_table(columns=["event.id"])) == 200
    (path,) = (p for p in tmp_path.glob("citysoc.day=*/s-*.parquet"))
    used = duckdb.execute("SELECT DISTINCT encodings FROM parquet_metadata(?)", [str(path)]).fetchall()
    known = {
        *("PLAIN", "RLE", "RLE_DICTIONARY", "PLAIN_DICTIONARY"),
        *("DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY"),
    }
    assert {name.strip() for (row,) in used for name in row.split(",")} <= known


def test_row_groups_hold_few_agencies_and_like_lines_side_by_side(tmp_path, monkeypatch):
    """An agency's filter skips row groups; in one the lines of a kind lie together, of whichever of its agencies."""
    import pyarrow.parquet as pq

    monkeypatch.setattr("citysoc.stores.local_files.GROUP_ROWS", 500)
    monkeypatch.setattr("citysoc.stores.local_compact.OVER", -400 * dt.timedelta(days=1))
    store = LocalStore(tmp_path, threads=1)
    rows = [
        event(
            n % 24, event__id=f"{n:032x}", agency__id=f"a{n % 10:02d}", event__dataset=f"kind.{n // 10 % 3}"
        )
        for n in range(2000)
    ]
    store.append(to_table(rows), 1)
    assert store.compact() == 0
    (path,) = tmp_path.glob("citysoc.day=*/s-*.parquet")
    file = pq.ParquetFile(path)
    assert file.num_row_groups == 4
    for number in range(4):
        group = file.read_row_group(number, columns=["agency.id", "event.dataset", "@timestamp"])
        found = [tuple(row.values()) for row in group.to_pylist()]
        assert len({agency for agency, _kind, _time in found}) <= 4
        assert found == sorted(found, key=lambda row: (row[1], row[0], row[2]))
    assert store.count(Question("", agency="a07")) == 200
