"""Every type of correlation against pySigma's SQLite backend: the same qualifying times on generated events."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from workbench import correlation, event, findings, load, oracle, qualifying

COMPARISONS = st.sampled_from(["gte", "gt", "eq", "lt", "lte", "neq"])
SPANS = st.sampled_from(["3s", "5s", "10s"])
GROUPS = st.sampled_from([None, ["user.name"], ["user.name", "source.ip"]])
EVENTS = st.lists(
    st.builds(
        event,
        st.integers(0, 30),
        st.sampled_from(["1", "2", "3", "4"]),
        user=st.sampled_from(["an", "AN", "binh", None]),
        ip=st.sampled_from(["10.0.0.1", "10.0.0.2", None]),
        bytes=st.sampled_from([0, 1, 2.5, 7, 40, -3, None]),
    ),
    max_size=25,
)
TESTED = settings(max_examples=60, deadline=None)


def agree(events, *documents):
    """Compare; groups are compared without regard to case, as both engines group."""
    loaded = load(*documents)
    assert [check.reason for check in loaded.checks if check.status == "refused"] == []
    name = documents[0]["name"]
    ours = [
        (time, tuple(v.lower() for v in group)) for time, group in qualifying(findings(loaded, events), name)
    ]
    assert len(ours) == len(set(ours)), "a time qualifies once"
    assert set(ours) == oracle(events, *documents)


def shape(kind, asked, rules=("a", "b"), **more):
    comparison, number, span, group = asked
    condition = {comparison: number, **more}
    grouped = {"group_by": group} if group else {}
    return correlation(kind, rules=list(rules), timespan=span, condition=condition, **grouped)


def asked(numbers, comparisons=COMPARISONS):
    return st.tuples(comparisons, numbers, SPANS, GROUPS)


@TESTED
@given(EVENTS, asked(st.integers(0, 5)))
def test_event_count(events, asked):
    agree(events, shape("event_count", asked))


@TESTED
@given(EVENTS, asked(st.integers(0, 3)), st.sampled_from(["user.name", "source.ip"]))
def test_value_count(events, asked, field):
    agree(events, shape("value_count", asked, field=field))


@TESTED
@given(EVENTS, asked(st.integers(-3, 60)), st.sampled_from(["value_sum", "value_avg", "value_median"]))
def test_numbers(events, asked, kind):
    agree(events, shape(kind, asked, field="network.bytes"))


@TESTED
@given(EVENTS, asked(st.integers(-3, 60)), st.sampled_from([0, 25, 50, 75, 100]))
def test_value_percentile(events, asked, percent):
    agree(events, shape("value_percentile", asked, field="network.bytes", percentile=percent))


@TESTED
@given(EVENTS, asked(st.integers(0, 3)))
def test_temporal(events, asked):
    agree(events, shape("temporal", asked, rules=("a", "b", "c")))


@TESTED
@given(EVENTS, asked(st.integers(1, 3), st.sampled_from(["gte", "eq"])))
def test_temporal_ordered(events, asked):
    agree(events, shape("temporal_ordered", asked, rules=("a", "b", "c")))


@TESTED
@given(
    EVENTS,
    st.sampled_from(
        [
            *("a and b", "a or c", "a and (b or c)", "not (not a or not b)"),
            *("a and not b", "a and b and not c", "(a or b) and not c", "a or (b and not c)"),
        ]
    ),
    st.sampled_from(["temporal", "temporal_ordered"]),
    SPANS,
    GROUPS,
)
def test_expressions(events, condition, kind, span, group):
    asked = {"group_by": group} if group else {}
    names = sorted({name for name in "abc" if name in condition.replace("and", "").replace("not", "")})
    agree(events, correlation(kind, rules=names, timespan=span, condition=condition, **asked))


@TESTED
@given(
    EVENTS, st.integers(1, 3), SPANS, SPANS, st.sampled_from(["event_count", "temporal", "temporal_ordered"])
)
def test_chains(events, number, below, above, kind):
    child = correlation(
        name="child", rules=["a"], timespan=below, group_by=["user.name"], condition={"gte": number}
    )
    asked = {"condition": {"gte": 2}} if kind == "event_count" else {}
    rules = ["child"] if kind == "event_count" else ["child", "c"]
    parent = correlation(kind, rules=rules, timespan=above, group_by=["user.name"], **asked)
    agree(events, parent, child)


ALIASED = st.lists(
    st.builds(
        event,
        st.integers(0, 20),
        st.sampled_from(["1", "2", "3", "4"]),
        user=st.sampled_from(["an", "binh", None]),
        ip=st.sampled_from(["an", "binh", None]),
    ),
    max_size=20,
)


@TESTED
@given(
    ALIASED,
    st.sampled_from(["temporal", "temporal_ordered", "event_count", "value_count"]),
    st.sampled_from(["user.name", "source.ip"]),
)
def test_aliases(events, kind, other):
    """One rule calls it user.name, the other may call it source.ip."""
    more = {"event_count": {"gte": 2}, "value_count": {"gte": 2, "field": "source.ip"}}
    condition = {"condition": more[kind]} if kind in more else {}
    aliases = {"who": {"a": "user.name", "b": other}}
    agree(events, correlation(kind, rules=["a", "b"], group_by=["who"], aliases=aliases, **condition))


@TESTED
@given(
    EVENTS,
    st.sampled_from(["value_sum", "value_avg", "value_median", "value_percentile", "value_count"]),
    SPANS,
    st.integers(1, 8),
)
def test_a_chain_of_numbers(events, kind, span, number):
    """A correlation that measures numbers, and one above it that counts how often it qualifies."""
    percentile = {"percentile": 75} if kind == "value_percentile" else {}
    field = "source.ip" if kind == "value_count" else "network.bytes"
    child = correlation(
        kind,
        name="child",
        rules=["a", "b"],
        timespan=span,
        group_by=["user.name"],
        condition={"gte": min(number, 2) if kind == "value_count" else number, "field": field, **percentile},
    )
    parent = correlation(name="top", rules=["child"], group_by=["user.name"], condition={"gte": 2})
    agree(events, parent, child)


@TESTED
@given(EVENTS, SPANS, SPANS)
def test_a_chain_over_absence(events, below, above):
    child = correlation(
        "temporal",
        name="child",
        rules=["a", "b"],
        timespan=below,
        group_by=["user.name"],
        condition="a and not b",
    )
    parent = correlation(
        "temporal", rules=["child", "c"], timespan=above, group_by=["user.name"], condition="child and c"
    )
    agree(events, parent, child)
