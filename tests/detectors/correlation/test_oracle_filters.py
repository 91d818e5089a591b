"""Filters against pySigma's SQLite backend: on generated filters, rules keep and lose the same events."""

from __future__ import annotations

import sqlite3

from hypothesis import given, settings
from hypothesis import strategies as st
from workbench import BASE, COLUMNS, correlation, event, findings, load, numbered, oracle, qualifying

EVENTS = st.lists(
    st.builds(
        event,
        st.integers(0, 20),
        st.sampled_from(["1", "2", "3", "4"]),
        user=st.sampled_from(["an", "AN", "binh", "sao-luu", None]),
        ip=st.sampled_from(["10.0.0.1", "10.0.0.2", "192.168.1.9", None]),
    ),
    min_size=1,
    max_size=20,
)
ITEMS = st.sampled_from(
    [
        *({"user.name": "an"}, {"user.name": ["an", "sao-luu"]}, {"user.name|startswith": "B"}),
        *(
            {"user.name|endswith": "luu"},
            {"user.name|contains": "N"},
            {"user.name": None},
            {"user.name": "*n*"},
        ),
        *(
            {"source.ip": "10.0.0.1"},
            {"source.ip|startswith": "10.", "user.name": "binh"},
            {"source.ip": None},
        ),
        [{"user.name": "an"}, {"source.ip": "192.168.1.9"}],
    ]
)
CONDITIONS = st.sampled_from(
    [
        *("not selection_1", "selection_1", "not selection_1 and not selection_2"),
        *("not (selection_1 or selection_2)", "not 1 of selection_*", "not all of selection_*"),
        *("1 of selection_*", "all of selection_*", "selection_1 or not selection_2", "not 1 of them"),
    ]
)
RULES = st.one_of(st.just("any"), st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True))
FILTERS = st.lists(st.tuples(RULES, ITEMS, ITEMS, CONDITIONS), min_size=1, max_size=3)


def documents(filters):
    return [
        {
            "title": f"Filter {number}",
            "name": f"sieve{number}",
            "logsource": {"product": "windows"},
            "filter": {"rules": rules, "selection_1": one, "selection_2": two, "condition": condition},
        }
        for number, (rules, one, two, condition) in enumerate(filters)
    ]


def asked(events, *more):
    """Return what SQLite finds for the base rules: rule and event."""
    from sigma.backends.sqlite import sqliteBackend
    from sigma.collection import SigmaCollection

    queries = sqliteBackend(table="logs", collate_nocase=True).convert(
        SigmaCollection.from_dicts([*BASE, *more])
    )
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(f"CREATE TABLE logs ({', '.join(f'`{name}` TEXT' for name in COLUMNS)})")
        connection.executemany(
            f"INSERT INTO logs VALUES ({', '.join('?' * len(COLUMNS))})",
            [
                [{"id": f"{number:04d}", **item}.get(name) for name in COLUMNS]
                for number, item in enumerate(events)
            ],
        )
        return {
            (rule["name"], row[0])
            for rule, query in zip(BASE, queries, strict=True)
            for row in connection.execute(query)
        }
    finally:
        connection.close()


@settings(max_examples=60, deadline=None)
@given(EVENTS, FILTERS)
def test_rules_keep_and_lose_the_same_events(events, filters):
    loaded = load(*documents(filters))
    assert [check.reason for check in loaded.checks if check.status == "refused"] == []
    ours = {(found.rule, found.event_id) for found in loaded.detector.detect(numbered(events))}
    assert ours == asked(events, *documents(filters))


@settings(max_examples=50, deadline=None)
@given(EVENTS, FILTERS, st.sampled_from(["event_count", "temporal", "temporal_ordered"]))
def test_correlations_over_filtered_rules(events, filters, kind):
    condition = {"condition": {"gte": 2}} if kind == "event_count" else {}
    above = correlation(kind, rules=["a", "b"], group_by=["user.name"], **condition)
    loaded = load(above, *documents(filters))
    ours = {
        (time, tuple(value.lower() for value in group))
        for time, group in qualifying(findings(loaded, events))
    }
    assert ours == oracle(events, above, *documents(filters))
