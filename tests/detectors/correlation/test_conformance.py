"""What correlations and filters mean, beside the numbered cases in ``tests/conformance``."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
import time_machine
import yaml
from workbench import (
    BASE,
    correlation,
    event,
    findings,
    load,
    matches,
    numbered,
    run,
    times,
)

from citysoc.detectors import sigma
from citysoc.pipeline.loaded import ended_filters
from citysoc.pipeline.work import Work


def test_a_chain_may_measure_what_it_builds_upon():
    child = correlation(name="child", group_by=["user.name"], condition={"gte": 2})
    parent = correlation("value_sum", rules=["child"], condition={"field": "event_count", "gte": 5})
    assert run(parent, event(0, user="an"), event(1, user="an"), event(2, user="an"), others=(child,)) == [2]


@pytest.mark.parametrize("place", ["correlation", "document"])
def test_generate_lets_the_rules_below_speak(place):
    document = correlation(condition={"gte": 9})
    (document["correlation"] if place == "correlation" else document)["generate"] = True
    loaded = load(document)
    assert [f.rule for f in matches(loaded, numbered([event(0)]))[1]] == ["a"]
    assert matches(load(correlation(condition={"gte": 9})), numbered([event(0)]))[1] == []


def test_a_rule_that_nobody_builds_upon_speaks():
    loaded = load(correlation(condition={"gte": 9}))
    assert [f.rule for f in matches(loaded, numbered([event(0, "3")]))[1]] == ["c"]


def test_absence_is_certain_only_after_the_deadline():
    absent = correlation("temporal", rules=["a", "b"], condition="a and not b")
    assert run(absent, event(0)) == []
    assert run(absent, event(0), event(9, "3")) == []
    assert run(absent, event(0), event(10, "3")) == [10]
    assert run(absent, event(0), event(10, "2"), event(20, "3")) == []
    assert run(absent, event(0), event(10.1, "2"), event(20, "3")) == [10]


def test_ranges_and_fractions():
    events = [event(n) for n in range(6)]
    assert run(correlation(condition={"gt": 2, "lte": 4}), *events) == [2, 3]
    assert run(correlation(condition={"gt": 0.5}), *events) == [0, 1, 2, 3, 4, 5]
    half = correlation("value_avg", condition={"field": "network.bytes", "gt": 0.5, "lt": 1})
    assert run(half, event(0, bytes=1), event(1, bytes=0.25)) == [1]


def test_tuples_are_counted_together():
    pairs = correlation("value_count", condition={"field": ["user.name", "source.ip"], "gte": 3})
    events = [event(0, user="a", ip="1"), event(1, user="a", ip="2"), event(2, user="a", ip="1")]
    assert run(pairs, *events) == []
    assert run(pairs, *events, event(3, user="b", ip=None), event(4, user="b", ip="1")) == [4]


def test_group_by_may_be_left_out():
    assert run(correlation(condition={"gte": 2}), event(0, user="x"), event(1)) == [1]


def test_aliases():
    joined = correlation(
        "temporal",
        rules=["a", "b"],
        group_by=["who"],
        aliases={"who": {"a": "user.name", "b": "user.target.name"}},
    )
    assert run(joined, event(0, "1", user="an"), event(1, "2", **{"user.target.name": "AN"})) == [1]


def test_groups_are_alike_in_any_case_and_composition():
    grouped = correlation(group_by=["user.name"], condition={"gte": 3})
    assert run(grouped, event(0, user="Độc"), event(1, user="độc"), event(2, user="ĐỘC")) == [2]


def test_no_group_no_place():
    assert run(correlation(group_by=["user.name"], condition={"gte": 1}), event(0), event(1, user="")) == [1]


def test_within_one_agency_unless_the_rule_says_otherwise():
    events = [event(0, agency="so-y-te"), event(1, agency="so-xay-dung")]
    assert run(correlation(condition={"gte": 2}), *events) == []
    wide = correlation(condition={"gte": 2}, citysoc={"across_agencies": True})
    assert run(wide, *events) == [1]


def test_fields_by_the_names_of_their_rules():
    """``IpAddress`` is what rules for Windows say for a field that events call otherwise."""
    grouped = correlation(group_by=["IpAddress"], condition={"gte": 2})
    events = [event(n, **{"winlog.event_data.IpAddress": "10.1.1.1"}) for n in range(2)]
    assert run(grouped, *events) == [1]


def test_the_finding_says_what_it_is_about():
    spread = correlation(
        "value_count",
        group_by=["source.ip"],
        condition={"field": "user.name", "gte": 2},
        level="high",
        citysoc={"title_vi": "Dò mật khẩu"},
    )
    (found,) = findings(
        load(spread), [event(0, user="an", ip="10.1.1.1"), event(1, user="binh", ip="10.1.1.1")]
    )
    assert (found.level, found.agency, found.entity) == ("high", "so-y-te", "ip:10.1.1.1")
    assert found.group == {"source.ip": "10.1.1.1"}
    assert found.window_seconds == 10
    assert found.title_vi == "Dò mật khẩu"
    assert found.matched["value_count"] == 2
    assert found.matched["user.name"] == ["an", "binh"]
    assert found.matched["citysoc.events"] == ["0000", "0001"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rules": ["nobody"], "condition": {"gte": 1}}, "there is no rule 'nobody'"),
        ({"type": "event_counts", "condition": {"gte": 1}}, "the type is one of"),
        ({"timespan": "10", "condition": {"gte": 1}}, "timespan"),
        ({"timespan": "9y", "condition": {"gte": 1}}, "timespan"),
        ({}, "there must be a condition"),
        ({"condition": {"about": 3}}, "nobody knows"),
        ({"condition": {"gte": "many"}}, "is a number"),
        ({"condition": "a and b"}, "only temporal"),
        ({"type": "temporal", "rules": ["a", "b"], "condition": "a and"}, "no expression"),
        ({"type": "temporal", "rules": ["a", "b"], "condition": "(a and b"}, "not closed"),
        ({"type": "temporal", "rules": ["a", "b"], "condition": "a"}, "differ"),
        ({"type": "temporal", "rules": ["a"], "condition": "not a"}, "absence alone"),
        ({"type": "temporal_ordered", "rules": ["a", "b"], "condition": {"lt": 2}}, "ordered"),
        ({"type": "value_count", "condition": {"gte": 1}}, "field"),
        ({"type": "value_sum", "condition": {"gte": 1, "field": ["x.y", "z"]}}, "only value_count"),
        ({"type": "value_percentile", "condition": {"gte": 1, "field": "x"}}, "percentile"),
        ({"condition": {"gte": 1}, "aliases": {"who": {"z": "x"}}}, "not listed"),
        ({"rules": ["top"], "condition": {"gte": 1}}, "builds upon itself"),
        ({"rules": ["a", "a"], "condition": {"gte": 1}}, "each named once"),
        ({"frequency": 1, "condition": {"gte": 1}}, "nobody knows"),
    ],
)
def test_what_cannot_be_honoured_is_refused(changes, reason):
    kind = changes.pop("type", "event_count")
    (check,) = [check for check in load(correlation(kind, **changes)).checks if check.rule == "top"]
    assert check.status == "refused"
    assert reason in check.reason
    assert check.line == 1


def test_a_correlation_over_a_refused_rule_is_refused():
    broken = {**BASE[0], "detection": {"selection": {"x|nonsense": 1}, "condition": "selection"}}
    loaded = load(correlation(condition={"gte": 1}), base=[broken])
    assert {check.rule: check.status for check in loaded.checks} == {"a": "refused", "top": "refused"}


# -- filters -----------------------------------------------------------------------------------------------------

GOOD = {"owner": "soc", "reason": "backup host", "expires": "2099-12-31"}


def sieve(rules="any", condition="not selection", **more):
    selections = more.pop("selections", {"selection": {"user.name": "sao-luu"}})
    return {
        "title": "Filter",
        "name": "sieve",
        "logsource": {"product": "windows"},
        "filter": {"rules": rules, **selections, "condition": condition},
        "citysoc": {**GOOD, **more},
    }


def heard(document, *events):
    return [(f.rule, f.event_id) for f in load(document).detector.detect(numbered(list(events)))]


def check_of(*documents):
    return next(check for check in load(*documents).checks if check.rule == "sieve")


def test_a_filter_without_not_keeps_and_is_warned_of():
    document = sieve("any", "selection")
    assert heard(document, event(0, user="sao-luu"), event(1)) == [("a", "0000")]
    assert "no `not`" in check_of(document).reason


def test_a_filter_of_one_agency():
    document = sieve("any", agency="so-y-te")
    events = [event(0, user="sao-luu"), event(1, user="sao-luu", agency="so-xay-dung")]
    assert heard(document, *events) == [("a", "0001")]


LAST_SECOND = 17 * 3600
"""The epoch of the tests is seven in the morning in Huế: its day ends so many seconds later."""


@pytest.mark.parametrize(
    ("seconds", "works"), [(-(10**7), True), (LAST_SECOND - 0.001, True), (LAST_SECOND, False)]
)
@pytest.mark.parametrize("today", ["2026-10-05", "2026-10-06", "2027-03-01"])
def test_an_expired_filter_stops_working_in_event_time(today, seconds, works):
    """The same event is judged alike whenever it is read: no rule has to be loaded again at midnight."""
    with time_machine.travel(f"{today}T12:00:00+07:00", tick=False):
        document = sieve("any", expires="2026-10-05")
        assert heard(document, event(seconds, user="sao-luu")) == ([] if works else [("a", "0000")])


@pytest.mark.parametrize(("today", "expired"), [("2026-12-31", False), ("2027-01-01", True)])
def test_an_expired_filter_says_so(today, expired):
    with time_machine.travel(f"{today}T00:00:00+07:00", tick=False):
        check = check_of(sieve("any", expires="2026-12-31"))
    assert check.in_use != expired
    assert ("expired: its last day was 2026-12-31" in check.reason) == expired


def test_the_end_of_a_filter_is_told_once(tmp_path):
    document = sieve("any", expires="2026-12-31")
    (tmp_path / "sieve.yml").write_text(yaml.safe_dump(document), "utf-8")
    work = Work(rules=(tmp_path,))
    hours = [dt.datetime(2026, 12, 31, hour, tzinfo=dt.UTC) for hour in range(15, 20)]
    told = [ended_filters(work, *span) for span in itertools.pairwise(hours)]
    assert [len(lines) for lines in told] == [0, 0, 1, 0], (
        "between 17 and 18 o'clock in UTC it is midnight in Huế"
    )
    assert "sieve.yml:1: Filter, 2026-12-31" in told[2][0]


@pytest.mark.parametrize(
    ("document", "others", "reason"),
    [
        (sieve(["nobody"]), (), "no rule 'nobody'"),
        (sieve(["top"]), (correlation(condition={"gte": 2}),), "is a correlation"),
        ({**sieve(["a"]), "logsource": {"product": "linux"}}, (), "logsource"),
        ({**sieve(["a"]), "citysoc": {}}, (), "no owner"),
    ],
)
def test_warnings(document, others, reason):
    check = check_of(document, *others)
    assert check.status == "degraded"
    assert reason in check.reason


@pytest.mark.parametrize(
    "document",
    [
        correlation(condition={"gte": 10**30}),
        correlation(group_by=["a\udcff"], condition={"gte": 1}),
        sieve("any", selections={"selection": {"user.name": 10**30}}),
        sieve("any", selections={"selection": {7: "x"}}),
    ],
)
def test_whatever_a_document_holds_it_can_be_kept(tmp_path, document):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "x.yml").write_text(yaml.safe_dump(document), "utf-8")
    cold, warm = (sigma.load([tmp_path / "rules"], cache_dir=tmp_path / "cache").checks for _ in range(2))
    assert cold == warm


@pytest.mark.parametrize(
    "document",
    [
        sieve("any", expires="soon"),
        sieve("any", "not elsewhere"),
        sieve(7),
        sieve("any", colour="red"),
    ],
)
def test_filters_that_are_refused(document):
    assert check_of(document).status == "refused"


def test_a_filter_reaches_the_rules_below_a_correlation():
    loaded = load(correlation(condition={"gte": 2}), sieve("any"))
    assert times(findings(loaded, [event(0, user="sao-luu"), event(1), event(2)])) == [2]
