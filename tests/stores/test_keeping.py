"""What leaves the store and what is kept of it: retention, damage, backups."""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
import subprocess
import sys
import time

import orjson
import pytest

from citysoc import cli, clock
from citysoc.config.stores import Store
from citysoc.ecs.schema import to_table
from citysoc.errors import InputError, StoreError
from citysoc.pipeline import backup as backups
from citysoc.pipeline import upkeep
from citysoc.state import State, progress
from citysoc.stores.base import Question
from citysoc.stores.local import LocalStore

NOW = dt.datetime(2026, 10, 20, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def event(number, **fields):
    when = NOW - number * DAY
    return {
        "@timestamp": when,
        "event.id": f"e{number:02d}",
        "event.ingested": when,
        "event.original": f"line {number}",
        **{name.replace("__", "."): value for name, value in fields.items()},
    }


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "data" / "events", threads=1)


@pytest.fixture
def state(tmp_path):
    opened = State(tmp_path / "data" / "citysoc.db")
    yield opened
    opened.close()


def ids(store, query=""):
    return [e["event.id"] for e in store.search(Question(query), newest_first=False)]


def history(state):
    return [
        (row["subject"], row["action"], row["who"])
        for row in state.rows("SELECT * FROM audit WHERE kind = 'store' ORDER BY id")
    ]


def kept(store, state, **settings):
    return upkeep.retain(Store(**settings), store, state, now=NOW, who="night")


def test_a_class_goes_earlier_than_the_rest_and_the_audit_tells(store, state):
    rows = [event(n, event__dataset="fortigate.traffic" if n % 2 else "windows.security") for n in range(10)]
    store.append(to_table(rows), 1)
    store.append(to_table([event(11, citysoc__unparsed="json.invalid")]), 2)
    classes = [{"name": "traffic", "query": "event.dataset:fortigate.traffic", "days": 3}]
    gone = kept(store, state, retention_days=8, retention=classes)
    assert [(each.rule.name, each.rows) for each in gone] == [("all", 2), ("traffic", 2)]
    assert ids(store) == ["e08", "e06", "e04", "e03", "e02", "e01", "e00"]
    assert history(state) == [("all", "removed", "night"), ("traffic", "removed", "night")]
    assert kept(store, state, retention_days=8, retention=classes) == []
    assert store.verify() == []


def test_a_store_that_is_too_large_loses_its_oldest_days(store, state):
    for number in range(6):
        store.append(to_table([event(number, message="x" * 50_000)]), number + 1)
    size = store.status().bytes
    gone = kept(store, state, max_bytes=1 << 20, retention_days=365)
    assert gone == []
    settings = Store(retention_days=365).model_copy(update={"max_bytes": size // 2})
    (each,) = upkeep.retain(settings, store, state, now=NOW, who="night")
    assert (each.rule.name, each.rows) == ("size", 3)
    assert ids(store) == ["e02", "e01", "e00"]
    assert store.status().bytes <= size // 2
    assert history(state) == [("size", "removed", "night")]


def test_the_newest_day_stays_however_large_it_is(store, state):
    store.append(to_table([event(0)]), 1)
    assert store.fitting(1) is None


def flip(path):
    """Change one byte in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def many(start, count):
    return [
        {
            "@timestamp": NOW + dt.timedelta(seconds=n),
            "event.id": f"{n:05d}",
            "event.original": f"line {n * 7919 % 10_007}",
        }
        for n in range(start, start + count)
    ]


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing", "empty"])
def test_a_damaged_file_is_left_out_named_and_isolated(store, tmp_path, damage):
    store.append(to_table(many(0, 3000)), 1)
    store.append(to_table([event(3)]), 2)
    (path,) = (tmp_path / "data" / "events").glob("citysoc.day=2026-10-20/*.parquet")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-50])
    elif damage == "flipped":
        flip(path)
    elif damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"")
    problems = store.verify()
    assert len(problems) == 1
    assert path.name in problems[0]
    if damage != "flipped":  # a flipped byte may hit what a question does not read
        assert ids(store) == ["e03"]
        assert store.count(Question()) == 1
        assert path.name in store.left_out()[0]
    assert store.verify(isolate=True) == problems
    again = LocalStore(tmp_path / "data" / "events", threads=1)
    assert (ids(again), again.left_out(), again.verify()) == (["e03"], [], [])
    assert again.last_commit() == 2
    aside = tmp_path / "data" / "events" / "_isolated" / path.parent.name / path.name
    assert aside.exists() == (damage != "missing")


def test_damage_found_halfway_does_not_double_or_lose_what_is_sound(store, tmp_path, monkeypatch):
    """The answer goes on behind the last row that was given, without the file."""
    monkeypatch.setattr("citysoc.stores.local_read._PIECE_ROWS", 500)
    store.append(to_table(many(0, 3000)), 1)
    store.append(to_table(many(3000, 3000)), 2)
    reading = store.search(Question(), newest_first=False)
    seen = [next(reading)["event.id"] for _ in range(700)]
    (later,) = (f.name for f in store._table.snapshot().files if f.first > NOW + dt.timedelta(seconds=100))
    path = tmp_path / "data" / "events" / later
    data = path.read_bytes()
    path.write_bytes(data[:4] + bytes(len(data) - 8) + data[-4:])
    seen += [e["event.id"] for e in reading]
    assert seen == [f"{n:05d}" for n in range(3000)]
    assert len(store.left_out()) == 1


def commit(store, state, number_of_rows, *, stored=True, applied=True):
    changes = progress.Changes()
    with state.transaction() as db:
        number = progress.prepare(db, changes)
    if stored:
        store.append(to_table([event(n, event__id=f"c{number}-{n}") for n in range(number_of_rows)]), number)
    if applied:
        with state.transaction() as db:
            progress.apply(db, number, changes)
    return number


def test_a_backup_is_one_moment_though_commits_go_on(store, state, tmp_path, monkeypatch):
    for _ in range(3):
        commit(store, state, 2)
    plain = State.copy_to

    def meanwhile(self, path):
        plain(self, path)
        commit(store, state, 2)
        store.compact()
        commit(store, state, 2)

    monkeypatch.setattr(State, "copy_to", meanwhile)
    made = backups.backup(store, state, tmp_path / "kept")
    assert (made.last_commit, made.rows) == (3, 6)
    back = LocalStore(tmp_path / "new" / "events", threads=1)
    backups.restore(tmp_path / "kept", back, tmp_path / "new" / "citysoc.db")
    assert (back.last_commit(), back.status().events, back.verify()) == (3, 6, [])
    brought = State(tmp_path / "new" / "citysoc.db")
    assert progress.pending(brought) == []
    assert commit(back, brought, 1) == 4
    brought.close()


def test_what_is_prepared_and_stored_is_finished_after_a_restore(store, state, tmp_path):
    commit(store, state, 2)
    commit(store, state, 2, applied=False)
    backups.backup(store, state, tmp_path / "kept")
    back = LocalStore(tmp_path / "new" / "events", threads=1)
    backups.restore(tmp_path / "kept", back, tmp_path / "new" / "citysoc.db")
    brought = State(tmp_path / "new" / "citysoc.db")
    assert [number for number, _changes in progress.pending(brought)] == [2] == [back.last_commit()]
    brought.close()


def test_backups_share_files_and_a_damaged_one_is_refused(store, state, tmp_path):
    commit(store, state, 2)
    first = backups.backup(store, state, tmp_path / "kept")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept" / "files").rglob("*.parquet")}
    commit(store, state, 2)
    second = backups.backup(store, state, tmp_path / "kept")
    assert [each.name for each in backups.backups(tmp_path / "kept")] == [first.name, second.name]
    assert all(path.stat().st_mtime_ns == at for path, at in times.items())
    with pytest.raises(StoreError, match="already"):
        backups.restore(tmp_path / "kept", store, tmp_path / "other.db")
    back = LocalStore(tmp_path / "old" / "events", threads=1)
    assert (
        backups.restore(tmp_path / "kept", back, tmp_path / "old" / "citysoc.db", name=first.name).rows == 2
    )
    flip(next(iter(times)))
    back = LocalStore(tmp_path / "new" / "events", threads=1)
    with pytest.raises(InputError, match="damaged"):
        backups.restore(tmp_path / "kept", back, tmp_path / "new" / "citysoc.db")
    assert not (tmp_path / "new" / "citysoc.db").exists()
    with pytest.raises(InputError, match="no such"):
        backups.restore(tmp_path / "kept", back, tmp_path / "new" / "citysoc.db", name="nothing")


def run(*arguments):
    command = [sys.executable, "-m", "citysoc", "--lang", "en", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True, text=True)


@pytest.mark.faults
def test_restored_while_ingest_ran_nothing_is_lost_and_nothing_doubled(tmp_path):
    city, new, inbox = tmp_path / "city", tmp_path / "new", tmp_path / "inbox"
    for home in (city, new):
        run("init", home, "--small")
    inbox.mkdir()
    for number in range(12):
        lines = (
            f'date=2026-10-05 time=10:{n % 60:02d}:00 devname="FW" type="traffic" subtype="forward" '
            f'srcip=10.1.{number}.{n % 250} dstip=192.0.2.1 policyid={n} action="accept"'
            for n in range(2500)
        )
        (inbox / f"firewall-{number:02d}.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = ("--config", city / "citysoc.yaml")
    command = [sys.executable, "-m", "citysoc", *map(str, config), "ingest", str(inbox)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as ingest:
        made = 0
        while ingest.poll() is None:
            if (city / "data" / "events" / "_delta_log").is_dir():
                run(*config, "store", "backup", tmp_path / "kept")
                made += 1
            time.sleep(0.1)
    assert ingest.returncode == 0
    assert made > 0
    listed = [
        orjson.loads(line) for line in run(*config, "store", "backups", tmp_path / "kept").stdout.splitlines()
    ]
    middle = next((each for each in listed if 0 < each["records"] < 30_000), listed[0])
    config = ("--config", new / "citysoc.yaml")
    run(*config, "store", "restore", tmp_path / "kept", "--backup", middle["name"])
    run(*config, "ingest", inbox)
    whole, back = (LocalStore(home / "data" / "events") for home in (city, new))
    assert ids(back) == ids(whole)
    assert (len(set(ids(back))), back.verify()) == (30_000, [])


def test_the_commands_keep_and_tell(tmp_path, capsys):
    home = tmp_path / "city"

    def call(*arguments):
        code = cli._run(["--lang", "en", *map(str, arguments)])
        return code, *capsys.readouterr()

    assert call("init", home, "--small")[0] == 0
    at = ("--config", home / "citysoc.yaml", "store")
    store = LocalStore(home / "data" / "events", threads=1)
    now = clock.now()
    rows = [{"@timestamp": now - 500 * DAY, "event.id": "old"}, {"@timestamp": now, "event.id": "new"}]
    state = State(home / "data" / "citysoc.db")
    with state.transaction() as db:
        number = progress.prepare(db, progress.Changes())
    store.append(to_table(rows), number)
    state.close()
    code, _out, err = call(*at, "retain", "--yes", "--by", "chief")
    assert (code, "1 event removed" in err) == (0, True)
    assert call(*at, "backup", tmp_path / "kept")[0] == 0
    (path,) = (home / "data" / "events").glob(f"citysoc.day={now:%Y-%m-%d}/*.parquet")
    path.write_bytes(b"PAR1")
    assert call(*at, "verify")[0] == 1
    assert call(*at, "verify", "--isolate", "--by", "chief")[0] == 4
    told = [orjson.loads(line) for line in call(*at, "history")[1].splitlines()]
    assert [(row["action"], row["who"]) for row in told] == [("isolated", "chief"), ("removed", "chief")]
    shutil.rmtree(home / "data")
    assert call(*at, "restore", tmp_path / "kept")[0] == 0
    assert ids(LocalStore(home / "data" / "events", threads=1)) == ["new"]


def test_the_service_lets_another_process_merge_files(tmp_path):
    from citysoc.config.load import load
    from citysoc.service.apart import apart

    home = tmp_path / "city"
    assert cli._run(["--lang", "en", "--quiet", "init", str(home), "--small"]) == 0
    config = load(home)
    store = LocalStore(config.store_path, threads=1)
    assert asyncio.run(apart(config, "store", "compact")) == {"fewer": 0}
    for number in range(1, 11):
        store.append(to_table([{"@timestamp": NOW, "event.id": str(number)}]), number)
    assert asyncio.run(apart(config, "store", "compact")) == {"fewer": 9}
    assert (store.status().files, store.status().events, store.last_commit()) == (1, 10, 10)
    for number in range(11, 21):
        store.append(to_table([{"@timestamp": NOW, "event.id": str(number)}]), number)
    damaged = next(config.store_path.glob("*/a-*.parquet"))
    damaged.write_bytes(b"PAR1")
    assert asyncio.run(apart(config, "store", "compact"))["fewer"] > 0
    assert store.last_commit() == 20


def test_a_damaged_file_keeps_no_other_file_small(store, tmp_path):
    for number in range(1, 11):
        store.append(to_table([event(0, event__id=f"a{number}"), event(2, event__id=f"b{number}")]), number)
    for path in list((tmp_path / "data" / "events").glob("citysoc.day=2026-10-20/*.parquet"))[:1]:
        data = path.read_bytes()
        path.write_bytes(data[:4] + bytes(len(data) - 8) + data[-4:])
    with pytest.raises(StoreError, match="cannot be read"):
        store.compact()
    assert len(list((tmp_path / "data" / "events").glob("citysoc.day=2026-10-18/s-*.parquet"))) == 1
    assert store.count(Question()) == 19
    assert len(store.verify(isolate=True)) == 1
    store.compact()
    assert (store.status().files, store.count(Question()), store.verify()) == (2, 19, [])


def test_retention_names_a_damaged_file(store, tmp_path):
    store.append(to_table(many(0, 100)), 1)
    (path,) = (tmp_path / "data" / "events").glob("*/*.parquet")
    path.write_bytes(b"PAR1PAR1PAR1")
    with pytest.raises(StoreError, match="cannot be read"):
        store.retain(NOW + DAY, "event.original:line")
    assert store.retain(NOW + DAY) == 100
