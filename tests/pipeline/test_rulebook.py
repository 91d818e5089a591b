"""Rules that follow their files: what is taken over, what is not, and what is said of it."""

from __future__ import annotations

import os

import pytest
import time_machine

from citysoc.detectors.sigma import states
from citysoc.errors import InputError
from citysoc.pipeline import rulebook
from citysoc.pipeline.rulebook import Rulebook, Sources
from citysoc.pipeline.work import Work

RULE = """
title: {title}
id: 00000000-0000-4000-8000-00000000000{n}
name: rule_{n}
logsource: {{category: firewall}}
detection:
  s: {{dst_port: {port}}}
  condition: s
level: low
"""
ABOVE = """
title: Above
id: 00000000-0000-4000-8000-000000000009
correlation: {type: event_count, rules: [rule_1], group-by: [source.ip], timespan: 1h, condition: {gte: 3}}
"""
OVERRIDE = "rule: 00000000-0000-4000-8000-000000000001\nstate: {state}\nowner: soc\nreason: noise\nexpires: 2026-11-22\n"


class Line:
    """What the rulebook asks of a line."""

    def __init__(self):
        self.used = []

    def use(self, work, loaded):
        self.used.append(
            sorted(check.title for check in loaded.checks if check.in_use and check.status != "refused")
        )
        self.staged = dict(work.overrides.in_force(states.clock.now()))


class House:
    def __init__(self, folder):
        self.folder = folder
        self.line = Line()
        self.written = 0

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.written += 1  # the same second, the same size: the clock of files may be coarse
        os.utime(path, ns=(self.written, self.written))

    def open(self):
        def work():
            return Work(rules=(self.folder,), overrides=states.read(self.folder))

        self.book = Rulebook(Sources((self.folder,), work), work())
        assert self.look()
        assert self.look() is None

    def look(self):
        return self.book.look(self.line)


@pytest.fixture
def house(tmp_path, monkeypatch):
    monkeypatch.setattr(rulebook, "SETTLE_SECONDS", 0)
    house = House(tmp_path / "rules")
    for n in (1, 2):
        house.write(f"{n}.yml", RULE.format(n=n, title=f"Rule {n}", port=n))
    return house


def test_what_is_new_changed_and_gone_is_told(house):
    house.open()
    house.write("3.yml", RULE.format(n=3, title="Rule 3", port=3))
    house.write("2.yml", RULE.format(n=2, title="Rule 2", port=22))
    (house.folder / "1.yml").unlink()
    assert house.look() == "2 rules; new 1 ('Rule 3'); changed 1 ('Rule 2'); gone 1 ('Rule 1')"
    assert house.line.used == [["Rule 2", "Rule 3"]]
    assert house.look() is None


def test_a_file_that_says_the_same_changes_nothing(house):
    house.open()
    house.write("1.yml", RULE.format(n=1, title="Rule 1", port=1) + "# a remark\n")
    assert house.look() == "2 rules"
    assert house.line.used == []


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("1.yml", "title: [", "the YAML is broken"),
        ("1.yml", RULE.format(n=1, title="t", port="[]"), "an empty list"),
        (
            "1.yml",
            RULE.format(n=1, title="t", port=1).replace("condition: s", "condition: x"),
            "'x' not defined",
        ),
        ("overrides/a.yaml", "rule: 00000000-0000-4000-8000-000000000001\nstate: staged\n", "no owner"),
        ("overrides/a.yaml", "rule: [", "a.yaml"),
    ],
    ids=["YAML", "value", "condition", "override without owner", "override"],
)
def test_a_mistake_leaves_the_earlier_rules_at_work_until_it_is_mended(house, name, text, reason):
    house.write("overrides/a.yaml", OVERRIDE.format(state="staged"))
    house.open()
    before = (house.folder / name).read_text()
    house.write(name, text)
    house.write("3.yml", RULE.format(n=3, title="Rule 3", port=3))
    with pytest.raises(InputError, match=reason):
        house.look()
    assert house.look() is None  # said once
    assert house.line.used == []
    house.write(name, before)
    assert "new 1 ('Rule 3')" in house.look()


def test_a_correlation_does_not_lose_what_is_below_it(house):
    house.write("above.yml", ABOVE)
    house.open()
    (house.folder / "1.yml").unlink()
    with pytest.raises(InputError, match=r"above.yml:2.*rule_1"):
        house.look()


def test_a_new_rule_that_is_refused_stops_no_other(house):
    house.open()
    house.write("3.yml", RULE.format(n=3, title="Rule 3", port="[]"))
    house.write("4.yml", RULE.format(n=4, title="Rule 4", port=4))
    assert house.look() == "3 rules; new 1 ('Rule 4')"


def test_a_correlation_that_changed_is_named(house):
    house.write("above.yml", ABOVE)
    house.open()
    house.write("above.yml", ABOVE.replace("gte: 3", "gte: 4"))
    assert house.look() == "3 rules; changed 1 ('Above'); begin anew: 'Above'"
    house.write("above.yml", ABOVE.replace("gte: 3", "gte: 4").replace("Above", "Over"))
    assert house.look() == "3 rules; changed 1 ('Over')"


def test_a_correlation_whose_rule_below_asks_for_something_else_is_named(house):
    house.write("above.yml", ABOVE)
    house.write("top.yml", ABOVE.replace("Above", "Top").replace("0009", "0008").replace("rule_1", "above"))
    house.write("above.yml", ABOVE.replace("correlation:", "name: above\ncorrelation:"))
    house.write(
        "other.yml", ABOVE.replace("Above", "Other").replace("0009", "0007").replace("rule_1", "rule_2")
    )
    house.open()
    house.write("1.yml", RULE.format(n=1, title="Rule 1", port=11))
    assert house.look() == "5 rules; changed 1 ('Rule 1'); begin anew: 'Above', 'Top'"
    house.write("1.yml", "# a remark\n" + RULE.format(n=1, title="Rule One", port=11))
    assert house.look() == "5 rules; changed 1 ('Rule One')"
    house.write("1.yml", RULE.format(n=1, title="Rule One", port=11).replace("firewall", "proxy"))
    assert house.look() == "5 rules; changed 1 ('Rule One'); begin anew: 'Above', 'Top'"


def test_decisions_that_end_take_effect_at_midnight(house):
    with time_machine.travel("2026-11-22T10:00:00Z", tick=False) as now:
        house.write("overrides/a.yaml", OVERRIDE.format(state="disabled"))
        house.open()
        assert [one.title for one in house.book.loaded.checks if one.in_use] == ["Rule 2"]
        assert house.look() is None
        now.shift(8 * 3600)  # one o'clock in Huế
        assert house.look() == "2 rules; new 1 ('Rule 1')"
        assert house.look() is None


def test_new_decisions_take_effect(house):
    house.open()
    house.write("overrides/a.yaml", OVERRIDE.format(state="staged").replace("2026-11-22", "2126-11-22"))
    assert house.look() == "2 rules; changed 1 ('Rule 1')"
    assert [one.state for one in house.line.staged.values()] == ["staged"]


def test_a_folder_that_comes_and_goes(house, tmp_path):
    house.open()
    house.folder.rename(tmp_path / "away")
    assert "gone 2" in house.look()
    (tmp_path / "away").rename(house.folder)
    assert "new 2" in house.look()
