"""The figures of a small month whose events are counted by hand, compared with a reviewed file.

``CITYSOC_WRITE_GOLDEN=1`` writes the file anew; read its difference before you commit it.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest

from citysoc.alerts.intake import take
from citysoc.config.models import Alerts
from citysoc.ecs.schema import to_table
from citysoc.flow import Finding
from citysoc.reports import record
from citysoc.reports.computing import compute
from citysoc.state import State
from citysoc.stores.local import LocalStore
from tests.reports.made import AGENCIES, NOW, ZONE, detection, event, month_period, written

GOLDEN = Path(__file__).with_name("golden") / "figures.json"
MONDAY, SUNDAY = (dt.datetime(2026, 10, day, 9, 30, tzinfo=ZoneInfo(ZONE)) for day in (5, 4))
NIGHT = dt.datetime(2026, 10, 31, 23, 59, 59, tzinfo=ZoneInfo(ZONE))
"""A Saturday, the last second of the month."""


def month():
    """Yield 12 attacks and 5 detections of October, what is no case, and what came before."""
    scan = {"source.ip": "203.0.113.9", "destination.ip": "10.1.0.5", "host.name": "FW-1"}
    web = {"citysoc.class": "WEB", "citysoc.outcome": "allowed", "source.ip": "198.51.100.7"}
    plain = {"citysoc.class": None, "citysoc.threat": None, "citysoc.outcome": None}
    bot = {"citysoc.class": "BOT", "citysoc.threat": "spyware", "destination.ip": "203.0.113.66"}
    yield from ((MONDAY, event(n, **scan)) for n in range(8))
    yield from ((SUNDAY, event(n, **web)) for n in range(10, 13))
    yield NIGHT, event(13, **bot, **{"source.ip": "10.1.0.9"})
    yield NIGHT + dt.timedelta(seconds=1), event(14)  # November
    yield from ((MONDAY, event(n, **plain)) for n in range(20, 24))
    yield MONDAY, event(25, **plain | {"citysoc.class": "POLICY", "citysoc.outcome": "blocked"})
    # PC-1: found, not removed, found again the next day. PC-2: not removed, then deleted.
    for number, days, host, outcome in (
        (1, 0, 1, "failed"),
        (2, 1, 1, "failed"),
        (3, 0, 2, "failed"),
        (4, 1, 2, "deleted"),
    ):
        yield (
            MONDAY + dt.timedelta(days=days),
            detection(100 + number, **{"host.name": f"PC-{host}", "citysoc.outcome": outcome}),
        )
    spy = {
        "threat.software.name": "Spy.Ư",
        "citysoc.class": "SPY",
        "citysoc.threat": "spyware",
        "citysoc.outcome": "deleted",
    }
    yield MONDAY, detection(105, **spy, **{"host.name": "PC-3"})
    said = {
        "event.module": "avreport",
        "event.dataset": "avreport.update",
        "agency.id": "phuong-vy-da",
        **plain,
    }
    yield MONDAY, event(200, **said, **{"avreport.not_updated_15_days": 7})
    yield MONDAY + dt.timedelta(days=9), event(201, **said, **{"avreport.not_updated_15_days": 3})
    said["event.dataset"] = "avreport.quality"
    yield MONDAY, event(202, **said, **{"host.name": "PC-4", "avreport.auto_protect": True})
    yield (
        MONDAY + dt.timedelta(days=1),
        event(203, **said, **{"host.name": "PC-4", "avreport.auto_protect": False}),
    )
    yield from ((MONDAY - dt.timedelta(days=31), event(n)) for n in range(300, 304))
    yield from ((MONDAY - dt.timedelta(days=365), event(n)) for n in range(400, 410))


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    config = written(tmp_path_factory.mktemp("golden"), AGENCIES)
    some = [
        {
            key: value
            for key, value in (one | {"@timestamp": at.astimezone(dt.UTC)}).items()
            if value is not None
        }
        for at, one in month()
    ]
    LocalStore(config.store_path).append(to_table(some), 1)
    state = State(config.state_path)
    findings = [
        Finding("r1", "Passwords", "high", "so-y-te", "a", MONDAY.astimezone(dt.UTC), {}, entity="host:PC-1"),
        Finding(
            "r2", "Scan", "low", "phuong-vy-da", "b", SUNDAY.astimezone(dt.UTC), {}, entity="ip:203.0.113.9"
        ),
    ]
    with state.transaction() as db:
        take(db, findings, policy=Alerts(), webhooks=(), now=MONDAY.astimezone(dt.UTC))
    found = compute(config, state, LocalStore(config.store_path), month_period(2026, 10, ZONE), now=NOW)
    state.close()
    return found


def test_the_figures_are_those_of_the_reviewed_file(figures):
    content = record.to_json(figures) + b"\n"
    if os.environ.get("CITYSOC_WRITE_GOLDEN"):
        GOLDEN.write_bytes(content)
    assert orjson.loads(content) == orjson.loads(GOLDEN.read_bytes())
    assert content == GOLDEN.read_bytes()


def test_the_figures_are_what_was_counted_by_hand(figures):
    f = figures
    assert (f.cases.value, f.attack.value, f.spyware.value, f.virus.value, f.policy) == (17, 11, 2, 4, 1)
    assert (f.cases.before, f.cases.year_before, f.cases.change) == (4, 10, 325.0)
    assert f.records.value == 17 + 4 + 1 + 4
    assert [(row.code, row.events.value, row.stopped, row.share) for row in f.classes] == [
        ("SCAN", 8, 8, 47.1),
        ("VIRUS", 4, 1, 23.5),
        ("WEB", 3, 0, 17.6),
        ("BOT", 1, 1, 5.9),
        ("SPY", 1, 1, 5.9),
    ]
    assert f.hour_types == {"office": 13, "outside": 0, "day_off": 4}
    assert f.class_days["2026-10-04"] == {"WEB": 3}
    assert sum(count for counts in f.class_days.values() for count in counts.values()) == 17
    c = f.coverage
    assert (c.agencies, c.machines, c.agencies_seen, c.machines_seen) == (2, 23, 1, 4)
    assert (c.machines_infected, c.not_cleaned, c.reinfected) == (3, 3, 2)
    assert (c.not_updated, c.protection_off) == (3, 1)
    assert [(row.host, row.count, row.last_seen) for row in f.uncleaned] == [
        ("PC-1", 2, "2026-10-06T02:30:00.000000Z")
    ]
    assert [(row.key, row.count) for row in f.bots] == [("so-y-te", 1)]
    assert [(row.key, row.count) for row in f.attackers] == [("203.0.113.9", 8), ("198.51.100.7", 3)]


DOCUMENTED = ("agencies", "levels_of_agencies", "classes", "outcomes", "malware", "hour_types", "levels")


@pytest.mark.parametrize("name", DOCUMENTED)
def test_what_the_figures_part_by_is_a_table_of_the_documents(figures, name):
    from citysoc import i18n
    from citysoc.config.reports import Reports
    from citysoc.reports.sections import document

    with i18n.speaking("vi"):
        tables = {table.name: table for table in document(figures, Reports(), {}).tables()}
    assert tables[name].rows
