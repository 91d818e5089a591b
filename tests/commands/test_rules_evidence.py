"""``rules test``: evidence with offsets, reasons that help, JUnit that build servers read."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest


def lines(*events):
    return "".join((json.dumps(event) if event else "") + "\n" for event in events)


@pytest.fixture
def often(house, said):
    """The correlation with rules below it, its evidence in offsets."""

    def write(hits, misses):
        (house.rules / "often.hits.ndjson").write_text(lines(*hits))
        (house.rules / "often.misses.ndjson").write_text(lines(*misses))
        for word in ("alpha", "beta"):
            (house.rules / f"{word}.hits.ndjson").write_text(lines(said(0, word)))
            (house.rules / f"{word}.misses.ndjson").write_text(lines(said(0, "nothing")))
        return house

    return write


def at(offset, said, word="beta"):
    return {**said(0, word), "@timestamp": offset}


def test_offsets_count_from_the_first_of_a_list(often, said):
    three = [at("+0s", said), at("+90s", said), at("+5m", said)]
    late = [at("+0s", said), at("+90s", said), at("+5m1s", said)]
    dated = [said(0, "beta"), at("+1m", said), at("+2m", said)]
    house = often([*three, None, *dated], late)
    assert {row["status"] for row in house.rows("rules", "test", house.rules)} == {"passed"}


def test_reasons_say_what_is_missing(often, said):
    house = often([at("+0s", said), at("+9s", said)], [at(f"+{n}s", said) for n in range(3)])
    result = house.run("rules", "test", house.rules, "-f", "ndjson", code=1)
    (row,) = [row for row in map(json.loads, result.stdout.splitlines()) if row["status"] == "failed"]
    assert row["kind"] == "correlation"
    assert "host.name=pc-1: the most within 5m is 2; asked for is gte 3" in row["failures"][0]
    assert "the list of misses from line 1 on brings" in row["failures"][-1]


def test_a_rule_that_fails_names_its_selection(house, said):
    (house.rules / "alpha.hits.ndjson").write_text(lines(said(0, "gamma")))
    (house.rules / "alpha.misses.ndjson").write_text(
        lines(said(0, "alpha"), {**said(0, "x"), "event.module": "y"})
    )
    result = house.run("rules", "test", house.rules / "alpha.yml", "-f", "ndjson", code=1)
    (row,) = map(json.loads, result.stdout.splitlines())
    assert row["failures"] == [
        "line 1 of the hits is not matched: selection does not hold (message = 'gamma': contains 'alpha')",
        "line 1 of the misses is matched: selection holds (message = 'alpha': contains 'alpha')",
    ]
    table = house.run("rules", "test", house.rules / "alpha.yml", "-f", "table", code=1).stdout
    assert "  - line 1 of the hits is not matched" in table


def test_junit(often, said, tmp_path):
    house = often([at("+0s", said)], [at("+0s", said)])
    hostile = house.rule(
        "hostile",
        title='<b> & "q" \x07 ]]>',
        logsource={"product": "ndjson"},
        detection={"s": {"message": "x"}, "condition": "s"},
    )
    path = tmp_path / "junit.xml"
    house.run("rules", "test", house.rules, "--junit", path, code=1)
    root = ET.parse(path).getroot()  # noqa: S314  our own output
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "4", "2")
    (suite,) = root.findall("testsuite")
    cases = {case.get("file"): case for case in suite.findall("testcase")}
    assert len(cases) == 4
    assert cases[str(hostile)].find("failure").get("message") == "there is no hostile.hits.ndjson"
    assert cases[str(house.rules / "alpha.yml")].find("failure") is None
    assert "the most within 5m is 1" in cases[str(house.rules / "often.yml")].find("failure").text


def test_only_failures_on_request(often, said):
    house = often([at("+0s", said)], [at("+0s", said)])
    (row,) = house.rows("rules", "test", house.rules, "--failed", code=1)
    assert row["title"] == "Beta often"
