"""Conformance cases 1 to 11 and 15: correlations and filters, each once a bug of some engine."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "detectors" / "correlation"))
from workbench import (
    BASE,
    EPOCH,
    clock,
    correlation,
    correlator,
    event,
    findings,
    load,
    matches,
    numbered,
    qualifying,
    run,
    times,
)

from citysoc.flow import Batch
from citysoc.pipeline.work import Work
from citysoc.pipeline.worker import Worker

ABC = ["a", "b", "c"]


def test_case_1_group_by_is_honoured_when_rules_are_joined():
    both = correlation("temporal", rules=["a", "b"], group_by=["user.name"])
    assert run(both, event(0, "1", user="an"), event(1, "2", user="binh")) == []
    assert run(both, event(0, "1", user="an"), event(1, "2", user="an")) == [1]


@pytest.mark.parametrize(
    ("codes", "found"),
    [("123", [2]), ("132", []), ("213", []), ("231", []), ("312", []), ("321", []), ("1323", [3])],
)
def test_case_2_order_holds_for_every_rule(codes, found):
    ordered = correlation("temporal_ordered", rules=ABC)
    assert run(ordered, *(event(n, code) for n, code in enumerate(codes))) == found


def test_case_3_a_value_outside_the_left_edge_does_not_count():
    distinct = correlation("value_count", condition={"field": "user.name", "gte": 3})
    assert run(distinct, event(0, user="x"), event(5, user="y"), event(11, user="z")) == []
    assert run(distinct, event(0, user="x"), event(5, user="y"), event(10, user="z")) == [10]


def test_case_4_correlations_that_share_a_base_rule_both_speak():
    one, two = (correlation(name=name, condition={"gte": 2}) for name in ("one", "two"))
    found = findings(load(one, two), [event(0), event(1)])
    assert times(found, "one") == times(found, "two") == [1]


@pytest.mark.parametrize("start", [0, 8, 58, 3598])
def test_case_5_a_burst_across_a_boundary_is_one_burst(start):
    assert run(correlation(condition={"gte": 4}), *(event(start + n) for n in range(4))) == [start + 3]


@pytest.mark.parametrize(("last", "found"), [(10, [10]), (10.000001, []), (11, [])])
def test_case_6_the_window_is_closed_on_both_ends(last, found):
    assert run(correlation(condition={"gte": 2}), event(0), event(last)) == found


def test_case_7_equal_times_are_in_no_order_but_in_one_window():
    ordered = correlation("temporal_ordered", rules=["a", "b"])
    assert run(ordered, event(0, "1"), event(0, "2")) == []
    assert run(ordered, event(0, "4"), event(1, "4")) == [1]
    assert run(correlation("temporal", rules=["a", "b"]), event(0, "1"), event(0, "2")) == [0]


def test_case_8_out_of_order_within_the_lateness_of_the_source():
    loaded = load(correlation("temporal_ordered", rules=ABC))
    arriving = [event(2, "3"), event(0, "1"), event(1, "2"), event(9, "3")]
    one = correlator(loaded, lateness_seconds=1, lateness_by_source={"windows": 5})
    found = []
    for item in numbered(arriving):
        found += one.feed(matches(loaded, [item])[0], [clock([item])])
    assert times(found + one.finish()) == [2, 9]
    assert one.counts["late"] == 0
    strict = correlator(loaded, lateness_seconds=1)
    for item in numbered(arriving):
        strict.feed(matches(loaded, [item])[0], [clock([item])])
    assert strict.counts["late"] == 1, "the second before the lateness is late by two seconds"


def test_case_9_chained():
    child = correlation(name="child", group_by=["user.name"], condition={"gte": 3})
    parent = correlation("temporal_ordered", rules=["child", "b"], group_by=["user.name"])
    events = [*(event(n, user="an") for n in range(3)), event(4, "2", user="an"), event(5, "2", user="binh")]
    found = findings(load(parent, child), events)
    assert qualifying(found) == [(4, ("an",))]
    assert times(found, "child") == [], "what another correlation builds upon is silent"


@pytest.mark.parametrize(("rules", "left"), [(["a", "b"], ["c"]), ("any", []), (["a"], ["b", "c"])])
def test_case_10_a_filter_of_many_selections_on_many_rules(rules, left):
    document = {
        "title": "Filter",
        "name": "sieve",
        "logsource": {"product": "windows"},
        "filter": {
            "rules": rules,
            "selection_user": {"user.name": "sao-luu"},
            "selection_host": {"source.ip": "10.1.1.1"},
            "condition": "not 1 of selection_*",
        },
        "citysoc": {"owner": "soc", "reason": "backup host", "expires": "2099-12-31"},
    }
    loaded = load(document)
    for excluded in ({"user": "sao-luu"}, {"ip": "10.1.1.1"}):
        events = numbered([event(0, code, **excluded) for code in "123"])
        assert [found.rule for found in loaded.detector.detect(events)] == left
    events = numbered([event(0, code, user="an", ip="10.1.1.2") for code in "123"])
    assert [found.rule for found in loaded.detector.detect(events)] == ABC


def _record(moment: dt.datetime, user: str = "an", code: str = "1") -> bytes:
    said = {
        "@timestamp": moment.isoformat(),
        "event": {"code": code, "module": "windows"},
        "user": {"name": user},
    }
    return json.dumps({**said, "winlog": {"channel": "Security"}}).encode()


def test_case_11_times_with_an_offset(tmp_path):
    """09:00 in Tokyo is midnight in UTC: read by the parser, the two events are a second apart, not nine hours."""
    for document in (*BASE, correlation(condition={"gte": 2})):
        (tmp_path / f"{document['name']}.yml").write_text(yaml.safe_dump(document), "utf-8")
    tokyo = dt.timezone(dt.timedelta(hours=9))
    records = (_record(EPOCH), _record((EPOCH + dt.timedelta(seconds=1)).astimezone(tokyo)))
    batch = Batch("x/windows", "x", "ndjson", records, (0, 1), EPOCH, "a.log", "a")
    worker = Worker(Work(rules=(tmp_path,)))
    _own, fed = worker.judged(batch)
    assert [match.time for match in fed] == [int(EPOCH.timestamp() + n) * 10**6 for n in (0, 1)]


def test_case_15_two_runs_say_the_same_in_the_same_order(tmp_path):
    """Whatever the seed of Python's hashes: sets and mappings decide nothing."""
    kinds = ["event_count", "value_count", "temporal"]
    conditions = [{"gte": 2}, {"gte": 2, "field": "user.name"}, {"gte": 2}]
    documents = [
        correlation(kind, name=f"{kind}_{len(group)}", rules=["a", "b"], group_by=group, condition=condition)
        for kind, condition in zip(kinds, conditions, strict=True)
        for group in ([], ["user.name"])
        if kind != "value_count" or not group
    ]
    (tmp_path / "rules").mkdir()
    for number, document in enumerate([*BASE, *documents]):
        (tmp_path / "rules" / f"{number}.yml").write_text(yaml.safe_dump(document), "utf-8")
    moments = [EPOCH + dt.timedelta(seconds=n % 17 * 8) for n in range(120)]
    lines = [_record(at, f"u{n % 5}", "12"[n % 2]) for n, at in enumerate(moments)]
    (tmp_path / "events.ndjson").write_bytes(b"\n".join(lines))
    command = [sys.executable, "-m", "citysoc", "detect", str(tmp_path / "events.ndjson")]
    outputs = [
        subprocess.run(
            [*command, "--rules", str(tmp_path / "rules"), "-f", "ndjson"],
            env={**os.environ, "PYTHONHASHSEED": seed, "XDG_CACHE_HOME": str(tmp_path / seed)},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    assert {json.loads(line)["rule.id"] for line in outputs[0].splitlines()} == {d["name"] for d in documents}
