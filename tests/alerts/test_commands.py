"""The commands of alerts, incidents and webhooks, as an analyst types them."""

from __future__ import annotations

import base64
import datetime as dt
import json

import pytest
from click.testing import CliRunner
from standardwebhooks import Webhook as Verifier

from citysoc import clock
from citysoc.alerts.intake import take
from citysoc.cli import root
from citysoc.config.load import load
from citysoc.errors import CitysocError
from citysoc.flow import Finding
from citysoc.notify import claims
from citysoc.state import State

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


@pytest.fixture
def city(tmp_path, monkeypatch, httpserver):
    """A configuration with one webhook and three alerts: critical, high, medium."""
    (tmp_path / "sources").mkdir()
    (tmp_path / "agencies.yaml").write_text(
        "agencies:\n  - {id: so-y-te, name: Sở Y tế}\n  - {id: so-gd, name: Sở Giáo dục}\n"
    )
    (tmp_path / "citysoc.yaml").write_text(
        "webhooks:\n"
        f"  - {{id: desk, url: '{httpserver.url_for('/hook/token')}', secret: 'env:DESK', min_level: medium,\n"
        "     allow_private_network: true, max_attempts: 3}\n"
    )
    monkeypatch.setenv("CITYSOC_CONFIG", str(tmp_path / "citysoc.yaml"))
    monkeypatch.setenv("DESK", SECRET)
    monkeypatch.setenv("CITYSOC_USER", "truc-ca")
    config = load(tmp_path)
    now = clock.now()
    findings = [
        Finding(
            rule=f"rule-{i}",
            title=f"Title {i}",
            level=level,
            agency="so-gd" if i == 2 else "so-y-te",
            event_id=f"event-{i}",
            timestamp=now,
            matched={"process.command_line": "evil\x1b[31m"},
            entity=f"host:pc-{i}",
        )
        for i, level in enumerate(("critical", "high", "medium"))
    ]
    state = State(config.state_path)
    with state.transaction() as db:
        take(db, findings, policy=config.settings.alerts, webhooks=config.settings.webhooks, now=now)
    state.close()
    return config


def call(*args, code=0):
    result = CliRunner().invoke(root, args, standalone_mode=False)
    if result.exception is not None:
        assert isinstance(result.exception, CitysocError), result.exception
        assert result.exception.exit_code == code, result.exception
        return str(result.exception)
    assert (result.return_value or 0) == code, result.output
    return result.stdout


def objects(*args):
    return [json.loads(line) for line in call(*args, "-f", "ndjson").splitlines()]


def test_list_narrows(city):
    assert len(objects("alerts", "list")) == 3
    assert {row["level"] for row in objects("alerts", "list", "-m", "high")} == {"critical", "high"}
    assert [row["rule"] for row in objects("alerts", "list", "--agency", "so-gd")] == ["rule-2"]
    assert [row["rule"] for row in objects("alerts", "list", "--rule", "rule-1")] == ["rule-1"]
    assert objects("alerts", "list", "--until", "1h") == []
    assert len(objects("alerts", "list", "--since", "1h", "--limit", "2")) == 2
    assert [row["rules"] for row in objects("incidents", "list", "--rule", "rule-1")] == [["rule-1"]]


def test_ack_and_close_by_short_ids_are_in_the_audit_trail(city):
    (alert,) = objects("alerts", "list", "--rule", "rule-0")
    call("alerts", "ack", alert["id"][:6], "--reason", "looking")
    call("alerts", "close", alert["id"][:6], "--verdict", "true_positive", "--reason", "USB", "--by", "ca-2")
    (shown,) = json.loads(call("alerts", "show", alert["id"], "-f", "json"))
    assert (shown["state"], shown["verdict"]) == ("closed", "true_positive")
    assert [(step["who"], step["before"], step["after"], step["detail"]) for step in shown["audit"]] == [
        ("truc-ca", "new", "acknowledged", "looking"),
        ("ca-2", "acknowledged", "closed/true_positive", "USB"),
    ]
    assert call("alerts", "ack", alert["id"], code=1) == ""


def test_many_are_closed_at_once_after_a_dry_run(city):
    close = ("alerts", "close", "--agency", "so-y-te", "--verdict", "false_positive", "--reason", "test")
    call(*close, "--dry-run")
    assert len(objects("alerts", "list", "--open")) == 3
    call(*close, "--max-level", "high")
    assert {row["rule"] for row in objects("alerts", "list", "--open")} == {"rule-0", "rule-2"}
    assert len(objects("alerts", "list", "--state", "closed")) == 1


@pytest.mark.parametrize(
    "args",
    [
        ("alerts", "show", "zzzz"),
        ("alerts", "close", "--verdict", "benign", "--reason", "x"),
        ("alerts", "close", "abc", "--agency", "so-gd", "--verdict", "benign", "--reason", "x"),
        ("incidents", "show", "SC-2026-99999"),
        ("incidents", "show", "%"),
        ("webhooks", "test", "nobody"),
        ("webhooks", "replay"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(city, args):
    assert call(*args, code=2)


def test_terminals_are_not_driven_by_what_an_attacker_wrote(city):
    (alert,) = objects("alerts", "list", "--rule", "rule-0")
    shown = call("alerts", "show", alert["id"], "-f", "table")
    assert "\x1b" not in shown
    assert "evil\\x1b[31m" in shown


def test_an_incident_from_first_look_to_close(city):
    first, second = [row["id"] for row in objects("incidents", "list", "--agency", "so-y-te")]
    number = first.rpartition("-")[2].lstrip("0")
    call("incidents", "assign", number, "nhom-1")
    call("incidents", "work", number)
    call("incidents", "note", number, "Máy nhiễm mã độc từ USB", "--kind", "cause")
    call("incidents", "sent", number, "notice")
    call("incidents", "merge", first, second)
    (shown,) = json.loads(call("incidents", "show", number, "-f", "json"))
    assert (shown["state"], shown["owner"], shown["alerts"]) == ("in_progress", "nhom-1", 2)
    assert shown["notes"][0]["text"] == "Máy nhiễm mã độc từ USB"
    assert shown["clock"].startswith("report in")
    assert len(shown["entities"]) == 2
    call("incidents", "close", number, "--verdict", "benign", "--reason", "a drill")
    assert {row["verdict"] for row in objects("alerts", "list", "--agency", "so-y-te")} == {"benign"}
    assert call("incidents", "assign", second, "nhom-2", code=2)
    assert second in call("incidents", "list", "-f", "table")


def test_deliveries_die_and_are_replayed_with_their_ids(city, httpserver):
    httpserver.expect_request("/hook/token").respond_with_data("gone", status=410)
    call("webhooks", "replay", "--dead")
    call("webhooks", "replay", "msg_", code=1)
    before = {row["message"] for row in objects("webhooks", "deliveries")}
    state = State(city.state_path)
    claims.give_up(state, "desk", now=clock.now(), reason="a test")
    state.close()
    assert {row["state"] for row in objects("webhooks", "deliveries")} == {"dead"}
    call("webhooks", "replay", "--dead", "--now", code=1)
    httpserver.clear()
    httpserver.expect_request("/hook/token").respond_with_data("")
    call("webhooks", "replay", "--dead", "--now")
    assert {request.headers["webhook-id"] for request, _ in httpserver.log} == before
    (listed,) = objects("webhooks", "list")
    assert (listed["delivered"], listed["dead"]) == (len(before), 0)
    assert "token" not in listed["receiver"]
    state = State(city.state_path)
    assert {row["who"] for row in state.rows("SELECT who FROM audit WHERE kind = 'webhook'")} == {"truc-ca"}
    state.close()


def test_a_test_message_is_signed_and_says_what_came_back(city, httpserver):
    httpserver.expect_ordered_request("/hook/token").respond_with_data("")
    httpserver.expect_ordered_request("/hook/token").respond_with_data("no", status=403)
    call("webhooks", "test", "desk")
    request, _ = httpserver.log[0]
    assert Verifier(SECRET).verify(request.data, dict(request.headers))["type"] == "webhook.test"
    call("webhooks", "test", "desk", code=1)


def test_clocks_say_what_is_due_next(city):
    state = State(city.state_path)
    with state.transaction() as db:
        late = (clock.now() - dt.timedelta(hours=5)).isoformat()
        db.execute("UPDATE incidents SET notice_due_at = ?", (late,))
    state.close()
    assert {row["clock"] for row in objects("incidents", "list")} == {"notice overdue 5 h"}
