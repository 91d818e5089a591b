"""``citysoc anomaly`` as its user meets it: nothing trained yet, feedback given, shown and taken back."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from citysoc import clock
from citysoc.alerts import lives
from citysoc.alerts.intake import take
from citysoc.config.models import Alerts
from citysoc.detectors.anomaly import anomalies, explain, journal
from citysoc.detectors.anomaly.anomalies import Anomaly, Reason
from citysoc.flow import CITY_AGENCY
from citysoc.state import State
from citysoc.stores.query_parse import parse

if TYPE_CHECKING:
    from pathlib import Path

NOW = dt.datetime(2026, 10, 20, 3, tzinfo=dt.UTC)


def anomaly(entity: str = "10.1.0.5", family: str = "bytes", hour: int = 497_000) -> Anomaly:
    reasons = (Reason("bytes_out", 2.5e9, 4000.0, 90_000.0, 11.2), Reason("closed_people", 9, 0.1, 1, 5.0))
    return Anomaly(f"id{hour}{entity}", "host", "so-a", entity, hour, 7.5, family, reasons)


@pytest.fixture
def state(tmp_path: Path):
    opened = State(tmp_path / "citysoc.db")
    yield opened
    opened.close()


def written(state: State, *found: Anomaly) -> list[Anomaly]:
    with state.transaction() as db:
        return journal.write(db, found, model="sha256:x", now=NOW)


def test_an_anomaly_is_told_once(state) -> None:
    one = anomaly()
    assert written(state, one) == [one]
    assert written(state, one, anomaly(hour=497_001)) == [anomaly(hour=497_001)]


def test_feedback_lowers_a_pattern_visibly_and_can_be_taken_back(state) -> None:
    written(state, anomaly())
    row = journal.row_of(state, "id497000")
    with state.transaction() as db:
        number = journal.lower(db, row, who="truc", reason="Sao lưu", now=NOW)
    assert journal.lowered(state) == {("so-a", "10.1.0.5", "bytes"): journal.FALSE_POSITIVE_NATS}
    with state.transaction() as db:
        assert journal.undo(db, number, who="truc", now=NOW)
        assert not journal.undo(db, number, who="truc", now=NOW)
    assert journal.lowered(state) == {}


def test_feedback_has_a_bound(state) -> None:
    written(state, anomaly())
    with state.transaction() as db:
        for _ in range(9):
            journal.lower(db, journal_row(), who="a", reason="", now=NOW)
    assert set(journal.lowered(state).values()) == {journal.MOST_NATS}


def journal_row() -> dict[str, str]:
    return {"id": "x", "kind": "host", "agency": "so-a", "entity": "10.1.0.5", "family": "bytes"}


def test_an_alert_closed_as_false_positive_counts_until_its_verdict_changes(state) -> None:
    told = anomalies.finding(anomaly(), threshold=1.0)
    with state.transaction() as db:
        take(db, [told], policy=Alerts(), webhooks=(), now=NOW)
        (id_,) = [row["id"] for row in db.execute("SELECT id FROM alerts")]
        lives.move_alerts(db, [id_], lives.Change("closed", "truc", NOW, "false_positive", "Sao lưu"))
    assert journal.lowered(state) == {("so-a", "10.1.0.5", "bytes"): journal.FALSE_POSITIVE_NATS}
    with state.transaction() as db:
        lives.move_alerts(db, [id_], lives.Change("closed", "truc", NOW, "true_positive", "Không phải"))
    assert journal.lowered(state) == {}


def test_the_verdict_of_an_alert_is_about_all_anomalies_in_it(state) -> None:
    found = [anomaly(), anomaly("10.1.0.6", hour=497_001), anomaly("10.1.0.7", family="volume")]
    written(state, *found)
    with state.transaction() as db:
        take(
            db,
            [anomalies.finding(one, threshold=1.0) for one in found],
            policy=Alerts(),
            webhooks=(),
            now=NOW,
        )
        (id_,) = [row["id"] for row in db.execute("SELECT id FROM alerts WHERE rule LIKE '%bytes'")]
        lives.move_alerts(db, [id_], lives.Change("closed", "truc", NOW, "false_positive", "Sao lưu"))
    assert set(journal.lowered(state)) == {("so-a", "10.1.0.5", "bytes"), ("so-a", "10.1.0.6", "bytes")}
    assert {row["alert"] for row in journal.verdicts(state)} == {id_}


def test_feedback_on_an_address_outside_holds_whichever_agency_it_meets(state) -> None:
    one = replace(anomaly("203.0.113.9"), kind="outside", meets=("so-a", "so-b"))
    other = replace(one, agency="so-b", meets=("so-b",))
    assert one.pattern == other.pattern
    written(state, one)
    with state.transaction() as db:
        journal.lower(db, journal.row_of(state, one.id), who="truc", reason="", now=NOW)
    assert set(journal.lowered(state)) == {other.pattern}


def test_an_address_that_several_agencies_met_is_the_citys_and_each_of_them_has_the_alert(state) -> None:
    mostly = replace(anomaly("203.0.113.9"), kind="outside", meets=("so-a", "so-b"))
    assert anomalies.finding(mostly, threshold=1.0).agencies == ()
    several = replace(mostly, agency=CITY_AGENCY)
    with state.transaction() as db:
        take(db, [anomalies.finding(several, threshold=1.0)], policy=Alerts(), webhooks=(), now=NOW)
        (row,) = db.execute("SELECT agency, agencies FROM alerts")
    assert row["agency"] == CITY_AGENCY
    assert orjson.loads(row["agencies"]) == ["so-a", "so-b"]


def test_an_anomaly_says_how_rare_it_is() -> None:
    assert explain.rarity(-1.0) == "9 hours"
    assert explain.rarity(3.0) == "20 days"
    assert explain.rarity(90.0) == "more than 100 years"


def test_anomalies_of_one_agency_family_and_day_are_one_alert(state) -> None:
    found = [anomaly(), anomaly("10.1.0.6"), anomaly(hour=497_001)]
    findings = [anomalies.finding(one, threshold=1.0) for one in found]
    with state.transaction() as db:
        taken = take(db, findings, policy=Alerts(), webhooks=(), now=NOW)
    assert taken.created == 1
    assert len(anomalies.folded(found)) == 1


@pytest.mark.parametrize(
    ("kind", "entity", "text"),
    [
        (
            "host",
            "10.1.0.5",
            '(source.ip:"10.1.0.5" OR destination.ip:"10.1.0.5" OR host.name:"10.1.0.5") AND agency.id:"so-a"',
        ),
        ("host", "sa-pc001", '(host.name:"sa-pc001" OR host.name:sa-pc001.*) AND agency.id:"so-a"'),
        ("account", "hoa01", '(user.name:"hoa01" OR user.name:*\\\\hoa01) AND agency.id:"so-a"'),
        ("outside", "203.0.113.9", '(source.ip:"203.0.113.9" OR destination.ip:"203.0.113.9")'),
        ("agency", "so-a", 'agency.id:"so-a"'),
    ],
)
def test_the_question_finds_the_entity(kind: Any, entity: str, text: str) -> None:
    asked = anomalies.query(replace(anomaly(entity), kind=kind))
    assert asked == text
    parse(asked, timezone=clock.HUE)


@pytest.mark.parametrize("entity", ['a" OR *', "a\\", "máy (1)", "*", "a:b/c"])
def test_a_hostile_name_stays_a_name_in_the_question(entity: str) -> None:
    parse(anomalies.query(anomaly(entity)), timezone=clock.HUE)


def test_features_are_explained_in_both_languages() -> None:
    assert explain.words("bytes_out", "en") == "bytes sent to the outside"
    assert explain.words("bytes_out", "vi") == "số byte gửi ra ngoài"
    assert explain.amount("bytes_out", 2.5e9) == "2.5 GB"
    assert explain.sparkline([0, 0, 8]) == "▁▁█"
    assert explain.sparkline([]) == ""


def test_reasons_are_kept_whole(state) -> None:
    written(state, anomaly())
    row = journal.row_of(state, "id497000")
    assert row["reasons"][0] == {
        "feature": "bytes_out",
        "value": 2.5e9,
        "expected": 4000.0,
        "limit": 90_000.0,
        "nats": 11.2,
    }
    assert orjson.dumps(row["reasons"])
