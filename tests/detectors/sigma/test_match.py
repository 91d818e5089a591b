"""What rules hit and miss: every modifier, value and condition as data, and the fast ways against the plain ones."""

from __future__ import annotations

import fnmatch
from ipaddress import ip_network
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from citysoc.detectors.sigma import SigmaDetector
from citysoc.detectors.sigma.addresses import addresses, network, within
from citysoc.detectors.sigma.glob import glob
from citysoc.detectors.sigma.index import Index
from citysoc.detectors.sigma.match import predicate
from citysoc.detectors.sigma.needs import undecided
from citysoc.detectors.sigma.nodes import field_of
from citysoc.detectors.sigma.plan import compile_document
from citysoc.detectors.sigma.tell import Telling
from citysoc.detectors.sigma.view import View
from citysoc.detectors.text import fold

CASES = yaml.load(  # noqa: TID251  safe
    Path(__file__).with_name("cases.yml").read_text("utf-8"), Loader=yaml.CSafeLoader
)


def rule(when, **extra):
    """Return a rule of a product whose field names are left as they are."""
    own = isinstance(when, dict) and "condition" in when
    detection = when if own else {"selection": when, "condition": "selection"}
    return {"title": "t", "id": "r", "logsource": {"product": "thu"}, "detection": detection, **extra}


def hits(document, event):
    plan = compile_document(document, "r")
    assert plan["status"] != "refused", plan["reason"]
    return bool(SigmaDetector([plan]).detect([{"event.module": "thu", **event}]))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case):
    for event in case["hits"]:
        assert hits(rule(case["when"]), event), event
    for event in case["misses"]:
        assert not hits(rule(case["when"]), event), event


PIECES = st.lists(st.sampled_from(["a", "b", "ab", "*", "?"]), min_size=1, max_size=7)


@given(PIECES, st.text("abc", max_size=12))
@example(["*", "a", "*", "a", "*"], "a")
@example(["a", "*", "a"], "a")
@example(["*", "?"], "")
def test_wildcards_agree_with_a_slow_reference(pieces, text):
    parts = [[piece] if piece in "*?" else piece for piece in pieces]
    assert glob(parts)(text) == fnmatch.fnmatchcase(text, "".join(pieces))


FIELDS = ("user.name", "host.name", "file.path")
WORDS = st.text("abAB\\", min_size=1, max_size=3)
LEAVES = st.one_of(
    st.builds(
        lambda how, field, words: ["text", how, False, field, [fold(word) for word in words]],
        st.sampled_from(["is", "starts", "ends", "has"]),
        st.sampled_from(FIELDS),
        st.lists(WORDS, min_size=1, max_size=3),
    ),
    st.builds(lambda field: ["null", field], st.sampled_from(FIELDS)),
    st.builds(
        lambda field, a, b: ["like", False, field, [fold(a), ["*"], fold(b)]],
        st.sampled_from(FIELDS),
        WORDS,
        WORDS,
    ),
)
NAM = ["text", "is", False, "user.name", ["nam"]]
HOST = ["text", "is", False, "host.name", ["pc"]]
NODES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(
            lambda kind, parts: [kind, parts],
            st.sampled_from(["all", "any"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
        st.builds(lambda part: ["not", part], inner),
    ),
    max_leaves=6,
)
EVENTS = st.dictionaries(
    st.sampled_from(FIELDS),
    st.one_of(st.text("abAB\\", max_size=5), st.lists(st.text("ab", max_size=3), max_size=2), st.none()),
)


@given(st.lists(NODES, min_size=1, max_size=5), EVENTS)
def test_the_index_never_hides_a_match(nodes, event):
    view = View(event)
    for fast in (True, False):
        index = Index(nodes, fast=fast)
        (left,) = index.candidates([event])
        certain = {~place for place in left if place < 0}
        candidates = [~place if place < 0 else place for place in left]
        assert candidates == sorted(candidates)
        for place, node in enumerate(nodes):
            holds = predicate(node)(view)
            assert holds or place not in certain
            assert not holds or place in candidates


@settings(max_examples=300)
@given(st.lists(NODES, min_size=1, max_size=5), EVENTS)
@example(
    [["all", [["text", "has", False, "file.path", ["a"]], ["text", "is", False, "user.name", ["b"]]]]],
    {"user.name": "b"},
)
def test_what_is_left_to_be_asked_of_a_candidate_says_whether_it_matches(nodes, event):
    view = View(event)
    (found,) = Index(nodes).candidates([event])
    for place in found:
        node = nodes[max(place, ~place)]
        assert predicate(["all", undecided(node)])(view) == predicate(node)(view)
        assert place >= 0 or undecided(node) == []


def test_what_needs_say_is_not_asked_again():
    long, short = (["text", "has", False, "file.path", [word]] for word in ("mimikatz", "a"))
    either = ["any", [["all", [long, ["not", short]]], short]]
    assert undecided(["all", [long, NAM]]) == []
    assert undecided(["all", [["text", "has", False, "process.command_line", ["get"]], NAM]]) == [
        ["text", "has", False, "process.command_line", ["get"]]
    ]
    assert undecided(["ref", "user.name", "is", False, "host.name"]) == [
        ["ref", "user.name", "is", False, "host.name"]
    ]
    assert undecided(["all", [NAM, ["keyword", False, [["*"], "x", ["*"]]]]]) == [
        ["keyword", False, [["*"], "x", ["*"]]]
    ]
    assert undecided(["all", [NAM, either]]) in ([], [either])


def told(node, event, found):
    """Add to a mapping what made a node hold: the slow reference of what findings tell."""
    kind = node[0]
    if kind in {"all", "any"}:
        fields = {None if part[0] in {"all", "any", "not", "null"} else field_of(part) for part in node[1]}
        for part in node[1]:
            if kind == "all" or (len(fields) == 1 and None not in fields) or predicate(part)(View(event)):
                told(part, event, found)
    elif kind not in {"not", "null"} and field_of(node) in event:
        found[field_of(node)] = event[field_of(node)]
    return found


@settings(max_examples=300)
@given(NODES, st.lists(EVENTS, min_size=1, max_size=4))
@example(
    ["all", [["any", [NAM, HOST]], ["text", "has", False, "file.path", ["a"]]]],
    [{"user.name": "nam"}, {"user.name": "nam", "file.path": "a"}],
)
def test_what_findings_tell_is_remembered_for_what_it_depends_on(node, events):
    telling = Telling(node)
    for event in [*events, *events]:
        assert list(telling.matched(View(event)).items()) == list(told(node, event, {}).items())


NETWORKS = st.lists(
    st.one_of(
        st.ip_addresses(v=4, network="10.0.0.0/24").flatmap(
            lambda one: st.integers(22, 32).map(lambda size: str(ip_network((int(one), size), strict=False)))
        ),
        st.sampled_from(
            ["0.0.0.0/0", "10.0.0.4/30", "::ffff:10.0.0.0/104", "::/0", "fe80::/10", "255.255.255.255/32"]
        ),
    ),
    min_size=1,
    max_size=5,
)


@given(
    NETWORKS,
    st.one_of(
        st.ip_addresses(network="10.0.0.0/22").map(str),
        st.ip_addresses(v=6).map(str),
        st.sampled_from(["::ffff:10.0.0.5", "fe80::1%eth0", "255.255.255.255", "none", "10.0.0.7 "]),
    ),
)
def test_an_address_lies_within_networks(networks, text):
    known = [network(one) for one in networks]
    lies = any(one.version == net.version and one in net for one in addresses(text) for net in known)
    assert within(networks)(text) is lies


def naive(node, event):
    """The slow reference of the few nodes that matter most."""
    kind = node[0]
    if kind in {"all", "any"}:
        return {"all": all, "any": any}[kind](naive(part, event) for part in node[1])
    if kind == "not":
        return not naive(node[1], event)
    if kind == "null":
        return event.get(node[1]) in (None, [])
    field = node[2] if kind == "like" else node[3]
    value = event.get(field)
    values = [item.lower() for item in (value if isinstance(value, list) else [value]) if item is not None]
    if kind == "like":
        return any(
            text.startswith(node[3][0]) and text[len(node[3][0]) :].endswith(node[3][2]) for text in values
        )
    test = {"is": str.__eq__, "starts": str.startswith, "ends": str.endswith, "has": str.__contains__}[
        node[1]
    ]
    return any(test(text, word) for text in values for word in node[4])


@given(NODES, EVENTS)
def test_predicates_agree_with_a_slow_reference(node, event):
    assert predicate(node)(View(event)) == naive(node, event)


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.one_of(
            st.text(),
            st.integers(),
            st.floats(),
            st.none(),
            st.lists(st.text(max_size=3)),
            st.dictionaries(st.text(), st.text()),
        ),
        max_size=6,
    )
)
def test_any_event_is_judged_without_an_error(event):
    documents = [
        rule({"a|contains": "x"}),
        rule(["x"]),
        rule({"a|re": "x"}),
        rule({"a|cidr": "10.0.0.0/8"}),
        rule({"a|gt": 1}),
        rule({"a|hour": 1}),
        rule({"a|fieldref": "b"}),
    ]
    plans = [compile_document(document | {"id": f"r{n}"}, "r") for n, document in enumerate(documents)]
    detector = SigmaDetector(plans)
    detector.detect([event | {"event.module": "thu"}, event | {"event.module": "thu", "a": event}])


def test_half_a_surrogate_pair_is_no_reason_to_fail():
    document = rule({"a|re": "x", "b|contains": "y"})
    assert hits(document, {"a": "\ud800x", "b": "y\udfff"})
