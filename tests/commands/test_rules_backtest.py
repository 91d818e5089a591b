"""Backtests: the difference in alerts is what it would have been, and nothing is written."""

from __future__ import annotations

import hashlib

import pytest
import yaml

ALPHA, BETA, OFTEN = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))


@pytest.fixture
def filled(house, said):
    house.ingest(
        *(said(seconds, "beta") for seconds in (0, 10, 20)),
        *(said(seconds, "alpha", "pc-2") for seconds in (0, 5000)),
        said(9, "gamma", "pc-3"),
    )
    house.ingest(said(30, "beta", "pc-9"), said(40, "gamma", "pc-9"), agency="so-gd")
    return house


@pytest.fixture
def changed(tmp_path):
    folder = tmp_path / "changed"
    folder.mkdir()

    def write(stem, /, **document):
        (folder / f"{stem}.yml").write_text(yaml.safe_dump(document))
        return folder

    return write


def word(identity, text, **more):
    return {
        "title": f"Word {text}",
        "id": identity,
        "name": f"word_{text}",
        "logsource": {"product": "ndjson"},
        "detection": {"selection": {"message|contains": text}, "condition": "selection"},
        "level": "high",
        "citysoc": {"group_by": ["host.name"], "window_seconds": 600},
        **more,
    }


def test_the_rules_in_use_find_what_was_found(filled):
    result = filled.run("rules", "backtest", "--since", "7d", "-f", "ndjson")
    assert result.stdout == ""
    assert "8 events; against the alerts that were made: 0 new alerts, 0 gone, 5 the same" in result.stderr


def test_a_new_rule_and_where_it_fires(filled, changed):
    folder = changed("gamma", **word("20000000-0000-4000-8000-000000000001", "gamma"))
    (row,) = filled.rows("rules", "backtest", "--since", "7d", "--with", folder, "--samples", "1")
    assert (row["title"], row["hits_after"], row["new"], row["gone"]) == ("Word gamma", 2, 2, 0)
    assert row["agencies"] == [
        {"agency": "so-gd", "new": 1, "gone": 0},
        {"agency": "so-y-te", "new": 1, "gone": 0},
    ]
    (stored,) = filled.rows("events", "search", "host.name:pc-3")
    assert row["new_samples"] == [stored["event.id"]]
    table = filled.run(
        "rules", "backtest", "--since", "7d", "--with", folder, "--samples", "1", "-f", "table"
    )
    assert "new alerts begin with" in table.stdout
    assert stored["event.id"] in table.stdout


def test_a_narrower_rule_takes_the_place_of_the_old_one(filled, changed):
    folder = changed(
        "beta", **word(BETA, "beta", detection={"s": {"host.name": "pc-9"}, "condition": "s"}, level="low")
    )
    rows = {row["rule"]: row for row in filled.rows("rules", "backtest", "--since", "7d", "--with", folder)}
    # One alert of pc-9 was there, and stays; the one of pc-1 goes, and with it the correlation's.
    assert (rows[BETA]["before"], rows[BETA]["after"]) == (2, 1)
    assert (rows[BETA]["new"], rows[BETA]["gone"], rows[BETA]["same"]) == (0, 1, 1)
    assert (rows[OFTEN]["before"], rows[OFTEN]["gone"]) == (1, 1)
    assert ALPHA not in rows


def test_states_count(filled):
    filled.run("rules", "stage", ALPHA, "--owner", "a", "--reason", "b")
    (row,) = filled.rows("rules", "backtest", "--since", "7d", "--activate", ALPHA)
    assert (row["rule"], row["before"], row["new"], row["hits_before"]) == (ALPHA, 0, 2, 2)
    (row,) = filled.rows("rules", "backtest", "--since", "7d")
    assert (row["rule"], row["state"], row["gone"], row["hits_after"]) == (ALPHA, "staged", 2, 2)
    rows = filled.rows("rules", "backtest", "--since", "7d", "--disable", "Word beta")
    assert {row["rule"]: row["gone"] for row in rows} == {BETA: 2, OFTEN: 1}


def test_only_one_rule_agency_and_time(filled, changed):
    folder = changed("gamma", **word("20000000-0000-4000-8000-000000000001", "gamma"))
    common = ("rules", "backtest", "--since", "7d", "--with", folder)
    (row,) = filled.rows(*common, "--agency", "so-gd")
    assert row["new"] == 1
    (row,) = filled.rows(*common, "--rule", OFTEN)
    assert (row["rule"], row["before"], row["after"], row["new"]) == (OFTEN, 1, 1, 0)
    assert filled.rows(*common, "--until", "6d") == []


def test_codes(filled, changed):
    folder = changed("gamma", **word("20000000-0000-4000-8000-000000000001", "gamma"))
    common = ("rules", "backtest", "--since", "7d", "--with", folder)
    filled.run(*common, "--fail-on", "critical")
    filled.run(*common, "--fail-on", "high", code=1)
    changed("bad", title="Bad", logsource={"category": "nobody_has_this"}, detection={"condition": "x"})
    result = filled.run(*common, code=1)
    assert "bad.yml:1" in result.stderr
    filled.run("rules", "backtest", code=2)


def test_nothing_is_written(filled, changed):
    def content():
        files = sorted((filled.folder / "data").rglob("*"))
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.is_file() and not path.name.endswith(("-shm", "-wal"))
        }

    before = content()
    folder = changed("gamma", **word("20000000-0000-4000-8000-000000000001", "gamma"))
    filled.run("rules", "backtest", "--since", "7d", "--with", folder)
    filled.run("rules", "backtest", "--since", "7d")
    assert content() == before


def test_where_nothing_came_in_yet(house):
    result = house.run("rules", "backtest", "--since", "30d")
    assert "0 events" in result.stderr
    assert not (house.folder / "data").exists()
