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
from citysoc.ecs.schema import to_table
from citysoc.errors import InputError, UsageError
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
        settings=SimpleNamespace(
            service=SimpleNamespace(timezone="Asia/Ho_Chi_Minh"), store=SimpleNamespace(retention_days=10)
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
