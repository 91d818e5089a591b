"""SigmaHQ's own rules and the events that it says they match."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections import Counter

import orjson
import pytest
import yaml

from citysoc.detectors.sigma import load
from citysoc.flow import Batch
from citysoc.framing.base import Limits
from citysoc.framing.evtx import frame_evtx
from citysoc.parsers.run import parse_batch
from tests.corpus import CORPUS, needs_corpus

pytestmark = [pytest.mark.corpus, needs_corpus]
SIGMA = CORPUS / "sigma"
ARRIVED = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
CASES = sorted(SIGMA.glob("regression_data/**/info.yml"))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    started = time.perf_counter()
    found = load(sorted(SIGMA.glob("rules*")), cache_dir=cache)
    cold = time.perf_counter() - started
    started = time.perf_counter()
    load(sorted(SIGMA.glob("rules*")), cache_dir=cache)
    warm = time.perf_counter() - started
    statuses = Counter(check.status for check in found.checks)
    with (cache / "load.txt").open("w") as report:
        report.write(f"{dict(statuses)}; cold {cold:.1f} s, warm {warm:.1f} s\n")
    return found


def parse(parser, records, offsets, path):
    batch = Batch("t/s", "t", parser, tuple(records), tuple(offsets), ARRIVED, str(path), str(path))
    return parse_batch(batch)


def events_of(path):
    events = []
    with path.open("rb") as stream:
        for run in frame_evtx(stream, start=0, header=b"", final=True, limits=Limits()):
            events += parse("evtx", run.records, run.offsets, path)
            events += [{"citysoc.unparsed": item.reason} for item in run.refused]
    return events


def test_every_rule_has_a_verdict_and_only_placeholders_are_refused(loaded):
    statuses = Counter(check.status for check in loaded.checks)
    assert len(loaded.checks) == 3_777
    refused = [check for check in loaded.checks if check.status == "refused"]
    assert all("placeholder" in check.reason and "citysoc.yaml" in check.reason for check in refused)
    assert all("|expand" in check.path.read_text("utf-8") for check in refused)
    assert (statuses["ok"], statuses["degraded"], statuses["refused"]) == (3_752, 0, 25)


def test_rules_with_placeholders_are_ok_once_they_have_values(loaded):
    paths = [check.path for check in loaded.checks if check.status == "refused"]
    names = {name for path in paths for name in re.findall(r"%([^%\s]+)%", path.read_text("utf-8"))}
    filled = load(paths, cache_dir=None, placeholders={name: ["thu", "10.0.0.0/8"] for name in names})
    assert Counter(check.status for check in filled.checks) == {"ok": 25}


def test_case_13_the_rule_of_4431_operators(loaded):
    path = SIGMA / "rules/windows/driver_load/driver_load_win_vuln_drivers.yml"
    document = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)  # noqa: TID251  safe
    values = [
        value
        for item in document["detection"].values()
        if isinstance(item, dict)
        for value in item["Hashes|contains"]
    ]
    assert len(values) > 4_000
    lines = [
        orjson.dumps(
            {
                "EventID": 6,
                "Channel": "Microsoft-Windows-Sysmon/Operational",
                "ImageLoaded": "C:\\x.sys",
                "Hashes": f"IMPHASH=00,{value.lower()},MD5=00",
            }
        )
        for value in (*values[::397], values[-1], "SHA256=" + "0" * 64)
    ]
    events = parse("windows", lines, range(len(lines)), path)
    found = [finding.offset for finding in loaded.detector.detect(events) if finding.rule == document["id"]]
    assert found == list(range(len(lines) - 1))


@pytest.mark.parametrize("info", CASES, ids=lambda path: path.parent.name)
def test_regression_case(loaded, info):
    case = yaml.load(info.read_bytes(), Loader=yaml.CSafeLoader)  # noqa: TID251  safe
    rule = case["rule_metadata"][0]["id"]
    wanted = case.get("regression_tests_info", [{}])[0].get("match_count", 1)
    raw = list(info.parent.glob("*.raw"))
    if raw:
        lines = raw[0].read_bytes().splitlines()
        events = parse("syslog", lines, range(len(lines)), raw[0])
    else:
        (log,) = info.parent.glob("*.evtx")
        events = events_of(log)
    found = [finding for finding in loaded.detector.detect(events) if finding.rule == rule]
    assert len(found) >= wanted


def test_event_logs_parse():
    counts = Counter()
    for path in sorted((CORPUS / "evtx").rglob("*.evtx")):
        events = events_of(path)
        bad = sum("citysoc.unparsed" in event for event in events)
        assert bad <= len(events) * 0.01, path
        counts["events"] += len(events)
        counts["bad"] += bad
        counts["timed"] += sum(event.get("citysoc.time_source") == "event" for event in events)
    assert counts["events"] > 8_000
    assert counts["timed"] >= 0.99 * counts["events"]
