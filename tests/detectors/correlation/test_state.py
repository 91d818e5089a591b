"""The same findings however matches arrive: shuffled, cut, saved and restored; and bounds that hold."""

from __future__ import annotations

import functools
import itertools

from hypothesis import example, given, settings
from hypothesis import strategies as st
from workbench import clock, correlation, correlator, event, load, matches, numbered, qualifying

LATE = 10
BY_USER = {"group_by": ["user.name"]}
DOCUMENTS = (
    correlation(name="count", rules=["a"], **BY_USER, condition={"gte": 3}),
    correlation("value_count", name="distinct", **BY_USER, condition={"field": "source.ip", "gte": 2}),
    correlation(
        "value_count",
        name="pairs",
        rules=["a", "b"],
        condition={"field": ["user.name", "source.ip"], "gte": 3},
    ),
    correlation("value_avg", name="mean", condition={"field": "network.bytes", "lt": 3}),
    correlation("value_sum", name="sum", **BY_USER, condition={"field": "network.bytes", "gt": 5, "lt": 40}),
    correlation("value_median", name="median", **BY_USER, condition={"field": "network.bytes", "gte": 2}),
    correlation(
        "value_percentile", name="percentile", condition={"field": "network.bytes", "gt": 2, "percentile": 90}
    ),
    correlation("temporal", name="together", rules=["a", "b", "c"], **BY_USER, condition={"gte": 2}),
    correlation("temporal_ordered", name="ordered", rules=["a", "b", "c"], **BY_USER),
    correlation("temporal", name="absent", rules=["a", "b"], **BY_USER, condition="a and not b"),
    correlation(
        "temporal", name="mixed", rules=["a", "b", "c"], **BY_USER, condition="(a and c) or (b and not c)"
    ),
    correlation(
        "temporal_ordered", name="silence", rules=["a", "b", "c"], **BY_USER, condition="a and b and not c"
    ),
    correlation(
        name="wide", rules=["c"], timespan="5s", condition={"gte": 2}, citysoc={"across_agencies": True}
    ),
    correlation(name="child", rules=["b"], **BY_USER, condition={"gte": 2}, timespan="5s"),
    correlation("temporal_ordered", name="chain", rules=["child", "a"], **BY_USER),
    correlation(
        "value_sum", name="sums", rules=["child"], **BY_USER, condition={"field": "event_count", "gte": 5}
    ),
    correlation(
        name="aliased",
        rules=["a", "b"],
        group_by=["who"],
        aliases={"who": {"a": "user.name", "b": "source.ip"}},
        condition={"gte": 2},
    ),
    {
        "title": "Filter",
        "name": "sieve",
        "logsource": {"product": "windows"},
        "filter": {"rules": ["b"], "selection": {"user.name": "sao-luu"}, "condition": "not selection"},
    },
)
loaded = functools.cache(lambda: load(*DOCUMENTS))

EVENTS = st.lists(
    st.builds(
        event,
        st.integers(0, 60),
        st.sampled_from(["1", "2", "3", "4"]),
        user=st.sampled_from(["an", "AN", "binh", "sao-luu"]),
        ip=st.sampled_from(["10.0.0.1", "10.0.0.2"]),
        bytes=st.sampled_from([0, 1, 2.5, 7, None]),
    ),
    max_size=30,
)


def shape(found):
    return [(f.rule, f.timestamp, f.event_id, tuple(f.group.items()), repr(f.matched)) for f in found]


def whole(events):
    """Return what is found where all comes at once and in order."""
    events = sorted(numbered(events), key=lambda e: (e["@timestamp"], e["event.id"]))
    one = correlator(loaded(), lateness_seconds=LATE)
    clocks = [clock(events)] if events else []
    return shape(one.feed(matches(loaded(), events)[0], clocks) + one.finish())


def delayed(events, delays):
    """Return events in the order in which they arrive, each late by less than the bound."""
    pairs = zip(numbered(events), delays, strict=False)
    return [
        e for e, _late in sorted(pairs, key=lambda pair: (pair[0]["time"] + pair[1], pair[0]["event.id"]))
    ]


def in_batches(arriving, cuts, *, restarts=False):
    """Feed matches in batches; with restarts, each batch meets a correlator restored from what was kept."""
    found, kept = [], {}
    one = correlator(loaded(), lateness_seconds=LATE, saves=True)
    bounds = [0, *sorted(cut % (len(arriving) + 1) for cut in cuts), len(arriving)]
    for start, end in itertools.pairwise(bounds):
        batch = arriving[start:end]
        if restarts:
            one = correlator(loaded(), lateness_seconds=LATE, saves=True)
            one.restore(kept)
        clocks = [clock(batch)] if batch else []
        found += one.feed(matches(loaded(), batch)[0], clocks)
        for name, content in one.delta().items():
            if content is None:
                kept.pop(name, None)
            else:
                kept[name] = content
    return shape(found + one.finish()), one


DELAYS = st.lists(st.floats(0, LATE - 0.01), min_size=30, max_size=30)
CUTS = st.lists(st.integers(0, 30), max_size=8)


@settings(max_examples=60, deadline=None)
@given(EVENTS, DELAYS, CUTS)
def test_shuffled_and_cut(events, delays, cuts):
    found, one = in_batches(delayed(events, delays), cuts)
    assert found == whole(events)
    assert one.counts["late"] == 0


@settings(max_examples=60, deadline=None)
@given(EVENTS, DELAYS, CUTS)
def test_saved_and_restored(events, delays, cuts):
    found, _one = in_batches(delayed(events, delays), cuts, restarts=True)
    assert found == whole(events)


CHAINS = (
    correlation(name="below", rules=["b"], **BY_USER, condition={"gte": 2}, timespan="5s"),
    correlation(name="alone", rules=["below"], **BY_USER, condition={"gte": 3}, timespan="20s"),
    correlation(name="alone_above", rules=["alone"], **BY_USER, condition={"gte": 2}, timespan="20s"),
    correlation(name="shared", rules=["below", "c"], **BY_USER, condition={"gte": 3}, timespan="20s"),
    correlation(name="shared_above", rules=["shared", "c"], **BY_USER, condition={"gte": 2}, timespan="20s"),
)
chains = functools.cache(lambda: load(*CHAINS))


@settings(max_examples=60, deadline=None)
@given(EVENTS, DELAYS, CUTS, st.sampled_from([5, 250_000]))
@example([event(n, "2", user="an") for n in range(12)], [0.0] * 12, [], 5)
def test_a_chain_that_nothing_else_feeds_says_what_one_of_several_feeds_says(events, delays, cuts, waiting):
    """The one takes in what comes from below at once, the other with all else; also where too much waits."""
    arriving = delayed([e for e in events if e["event.code"] != "3"], delays)
    one = correlator(chains(), lateness_seconds=LATE, max_waiting=waiting, each=False)
    found, bounds = [], [0, *sorted(cut % (len(arriving) + 1) for cut in cuts), len(arriving)]
    for start, end in itertools.pairwise(bounds):
        batch = arriving[start:end]
        found += one.feed(matches(chains(), batch)[0], [clock(batch)] if batch else [])
    found += one.finish()

    def said(rule):
        return [(f.timestamp, f.last, f.count, f.events, f.matched) for f in found if f.rule == rule]

    assert said("alone") == said("shared")
    assert said("alone_above") == said("shared_above")


def test_many_wait_and_are_saved_and_restored():
    """More than one lot waits at a place; each is released in parts, and restored in between."""
    events = [
        event(
            n * 7 % 400 / 10,
            "1234"[n % 4],
            user=("an", "AN", "binh")[n % 3],
            ip=f"10.0.0.{n % 2}",
            bytes=n % 9,
        )
        for n in range(400)
    ]
    arriving = delayed(events, [n * 37 % 99 / 10 for n in range(400)])
    found, one = in_batches(arriving, [90, 200, 205, 300, 390], restarts=True)
    assert found == whole(events)
    assert {rule for rule, *_rest in found} >= {"count", "distinct", "chain", "wide", "aliased", "mixed"}
    assert one.counts["late"] == 0


def test_a_lane_that_is_behind_joins_what_waits_and_is_not_taken_for_released():
    one = correlator(loaded(), lateness_seconds=LATE, saves=True)
    kept = {}

    def feed(seconds, lane, newest=0):
        events = numbered([event(n, user="an") for n in seconds])
        for item in events:
            item["log.file.path"] = f"{lane}.log"
            item["event.id"] += lane
        heard = [*events, {"time": newest}]
        found = one.feed(matches(loaded(), events)[0], [clock(heard, f"so-y-te/windows|{lane}.log")])
        for name, content in one.delta().items():
            if content is None:
                kept.pop(name, None)
            else:
                kept[name] = content
        return found

    feed([100, 105, 112], "a")  # what is from before 102 is released
    feed([], "a", newest=117)  # and what is from before 107; the rest waits in the same lot
    assert any(name[0] == "d" for name in kept)
    feed([20, 21, 22], "b")  # joins that lot: this lane only begins
    waiting = one.waiting
    one = correlator(loaded(), lateness_seconds=LATE, saves=True)
    one.restore(kept)
    assert one.waiting == waiting
    assert qualifying(one.finish(), "count")[0] == (22, ("an",))


def test_what_an_older_citysoc_let_wait_is_left_out():
    one = correlator(loaded(), lateness_seconds=LATE, saves=True)
    one.restore({"w0": b'[[0,"0123","x"],[1,"4567","y"]]', "d0": b'"3"', "d7": b"5"})
    assert one.waiting == 0
    assert {name: content for name, content in one.delta().items() if name[0] in "wd"} == {
        "w0": None,
        "d0": None,
        "d7": None,
    }


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.lists(st.integers(0, 2), min_size=30, max_size=30), st.permutations(range(3)))
def test_files_of_one_agency_one_after_the_other(events, lanes, order):
    """Old files are read one by one: what a file shows by itself is found, and nothing that all do not show."""
    events = sorted(numbered(events), key=lambda e: (e["@timestamp"], e["event.id"]))
    for item, lane in zip(events, lanes, strict=False):
        item["log.file.path"] = f"{lane}.log"
    files = {lane: [e for e in events if e["log.file.path"] == f"{lane}.log"] for lane in order}
    one = correlator(loaded(), lateness_seconds=LATE)
    found = []
    for lane, batch in files.items():
        if batch:
            found += one.feed(matches(loaded(), batch)[0], [clock(batch, f"so-y-te/windows|{lane}.log")])
    found += one.finish()
    for rule in ("count", "distinct", "ordered", "wide"):
        ours = [(time, group[0].lower() if group else "") for time, group in qualifying(found, rule)]
        assert len(ours) == len(set(ours))
        assert set(ours) <= _times(events, rule)
        for batch in files.values():
            assert set(ours) >= _times(batch, rule)
    assert one.counts["late"] == 0


def _times(events, rule):
    one = correlator(loaded(), lateness_seconds=LATE)
    clocks = [clock(events)] if events else []
    found = qualifying(one.feed(matches(loaded(), events)[0], clocks) + one.finish(), rule)
    return {(time, group[0].lower() if group else "") for time, group in found}


def test_two_runs_say_the_same_in_the_same_order():
    events = [event(n % 20, "1234"[n % 4], user="ab"[n % 2], ip=f"10.0.0.{n % 3}") for n in range(200)]
    assert whole(events) == whole(events) != []


def test_nothing_is_said_before_the_watermark():
    one = correlator(loaded(), lateness_seconds=LATE)
    first = numbered([event(n, user="an") for n in range(3)])
    assert one.feed(matches(loaded(), first)[0]) == []
    assert one.waiting > 0
    found = one.feed(matches(loaded(), numbered([event(12.5, "3", user="an")]))[0])
    assert qualifying(found, "count") == [(2, ("an",))]


def test_too_late_is_counted():
    one = correlator(loaded(), lateness_seconds=LATE)
    one.feed(matches(loaded(), numbered([event(100, user="an"), event(80, user="an")]))[0])
    assert one.counts["late"] >= 1


def test_a_silent_lane_does_not_hold_back_for_ever():
    one = correlator(loaded(), lateness_seconds=LATE)
    batch = [event(n, user="an") for n in range(3)]
    assert one.feed(matches(loaded(), numbered(batch))[0], [clock(batch, arrived=2_000_000_000)]) == []
    assert one.pass_time(2_000_000_009) == []
    assert qualifying(one.pass_time(2_000_000_011), "count") == [(2, ("an",))]


def test_keys_are_bounded():
    one = correlator(loaded(), lateness_seconds=LATE, max_groups=100)
    for n in range(500):
        one.feed(matches(loaded(), numbered([event(n, user=f"u{n}", ip="10.0.0.1")]))[0])
    one.finish()
    assert len(one) <= 100
    assert one.counts["evicted"] > 100


def test_events_of_a_key_are_bounded():
    one = correlator(loaded(), lateness_seconds=None, max_events=50)
    found = one.feed(matches(loaded(), numbered([event(n / 100, user="an") for n in range(500)]))[0])
    found += one.finish()
    assert len(qualifying(found, "count")) == 498
    assert one.counts["truncated"] > 0


def test_what_waits_is_bounded():
    one = correlator(loaded(), lateness_seconds=None, max_waiting=100)
    found = []
    for n in range(300):
        found += one.feed(matches(loaded(), numbered([event(n / 100, user="an")]))[0])
        assert one.waiting <= 100
    assert one.counts["forced"] > 0
    assert len(qualifying(found + one.finish(), "count")) == 298


def test_keys_whose_windows_have_passed_are_dropped():
    one = correlator(loaded(), lateness_seconds=LATE, saves=True)
    for hour in range(4):
        batch = [event(hour * 3600 + n, user=f"u{hour}", ip="10.0.0.1") for n in range(3)]
        one.feed(matches(loaded(), numbered(batch))[0], [clock(batch, arrived=2_000_000_000 + hour * 4000)])
        one.pass_time(2_000_000_000 + hour * 4000 + 100)
    users = {name for name, content in one.delta().items() if content is not None and '"u0"' in name}
    assert users == set()


def test_files_that_ended_are_forgotten():
    one = correlator(loaded(), lateness_seconds=LATE, saves=True)
    for day in range(9):
        batch = [event(day * 86_400)]
        one.feed([], [clock(batch, f"so-y-te/windows|{day}.log", arrived=2_000_000_000 + day * 86_400)])
    kept = {name for name, content in one.delta().items() if name[0] == "l" and content is not None}
    assert kept == {f"lso-y-te/windows|{day}.log" for day in (6, 7, 8)}


def test_state_of_other_rules_is_left_out():
    one = correlator(loaded(), lateness_seconds=LATE, saves=True)
    one.feed(matches(loaded(), numbered([event(n, user="an") for n in range(40)]))[0])
    kept = one.delta()
    other = correlator(load(correlation(condition={"gte": 7})), lateness_seconds=LATE, saves=True)
    other.restore({name: content for name, content in kept.items() if content is not None})
    assert len(other) == 0
    assert other.waiting == 0
    assert all(content is None for name, content in other.delta().items() if name[0] in "kw")
