"""What rules cost: only what is evaluated exactly is charged, on the events that are sampled."""

from __future__ import annotations

import pytest

from citysoc.detectors.sigma import SigmaDetector
from citysoc.detectors.sigma.costs import Costs
from citysoc.detectors.sigma.plan import compile_document


def plan(name, text, **more):
    return compile_document(
        {
            "title": name,
            "name": name,
            "logsource": {"category": "antivirus"},
            "detection": {"s": {"message|contains": text, **more}, "condition": "s"},
        },
        name,
    )


def event(message):
    return {"event.category": ["malware"], "message": message, "event.id": "1"}


# What refers to another field is no need: such candidates are evaluated, the others match for certain.
@pytest.mark.parametrize("more", [{}, {"event.id|fieldref": "event.id"}], ids=["certain", "evaluated"])
def test_candidates_of_sampled_events_are_measured(more):
    rules = [plan(name, text, **more) for name, text in (("a", "alpha"), ("b", "beta"), ("c", "gamma"))]
    costs = Costs(SigmaDetector(rules), every=2)
    costs.sample([event("beta"), event("alpha"), event("beta")])
    costs.sample([event("alpha"), event("gamma")])
    taken = {rule: (tried, spent) for rule, tried, spent in costs.take()}
    assert taken.keys() == {"a"}, "the second and the fourth event"
    assert taken["a"][0] == 2
    assert taken["a"][1] > 0
    assert costs.take() == ()


def test_events_that_no_rule_sees_cost_nothing():
    costs = Costs(SigmaDetector([plan("a", "alpha")]), every=1)
    costs.sample([{"message": "alpha"}])
    assert costs.take() == ()
