"""The feature table: right figures, incremental as a whole computation, late data, other networks."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from citysoc.detectors.anomaly import days, history
from citysoc.detectors.anomaly.families import FEATURES, HOURLY
from citysoc.detectors.anomaly.feature import FAMILIES, KINDS
from citysoc.ecs.schema import to_table
from citysoc.stores.local import LocalStore
from tests.detectors.anomaly import weeks

if TYPE_CHECKING:
    from pathlib import Path

START = dt.datetime(2026, 10, 7, 3, tzinfo=dt.UTC)  # 10:00 on a Wednesday in Huế
NIGHT = dt.datetime(2026, 10, 7, 18, tzinfo=dt.UTC)  # 01:00 on Thursday


def event(at: dt.datetime, **fields: Any) -> dict[str, Any]:
    names = {name.replace("__", "."): value for name, value in fields.items()}
    return {"@timestamp": at, "agency.id": "so-a", "agency.level": "department", **names}


def stored(path: Path, events: list[dict[str, Any]], commit: int = 1) -> LocalStore:
    store = LocalStore(path)
    numbered = [{**one, "event.id": f"{commit:02}-{n:05}"} for n, one in enumerate(events)]
    store.append(to_table(numbered), commit)
    return store


def features(
    path: Path, events: list[dict[str, Any]], kind: str, entity: str, at: dt.datetime
) -> dict[str, float]:
    """Return the features of one entity in the hour that begins at ``at``."""
    store = stored(path / "events", events)
    since = at - dt.timedelta(days=40)
    days.refresh(store, path / "t", since=since, until=at + dt.timedelta(hours=1))
    table = history.read(path / "t", kind, days.hour_of(at), days.hour_of(at) + 1)  # type: ignore[arg-type]
    rows = [row for row in table.to_pylist() if row["entity"] == entity]
    assert len(rows) == 1
    return rows[0]


def visit(at: dt.datetime, to: str = "203.0.113.9", **more: Any) -> dict[str, Any]:
    given = {"source__ip": "10.1.0.5", "destination__ip": to, "destination__port": 443, **more}
    return event(at, event__category=["network"], **given)


def test_bytes_count_what_leaves_and_the_night_is_closed(tmp_path) -> None:
    events = [
        visit(NIGHT + dt.timedelta(minutes=n), source__bytes=3_000_000, destination__bytes=500)
        for n in range(4)
    ]
    row = features(tmp_path, events, "host", "10.1.0.5", NIGHT)
    assert row["bytes_out"] == row["closed_bytes"] == 12_000_000
    assert row["largest_out"] == 3_000_000
    assert row["bytes_in"] == 2000
    assert row["one_sided"] == pytest.approx(11_000_000 / 1_002_000)
    assert row["night_people"] == row["closed_people"] == 4


def test_office_hours_are_not_closed(tmp_path) -> None:
    row = features(tmp_path, [visit(START, source__bytes=10)], "host", "10.1.0.5", START)
    assert row["closed_people"] == row["closed_bytes"] == row["night_people"] == 0


def test_traffic_inside_sends_nothing_out(tmp_path) -> None:
    row = features(tmp_path, [visit(START, "10.1.0.9", source__bytes=10**9)], "host", "10.1.0.5", START)
    assert row["bytes_out"] == row["connections"] == 0
    assert row["inside_peers"] == 1


def test_calls_at_even_intervals_are_regular_and_a_crowd_is_not(tmp_path) -> None:
    even = [visit(START + dt.timedelta(minutes=6 * n)) for n in range(10)]
    assert features(tmp_path / "a", even, "host", "10.1.0.5", START)["regular_calls"] == pytest.approx(10)
    crowd = [visit(START + dt.timedelta(seconds=s)) for s in (0, 1, 2, 3, 4, 5, 3000, 3001, 3002, 3003)]
    assert features(tmp_path / "b", crowd, "host", "10.1.0.5", START)["regular_calls"] < 1


def test_hours_with_contact_to_a_rare_place_are_counted_over_a_day(tmp_path) -> None:
    calls = [visit(START - dt.timedelta(hours=n)) for n in range(40)]
    assert features(tmp_path, calls, "host", "10.1.0.5", START)["faithful_hours"] == 24


def test_a_machine_has_one_name_however_it_is_written(tmp_path) -> None:
    failed = {
        "event__category": ["authentication"],
        "event__outcome": "failure",
        "user__name": "HUE\\ketoan01",
    }
    events = [event(START, host__name=name, **failed) for name in ("SA-PC001.hue.example", "sa-pc001")]
    row = features(tmp_path, events, "host", "sa-pc001", START)
    assert row["failed_logons"] == 2
    assert row["failed_accounts"] == 1


def test_accounts_of_services_are_no_accounts(tmp_path) -> None:
    logon = {"event__category": ["authentication"], "event__outcome": "success", "host__name": "pc"}
    names = ("SYSTEM", "PC01$", "-", "motcua01")
    store = stored(tmp_path / "e", [event(START, user__name=name, **logon) for name in names])
    days.refresh(store, tmp_path / "t", since=START, until=START + dt.timedelta(hours=1))
    table = history.read(tmp_path / "t", "account", days.hour_of(START), days.hour_of(START) + 1)
    assert table["entity"].to_pylist() == ["motcua01"]


def test_what_is_new_is_new_once_and_only_after_a_week(tmp_path) -> None:
    def ran(days_ago: int, program: str) -> dict[str, Any]:
        at = START - dt.timedelta(days=days_ago)
        names = {"host__name": "pc", "user__name": "a", "process__executable": f"C:\\x\\{program}"}
        return event(at, event__category=["process"], **names)

    usual = [ran(n, "winword.exe") for n in range(10)]
    row = features(tmp_path / "a", [*usual, ran(0, "tool.exe")], "host", "pc", START)
    assert row["new_programs"] == row["first_programs"] == 1
    again = [*usual, ran(2, "tool.exe"), ran(0, "tool.exe")]
    assert features(tmp_path / "b", again, "host", "pc", START)["new_programs"] == 0
    early = [*usual[:4], ran(0, "tool.exe")]
    assert features(tmp_path / "c", early, "host", "pc", START)["new_programs"] == 0


def test_an_outbreak_counts_machines_over_a_day(tmp_path) -> None:
    def found(n: int, hours_ago: int) -> dict[str, Any]:
        names = {"event__category": ["malware"], "threat__software__name": "W32.X", "host__name": f"pc{n}"}
        return event(START - dt.timedelta(hours=hours_ago), **names)

    events = [found(n, n) for n in range(6)] + [found(99, 30)]
    row = features(tmp_path, events, "agency", "so-a", START)
    assert row["outbreak_hosts"] == 6
    assert row["infected_hosts"] == 1


def test_tunnels_are_seen_below_one_domain(tmp_path) -> None:
    def asked(n: int) -> dict[str, Any]:
        name = f"{hashlib.sha256(b'%d' % n).hexdigest()[:40]}.t.kho.example"
        return event(START, source__ip="10.1.0.5", dns__question__name=name, event__category=["network"])

    row = features(tmp_path, [asked(n) for n in range(50)], "host", "10.1.0.5", START)
    assert row["names_of_one_domain"] == row["questions"] == 50
    assert row["longest_name"] == 54
    assert row["odd_names"] == 1
    assert row["oddest_name"] > 6


def test_snapshots_of_consoles_tell_guards_that_are_off(tmp_path) -> None:
    off = event(START, event__dataset="avreport.quality", host__name="PC1", avreport__auto_protect=False)
    # The field's own name has an underscore.
    off["avreport.auto_protect"] = off.pop("avreport.auto_protect", False)
    on = {**off, "avreport.auto_protect": True, "host.name": "PC2"}
    row = features(tmp_path, [off, on], "agency", "so-a", START)
    assert row["protection_off"] == 1


def test_own_public_networks_are_inside(tmp_path) -> None:
    store = stored(tmp_path / "e", [visit(START, source__ip="203.0.114.7", source__bytes=99)])
    for name, networks, expected in (("a", (), []), ("b", ("203.0.114.0/24",), ["203.0.114.7"])):
        folder = tmp_path / name
        days.refresh(store, folder, since=START, until=START + dt.timedelta(hours=1), networks=networks)
        table = history.read(folder, "host", days.hour_of(START), days.hour_of(START) + 1)
        assert table["entity"].to_pylist() == expected


def test_an_hour_still_running_is_left_out(tmp_path) -> None:
    store = stored(tmp_path / "e", [visit(START)])
    done = days.refresh(store, tmp_path / "t", since=START, until=START + dt.timedelta(minutes=59))
    assert done.hours == 0


def whole_table(folder: Path, first: int, last: int) -> dict[str, pa.Table]:
    return {kind: history.read(folder, kind, first, last) for kind in KINDS}


def test_hour_by_hour_and_late_data_give_the_table_of_one_whole_computation(tmp_path) -> None:
    made = weeks.town()
    begin = weeks.midnight(weeks.FIRST)
    events = pa.concat_tables(
        [weeks.habits.day(made, weeks.FIRST + dt.timedelta(days=n), 5) for n in range(2)],
        promote_options="default",
    )
    events = weeks.whole(events, "x")
    late = pa.array([n % 11 == 0 for n in range(events.num_rows)])
    end = begin + dt.timedelta(days=2)

    pieces = LocalStore(tmp_path / "pieces")
    early = events.filter(pa.compute.invert(late))
    pieces.append(early, 1)
    for hours in (5, 6, 24, 29, 48):
        days.refresh(pieces, tmp_path / "a", since=begin, until=begin + dt.timedelta(hours=hours))
    pieces.append(events.filter(late), 2)
    again = days.refresh(pieces, tmp_path / "a", since=begin, until=end)
    assert again.hours > 20

    once = LocalStore(tmp_path / "once")
    once.append(events, 1)
    days.refresh(once, tmp_path / "b", since=begin, until=end)
    first, last = days.hour_of(begin), days.hour_of(end)
    assert whole_table(tmp_path / "a", first, last) == whole_table(tmp_path / "b", first, last)
    assert days.refresh(pieces, tmp_path / "a", since=begin, until=end).hours == 0


def test_only_hours_with_late_data_are_computed_again(tmp_path) -> None:
    store = stored(tmp_path / "e", [visit(START + dt.timedelta(hours=n)) for n in range(6)])
    end = START + dt.timedelta(hours=6)
    assert days.refresh(store, tmp_path / "t", since=START, until=end).hours == 6
    store.append(to_table([{**visit(START + dt.timedelta(hours=2)), "event.id": "late"}]), 2)
    assert days.refresh(store, tmp_path / "t", since=START, until=end).hours == 1


def test_a_lost_file_is_made_again(tmp_path) -> None:
    store = stored(tmp_path / "e", [visit(START)])
    end = START + dt.timedelta(hours=1)
    days.refresh(store, tmp_path / "t", since=START, until=end)
    next((tmp_path / "t").glob("*.rows.parquet")).unlink()
    assert days.refresh(store, tmp_path / "t", since=START, until=end).hours == 1


def test_every_feature_is_declared_whole() -> None:
    assert {feature.family for feature in FEATURES} == set(FAMILIES)
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    for feature in FEATURES:
        assert feature.unit
        assert feature.formula
        assert feature.en != feature.vi
    assert set(HOURLY) < set(FEATURES)
