"""Both stores give the same figures: a made month, the city and each of its agencies."""

from __future__ import annotations

import datetime as dt
import random

import orjson
import pytest

from citysoc.alerts.intake import take
from citysoc.config.models import Alerts
from citysoc.ecs.schema import to_table
from citysoc.flow import Finding
from citysoc.reports import record
from citysoc.reports.computing import compute
from citysoc.reports.computing.parted import Parted
from citysoc.state import State
from citysoc.stores.local import LocalStore
from tests.reports.made import NOW, ZONE, month_period, written
from tests.stores.elastic.conftest import elastic_store

pytestmark = pytest.mark.elastic

PERIOD = month_period(2026, 10, ZONE)
AGENCIES = """
agencies:
  - {id: so-y-te, name: "Sở Y tế", level: department, expects: [firewall], antivirus: {machines: 30}}
  - {id: phuong-vy-da, name: "Phường Vỹ Dạ", level: ward, antivirus: {machines: 20}}
  - {id: xa-a, name: "Xã A", level: ward}
"""
IDS = ("so-y-te", "phuong-vy-da", "xa-a", "unknown")
CLASSES = [("SCAN", "attack"), ("BRUTE", "attack"), ("WEB", "attack"), ("BOT", "spyware"), ("POLICY", None)]
MALWARE = ["W32.Sality", "Trojan.Ư", "trojan.ư", "=cmd", "W32.Sality.PE", "Mã độc"]
OUTCOMES = ["blocked", "deleted", "failed", "allowed", None]


def month(seed):
    """Yield events of three kinds, with many ties, odd letters and moments at the edges of days and the month."""
    chance = random.Random(seed)
    span = PERIOD.until - PERIOD.since
    edges = [PERIOD.since, PERIOD.until - dt.timedelta(microseconds=1), PERIOD.since + dt.timedelta(days=1)]
    for number in range(900):
        at = chance.choice(edges) if number % 9 == 0 else PERIOD.since + span * chance.random()
        if number % 100 == 99:
            at -= dt.timedelta(days=30)
        base = {
            "@timestamp": at,
            "event.id": f"e{number:05}",
            "event.ingested": at,
            "agency.id": chance.choice(IDS),
            "citysoc.source": "s",
        }
        yield {key: value for key, value in (base | kind(chance, number)).items() if value is not None}


def kind(chance, number):
    host = f"PC-{chance.randrange(9)}"
    if number % 3 == 0:
        code, threat = chance.choice(CLASSES)
        return {
            "event.module": "fortigate",
            "event.dataset": "fortigate.utm",
            "citysoc.class": code,
            "citysoc.threat": threat,
            "citysoc.outcome": chance.choice(OUTCOMES),
            "source.ip": chance.choice(["203.0.113.9", "203.0.113.10", "2001:db8::9", None]),
            "destination.ip": chance.choice(["10.1.0.5", "10.1.0.6"]),
        }
    if number % 3 == 1:
        return {
            "event.module": "antivirus",
            "event.dataset": "antivirus.detection",
            "host.name": chance.choice([host, host.lower(), None]),
            "threat.software.name": chance.choice(MALWARE),
            "file.path": chance.choice(["C:\\a.exe", None]),
            "citysoc.class": chance.choice(["VIRUS", None]),
            "citysoc.threat": "virus",
            "citysoc.outcome": chance.choice(OUTCOMES),
        }
    said = chance.choice(["update", "quality", "vulnerability"])
    facts = {
        "update": {"avreport.not_updated_15_days": chance.randrange(5)},
        "quality": {"host.name": host, "avreport.auto_protect": chance.random() < 0.5},
        "vulnerability": {"host.name": host, "vulnerability.id": f"CVE-2026-{chance.randrange(12)}"},
    }
    return {"event.module": "avreport", "event.dataset": f"avreport.{said}"} | facts[said]


@pytest.mark.parametrize("seed", [1, 2])
def test_both_stores_give_the_same_figures(elastic, tmp_path, seed):
    config = written(tmp_path, AGENCIES)
    local, state = LocalStore(config.store_path), State(config.state_path)
    with state.transaction() as db:
        found = Finding("r", "Passwords", "high", "so-y-te", "e00001", PERIOD.since, {}, entity="host:PC-1")
        take(db, [found], policy=Alerts(), webhooks=(), now=PERIOD.since)
    events = list(month(seed))
    with elastic_store(elastic) as cluster:
        for store in (local, cluster):
            for commit, part in enumerate((events[::2], events[1::2]), start=1):
                store.append(to_table(part), commit)
        cluster.refresh()
        for agency in (None, *IDS[:3]):
            one, other = (
                compute(config, state, store, PERIOD, now=NOW, agency=agency) for store in (local, cluster)
            )
            # As JSON the difference is readable.
            assert orjson.loads(record.to_json(one)) == orjson.loads(record.to_json(other)), agency
            assert one == other
            assert one.cases.value
            if agency:
                parted = compute(config, state, Parted(cluster), PERIOD, now=NOW, agency=agency)
                assert parted == one
    state.close()
