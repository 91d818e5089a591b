"""The fast detector against the plain evaluation: every rule that sees an event, evaluated exactly, nothing skipped."""

from __future__ import annotations

import datetime as dt
import io
import itertools
import json
import time

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citysoc.detectors.sigma import SigmaDetector, databases, load
from citysoc.detectors.sigma.match import predicate
from citysoc.detectors.sigma.nodes import node_of
from citysoc.detectors.sigma.plan import compile_document
from citysoc.detectors.sigma.routes import folded, sees
from citysoc.detectors.sigma.tell import matched
from citysoc.detectors.sigma.view import View
from citysoc.flow import Batch
from citysoc.framing import evtx
from citysoc.framing.base import Limits
from citysoc.parsers.run import parse_batch
from tests.bench import sigma_events
from tests.corpus import CORPUS, needs_corpus

RULES = tuple(CORPUS / "sigma" / name for name in ("rules", "rules-emerging-threats", "rules-threat-hunting"))
EVERY_FILE, RECORDS = 9, 12
"""The plain way is slow: so many records of one in so many event logs are looked at, and all of the regression data."""


class Plain:
    """Evaluates every rule that sees an event."""

    def __init__(self, plans):
        self.rules = [(plan, predicate(node_of(plan))) for plan in sorted(plans, key=lambda p: p["id"])]
        self.fields = {"event.code"} | {
            name for plan in plans for part in plan["sees"] for other in part for name in other
        }

    def findings(self, event):
        facts = {name: folded(event.get(name)) for name in self.fields}
        view = View(event)
        return [
            (plan["id"], event.get("event.id", ""), matched(node_of(plan), view))
            for plan, test in self.rules
            if sees(plan["sees"], facts)
            and (plan["codes"] is None or set(plan["codes"]) & set(facts["event.code"]))
            and test(view)
        ]


def short(findings):
    return [(finding.rule, finding.event_id, dict(finding.matched)) for finding in findings]


def agree(detector, plain, events):
    assert short(detector.detect(events)) == list(
        itertools.chain.from_iterable(plain.findings(event) for event in events)
    )


def read(lines, parser, path="a.log"):
    lines = tuple(lines)
    batch = Batch(
        stream="a/b",
        agency="a",
        parser=parser,
        records=lines,
        offsets=tuple(range(len(lines))),
        arrived=dt.datetime(2026, 11, 17, tzinfo=dt.UTC),
        path=path,
        identity="i",
    )
    return parse_batch(batch)


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    detector = load(RULES, cache_dir=tmp_path_factory.mktemp("cache")).detector
    return detector, Plain(detector.plans)


@pytest.mark.corpus
@needs_corpus
@pytest.mark.parametrize("shape", ["flat", "beat"])
def test_made_windows_events(engines, shape):
    agree(*engines, read(sigma_events.windows(150, seed=9, shape=shape), "windows"))


def objects(text):
    """Yield the JSON objects that stand one after another in a text."""
    while text := text.lstrip():
        found, end = json.JSONDecoder().raw_decode(text)
        yield from found if isinstance(found, list) else [found]
        text = text[end:]


@pytest.mark.corpus
@needs_corpus
def test_events_of_the_regression_data(engines):
    files = sorted((CORPUS / "sigma" / "regression_data").rglob("*.json"))
    lines = [orjson.dumps(one) for path in files for one in objects(path.read_text("utf-8-sig"))]
    events = read(lines, "windows")
    assert len(events) >= 100
    agree(*engines, events)


@pytest.mark.corpus
@needs_corpus
def test_events_of_event_logs(engines):
    records = []
    for path in sorted((CORPUS / "evtx").rglob("*.evtx"))[::EVERY_FILE]:
        frames = evtx.frame_evtx(
            io.BytesIO(path.read_bytes()),
            start=0,
            header=b"",
            final=True,
            limits=Limits(batch_records=RECORDS),
        )
        for run in frames:
            records += run.records[:RECORDS]
            break
    assert len(records) > 100
    agree(*engines, read(records, "evtx"))


@pytest.mark.corpus
@needs_corpus
@pytest.mark.parametrize("kind", sigma_events.NETWORK)
def test_made_network_events(engines, kind):
    agree(*engines, read(sigma_events.network(kind, 60, seed=9), "auto"))


FIELDS = ("user.name", "process.command_line", "destination.port")
WORDS = st.text("abAB\\ ./Kđ", min_size=1, max_size=4)
PATTERNS = st.sampled_from(
    ["a", "(?i)ab+", "^a.*b$", "[^ab]", "a|b.", r"\.\w{2,}", "b{2}", "(?i)k", r"(a)(?=b)", "a$", ""]
)
TESTS = st.one_of(
    st.builds(
        lambda how, cased, field, words: {f"{field}|{how}|cased" if cased else f"{field}|{how}": words},
        st.sampled_from(["contains", "startswith", "endswith"]),
        st.booleans(),
        st.sampled_from(FIELDS),
        st.lists(WORDS, min_size=1, max_size=3),
    ),
    st.builds(
        lambda field, word: {field: word},
        st.sampled_from(FIELDS),
        st.one_of(WORDS, st.integers(0, 9), st.none()),
    ),
    st.builds(lambda field, a, b: {field: f"{a}*{b}"}, st.sampled_from(FIELDS), WORDS, WORDS),
    st.builds(lambda field, pattern: {f"{field}|re": pattern}, st.sampled_from(FIELDS), PATTERNS),
    st.builds(lambda number: {"destination.port|gt": number}, st.integers(0, 9)),
    st.builds(lambda known: {"user.name|exists": known}, st.booleans()),
    st.builds(lambda words: words, st.lists(WORDS, min_size=1, max_size=2)),
    st.just({"destination.port|cidr": "10.0.0.0/8"}),
    st.just({"user.name|fieldref": "process.command_line"}),
)
CONDITIONS = st.sampled_from(
    ["a", "not a", "a and b", "a or b", "a and not b", "not (a or b)", "(a and b) or not c", "1 of them"]
)
RULES_MADE = st.lists(st.tuples(TESTS, TESTS, TESTS, CONDITIONS), min_size=1, max_size=6)
VALUES = st.one_of(
    st.text("abABJKſđ\u030c\u212a\\ ./\0", max_size=8),
    st.integers(0, 9),
    st.booleans(),
    st.floats(0, 9),
    st.none(),
    st.sampled_from(["10.1.2.3", "\ud800a", dt.datetime(2026, 1, 2, tzinfo=dt.UTC)]),
    st.lists(st.one_of(st.text("abK", max_size=3), st.integers(0, 9)), max_size=3),
    st.just({"a": ["b"]}),
)
EVENTS_MADE = st.lists(
    st.dictionaries(st.sampled_from((*FIELDS, "other", "event.original", "user name")), VALUES),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("fast", [True, False], ids=["hyperscan", "re2"])
@settings(max_examples=200)
@given(RULES_MADE, EVENTS_MADE)
def test_made_rules_and_events(fast, rules, events):
    plans = []
    for number, (a, b, c, condition) in enumerate(rules):
        detection = {"a": a, "b": b, "c": c, "condition": condition}
        document = {"title": "t", "logsource": {"product": "thu"}, "detection": detection}
        plan = compile_document(document | {"id": f"r{number}"}, "r")
        if plan["status"] != "refused":
            plans.append(plan)
    detector = SigmaDetector(plans)
    seen = [event | {"event.module": "thu"} for event in events]
    with pytest.MonkeyPatch.context() as patch:
        if not fast:
            patch.setattr(databases, "hyperscan", None)
        agree(detector, Plain(plans), seen)
        agree(detector, Plain(plans), seen)  # now that every value was seen


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*)*x", "a{1,500}b"])
def test_a_value_of_ten_megabytes_takes_bounded_time(pattern):
    document = {
        "title": "t",
        "id": "r",
        "logsource": {"product": "thu"},
        "detection": {"s": {"process.command_line|re": pattern}, "k": ["needle"], "condition": "s or k"},
    }
    detector = SigmaDetector([compile_document(document, "r")])
    event = {"event.module": "thu", "process.command_line": "a" * (10 << 20) + "!"}
    started = time.process_time()
    detector.detect([event])
    assert time.process_time() - started < 5
