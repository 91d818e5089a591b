"""Records judged by their kind, before they are events, against the same records made into events first."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citysoc.pipeline import worker as pipeline
from citysoc.pipeline.loaded import loaded_of
from citysoc.pipeline.work import Work
from citysoc.pipeline.worker import Worker
from tests.bench import sigma_events
from tests.corpus import CORPUS, needs_corpus
from tests.pipeline.kinds import (
    DETECTIONS,
    EVERYWHERE,
    NESTED,
    RECORDS,
    batch,
    both,
    check,
    nested,
    record,
)

RULES = tuple(CORPUS / "sigma" / name for name in ("rules", "rules-emerging-threats", "rules-threat-hunting"))


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    rows = Work(rules=RULES, cache_dir=tmp_path_factory.getbasetemp() / "rules")
    loaded = loaded_of(rows)
    return Worker(rows, loaded), Worker(Work(rules=RULES, much=True), loaded)


@pytest.mark.corpus
@needs_corpus
@pytest.mark.parametrize("size", [1, 1000])
def test_made_windows_events(workers, size, monkeypatch):
    monkeypatch.setattr(pipeline, "_AT_ONCE", size)
    flat = list(sigma_events.windows(300, seed=11))
    beat = list(sigma_events.windows(100, seed=12, shape="beat"))
    mixed = [*flat[:200], *beat, b"nonsense", b"{broken", b"[1]", b'<13>pc1 app: {"EventID": 1}', *flat[200:]]
    assert len(check(workers, mixed)[0]) > 100


@pytest.mark.corpus
@needs_corpus
@pytest.mark.parametrize("way", [0, 1], ids=["by rows", "by bytes"])
def test_nothing_is_made_of_events_that_no_rule_matches(workers, way, monkeypatch):
    made = []
    monkeypatch.setattr(workers[way], "events", lambda one: made.append(one) or [])
    assert workers[way].judged(batch(sigma_events.quiet(50))) == ([], [])
    assert made == []


WORKERS = {"by kind": both(DETECTIONS), "as events": both(DETECTIONS + EVERYWHERE)}


@pytest.mark.parametrize("name", WORKERS)
@settings(max_examples=300)
@given(RECORDS)
def test_made_records(name, records):
    check(WORKERS[name], records)


@pytest.mark.parametrize("broken", [b"{", b'{"EventID":1,"Image":"a', b'{"a":1}}', b"", b"nonsense"])
def test_a_broken_record_stops_nothing(broken):
    """Neither is another way taken for all the others of the batch, nor is anything told of it."""
    whole = record(("Security", "Microsoft-Windows-Security-Auditing", 4688), {"CommandLine": "whoami"}, "")
    assert len(check(WORKERS["by kind"], [whole, broken, whole, broken])[0]) > 10


@pytest.mark.parametrize("name", WORKERS)
@settings(max_examples=100)
@given(NESTED, RECORDS)
def test_nested_records(name, records, others):
    for mixed in (records, records * 3 + others):
        check(WORKERS[name], mixed)


@pytest.mark.parametrize("keywords", [["Audit Success"], "Audit Failure", None])
def test_no_event_is_made_of_a_nested_record(keywords, monkeypatch):
    worker = WORKERS["by kind"][0]
    monkeypatch.setattr(worker, "events", lambda _batch: pytest.fail("an event was made"))
    head = {"@timestamp": "2026-11-16T01:02:03.004Z", "ecs.version": "8.0", "log.level": "information"}
    head |= {"tags": ["beats"], "winlog.keywords": keywords} if keywords else {}
    kind = ("Security", "Microsoft-Windows-Security-Auditing", 4688)
    found = worker.judged(batch([nested(kind, head, {"CommandLine": "whoami"}, False)]))[0]
    assert {"r1-s", "r0-not s"} <= {finding.rule for finding in found}
    assert found[0].timestamp == dt.datetime(2026, 11, 16, 1, 2, 3, 4000, tzinfo=dt.UTC)


SAME = both([{"Image|fieldref": "ParentImage"}])


@pytest.mark.parametrize(
    ("image", "parent", "found"),
    [
        *(("a.exe", "A.EXE", True), ("a.exe", "b.exe", False), ("a.exe", "ab.exe", False), ("ſ", "S", True)),
        *((17, "17", True), ("\u00e1", "a\u0301", True), (None, "a", False), ("", "a", False)),
    ],
)
def test_values_that_must_be_the_same(image, parent, found):
    kind = ("Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", 1)
    own = check(SAME, [record(kind, {"Image": image, "ParentImage": parent}, "")])[0]
    assert ("r0-s" in {finding.rule for finding in own}) is found


@pytest.mark.parametrize("way", [0, 1], ids=["by rows", "by bytes"])
def test_candidates_are_not_made_into_events(way, monkeypatch):
    worker = WORKERS["by kind"][way]
    monkeypatch.setattr(worker, "events", lambda _batch: pytest.fail("an event was made"))
    records = [
        record(("Security", "Microsoft-Windows-Security-Auditing", 4688), {"CommandLine": "whoami"}, "")
    ]
    assert {"r1-s", "r0-not s"} <= {finding.rule for finding in worker.judged(batch(records))[0]}


FEW = [both(DETECTIONS[begin : begin + 3]) for begin in range(0, len(DETECTIONS), 3)]


@settings(max_examples=100)
@given(st.one_of(RECORDS, NESTED), RECORDS, st.randoms(use_true_random=False))
def test_workers_with_other_rules_do_not_get_in_each_others_way(records, others, dice):
    for mixed in (records, records * 2 + others, others):
        for workers in dice.sample(FEW, 2):
            check(workers, mixed)


def test_values_of_which_nothing_is_known_are_judged_as_events(monkeypatch):
    monkeypatch.setattr("citysoc.detectors.sigma.classifier._MAX_CLASSES", 4)
    records = list(sigma_events.windows(200, seed=4))
    for own in (DETECTIONS, DETECTIONS[:3]):
        assert check(both(own), records)[0] or own is not DETECTIONS
