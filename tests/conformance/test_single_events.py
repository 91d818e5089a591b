"""Traps that other engines fell into, one test each; those of single events, with the numbers of the list of cases."""

from __future__ import annotations

import datetime as dt
import random

import yaml

from citysoc.detectors.sigma import SigmaDetector, load
from citysoc.detectors.sigma.plan import compile_document
from citysoc.flow import Batch
from citysoc.parsers.run import parse_batch


def detector(*documents):
    plans = [compile_document(document, f"r{n}") for n, document in enumerate(documents)]
    assert [plan["status"] for plan in plans if plan["status"] == "refused"] == []
    return SigmaDetector(plans)


def rule(detection, *, product="thu", rule_id="r", **source):
    return {"title": "t", "id": rule_id, "logsource": {"product": product, **source}, "detection": detection}


def test_keywords_do_not_fire_on_other_products_events():
    found = detector(rule({"k": ["failed"], "condition": "k"}, product="zeek", service="dns"))
    assert (
        found.detect([{"event.module": "syslog", "event.dataset": "syslog.sshd", "message": "failed"}]) == []
    )
    assert found.detect([{"event.module": "zeek", "event.dataset": "zeek.conn", "zeek.x": "failed"}]) == []
    assert len(found.detect([{"event.module": "zeek", "event.dataset": "zeek.dns", "zeek.x": "failed"}])) == 1


def test_a_windows_category_sees_only_its_own_event_ids():
    found = detector(
        rule({"s": {"Image|endswith": "\\a.exe"}, "condition": "s"}, product="windows", category="image_load")
    )
    event = {
        "event.module": "windows",
        "winlog.channel": "Microsoft-Windows-Sysmon/Operational",
        "process.executable": "C:\\a.exe",
    }
    assert len(found.detect([event | {"event.code": "7"}])) == 1
    assert found.detect([event | {"event.code": "1"}]) == []
    assert found.detect([event | {"event.code": "7", "winlog.channel": "Security"}]) == []


def test_a_field_in_two_places_is_absent_only_where_both_are():
    found = detector(
        {
            "title": "t",
            "id": "r",
            "logsource": {"category": "webserver"},
            "detection": {"s": {"cs-uri": None}, "n": {"cs-uri|contains|neq": "x"}, "condition": "s or n"},
        }
    )
    base = {"event.module": "webaccess", "webaccess.format": "combined"}
    assert len(found.detect([base])) == 1
    assert found.detect([base | {"url.original": "/x"}]) == []
    assert len(found.detect([base | {"url.original": "/y"}])) == 1


def test_a_list_of_values_with_null_on_a_field_in_two_places():
    found = detector(
        {
            "title": "t",
            "id": "r",
            "logsource": {"category": "webserver"},
            "detection": {"s": {"cs-uri": [None, "/x"]}, "condition": "s"},
        }
    )
    base = {"event.module": "webaccess", "webaccess.format": "combined"}
    assert len(found.detect([base])) == 1
    assert len(found.detect([base | {"url.original": "/x"}])) == 1
    assert found.detect([base | {"url.original": "/y"}]) == []


def test_case_11_times_with_an_offset_are_the_moment_they_name():
    found = detector(rule({"s": {"@timestamp|hour": 22}, "condition": "s"}))
    assert len(found.detect([{"event.module": "thu", "@timestamp": "2026-10-06T00:30:00+09:00"}])) == 1


def test_case_11_times_of_records_with_an_offset(tmp_path):
    (event,) = parse_batch(
        Batch(
            "t/s", "t", "ndjson", (b'{"time":"2026-10-06T00:30:00+09:00","who":"thu"}',), (0,),
            dt.datetime(2026, 10, 7, tzinfo=dt.UTC), "a", "a",
        )
    )  # fmt: skip
    assert event["@timestamp"] == dt.datetime(2026, 10, 5, 15, 30, tzinfo=dt.UTC)
    found = detector(
        rule({"s": {"@timestamp|hour": 22, "@timestamp|day": 5}, "condition": "s"}, product="ndjson")
    )
    assert len(found.detect([event])) == 1


def test_case_12_a_negated_condition_on_an_absent_field_is_true():
    found = detector(rule({"s": {"a": "1"}, "f": {"b|contains": "x"}, "condition": "s and not f"}))
    assert len(found.detect([{"event.module": "thu", "a": "1"}])) == 1


def test_case_13_a_rule_of_thousands_of_operators():
    words = [f"w{n:04d}" for n in range(5000)]
    big = {"s": {"process.command_line|contains": words}, "condition": "s"}
    wide = {f"s{n}": {"process.command_line|endswith": f"z{n}z"} for n in range(1500)} | {
        "condition": "1 of s*"
    }
    found = detector(rule(big, rule_id="a"), rule(wide, rule_id="b"))
    event = {"event.module": "thu", "process.command_line": "x W4999 y z1499z"}
    assert [f.rule for f in found.detect([event])] == ["a", "b"]
    assert found.detect([event | {"process.command_line": "x w5000 z1499zz"}]) == []


def test_case_14_wildcards_are_anchored_to_the_whole_value():
    found = detector(rule({"s": {"process.executable": "C:\\\\Temp\\\\*.exe"}, "condition": "s"}))
    for value, wanted in (
        ("c:\\temp\\a.EXE", 1),
        ("c:\\temp\\x\\a.exe", 1),
        ("x c:\\temp\\a.exe", 0),
        ("c:\\temp\\a.exe.txt", 0),
        ("c:\\temp\\a.exe\n", 0),
    ):
        assert len(found.detect([{"event.module": "thu", "process.executable": value}])) == wanted, value


def test_case_15_the_same_order_on_every_run(tmp_path):
    folder = tmp_path / "rules"
    folder.mkdir()
    numbers = list(range(20))
    random.Random(7).shuffle(numbers)
    for n in numbers:
        text = yaml.safe_dump(
            rule({"s": {"a": "1"}, "condition": "s"}, rule_id=f"00000000-0000-4000-8000-{n:012d}")
        )
        (folder / f"{n}.yml").write_text(text)
    runs = [load([folder], cache_dir=tmp_path / "cache") for _ in range(2)]
    events = [{"event.module": "thu", "a": "1", "event.id": str(n)} for n in range(3)]
    first, second = ([(f.event_id, f.rule) for f in run.detector.detect(events)] for run in runs)
    assert first == second == sorted(first)
    assert runs[0].checks == runs[1].checks
