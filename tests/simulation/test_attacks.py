"""The planted attacks: they are there, they are told apart from normal life, they do not depend on it."""

from __future__ import annotations

from collections import Counter

from written_city import contents

from citysoc.simulation import attacks, plan
from citysoc.simulation.attacks import ATTACKS, INTRUSION
from citysoc.simulation.stamps import Stamps

# fmt: off
CLASSES = {
    "SCAN", "BRUTE", "EXPL", "WEB", "DEFACE", "DDOS", "PHISH", "SPAM", "VIRUS", "TROJAN", "SPY", "RANSOM",
    "MINER", "BOT", "APT", "UNAUTH", "LEAK", "POLICY", "VULN", "CONFIG", "OTHER",
}
# fmt: on


def test_the_whole_city_has_a_place_for_every_attack(whole_city):
    month = plan.make(whole_city, month="2026-10", records=0, seed=1)
    assert {fact.kind for fact in month.planted} == {attack.kind for attack in ATTACKS}
    assert {fact.cls for fact in month.planted} <= CLASSES
    assert sum(fact.needs == "rule" for fact in month.planted) >= 14
    assert sum(fact.needs != "rule" for fact in month.planted) == 3


def test_what_needs_more_than_a_rule_tells_nothing_by_one_record(whole_city):
    month = plan.make(whole_city, month="2026-10", records=0, seed=1)
    for fact in month.planted:
        assert (fact.telling > 0) == (fact.needs == "rule"), fact.kind
        assert fact.telling <= fact.records == sum(fact.streams.values())
        assert fact.start <= fact.end
        assert fact.entities


def test_the_steps_of_the_intrusion_follow_each_other_on_one_machine(whole_city):
    month = plan.make(whole_city, month="2026-10", records=0, seed=1)
    steps = [fact for fact in month.planted if fact.chain == INTRUSION]
    assert [s.kind for s in steps] == [a.kind for a in ATTACKS if a.chain == INTRUSION]
    assert len({step.agency for step in steps}) == 1
    assert len({step.entities[0] for step in steps}) == 1
    assert [step.start for step in steps] == sorted(step.start for step in steps)


def test_attacks_do_not_depend_on_how_much_else_is_written(agencies):
    few = plan.make(agencies, month="2026-10", records=1000, seed=5)
    many = plan.make(agencies, month="2026-10", records=50_000, seed=5)
    assert few.planted == many.planted
    assert few.items == many.items


def test_attacks_avoid_streams_that_are_silent_or_wrong(whole_city):
    month = plan.make(whole_city, month="2026-10", records=0, seed=1)
    hit = {stream for fact in month.planted for stream in fact.streams}
    assert not hit & (month.faults.never | set(month.faults.silent) | set(month.faults.shifts))


def test_normal_life_names_no_attacker(month):
    """Attackers have a range of their own: every line that names it belongs to a planted attack."""
    directory, truth = month
    found = Counter()
    for stream in truth.streams:
        folder = directory / "inbox" / stream
        for path in folder.iterdir() if folder.is_dir() else ():
            for data in contents(path):
                found[stream] += sum(b"198.51.100." in line for line in data.split(b"\n"))
    planted = {stream for fact in truth.planted for stream in fact.streams}
    assert {stream for stream, count in found.items() if count} <= planted
    sql = next(fact for fact in truth.planted if fact.kind == "sql-injection")
    assert found[next(iter(sql.streams))] >= sql.records


def test_a_city_without_sources_has_no_attacks():
    planted, items = attacks.plant(Stamps("2026-10"), (), 1)
    assert planted == ()
    assert items == {}
