"""What every shipped correlation promises: words in both languages, evidence at its edges, rules below that stay silent."""

from __future__ import annotations

import datetime as dt
import functools
import unicodedata
import uuid
from collections import Counter

import orjson
import pytest
import yaml
from shipped import CORRELATIONS, RETIRED, ROOT, VENDORS, can_be_parsed_again, fields_of, parsed_again, rules

from citysoc.alerts.records import CLASSES
from citysoc.detectors import sigma
from citysoc.detectors.correlate import Correlator, Feeds
from citysoc.detectors.sigma.detector import SigmaDetector
from citysoc.detectors.sigma.evidence import trials
from citysoc.detectors.sigma.nodes import node_of
from citysoc.detectors.sigma.offsets import timed
from citysoc.detectors.sigma.plan import compile_document
from citysoc.ecs.fields import FIELDS
from citysoc.flow import LEVELS

FILES = sorted(CORRELATIONS.glob("*.yml"))
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@functools.cache
def documents(path):
    return tuple(yaml.load_all(path.read_text("utf-8"), Loader=yaml.CSafeLoader))


COUNTING = [
    path
    for path in FILES
    if documents(path)[0]["correlation"]["type"] in {"event_count", "value_count"}
    and all("correlation" not in below for below in documents(path)[1:])
]
"""Correlations whose window can be measured: events are counted, and no other window lies below."""


@functools.cache
def loaded(path):
    return sigma.load([path], cache_dir=None)


def event_lists(path, kind):
    """Return the lists of events beside a correlation; an empty line stands between two."""
    whole = path.with_suffix(f".{kind}.ndjson").read_bytes().strip()
    return [[orjson.loads(line) for line in part.splitlines()] for part in whole.split(b"\n\n")]


def matches_of(path, events):
    named = [{"event.id": f"{number:06d}", **event} for number, event in enumerate(timed(events))]
    found = loaded(path)
    detector = SigmaDetector([*found.detector.plans, *found.of_anomalies])
    return Feeds(found.correlations).split(detector.detect(named), named, "evidence")[1]


def brings_forth(path, events):
    correlator = Correlator(loaded(path).correlations, lateness_seconds=None)
    findings = [*correlator.feed(matches_of(path, events)), *correlator.finish()]
    return any(finding.rule == documents(path)[0]["id"] for finding in findings)


@functools.cache
def edge(path):
    """Return a list of hits that is at the threshold exactly: without its first or its last event it is none."""
    for events in event_lists(path, "hits"):
        if not brings_forth(path, events[1:]) and not brings_forth(path, events[:-1]):
            return events
    return None


def test_there_are_correlations_of_every_type_and_shape():
    firsts = [documents(path)[0] for path in FILES]
    types = {
        document["correlation"]["type"]
        for path in FILES
        for document in documents(path)
        if "correlation" in document
    }
    assert types == {
        *("event_count", "value_count", "temporal", "temporal_ordered"),
        *("value_sum", "value_avg", "value_median", "value_percentile"),
    }
    assert any(" not " in str(document["correlation"].get("condition")) for document in firsts), "absence"
    assert any("correlation" in below for path in FILES for below in documents(path)[1:]), "chains"
    assert sum(document["citysoc"].get("across_agencies", False) for document in firsts) >= 3
    assert len(FILES) >= 27


@each_file
def test_form(path):
    first, *below = documents(path)
    assert first["name"] == f"correlations_{path.stem}"
    assert first["level"] in LEVELS
    assert first["title"].isascii()
    assert len(first["description"]) >= 80
    assert first["falsepositives"]
    assert all(isinstance(text, str) for text in first["falsepositives"])
    assert [
        tag.partition(".")[2].upper() in CLASSES for tag in first["tags"] if tag.startswith("citysoc.")
    ] == [True]
    techniques = [tag[7:].upper().replace(".", "/") for tag in first["tags"] if tag.startswith("attack.t1")]
    assert techniques
    assert not any(RETIRED.fullmatch(tag[7:]) for tag in first["tags"])
    assert {f"https://attack.mitre.org/techniques/{technique}/" for technique in techniques} == set(
        first["references"]
    )
    assert first["citysoc"]["entity"] in first["correlation"]["group-by"]
    assert all(
        rule["level"] == "informational" and rule["name"].startswith("correlations_") for rule in below
    )
    for document in (first, *below):
        assert uuid.UUID(document["id"]).version == 4


@each_file
def test_words_in_both_languages(path):
    own = documents(path)[0]["citysoc"]
    for text in (own["title_vi"], own["note_vi"]):
        assert unicodedata.is_normalized("NFC", text)
        assert not text.isascii()
    assert "Close " in own["note"]
    assert "đóng " in own["note_vi"].casefold()


def test_no_two_share_an_id_a_name_or_a_title():
    whole = [document for path in FILES for document in documents(path)] + [rule.document for rule in rules()]
    for key in ("id", "name"):
        assert [value for value, count in Counter(d[key] for d in whole).items() if count > 1] == []
    told = [documents(path)[0] for path in FILES] + [rule.document for rule in rules()]
    for titles in ([d["title"] for d in told], [d["citysoc"]["title_vi"] for d in told]):
        counts = Counter(title.casefold() for title in titles)
        assert [title for title, count in counts.items() if count > 1] == []


def test_all_are_in_use_and_what_is_below_is_silent():
    whole = sigma.load([ROOT], cache_dir=None)
    assert [check.reason for check in whole.checks if check.status != "ok"] == []
    loud = {plan["id"] for plan in whole.correlations if not plan["quiet"]}
    assert loud == {documents(path)[0]["id"] for path in FILES}
    assert all(feed["quiet"] for plan in whole.correlations for feed in plan["feeds"])
    names = {
        name
        for plan in whole.correlations
        for feed in plan["feeds"]
        for part in feed["group"] + feed["value"]
        for name in part
    }
    assert {name for name in names if not name.startswith(VENDORS)} <= {*FIELDS, "agency.id"}


@each_file
def test_fields_below_exist(path):
    for document in documents(path):
        if "detection" in document:
            plan = compile_document(document, path.stem)
            assert plan["status"] == "ok", plan["reason"]
            for field in fields_of(node_of(plan)):
                assert field in FIELDS or field.startswith(VENDORS), field


@each_file
def test_evidence(path):
    (trial,) = trials([path])
    assert trial.failures == ()
    assert trial.hits >= 1
    assert trial.misses >= 2


@each_file
def test_evidence_has_the_edge(path):
    """There is a list of hits that one event less turns into a miss."""
    assert any(not brings_forth(path, events[:-1]) for events in event_lists(path, "hits"))


@pytest.mark.parametrize("path", COUNTING, ids=lambda path: path.stem)
def test_window_ends_where_the_rule_says(path):
    """The last event of a list at the threshold still counts a timespan after the first, and no second later."""
    events = edge(path)
    assert events, "no list of hits is at the threshold exactly"
    first = dt.datetime.fromisoformat(events[0]["@timestamp"])
    (plan,) = loaded(path).correlations
    for late, expected in ((0, True), (1, False)):
        moment = first + dt.timedelta(seconds=plan["span"] + late)
        moved = [*events[:-1], {**events[-1], "@timestamp": moment.isoformat()}]
        assert brings_forth(path, moved) is expected, f"{late} s late"


@each_file
def test_near_misses_reach_the_rules_below(path):
    """Every list of misses is looked at by a logsource below, and one at least holds matches: it is the count that lacks."""
    below = [
        plan
        for plan in (compile_document(document, path.stem) for document in documents(path))
        if plan["kind"] == "rule"
    ]
    detectors = [SigmaDetector([{**plan, "codes": None}]) for plan in (*below, *loaded(path).of_anomalies)]
    lists = list(map(timed, event_lists(path, "misses")))
    for events in lists:
        assert any(detector.sees(event) for detector in detectors for event in events)
    assert any(matches_of(path, events) for events in lists)


@each_file
def test_evidence_is_what_the_parsers_make_today(path):
    """Lists name the line of their first event; of the others only what the rules look at is kept."""
    for kind in ("hits", "misses"):
        for first, *_more in event_lists(path, kind):
            if "event.original" in first and can_be_parsed_again(first):
                made = parsed_again(first)
                known = {name: value for name, value in made.items() if name in first and name != "agency.id"}
                assert {*first} - {*known} <= {"agency.id", "@timestamp"}
                for name, value in known.items():
                    text = orjson.loads(orjson.dumps(value, option=orjson.OPT_UTC_Z))
                    assert text == first[name] or name == "@timestamp", name


def test_evidence_can_fail(tmp_path):
    """Hits that are misses and misses that are hits are told by the line where their list begins."""
    path = FILES[0]
    (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / f"{path.stem}.hits.ndjson").write_bytes(path.with_suffix(".misses.ndjson").read_bytes())
    (tmp_path / f"{path.stem}.misses.ndjson").write_bytes(path.with_suffix(".hits.ndjson").read_bytes())
    (trial,) = trials([tmp_path])
    assert any("hits from line 1 on brings nothing forth" in failure for failure in trial.failures)
    assert any("misses from line 1 on brings" in failure for failure in trial.failures)
