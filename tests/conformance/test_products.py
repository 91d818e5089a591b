"""Every product that SigmaHQ has rules for: records that say themselves what they are, and sources that declare it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import yaml

from citysoc.detectors.sigma import SigmaDetector, load
from citysoc.detectors.sigma.plan import compile_document
from citysoc.flow import Batch
from citysoc.parsers.run import parse_batch
from tests.corpus import CORPUS, needs_corpus

CASES = yaml.load(  # noqa: TID251  safe
    Path(__file__).with_name("products.yml").read_bytes(), Loader=yaml.CSafeLoader
)
ARRIVED = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)


def read(line, *, parser="auto", logsource=None):
    batch = Batch(
        stream="t/s",
        agency="t",
        parser=parser,
        records=(line.encode(),),
        offsets=(0,),
        arrived=ARRIVED,
        path="a.log",
        identity="i",
        parser_options={"logsource": logsource} if logsource else {},
    )
    return parse_batch(batch)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return load(
        sorted((CORPUS / "sigma").glob("rules*")), cache_dir=tmp_path_factory.mktemp("cache")
    ).detector


@pytest.mark.corpus
@needs_corpus
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_rule_of_a_product(detector, case):
    options = {"parser": case.get("as", "auto"), "logsource": case.get("logsource")}
    for line, wanted in ((case["hit"], True), (case["miss"], False)):
        (event,) = read(line, **options)
        assert "citysoc.unparsed" not in event, event
        assert (case["rule"] in {finding.rule for finding in detector.detect([event])}) is wanted, event


@pytest.mark.parametrize(
    "case", [c for c in CASES if c["hit"].startswith("{")], ids=lambda case: case["name"]
)
def test_the_times_of_records_are_read(case):
    (event,) = read(case["hit"], parser=case.get("as", "auto"))
    if case["name"] != "palo alto files, a declared file":  # which has none
        assert event["@timestamp"].date() in {dt.date(2026, 10, 31), dt.date(2026, 11, 1)}, event


def rule(logsource, detection):
    plan = compile_document(
        {"title": "t", "id": "r", "logsource": logsource, "detection": {**detection, "condition": "s"}}, "r"
    )
    assert plan["status"] != "refused", plan["reason"]
    return plan


@pytest.mark.parametrize(
    ("logsource", "declared", "seen"),
    [
        ({"product": "acme"}, {"product": "acme"}, True),
        ({"product": "acme"}, {"product": "ACME", "service": "door"}, True),
        ({"product": "acme", "service": "door"}, {"product": "acme"}, False),
        ({"product": "acme", "service": "door"}, {"product": "acme", "service": "door"}, True),
        ({"product": "acme", "service": "door"}, {"product": "acme", "service": "gate"}, False),
        ({"category": "webserver"}, {"category": "webserver"}, True),
        ({"category": "webserver"}, {"product": "webserver"}, False),
        ({"product": "jvm", "category": "application"}, {"product": "jvm"}, True),
        ({"product": "acme"}, None, False),
    ],
)
def test_a_declared_logsource_is_seen(logsource, declared, seen):
    detector = SigmaDetector([rule(logsource, {"s": ["opened"]})])
    (event,) = read("2026-11-01T02:00:00Z gate01 door: opened", logsource=declared)
    assert bool(detector.detect([event])) is seen


def test_fields_of_a_declared_product_are_found_by_their_own_names():
    plan = rule({"product": "acme", "service": "door"}, {"s": {"who.id": 7, "action": "open"}})
    assert plan["status"] == "degraded"
    assert "logsource: {product: acme, service: door}" in plan["reason"]
    (event,) = read('{"who":{"id":7},"action":"open"}', logsource={"product": "acme", "service": "door"})
    assert len(SigmaDetector([plan]).detect([event])) == 1
    (event,) = read('{"who":{"id":8},"action":"open"}', logsource={"product": "acme", "service": "door"})
    assert SigmaDetector([plan]).detect([event]) == []
