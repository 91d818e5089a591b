"""The fast detector against the plain evaluation: every rule that sees an event, evaluated exactly, nothing skipped."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from citysoc.detectors.sigma import load
from citysoc.detectors.sigma.detector import _folded, _sees
from citysoc.detectors.sigma.match import View, matched, predicate
from citysoc.flow import Batch
from citysoc.parsers.run import parse_batch
from tests.bench import sigma_events
from tests.corpus import CORPUS, needs_corpus

RULES = tuple(CORPUS / "sigma" / name for name in ("rules", "rules-emerging-threats", "rules-threat-hunting"))
EVERY = 60
"""The plain way is slow: one of so many corpus events is looked at, and all of the regression data."""


class Plain:
    """Evaluates every rule that sees an event."""

    def __init__(self, plans):
        self.rules = [(plan, predicate(plan["test"])) for plan in sorted(plans, key=lambda p: p["id"])]
        self.fields = {"event.code"} | {
            name for plan in plans for part in plan["sees"] for other in part for name in other
        }

    def findings(self, event):
        facts = {name: _folded(event.get(name)) for name in self.fields}
        view = View(event)
        return [
            (plan["id"], event.get("event.id", ""), matched(plan["test"], view))
            for plan, test in self.rules
            if _sees(plan["sees"], facts)
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


@pytest.mark.corpus
@needs_corpus
@pytest.mark.parametrize("kind", sigma_events.NETWORK)
def test_made_network_events(engines, kind):
    agree(*engines, read(sigma_events.network(kind, 60, seed=9), "auto"))
