"""Across agencies an event is counted once by its id, whichever agency it is of, and whenever each of them tells it."""

from __future__ import annotations

import functools
import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from workbench import EPOCH, clock, correlation, correlator, event, load, matches, numbered, qualifying

LATE = 10
AGENCIES = ("hue", "phong-dien", "so-y-te")
ACROSS = {"citysoc": {"across_agencies": True}}
DOCUMENTS = (
    correlation(name="count", rules=["a", "b"], condition={"gte": 3}, **ACROSS),
    correlation(name="by_user", rules=["a"], group_by=["user.name"], condition={"gte": 2}, **ACROSS),
    correlation("value_count", name="users", condition={"field": "user.name", "gte": 2}, **ACROSS),
    correlation("value_count", name="agencies", condition={"field": "agency.id", "gte": 2}, **ACROSS),
    correlation("value_sum", name="sum", condition={"field": "network.bytes", "gt": 5, "lt": 20}, **ACROSS),
    correlation("value_median", name="median", condition={"field": "network.bytes", "gte": 2}, **ACROSS),
    correlation("temporal_ordered", name="ordered", rules=["a", "b"], **ACROSS),
    correlation("temporal", name="absent", rules=["a", "b"], condition="a and not b", **ACROSS),
    correlation(name="child", rules=["b"], condition={"gte": 2}, timespan="5s", **ACROSS),
    correlation("temporal_ordered", name="chain", rules=["child", "a"], **ACROSS),
    correlation(name="alone", rules=["child"], condition={"gte": 2}, timespan="20s", **ACROSS),
)
loaded = functools.cache(lambda: load(*DOCUMENTS))

TOLD = st.lists(
    st.tuples(
        st.integers(0, 9),  # which event
        st.sampled_from(AGENCIES),
        st.floats(0, LATE - 0.01),  # how late this agency tells it
    ),
    max_size=30,
    unique_by=lambda told: told[:2],
)
CUTS = st.lists(st.integers(0, 30), max_size=6)


def of(number, agency):
    """Return one of ten events, as an agency tells it; several are of one time."""
    told = event(
        (0, 1, 1, 4, 4, 8, 11, 15, 15, 21)[number],
        "12441"[number % 5],
        user="abc"[number % 3],
        bytes=number,
        agency=agency,
    )
    (told,) = numbered([told])
    return {**told, "event.id": f"event{number}"}


def lane(agency):
    return f"{agency}/windows|a.log"


def fed(one, events):
    """Feed what several agencies tell, each along a lane of its own."""
    found = [
        match for told in events for match in matches(loaded(), [told], f"{told['agency.id']}/windows")[0]
    ]
    clocks = [clock([told], lane(told["agency.id"])) for told in events]
    return one.feed(found, clocks)


def shape(found):
    return [(f.rule, f.timestamp, f.event_id, f.agencies, repr(f.group), repr(f.matched)) for f in found]


def opened():
    """Return a correlator that knows all lanes, so that none is behind when it begins."""
    one = correlator(loaded(), lateness_seconds=LATE, saves=True)
    one.feed([], [clock([{"time": -100}], lane(agency)) for agency in AGENCIES])
    return one


def whole(events):
    one = opened()
    return shape(fed(one, events) + one.finish())


@settings(max_examples=100, deadline=None)
@given(TOLD, CUTS, st.booleans())
@example([(0, "so-y-te", 0.0), (0, "hue", 1.0), (1, "hue", 0.0)], [], False)
@example([(0, "hue", 0.0), (0, "so-y-te", 1.0), (1, "hue", 0.0)], [], False)
def test_order_batches_and_restarts_change_nothing(told, cuts, restarts):
    in_order = [of(number, agency) for number, agency, _late in sorted(told)]
    arriving = sorted(told, key=lambda one: (of(*one[:2])["time"] + one[2], one))
    events = [of(number, agency) for number, agency, _late in arriving]
    one, found, kept = opened(), [], {}
    bounds = [0, *sorted(cut % (len(events) + 1) for cut in cuts), len(events)]
    for start, end in itertools.pairwise(bounds):
        found += fed(one, events[start:end])
        kept.update(one.delta())
        if restarts:
            one = correlator(loaded(), lateness_seconds=LATE, saves=True)
            one.restore({name: content for name, content in kept.items() if content is not None})
    assert shape(found + one.finish()) == whole(in_order)
    assert one.counts["late"] == 0


@pytest.mark.parametrize("agencies", list(itertools.permutations(AGENCIES)))
def test_an_event_of_three_agencies_counts_once_and_names_them_all(agencies):
    events = [of(0, agency) for agency in agencies] + [of(1, "hue"), of(4, "hue")]
    one = opened()
    found = fed(one, events) + one.finish()
    assert [(seconds, f.agencies) for f in found if f.rule == "count" for seconds in [_at(f)]] == [
        (4, tuple(sorted(AGENCIES)))
    ]
    assert qualifying(found, "agencies") == [(0, ()), (4, ())]  # what is counted there differs


def _at(finding):
    return (finding.timestamp - EPOCH).total_seconds()


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("agencies", list(itertools.permutations(AGENCIES, 2)))
def test_an_agency_that_is_behind_tells_what_another_told(agencies, restart):
    """Its events lie before the watermark of the city; those known already add to nothing."""
    first, behind = agencies
    one = correlator(loaded(), lateness_seconds=LATE, saves=True)
    once = fed(one, [of(number, first) for number in range(4)])
    once += one.feed([], [clock([{"time": 60}], lane(first))])
    if restart:
        kept = one.delta()
        one = correlator(loaded(), lateness_seconds=LATE, saves=True)
        one.restore({name: content for name, content in kept.items() if content is not None})
    assert {f.rule for f in once} >= {"count", "users", "ordered", "chain"}
    again = fed(one, [of(number, behind) for number in range(4)])
    again += one.feed([], [clock([{"time": 120}], lane(agency)) for agency in agencies])
    again += fed(one, [of(1, behind)]) + one.finish()
    assert {f.rule for f in again} == {"agencies"}
