"""What the house decides about rules: it works, is written down, and survives."""

from __future__ import annotations

import datetime as dt

import pytest
import time_machine
import yaml

from citysoc import clock

ALPHA, BETA, OFTEN = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
WHY = ("--owner", "phòng giám sát", "--reason", "thử")


def by_rule(house, *arguments):
    return {row["rule"]: row for row in house.rows("rules", "list", *arguments)}


def alerts(house):
    return {row["rule"]: row["count"] for row in house.state("SELECT rule, count FROM alerts ORDER BY rule")}


def test_hits_are_counted_once_with_their_days(house, said):
    house.ingest(said(0, "alpha"), said(5, "alpha again"), said(9, "nothing"))
    row = by_rule(house)[ALPHA]
    assert (row["hits"], row["staged_hits"]) == (2, 0)
    assert row["last_hit"] == said(5, "")["@timestamp"]
    assert row["hits_per_day"] > 0
    assert by_rule(house, "--never").keys() == {BETA, OFTEN}


def test_a_staged_rule_counts_and_makes_no_alert(house, said):
    house.run("rules", "stage", "Word alpha", *WHY)
    house.ingest(said(0, "alpha beta"))
    assert alerts(house) == {BETA: 1}
    row = by_rule(house)[ALPHA]
    assert (row["state"], row["hits"], row["staged_hits"]) == ("staged", 1, 1)
    assert (row["owner"], row["overrides"][0]["reason"]) == ("phòng giám sát", "thử")
    assert house.state("SELECT count(*) AS n FROM outbox")[0]["n"] == 0


def test_a_staged_base_rule_still_feeds_its_correlation(house, said):
    house.run("rules", "stage", BETA, *WHY)
    house.ingest(*(said(number, "beta") for number in range(3)))
    assert alerts(house) == {OFTEN: 1}


def test_a_staged_correlation_makes_no_alert(house, said):
    house.run("rules", "stage", OFTEN, *WHY)
    house.ingest(*(said(number, "beta") for number in range(3)))
    assert alerts(house) == {BETA: 3}
    assert by_rule(house)[OFTEN]["staged_hits"] == 1


def test_a_disabled_rule_is_not_evaluated(house, said):
    house.run("rules", "disable", ALPHA, *WHY)
    house.ingest(said(0, "alpha"))
    assert alerts(house) == {}
    row = by_rule(house)[ALPHA]
    assert (row["state"], row["in_use"], row["hits"]) == ("disabled", False, 0)


def test_activate_beats_the_configuration(house, said):
    house.settings(f"rules: {{shipped: false, disabled: ['{ALPHA}']}}\n")
    assert by_rule(house)[ALPHA]["state"] == "disabled"
    house.run("rules", "activate", ALPHA, *WHY)
    house.ingest(said(0, "alpha"))
    assert alerts(house) == {ALPHA: 1}


def test_a_level_of_the_house(house, said):
    house.run("rules", "level", "word_alpha", "critical", *WHY)
    house.ingest(said(0, "alpha"))
    assert house.state("SELECT level FROM alerts") == [{"level": "critical"}]
    row = by_rule(house)[ALPHA]
    assert (row["level"], row["own_level"]) == ("critical", "high")


def test_levels_decide_what_is_below_the_least(house):
    house.settings("rules: {shipped: false, min_level: high}\n")
    assert not by_rule(house, "--state", "active")[BETA]["in_use"]
    house.run("rules", "level", BETA, "high", *WHY)
    assert by_rule(house)[BETA]["in_use"]


def test_state_and_level_have_owners_of_their_own(house):
    house.run("rules", "stage", ALPHA, *WHY)
    house.run("rules", "level", ALPHA, "low", "--owner", "b", "--reason", "c")
    assert {one["owner"] for one in by_rule(house)[ALPHA]["overrides"]} == {"phòng giám sát", "b"}
    house.run("rules", "reset", ALPHA, "--reason", "vorbei")
    row = by_rule(house)[ALPHA]
    assert (row["state"], row["level"], row["overrides"]) == ("active", "high", [])


def test_an_expired_override_is_told_and_works_no_longer(house):
    tomorrow = clock.now() + dt.timedelta(days=1)
    house.run("rules", "stage", ALPHA, *WHY, "--expires", f"{tomorrow:%Y-%m-%d}")
    assert by_rule(house)[ALPHA]["state"] == "staged"
    with time_machine.travel(tomorrow + dt.timedelta(days=2), tick=False):
        result = house.run("rules", "list", "-f", "ndjson")
        assert by_rule(house)[ALPHA]["state"] == "active"
    assert "works no longer" in result.stderr


def test_every_decision_is_in_the_audit_trail(house):
    house.run("rules", "disable", ALPHA, *WHY, "--by", "nguoi-truc")
    trail = house.state("SELECT who, kind, subject, action, before, after, detail FROM audit")
    assert trail == [
        {
            "who": "nguoi-truc",
            "kind": "rule",
            "subject": ALPHA,
            "action": "state",
            "before": "active",
            "after": "disabled",
            "detail": "thử; phòng giám sát",
        }
    ]


def test_a_wrong_name_changes_nothing(house):
    result = house.run("rules", "stage", ALPHA, "no such rule", *WHY, code=1)
    assert "no such rule" in str(result.exception)
    assert not (house.rules / "overrides").exists()


def test_what_a_person_wrote_is_left_alone(house):
    folder = house.rules / "overrides"
    folder.mkdir()
    ours = {"rule": ALPHA, "state": "staged", "owner": "a", "reason": "b"}
    (folder / "mine.yaml").write_text("# our own list\n" + yaml.safe_dump([ours, {**ours, "rule": BETA}]))
    assert {by_rule(house)[rule]["state"] for rule in (ALPHA, BETA)} == {"staged"}
    result = house.run("rules", "activate", ALPHA, *WHY, code=2)
    assert "mine.yaml" in str(result.exception)
    assert "our own list" in (folder / "mine.yaml").read_text()


def test_mistakes_in_overrides_are_told(house):
    folder = house.rules / "overrides"
    folder.mkdir()
    (folder / "a.yaml").write_text("rule: x\nstate: asleep\nowner: a\nreason: b\n")
    (folder / "b.yaml").write_text("rule: x\nstate: staged\n")
    (folder / "c.yaml").write_text("rule: nowhere\nstate: staged\nowner: a\nreason: b\n")
    (folder / "d.yaml").write_text("a: [")
    result = house.run("rules", "check", "-f", "ndjson", code=1)
    assert "a.yaml:1: the state is one of active, staged, disabled" in result.stderr
    assert "b.yaml:1: the override has no owner and no reason" in result.stderr
    assert "c.yaml: there is no rule nowhere" in result.stderr
    assert "d.yaml" in result.stderr


def test_owner_and_reason_must_say_something(house):
    house.run("rules", "stage", ALPHA, "--owner", " ", "--reason", "x", code=2)


def test_sorting_and_choosing(house, said):
    house.ingest(said(0, "beta"), said(1, "beta"), said(2, "alpha"))
    names = [row["title"] for row in house.rows("rules", "list", "--sort", "hits")]
    assert names == ["Word beta", "Word alpha", "Beta often"]
    assert [row["title"] for row in house.rows("rules", "list", "-m", "high")] == ["Word alpha"]
    assert [row["title"] for row in house.rows("rules", "list", "--tag", "attack.t1052")] == ["Word beta"]
    assert [row["title"] for row in house.rows("rules", "list", "--kind", "correlation")] == ["Beta often"]
    table = house.run("rules", "list", "-f", "table").stdout
    assert "Word alpha" in table
    assert "Hits a day" in table


def test_show_has_everything(house, said):
    house.run("rules", "level", ALPHA, "critical", *WHY)
    house.ingest(said(0, "alpha"))
    (row,) = house.rows("rules", "show", "word_alpha")
    assert (row["level"], row["own_level"], row["attack"]) == ("critical", "high", ["execution", "t1051"])
    assert row["overrides"][0]["owner"] == "phòng giám sát"
    assert row["days"][0]["hits"] == 1
    assert row["alerts"][0]["entity"] == "host:pc-1"
    assert row["audit"][0]["after"] == "critical"
    (row,) = house.rows("rules", "show", "word_beta")
    assert row["correlations"] == ["Beta often"]


def test_cost_shares_come_from_a_sample(house, said):
    house.ingest(*(said(number, "alpha" if number % 3 else "beta") for number in range(1200)))
    shares = {rule: row["cost_share"] for rule, row in by_rule(house).items()}
    assert sum(share or 0 for share in shares.values()) == pytest.approx(1)
    assert house.state("SELECT sum(tried) AS n FROM rule_days")[0]["n"] == 1200 // 509
