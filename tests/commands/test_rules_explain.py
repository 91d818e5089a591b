"""Explanations: which selection decided, which filter took it out, what a correlation lacks."""

from __future__ import annotations

import json

import pytest

ALPHA, BETA, OFTEN = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))


@pytest.fixture
def event(tmp_path):
    def write(*events):
        path = tmp_path / "events.ndjson"
        path.write_text("".join(json.dumps(one) + "\n" for one in events))
        return path

    return write


def verdict(rows):
    return {row["selection"]: row["holds"] for row in rows}


def test_the_selection_that_decides_is_marked(house, event, said):
    house.rule(
        "two",
        title="Two selections",
        id="20000000-0000-4000-8000-000000000001",
        logsource={"product": "ndjson"},
        detection={
            "good": {"message|contains": "alpha"},
            "inside": {"source.ip|cidr": "10.0.0.0/8"},
            "condition": "good and not inside",
        },
    )
    path = event({**said(0, "alpha"), "source.ip": "10.1.2.3"})
    rows = house.rows("rules", "explain", "--rule", "Two selections", "--event", path)
    assert verdict(rows) == {
        "logsource": "yes",
        "good": "yes",
        "inside": "yes",
        "condition": "no",
        "verdict": "no",
    }
    assert [row["selection"] for row in rows if row["decides"]] == ["inside"]
    (inside,) = [row for row in rows if row["selection"] == "inside"]
    assert (inside["field"], inside["value"], inside["test"]) == ("source.ip", "10.1.2.3", "is in 10.0.0.0/8")


def test_routing_decides_before_all_else(house, event, said):
    path = event({**said(0, "alpha"), "event.module": "windows"})
    rows = house.rows("rules", "explain", "--rule", ALPHA, "--event", path)
    assert rows[0]["selection"] == "logsource"
    assert (rows[0]["holds"], rows[0]["decides"], rows[-1]["holds"]) == ("no", True, "no")


def test_a_filter_takes_it_out(house, event, said):
    house.rule(
        "filter",
        title="The backup may",
        logsource={"product": "ndjson"},
        filter={"rules": [ALPHA], "selection": {"host.name": "sao-luu"}, "condition": "not selection"},
        citysoc={"owner": "vận hành", "reason": "nightly"},
    )
    rows = house.rows("rules", "explain", ALPHA, event(said(0, "alpha", "sao-luu")))
    (one,) = [row for row in rows if row["selection"] == "filter"]
    assert (one["holds"], one["decides"]) == ("no", True)
    assert "The backup may" in one["test"]
    assert "vận hành; nightly" in one["test"]
    assert rows[-1]["holds"] == "no"
    assert house.rows("rules", "explain", ALPHA, event(said(0, "alpha", "pc-1")))[-1]["holds"] == "yes"


def test_a_stored_event_by_its_id(house, said):
    house.ingest(said(0, "alpha"))
    (stored,) = house.rows("events", "search", "alpha")
    rows = house.rows("rules", "explain", "--rule", "word_alpha", "--event", stored["event.id"])
    assert rows[-1]["holds"] == "yes"
    result = house.run("rules", "explain", "--rule", ALPHA, "--event", "no-such-id", code=1)
    assert "no-such-id" in str(result.exception)


def test_the_table_ends_with_a_sentence(house, event, said):
    result = house.run("rules", "explain", ALPHA, event(said(0, "nothing")), "-f", "table")
    assert "The rule does not match: selection does not hold" in result.stderr
    house.run("rules", "stage", ALPHA, "--owner", "a", "--reason", "b")
    result = house.run("rules", "explain", ALPHA, event(said(0, "alpha")), "-f", "table")
    assert "The rule matches" in result.stderr
    assert "staged" in result.stderr


def test_a_correlation_that_lacks_one(house, event, said):
    path = event(said(0, "beta"), said(60, "beta"), said(0, "beta", "pc-2"), said(1, "alpha"))
    rows = house.rows("rules", "explain", "--rule", "Beta often", "--event", path)
    assert [(row["group"], row["found"], row["measured"]) for row in rows] == [
        ({"host.name": "pc-1"}, False, 2),
        ({"host.name": "pc-2"}, False, 1),
    ]
    assert "the most within 5m is 2; asked for is gte 3" in rows[0]["missing"]
    assert rows[0]["parts"][0]["count"] == 2


def test_a_correlation_that_holds_in_its_window_only(house, event, said):
    path = event(*(said(seconds, "beta") for seconds in (0, 1000, 1001, 1002)))
    (row,) = house.rows("rules", "explain", OFTEN, path)
    assert (row["found"], row["measured"], row["missing"]) == (True, 3, "")
    assert (row["parts"][0]["count"], row["parts"][0]["elsewhere"]) == (3, 1)


def test_offsets_are_times(house, event, said):
    lines = [{**said(0, "beta"), "@timestamp": offset} for offset in ("+0s", "+4m", "+5m")]
    (row,) = house.rows("rules", "explain", OFTEN, event(*lines))
    assert row["found"]
    (row,) = house.rows("rules", "explain", OFTEN, event(*lines[:2], {**lines[2], "@timestamp": "+5m1s"}))
    assert not row["found"]


def test_a_stored_event_is_seen_with_those_around_it(house, said):
    house.ingest(*(said(seconds, "beta") for seconds in (0, 100, 200, 5000)))
    house.ingest(said(150, "beta"), agency="so-gd")
    stored = {
        row["@timestamp"]: row["event.id"] for row in house.rows("events", "search", "agency.id:so-y-te")
    }
    first = stored[said(0, "")["@timestamp"]]
    (row,) = house.rows("rules", "explain", "--rule", OFTEN, "--event", first)
    assert (row["found"], row["measured"], row["agency"]) == (True, 3, "so-y-te")
    alone = stored[said(5000, "")["@timestamp"]]
    (row,) = house.rows("rules", "explain", "--rule", OFTEN, "--event", alone)
    assert (row["found"], row["measured"]) == (False, 1)


def test_rules_below_tell_why_an_event_does_not_count(house, event, said):
    result = house.run("rules", "explain", OFTEN, event(said(0, "gamma")), "-f", "table")
    assert "No event matches a rule below it" in result.stderr
    assert "Word beta" in result.stdout
    lacking = {name: value for name, value in said(0, "beta").items() if name != "host.name"}
    (row,) = house.rows("rules", "explain", OFTEN, event(lacking))
    assert row["ungrouped"] == {BETA: 1}


def test_order_and_absence(house, event, said):
    house.rule(
        "ordered",
        title="Alpha, then beta",
        id="20000000-0000-4000-8000-000000000002",
        correlation={
            "type": "temporal_ordered",
            "rules": ["word_alpha", "word_beta"],
            "group-by": ["host.name"],
            "timespan": "5m",
        },
    )
    name = "Alpha, then beta"
    (row,) = house.rows("rules", "explain", name, event(said(0, "beta"), said(9, "alpha")))
    assert row["missing"] == "all are there, but not one after the other"
    (row,) = house.rows("rules", "explain", name, event(said(0, "alpha")))
    assert row["missing"] == "not matched within 5m: word_beta"
    (row,) = house.rows("rules", "explain", name, event(said(0, "alpha"), said(9, "beta")))
    assert row["found"]


def test_names_that_fit_several(house, event, said):
    result = house.run("rules", "explain", "Word", event(said(0, "alpha")), code=1)
    assert "2 rules are called 'Word'" in str(result.exception)
    house.run("rules", "explain", ALPHA, code=2)
