"""Made rules on made events against pySigma's SQLite backend: the same events match, but where docs/rules.md says so.

The differences that we decided on are kept out of what is made here, each by the strategy that its remark names, and
each has a test of its own below: if the oracle changes its mind, that test fails.
"""

from __future__ import annotations

import re
import sqlite3

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection

import citysoc.detectors.sigma.modifiers  # noqa: F401  both sides read modifiers alike
from citysoc.detectors.sigma import SigmaDetector
from citysoc.detectors.sigma.linking import link
from citysoc.detectors.sigma.plan import compile_document

TEXTS = ("alpha", "beta")
COLUMNS = {
    "alpha": "TEXT COLLATE NOCASE",
    "beta": "TEXT COLLATE NOCASE",
    "amount": "NUMERIC",
    "address": "TEXT COLLATE NOCASE",
    "moment": "TEXT",
}
LETTERS = "abAB -/\\%_*?.:"
WORD = st.text("abAB -/%_.:\\", min_size=1, max_size=4)
PLAIN = st.text("abAB -/%_.:", min_size=1, max_size=4)
"""Modifiers that encode refuse wildcards, and a backslash before the end is an escape of what they add."""
PATTERN = st.lists(
    st.one_of(st.text("abAB%_.", min_size=1, max_size=3), st.sampled_from(["*", "?", r"\*", r"\?", r"\\"])),
    min_size=1,
    max_size=4,
).map("".join)
"""Wildcards and escapes."""
EXPRESSION = st.sampled_from(["a", "^a", "b$", "a.b", "[^a]b", "(a|b){2}", "a+b*", r"\.", "A"])


def many(one):
    return st.one_of(one, st.lists(one, min_size=1, max_size=3))


def field(names, suffix, value):
    return st.builds(lambda name, wanted: {f"{name}{suffix}": wanted}, st.sampled_from(names), value)


ITEMS = st.one_of(
    *(field(TEXTS, suffix, many(WORD)) for suffix in ("|contains", "|startswith", "|endswith", "", "|neq")),
    *(field(TEXTS, suffix, many(PATTERN)) for suffix in ("", "|contains", "|startswith")),
    field(TEXTS, "|contains|all", st.lists(WORD, min_size=2, max_size=3)),
    *(field(TEXTS, suffix, many(PLAIN)) for suffix in ("|cased", "|contains|cased", "|startswith|cased")),
    field(TEXTS, "|contains|windash", many(st.sampled_from([" -a", "-b", " -a -b"]))),
    field(TEXTS, "|base64", many(PLAIN)),
    field(TEXTS, "|base64offset|contains", many(st.text("ab", min_size=3, max_size=5))),
    *(field(TEXTS, suffix, EXPRESSION) for suffix in ("|re", "|re|i", "|re|m", "|re|s")),
    *(field((*COLUMNS,), suffix, st.booleans()) for suffix in ("|exists",)),
    field(tuple(COLUMNS), "", st.none()),
    field(TEXTS, "", st.sampled_from(["", "*", 5, 0, ["a", None], [None, ""]])),
    *(field(("amount",), suffix, st.integers(-3, 9)) for suffix in ("", "|lt", "|lte", "|gt", "|gte", "|neq")),
    field(("amount",), "|gt", st.sampled_from([0.5, 2.5])),
    field(("address",), "|cidr", many(st.sampled_from(["10.0.0.0/8", "192.168.0.0/16", "10.1.2.0/24", "10.1.2.3/32"]))),
    *(st.just({f"alpha|fieldref{suffix}": "beta"}) for suffix in ("", "|startswith", "|endswith", "|contains", "|neq")),
    *(field(("moment",), f"|{part}", st.integers(0, 12)) for part in ("minute", "hour", "day", "month")),
    field(("moment",), "|hour|gte", st.integers(0, 23)),
)  # fmt: skip
MAPS = st.lists(ITEMS, min_size=1, max_size=2).map(
    lambda items: {k: v for item in items for k, v in item.items()}
)
SELECTIONS = st.one_of(MAPS, st.lists(MAPS, min_size=1, max_size=2))
CONDITIONS = st.sampled_from(
    (
        *("sel_a", "not sel_a", "sel_a and sel_b", "sel_a or other", "sel_a and not sel_b"),
        *("not (sel_a or sel_b)", "(sel_a and sel_b) or not other", "1 of sel_*", "all of sel_*"),
        *("not 1 of sel_*", "not all of sel_*", "1 of them", "all of them", "other and not 1 of sel_*"),
        *("sel_a or sel_b and other", "not sel_a and not (sel_b and not other)"),
    )
)
VALUE = st.one_of(
    st.none(), st.text(LETTERS, max_size=6), st.sampled_from(["YQ==", "YWI=", "a b -a", "5", "0", "x /a"])
)
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "alpha": VALUE,
        "beta": VALUE,
        "amount": st.one_of(st.none(), st.integers(-3, 9), st.sampled_from([0.5, 1.5, 2.5])),
        "address": st.sampled_from([None, "10.1.2.3", "10.1.2.4", "10.9.9.9", "192.168.7.7", "203.0.113.9"]),
        "moment": st.sampled_from(
            [None, "2026-10-05T01:30:00Z", "2026-01-01T00:00:00Z", "2026-12-05T22:05:59Z"]
        ),
    },
)


def oracle(documents, events):
    """Return which events each rule's SQL selects."""
    base = sqlite3.connect(":memory:")
    base.create_function(
        "REGEXP", 2, lambda pattern, text: text is not None and bool(re.search(pattern, str(text)))
    )
    base.execute(f"CREATE TABLE logs (n INTEGER, {', '.join(f'{n} {kind}' for n, kind in COLUMNS.items())})")
    for number, event in enumerate(events):
        base.execute("INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?)", [number, *(event.get(n) for n in COLUMNS)])
    found = set()
    for query in sqliteBackend().convert(SigmaCollection.from_dicts(documents)):
        found |= {row[0] for row in base.execute(query)}
    base.close()
    return found


def ours(documents, events):
    plans = [
        compile_document(document, f"r{place}", timezone="UTC") for place, document in enumerate(documents)
    ]
    assert [plan["reason"] for plan in plans if plan["status"] == "refused"] == []
    linked = link(plans, [True] * len(plans), [True] * len(plans))
    detector = SigmaDetector(linked.rules)
    seen = [{**event, "event.module": "thu", "event.id": str(n)} for n, event in enumerate(events)]
    return {int(finding.event_id) for finding in detector.detect(seen)}


def rule(detection):
    return {
        "title": "t",
        "id": "11111111-1111-4111-8111-111111111111",
        "name": "made",
        "logsource": {"product": "thu"},
        "detection": detection,
    }


@settings(max_examples=500, deadline=None)
@given(SELECTIONS, SELECTIONS, SELECTIONS, CONDITIONS, st.lists(EVENTS, min_size=1, max_size=6))
@example(
    {"alpha": "a\\*"},
    {"alpha": "b"},
    {"beta": None},
    "sel_a",
    [{"alpha": "a*"}, {"alpha": "a\\b"}, {"alpha": "ab"}],
)
@example(
    {"alpha|contains": "%"},
    {"alpha": "b"},
    {"beta": "_"},
    "sel_a or other",
    [{"alpha": "a%"}, {"alpha": "ab"}, {"beta": "x"}],
)
def test_rules(first, second, third, condition, events):
    documents = [rule({"sel_a": first, "sel_b": second, "other": third, "condition": condition})]
    assert ours(documents, events) == oracle(documents, events)


@settings(max_examples=100, deadline=None)
@given(
    SELECTIONS,
    SELECTIONS,
    st.sampled_from(["f", "not f", "not 1 of f*"]),
    st.lists(EVENTS, min_size=1, max_size=6),
)
def test_filters(selection, excluded, condition, events):
    made = {
        "title": "f",
        "id": "22222222-2222-4222-8222-222222222222",
        "logsource": {"product": "thu"},
        "filter": {"rules": ["made"], "f": excluded, "condition": condition},
    }
    documents = [rule({"s": selection, "condition": "s"}), made]
    assert ours(documents, events) == oracle(documents, events)


DIFFERENCES = [
    ("case beyond ASCII", {"alpha": "ĐỘC"}, {"alpha": "độc"}, True, False),
    ("composition", {"alpha|contains": "độc"}, {"alpha": "mã đo\u0323\u0302c"}, True, False),
    ("a number in a text column compared as one", {"alpha|gt": 5}, {"alpha": "10"}, True, False),
    ("text that is no number", {"amount|gt": 5}, {"amount": "x"}, False, True),
    ("numbers in hexadecimal", {"amount|gte": 16}, {"amount": "0x10"}, True, True),
    ("true is the text, not the number one", {"amount": True}, {"amount": 1}, False, True),
    ("networks are not beginnings of text", {"address|cidr": "10.0.0.0/8"}, {"address": "10.x"}, False, True),
    ("IPv6 in another spelling", {"address|cidr": "fd00::/8"}, {"address": "FD00:0::1"}, True, None),
    ("weeks are those of ISO 8601", {"moment|week": 1}, {"moment": "2026-01-01T00:00:00Z"}, True, None),
]
"""Name, selection, event, whether ours matches, whether the oracle does; None where it says nothing of use."""


@pytest.mark.parametrize(
    ("selection", "event", "wanted", "theirs"),
    [one[1:] for one in DIFFERENCES],
    ids=[one[0] for one in DIFFERENCES],
)
def test_where_we_differ(selection, event, wanted, theirs):
    documents = [rule({"s": selection, "condition": "s"})]
    assert bool(ours(documents, [event])) is wanted
    if theirs is not None:
        assert bool(oracle(documents, [event])) is theirs
