"""The whole pipeline on a real Elasticsearch: files in, alerts, queries, a report; the cluster goes and comes."""

from __future__ import annotations

import itertools
import random
import subprocess
import time
import urllib.error
from collections import Counter

import pytest
from cities import build, lines, stop, wait_for

pytestmark = pytest.mark.elastic

_numbers = itertools.count(1)


def settings(url, prefix, more=""):
    return f"store: {{kind: elasticsearch, elasticsearch: {{urls: ['{url}'], prefix: {prefix}, timeout_seconds: 2{more}}}}}\n"


@pytest.fixture
def prefix(elastic):
    name = f"city-{next(_numbers)}"
    yield name
    elastic.call("DELETE", f"{name}-*")


@pytest.fixture
def city(elastic, prefix, tmp_path):
    return build(tmp_path / "city", settings=settings(elastic.url, prefix))


def ingest(city, code=0):
    return city.run("ingest", str(city.inbox()), "--agency", "so-y-te", "--source", "firewall", code=code)


def test_files_become_events_alerts_and_a_report(city, elastic, prefix):
    (city.inbox() / "a.log").write_text(lines(0, 600) + lines(600, 605, port=6666))
    ingest(city)
    figures = city.figures("so-y-te/firewall")
    assert (figures["received"], figures["quarantined"]) == (605, 30)
    status = city.rows("store", "status")[0]
    assert (status["events"], status["quarantined"], status["waiting"]) == (575, 30, 0)
    found = city.rows(
        "events", "search", 'destination.port:6666 AND agency:"sở y tế"', "--fields", "source.ip"
    )
    assert len(found) == 5
    counted = city.rows("events", "stats", "--by", "destination.port", "--metric", "count")
    assert {row["destination.port"]: row["count"] for row in counted} == {443: 570, 6666: 5}
    assert len(city.rows("quarantine", "list", "--limit", "0")) == 30
    assert sorted(city.originals()) == sorted((lines(0, 600) + lines(600, 605, port=6666)).splitlines())
    again = ingest(city)
    assert "0 stored" in again.stderr
    assert city.rows("alerts", "list")
    assert "All is well" in city.run("store", "verify").stderr
    report = city.run("reports", "build", "--month", "2026-10")
    assert "Traceback" not in report.stderr
    refused = city.run("events", "sql", "SELECT 1", code=2)
    assert "local store" in refused.stderr


def test_the_service_goes_on_while_the_cluster_is_away(city, elastic, prefix):
    with city.running() as service:
        (city.inbox() / "a.log").write_text(lines(0, 100))
        wait_for(lambda: city.received() == 100, 180, what="the first file")
        with elastic.frozen():
            (city.inbox() / "b.log").write_text(lines(100, 300))
            wait_for(lambda: city.received() == 300, 180, what="the second file, into the spool")
            wait_for(lambda: "store.away" in city.log(), 180, what="the cluster's absence to be noticed")
            told = city.run("store", "status", code=4)
            assert "wait for the cluster" in told.stderr
            assert "has been away since" in city.run("sources", "status").stderr
        wait_for(lambda: "store.back" in city.log(), 180, what="the cluster's return")
        assert stop(service, 120) == 0
    assert Counter(city.originals()) == Counter(lines(0, 300).splitlines())
    assert city.rows("store", "status")[0]["waiting"] == 0


def test_a_service_killed_again_and_again_loses_and_doubles_nothing(city, elastic, prefix):
    dice = random.Random(5)
    for number in range(5):
        (city.inbox() / f"{number}.log").write_text(lines(number * 2000, (number + 1) * 2000))
        before = city.commits()[0]
        with city.running() as service:
            assert city.begun(service, before), city.log()
            time.sleep(dice.choice((0, dice.uniform(0, 0.1), dice.uniform(0, 1.0))))
            service.kill()
    starts = city.started()
    with city.running() as service:
        wait_for(lambda: city.started() > starts, 60, what="the last start")
        wait_for(lambda: city.received() >= 10_000, 240, what="the rest")
        assert stop(service, 120) == 0
    assert Counter(city.originals()) == Counter(lines(0, 10_000).splitlines())
    assert city.figures("so-y-te/firewall")["received"] == 10_000


def test_an_ingest_killed_while_the_cluster_is_frozen_loses_and_doubles_nothing(city, elastic, prefix):
    dice = random.Random(9)
    (city.inbox() / "first.log").write_text(lines(0, 10))
    ingest(city)
    for number in range(3):
        (city.inbox() / f"{number}.log").write_text(lines(10 + number * 20_000, 10 + (number + 1) * 20_000))
        before = city.commits()[0]
        command = city.command("ingest", str(city.inbox()), "--agency", "so-y-te", "--source", "firewall")
        with (
            elastic.frozen(),
            subprocess.Popen(command, env=city.environment, stderr=subprocess.DEVNULL) as taking,
        ):
            assert city.begun(taking, before)
            time.sleep(dice.uniform(0, 0.6))
            taking.kill()
    ingest(city)
    assert Counter(city.originals()) == Counter(lines(0, 60_010).splitlines())
    assert city.figures("so-y-te/firewall")["received"] == 60_010
    assert city.rows("store", "status")[0]["waiting"] == 0


def test_alerts_are_copied_and_never_go_back(city, elastic, prefix):
    (city.inbox() / "a.log").write_text(lines(0, 50, port=6666))
    with city.running() as service:
        copies = wait_for(lambda: copied(elastic, f"{prefix}-alerts"), 180, what="the copy of an alert")
        alert = city.rows("alerts", "list")[0]
        assert copies[alert["id"]]["title"] == alert["title"]
        assert copies[alert["id"]]["state"] == "new"
        city.run("alerts", "ack", alert["id"])
        wait_for(
            lambda: copied(elastic, f"{prefix}-alerts")[alert["id"]]["state"] == "acknowledged",
            180,
            what="the copy of the change",
        )
        wait_for(lambda: copied(elastic, f"{prefix}-audit"), 180, what="the copy of the audit trail")
        assert stop(service, 120) == 0


def copied(elastic, index):
    try:
        answer = elastic.call("POST", f"{index}*/_refresh") and elastic.call(
            "GET", f"{index}*/_search?size=100"
        )
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 503:  # an index that was made this moment has no shard yet
            raise
        return {}
    return {hit["_id"]: hit["_source"] for hit in answer["hits"]["hits"]}


def test_a_wrong_address_is_told_and_nothing_is_taken_in(tmp_path):
    city = build(tmp_path / "city", settings=settings("http://127.0.0.1:1", "nowhere"))
    (city.inbox() / "a.log").write_text(lines(0, 10))
    told = ingest(city, code=1).stderr
    assert "http://127.0.0.1:1" in told
    assert "cannot be reached" in told
    assert "store.elasticsearch.urls" in told
    told = city.run("events", "search", "", code=1).stderr
    assert "cannot be reached" in told


def test_events_move_to_the_cluster_and_back(elastic, prefix, tmp_path):
    local = settings(elastic.url, prefix).replace("kind: elasticsearch,", "kind: local,")
    city = build(tmp_path / "city", settings=local)
    (city.inbox() / "a.log").write_text(lines(0, 400))
    ingest(city)
    before = city.originals()
    moved = city.rows("store", "migrate", "--from", "local", "--to", "elasticsearch")
    assert sum(row["rows"] for row in moved) == sum(row["copied"] for row in moved) == 400
    file = city.root / "citysoc.yaml"
    file.write_text(file.read_text().replace("kind: local", "kind: elasticsearch"))
    assert city.originals() == before
    (city.inbox() / "b.log").write_text(lines(400, 500))
    ingest(city)
    back = city.rows("store", "migrate", "--from", "elasticsearch", "--to", "local")
    assert (sum(row["rows"] for row in back), sum(row["copied"] for row in back)) == (500, 100)
    file.write_text(file.read_text().replace("kind: elasticsearch", "kind: local"))
    (city.inbox() / "c.log").write_text(lines(500, 520))
    ingest(city)
    assert Counter(city.originals()) == Counter(lines(0, 520).splitlines())
