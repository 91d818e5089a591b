"""Coverage: ATT&CK by state, sources that no rule reads, log sources that never came."""

from __future__ import annotations

import json

ALPHA = "00000000-0000-4000-8000-000000000001"


def of(rows, kind):
    return {row["name"]: row for row in rows if row["kind"] == kind}


def test_techniques_and_tactics_by_state(house, tmp_path):
    house.run("rules", "stage", ALPHA, "--owner", "a", "--reason", "b")
    layer = tmp_path / "layer.json"
    rows = house.rows("rules", "coverage", "--layer", layer)
    assert of(rows, "technique")["T1051"]["staged"] == 1
    assert of(rows, "technique")["T1052"]["active"] == 1
    assert of(rows, "technique")["T1052"]["tactics"] == ["execution"]
    assert (of(rows, "tactic")["execution"]["active"], of(rows, "tactic")["execution"]["staged"]) == (1, 1)
    written = json.loads(layer.read_text())
    assert (written["versions"]["layer"], written["domain"]) == ("4.5", "enterprise-attack")
    scores = {one["techniqueID"]: one["score"] for one in written["techniques"]}
    assert scores == {"T1051": 0, "T1052": 1}
    assert all(set(one) >= {"techniqueID", "score", "enabled", "comment"} for one in written["techniques"])


def test_sources_that_no_rule_reads(house, said):
    house.ingest(said(0, "alpha"), {**said(1, "x"), "event.module": "other", "event.dataset": "other.thing"})
    house.rule(
        "dns",
        title="A name",
        id="20000000-0000-4000-8000-000000000001",
        logsource={"category": "dns"},
        detection={"s": {"query": "x"}, "condition": "s"},
    )
    rows = house.rows("rules", "coverage", "--since", "7d")
    sources = {row["module"]: row for row in rows if row["kind"] == "source"}
    assert (sources["ndjson"]["events"], sources["ndjson"]["rules"]) == (1, 2)
    assert (sources["other"]["events"], sources["other"]["rules"]) == (1, 0)
    assert of(rows, "logsource")["-/dns/-"]["titles"] == ["A name"]
    (row,) = house.rows("rules", "coverage", "--since", "7d", "--only", "source", "--unread")
    assert row["module"] == "other"


def test_tables(house, said):
    house.ingest(said(0, "alpha"))
    result = house.run("rules", "coverage", "--since", "7d", "-f", "table")
    assert "T1051" in result.stdout
    assert "Events in the store" in result.stdout


def test_titles_are_those_of_the_language(house, tmp_path):
    house.rule(
        "dns",
        title="A name",
        id="20000000-0000-4000-8000-000000000001",
        tags=["attack.t1071"],
        logsource={"category": "dns"},
        detection={"s": {"query": "x"}, "condition": "s"},
        citysoc={"title_vi": "Một tên miền"},
    )
    for language, title in (("vi", "Một tên miền"), ("en", "A name")):
        layer = tmp_path / f"{language}.json"
        house.run("--lang", language, "rules", "coverage", "--layer", layer)
        (one,) = [one for one in json.loads(layer.read_text())["techniques"] if one["techniqueID"] == "T1071"]
        assert one["comment"] == title
        assert title in house.run("--lang", language, "rules", "test", "-f", "table", code=1).stdout
