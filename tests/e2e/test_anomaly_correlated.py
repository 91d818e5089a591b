"""A planted campaign in a simulated city: what the model sees and what a rule sees become one alert, by every door."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from cities import City, build, stop, wait_for

from citysoc.config.agencies import Agency
from citysoc.simulation import habits
from citysoc.simulation.attacks import campaigns
from citysoc.simulation.town import settle

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pyarrow as pa

    from citysoc.simulation.attacks.campaigns import Campaign

pytestmark = pytest.mark.faults

FIRST = dt.date(2026, 9, 28)
DAYS = 10
CAMPAIGN = FIRST + dt.timedelta(days=DAYS)
AGENCIES = tuple(
    Agency(id=f"co-quan-{n}", name=f"Cơ quan {n}", level="commune", networks=(f"10.{n + 1}.0.0/24",))
    for n in range(4)
)
SETTINGS = "rules: {shipped: true}\nservice: {commit_seconds: 0.3, workers: 1, language: en}\n"
SOURCES = """
sources:
  - {id: ecs, kind: files, parser: ndjson, paths: ["inbox/{agency}/ecs/*.ndjson"], every_seconds: 1,
     lateness_seconds: 1}
"""
UNPROTECTED = "Unusual Data Sent From a Machine Without Protection"
TUNNEL = "Even Calls Home and Data Hidden in Names"


def written(rows: Iterable[dict[str, Any]]) -> str:
    """Return events as lines of JSON, without what is the city's to say."""
    kept = (
        {name: value for name, value in row.items() if value is not None and not name.startswith("agency.")}
        for row in rows
    )
    return "".join(json.dumps(row, default=dt.datetime.isoformat) + "\n" for row in kept)


def by_agency(tables: Iterable[pa.Table]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {agency.id: [] for agency in AGENCIES}
    for table in tables:
        for row in table.to_pylist():
            found[row["agency.id"]].append(row)
    return {agency: sorted(rows, key=lambda row: row["@timestamp"]) for agency, rows in found.items()}


def machine(campaign: Campaign, town: Any) -> tuple[str, str]:
    """Return name and address of the machine that a campaign is at."""
    for name, address in zip(town.name, town.address, strict=True):
        if str(address).casefold() in campaign.entities:
            return str(name), str(address)
    raise AssertionError("a campaign is at a machine")


def city_of(root: Path) -> City:
    agencies = "agencies:\n" + "".join(
        f"  - {{id: {one.id}, name: {one.name}, level: {one.level}, networks: [{one.networks[0]}], expects: [ecs]}}\n"
        for one in AGENCIES
    )
    city = build(root, agencies=agencies, sources=SOURCES)
    (root / "citysoc.yaml").write_text(SETTINGS, "utf-8")
    return city


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A city with ten days behind it and a model of them; the town, and the campaigns of the day that follows."""
    town = settle(AGENCIES, 3, pace=1.5)
    city = city_of(tmp_path_factory.mktemp("city") / "city")
    past = by_agency(habits.day(town, FIRST + dt.timedelta(days=n), 5) for n in range(DAYS))
    for agency, rows in past.items():
        path = city.root / f"{agency}.ndjson"
        path.write_text(written(rows), "utf-8")
        city.run("ingest", str(path), "--agency", agency, "--source", "ecs", "--as", "ndjson")
    kinds = ("night-exfiltration", "beacon")
    planted = {one.kind: one for one in campaigns.plant(town, CAMPAIGN, 1, 7, each=1, kinds=kinds)}
    assert set(planted) == set(kinds)
    span = ("--since", f"{FIRST}T00:00+07:00", "--until", f"{CAMPAIGN}T00:00+07:00")
    assert "in use" in city.run("anomaly", "train", *span, "--budget", "4").stderr
    return city, town, planted


def records(town: Any, planted: dict[str, Campaign]) -> dict[str, list[dict[str, Any]]]:
    """Return the logs of three days: ordinary life, the campaigns, and what rules can see of them."""
    ordinary = [habits.day(town, CAMPAIGN + dt.timedelta(days=n), 5) for n in range(3)]
    found = by_agency([*ordinary, *[one.events for one in planted.values()]])
    away, beacon = planted["night-exfiltration"], planted["beacon"]
    name, address = machine(away, town)
    report = {
        "event.module": "avreport",
        "event.dataset": "avreport.quality",
        "avreport.auto_protect": False,
        "host.name": name,
        "host.ip": [address],
    }
    found[away.agency].append({"@timestamp": away.start - dt.timedelta(hours=9), **report})
    asked = {
        "event.module": "zeek",
        "event.dataset": "zeek.dns",
        "event.category": ["network"],
        "source.ip": machine(beacon, town)[1],
        "destination.port": 53,
        "dns.question.name": "k3vq7mzt2b5xw9rc4nhy6gd8fj1lpsaeuo0iqk3vq7mzt2b5.t.kho-anh.example",
        "dns.question.type": "TXT",
    }
    found[beacon.agency].append({"@timestamp": beacon.start + dt.timedelta(hours=3), **asked})
    return {agency: sorted(rows, key=lambda row: row["@timestamp"]) for agency, rows in found.items()}


SCORED = (
    "anomaly",
    "score",
    "--since",
    f"{CAMPAIGN}T00:00+07:00",
    "--until",
    f"{CAMPAIGN + dt.timedelta(days=3)}T00:00+07:00",
)


def titles(city: City) -> set[str]:
    return {row["title"] for row in city.rows("alerts", "list", "--limit", "0")}


def shown(city: City, title: str) -> dict[str, Any]:
    """Return the one alert of a title, whole."""
    (alert,) = [row for row in city.rows("alerts", "list", "--limit", "0") if row["title"] == title]
    (whole,) = city.rows("alerts", "show", alert["id"])
    return whole


def check(city: City, town: Any, planted: dict[str, Campaign]) -> None:
    name, address = machine(planted["night-exfiltration"], town)
    alert = shown(city, UNPROTECTED)
    assert (alert["agency"], alert["entity"]) == (
        planted["night-exfiltration"].agency,
        f"host:{name.lower()}",
    )
    rules = {part["rule"]: part for part in alert["parts"]}
    assert rules["correlations_guard_reported_off"]["title"] == "Antivirus Report Says Protection Is Off"
    seen = next(part for rule, part in rules.items() if rule.startswith("anomaly_"))
    assert seen["event"].startswith("anomaly:")
    assert "expected" in seen["detail"]
    told = city.run("anomaly", "explain", seen["event"], "-f", "ndjson").stdout
    assert json.loads(told)["entity"] in {name.lower(), address}
    for part in alert["parts"]:
        if not part["rule"].startswith("anomaly_"):
            assert city.rows("events", "show", part["event"])[0]["host.name"] == name
    (incident,) = city.rows("incidents", "show", alert["incident"])
    assert {part["rule"] for part in incident["parts"]} >= set(rules)
    _name, address = machine(planted["beacon"], town)
    alert = shown(city, TUNNEL)
    assert alert["entity"] == f"ip:{address}"
    assert {part["rule"] for part in alert["parts"]} == {"anomaly_beaconing", "correlations_name_of_a_tunnel"}


def test_files_of_the_past_scored_by_hand(trained, tmp_path):
    """Logs come in by ``ingest``, the model is asked by hand; no service runs."""
    source, town, planted = trained
    city = copy_of(source, tmp_path / "city")
    for agency, rows in records(town, planted).items():
        path = city.root / f"{agency}.days.ndjson"
        path.write_text(written(rows), "utf-8")
        city.run("ingest", str(path), "--agency", agency, "--source", "ecs", "--as", "ndjson")
    assert not titles(city) & {UNPROTECTED, TUNNEL}
    city.run(*SCORED)
    check(city, town, planted)
    before = city.rows("alerts", "list", "--limit", "0")
    city.run(*SCORED)
    assert city.rows("alerts", "list", "--limit", "0") == before, (
        "an hour that is scored again is not counted again"
    )


def copy_of(city: City, root: Path) -> City:
    shutil.copytree(city.root, root)
    return City(root)


def test_a_running_service_and_another_process_that_scores(trained, tmp_path):
    """A service has the logs and stops; what is scored meanwhile, the next service takes in once it runs."""
    source, town, planted = trained
    city = copy_of(source, tmp_path / "city")
    logs = records(town, planted)
    before = {agency: city.received(f"{agency}/ecs") for agency in logs}
    with city.running() as service:
        wait_for(lambda: city.started() == 1, 120)
        for agency, rows in logs.items():
            (city.inbox(agency, "ecs") / "days.ndjson").write_text(written(rows), "utf-8")
        received = dict.fromkeys(logs, 0)
        expected = {agency: before[agency] + len(rows) for agency, rows in logs.items()}

        def all_there() -> bool:
            received.update({agency: city.received(f"{agency}/ecs") for agency in logs})
            return received == expected

        try:
            wait_for(all_there, 120)
        except AssertionError:
            raise AssertionError(f"{received}\n{city.log()}") from None
        said = city.run(*SCORED).stderr
        assert "new" in said
        wait_for(lambda: waiting(city) == 0, 60)
        wait_for(lambda: {UNPROTECTED, TUNNEL} <= titles(city), 60)
        assert stop(service) == 0, city.log()
    assert "Traceback" not in city.log()
    check(city, town, planted)


def waiting(city: City) -> int:
    """Return how many anomalies wait to be taken in."""
    with contextlib.closing(sqlite3.connect(city.root / "data" / "citysoc.db", timeout=5)) as db:
        return int(
            db.execute("SELECT count(*) FROM correlator WHERE name >= 'a' AND name < 'b'").fetchone()[0]
        )
