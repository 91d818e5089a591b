"""The rules find what is planted in the simulated city, and do not drown it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from shipped import ROOT

import citysoc
from citysoc.alerts.records import class_of
from citysoc.config.load import load_agencies
from citysoc.detectors.correlate import Correlator
from citysoc.flow import CITY_AGENCY, Batch
from citysoc.pipeline.loaded import loaded_of
from citysoc.pipeline.pull import given_files
from citysoc.pipeline.work import Work
from citysoc.pipeline.worker import Worker
from citysoc.simulation.attacks import ATTACKS
from citysoc.simulation.city import with_relays
from citysoc.simulation.write import simulate, syslog_frames

EXAMPLE = Path(citysoc.__file__).parent / "config" / "example" / "agencies.yaml"
RECORDS, SEED = 12_000, 5
ARRIVED = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """A small month with every attack: the ground truth and the findings."""
    agencies = with_relays(  # enough of them for a scan of forty
        agency for n, agency in enumerate(load_agencies(EXAMPLE)) if n % 2 or "ids" in agency.expects
    )
    directory = tmp_path_factory.mktemp("city")
    truth = simulate(agencies, records=RECORDS, seed=SEED, directory=directory)
    loaded = loaded_of(Work(rules=(ROOT,)))
    worker = Worker(Work(), loaded)
    findings, matches = [], []

    def judge(batch):
        own, fed = worker.judged(batch)
        findings.extend(own)
        matches.extend(fed)

    for folder in sorted((directory / "inbox").glob("*/*")):
        for batch in given_files([folder], agency=folder.parent.name, source=folder.name).pull({}):
            judge(batch)
    owners = {sender: agency.id for agency in agencies for sender in agency.senders}
    frames: dict[str, list[bytes]] = {}
    for frame in syslog_frames(agencies, records=RECORDS, seed=SEED):
        frames.setdefault(owners[frame.sender], []).append(frame.payload)
    for agency, payloads in frames.items():
        judge(_syslog(agency, payloads))
    correlator = Correlator(loaded.correlations, lateness_seconds=None)
    findings += correlator.feed(matches) + correlator.finish()
    return truth, findings


def _syslog(agency, payloads):
    return Batch(
        stream=f"{agency}/syslog",
        agency=agency,
        parser="syslog",
        records=tuple(payloads),
        offsets=tuple(range(len(payloads))),
        arrived=ARRIVED,
        path="udp://127.0.0.1:5514",
        identity=agency,
    )


def _about(finding):
    """Return what a finding names: machines, addresses, accounts, names; machines without their domain."""
    values = [finding.entity.partition(":")[2], *map(str, finding.group.values())]
    return {value.casefold() for value in values} | {value.partition(".")[0].casefold() for value in values}


def _finds(planted, findings):
    """Return the classes of the findings that are about a planted attack, at its place and time."""
    second = dt.timedelta(seconds=1)
    start, end = dt.datetime.fromisoformat(planted.start), dt.datetime.fromisoformat(planted.end)
    named = {entity.partition(":")[2].casefold() for entity in planted.entities}
    return {
        class_of(finding.tags, finding.matched)
        for finding in findings
        if finding.agency in {*planted.agencies, CITY_AGENCY}  # what goes across agencies is nobody's own
        and start - second <= finding.timestamp <= end + second
        and named & _about(finding)
    }


@pytest.mark.parametrize("kind", [attack.kind for attack in ATTACKS if attack.needs != "anomaly"])
def test_planted_attack_is_found_under_its_class(city, kind):
    truth, findings = city
    planted = [fact for fact in truth.planted if fact.kind == kind]
    assert planted, "the city had no place for it; choose other agencies or another seed"
    for fact in planted:
        assert fact.cls in _finds(fact, findings), fact


def test_what_only_volume_shows_is_found_by_the_sum_of_a_night(city):
    truth, findings = city
    planted = [fact for fact in truth.planted if fact.kind == "night-exfiltration"]
    assert planted
    for fact in planted:
        assert fact.cls in _finds(fact, findings), fact


def test_alerts_are_few(city):
    """Less than one alert of medium or above in 100 records, and one below medium in 50, attacks included."""
    truth, findings = city
    weak = ("informational", "low")
    alerts = {(f.rule, f.agency, repr(sorted(f.group.items())), f.level in weak) for f in findings}
    many = sum(is_weak for *_, is_weak in alerts)
    assert 0 < len(alerts) - many < truth.written / 100
    assert 0 < many < truth.written / 50


def test_ordinary_life_raises_nothing_critical(city):
    truth, findings = city
    agencies = {agency for fact in truth.planted for agency in fact.agencies}
    assert [f for f in findings if f.level == "critical" and f.agency not in agencies] == []
