"""``events``, ``store`` and ``quarantine`` at the command line."""

from __future__ import annotations

import datetime as dt
import stat
from types import SimpleNamespace

import orjson
import pytest
from click.testing import CliRunner

from citysoc.commands import events, quarantine, store
from citysoc.commands.context import App
from citysoc.config.queries import SavedQuery
from citysoc.config.stores import Store
from citysoc.ecs.schema import to_table
from citysoc.errors import InputError, UsageError
from citysoc.stores.base import Question
from citysoc.stores.local import LocalStore

START = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)


@pytest.fixture
def app(tmp_path):
    local = LocalStore(tmp_path / "events", threads=1)
    rows = [
        {
            "@timestamp": START + dt.timedelta(hours=n),
            "event.id": f"e{n}",
            "agency.id": "yte" if n % 2 else "gd",
            "user.name": "=cmd()" if n == 3 else f"u{n}",
            "source.bytes": n,
        }
        for n in range(5)
    ]
    rows.append(
        {"@timestamp": START, "event.id": "q", "citysoc.unparsed": "json.invalid", "event.original": "{"}
    )
    local.append(to_table(rows), 1)
    made = App()
    made.__dict__["store"] = local
    made.__dict__["config"] = SimpleNamespace(
        store_path=tmp_path / "events",
        state_path=tmp_path / "state" / "citysoc.db",
        root=tmp_path,
        queries=(
            SavedQuery(name="yte", query="agency.id:yte", fields=("user.name",), title={"vi": "Sở Y tế"}),
        ),
        settings=SimpleNamespace(
            queries="queries.yaml",
            service=SimpleNamespace(timezone="Asia/Ho_Chi_Minh"),
            store=Store(retention_days=10),
        ),
    )
    return made


@pytest.fixture
def call(app):
    def run(group, *arguments, **options):
        result = CliRunner().invoke(group.command, list(arguments), obj=app, **options)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def lines(result):
    return [orjson.loads(line) for line in result.stdout.splitlines()]


def test_search_finds_newest_first_and_says_when_there_are_more(call):
    result = call(events, "search", "agency.id:GD", "--fields", "user.name", "--limit", "2")
    assert [row["user.name"] for row in lines(result)] == ["u4", "u2"]
    assert "--limit 0" in result.stderr
    result = call(
        events, "search", "--sort", "oldest", "--limit", "0", "--until", "2026-10-01T10:00:00+07:00"
    )
    assert [row["event.id"] for row in lines(result)] == ["e0", "e1", "e2"]
    assert result.stderr == ""


def test_stats_groups_and_buckets(call):
    rows = lines(
        call(events, "stats", "--by", "agency.id", "--metric", "sum:source.bytes", "--metric", "count")
    )
    assert rows == [
        {"agency.id": "gd", "sum:source.bytes": 6, "count": 3},
        {"agency.id": "yte", "sum:source.bytes": 4, "count": 2},
    ]
    (row,) = lines(call(events, "stats", "--interval", "1d"))
    assert row == {"time": "2026-10-01T00:00:00+07:00", "count": 5}
    assert lines(call(events, "stats", "user.name:nobody")) == [{"count": 0}]


@pytest.mark.parametrize(
    "wrong", [["--metric", "p95"], ["--metric", "sum"], ["--interval", "day"], ["--by", "usr.name"]]
)
def test_stats_refuses_what_makes_no_sense(call, wrong):
    with pytest.raises(UsageError):
        call(events, "stats", *wrong)


def test_show_prints_one_record(call):
    assert lines(call(events, "show", "e1"))[0]["user.name"] == "u1"
    assert lines(call(quarantine, "show", "q"))[0]["event.original"] == "{"
    with pytest.raises(InputError):
        call(events, "show", "e99")


def test_quarantine_is_listed_apart(call):
    assert [row["event.id"] for row in lines(call(quarantine, "list"))] == ["q"]


def test_export_writes_once_and_disarms_formulas(call, tmp_path):
    path = tmp_path / "out.csv"
    call(events, "export", "-o", str(path), "--fields", "user.name")
    assert path.read_text(encoding="utf-8").split() == ["user.name", "u0", "u1", "u2", "'=cmd()", "u4"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="exists"):
        call(events, "export", "-o", str(path))
    call(events, "export", "agency.id:yte", "-o", str(path), "-f", "ndjson", "--force")
    assert [orjson.loads(line)["event.id"] for line in path.read_bytes().splitlines()] == ["e1", "e3"]
    with pytest.raises(UsageError):
        call(events, "export", "usr.name:x", "-o", str(tmp_path / "new.csv"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["events", "out.csv"]


def test_sql_from_the_command_line(call):
    statement = "SELECT count(*) AS n FROM events WHERE \"agency.id\" = 'yte'"
    assert lines(call(events, "sql", statement)) == [{"n": 2}]
    assert lines(call(events, "sql", "-", input=statement)) == [{"n": 2}]


def test_the_store_is_looked_after(call):
    assert lines(call(store, "status"))[0]["events"] == 5
    assert "5" in call(store, "verify").stderr
    call(store, "compact")
    assert call(store, "retain", input="n\n").exit_code == 1
    assert lines(call(store, "status"))[0]["events"] == 5
    call(store, "retain", "--yes")
    assert lines(call(store, "status"))[0]["events"] == 0


def test_pages_follow_each_other(call):
    seen, mark = [], []
    for _page in range(3):
        result = call(events, "search", "--limit", "2", *mark)
        seen += [row["event.id"] for row in lines(result)]
        if "--after" not in result.stderr:
            break
        mark = ["--after", result.stderr.split("--after ")[1].strip()]
    assert seen == ["e4", "e3", "e2", "e1", "e0"]
    oldest = call(events, "search", "--sort", "oldest", "--after", "2026-10-01T01:00:00Z,e1")
    assert [row["event.id"] for row in lines(oldest)] == ["e2", "e3", "e4"]
    with pytest.raises(UsageError, match="no mark"):
        call(events, "search", "--after", "yesterday")


def test_pages_ordered_by_fields_follow_each_other(call):
    seen, mark = [], []
    for _page in range(3):
        result = call(
            events,
            "search",
            "--sort",
            "agency.id,-source.bytes",
            "--fields",
            "user.name",
            "--limit",
            "2",
            *mark,
        )
        assert all(set(row) == {"@timestamp", "event.id", "user.name"} for row in lines(result))
        seen += [row["event.id"] for row in lines(result)]
        if "--after" not in result.stderr:
            break
        mark = ["--after", result.stderr.split("--after ")[1].strip()]
    assert seen == ["e4", "e2", "e0", "e3", "e1"]
    with pytest.raises(UsageError, match="no mark"):
        call(events, "search", "--sort", "-source.bytes", "--after", "2026-10-01T01:00:00Z,e1")
    with pytest.raises(UsageError, match="another order"):
        call(events, "search", "--sort", "-source.bytes", *mark)
    with pytest.raises(UsageError, match=r"source\.byte") as caught:
        call(events, "search", "--sort", "agency.id,source.byte")
    assert (caught.value.where, "source.bytes" in caught.value.hint) == ("column 11", True)


def test_saved_queries_are_listed_asked_and_narrowed(call):
    assert lines(call(events, "saved"))[0]["name"] == "yte"
    found = lines(call(events, "search", "--saved", "yte"))
    assert [(row["user.name"], len(row)) for row in found] == [("=cmd()", 3), ("u1", 3)]
    narrowed = call(events, "search", "user.name:u1 OR user.name:u0", "--saved", "yte")
    assert [row["event.id"] for row in lines(narrowed)] == ["e1"]
    with pytest.raises(UsageError, match="no saved query"):
        call(events, "search", "--saved", "other")


def test_show_has_the_neighbours_of_the_same_agency(call):
    result = call(events, "show", "e2", "--around", "2h")
    assert [row["event.id"] for row in lines(result)] == ["e2", "e0"]
    result = call(events, "show", "e2", "--around", "3h", "--limit", "1")
    assert [row["event.id"] for row in lines(result)] == ["e2", "e0"]


def test_neighbours_of_a_host_are_those_of_the_host(call, app):
    same = [
        {
            "@timestamp": START + dt.timedelta(minutes=n),
            "event.id": f"h{n}",
            "agency.id": "yte",
            "host.name": 'pc "1"' if n != 2 else "pc2",
        }
        for n in range(5)
    ]
    app.store.append(to_table(same), 2)
    result = call(events, "show", "h1", "--around", "3m")
    assert [row["event.id"] for row in lines(result)] == ["h1", "h0", "h3"]


def test_tail_shows_what_is_stored_meanwhile(app):
    store = app.store
    mark = store.news(Question("agency.id:yte"), since=None).mark
    new = [{"@timestamp": START, "event.id": f"n{n}", "agency.id": "yte" if n else "gd"} for n in range(3)]
    store.append(to_table(new), 2)
    store.compact()
    news = store.news(Question("agency.id:yte"), since=mark)
    assert [e["event.id"] for e in news.events] == ["n1", "n2"]
    assert store.news(Question(), since=news.mark).events == []
    store.compact()
    store.append(to_table([{"@timestamp": START, "event.id": "x"}]), 3)
    assert [e["event.id"] for e in store.news(Question(), since=news.mark).events] == ["x"]


def test_tail_ends_when_its_time_is_over(call):
    result = call(events, "tail", "--last", "2", "--for", "1s", "--every", "1s")
    assert [row["event.id"] for row in lines(result)] == ["e3", "e4"]
    line = call(events, "tail", "agency.id:gd", "--last", "1", "--for", "1s", "-f", "line").stdout
    assert line.strip() == "01/10/2026 11:00:00 gd u4"


@pytest.mark.parametrize(("names", "expected"), [((), 233), (("user.name", "source.bytes"), 2)])
def test_parquet_has_the_stores_own_columns(call, tmp_path, names, expected):
    import pyarrow.parquet as pq

    path = tmp_path / "out.parquet"
    call(events, "export", "-o", str(path), *(["--fields", ",".join(names)] if names else []))
    table = pq.read_table(path)
    assert table["user.name"].to_pylist() == ["u0", "u1", "u2", "=cmd()", "u4"]
    assert table["source.bytes"].to_pylist() == list(range(5))
    assert len(table.schema) >= expected if not names else len(table.schema) == expected


def test_parquet_has_fields_that_the_dictionary_lacks(call, app, tmp_path):
    import pyarrow.parquet as pq

    app.store.append(
        to_table([{"@timestamp": START, "event.id": "z", "zeek.uid": "C1", "zeek.n": [1, 2]}]), 2
    )
    path = tmp_path / "out.parquet"
    call(events, "export", "zeek.uid:*", "-o", str(path), "--fields", "@timestamp,zeek.uid,zeek.n")
    assert pq.read_table(path).to_pylist() == [{"@timestamp": START, "zeek.uid": "C1", "zeek.n": "[1,2]"}]


def test_an_answer_without_damaged_files_ends_with_code_4(call, app, tmp_path):
    app.store.append(to_table([{"@timestamp": START + dt.timedelta(days=2), "event.id": "late"}]), 2)
    (damaged,) = (tmp_path / "events").glob("citysoc.day=2026-10-03/*.parquet")
    damaged.write_bytes(damaged.read_bytes()[:-100])
    result = call(events, "search", "--limit", "0", standalone_mode=False)
    assert result.return_value == 4
    assert len(lines(result)) == 5
    assert damaged.name in result.stderr
    assert call(events, "stats", standalone_mode=False).return_value == 4
    assert call(events, "export", "-o", str(tmp_path / "x.csv"), standalone_mode=False).return_value == 4


def test_sql_that_takes_too_long_is_ended(call):
    endless = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range + b.range = 7"
    with pytest.raises(UsageError, match="longer than 1 seconds"):
        call(events, "sql", endless, "--timeout", "1s")
