"""A rule's Vietnamese title goes with its alert, its incident, what is told of them, and their lists."""

from __future__ import annotations

import datetime as dt
import json

import orjson
import pytest
from click.testing import CliRunner

from citysoc import clock
from citysoc.alerts import incidents
from citysoc.alerts.intake import take
from citysoc.alerts.records import title_in, titles
from citysoc.cli import root
from citysoc.config.load import load
from citysoc.config.models import Alerts, Webhook
from citysoc.detectors.sigma.detector import SigmaDetector
from citysoc.detectors.sigma.plan import compile_document
from citysoc.flow import Finding
from citysoc.state import State, database, progress

T0 = dt.datetime(2026, 10, 5, 1, 0, tzinfo=dt.UTC)
HOOK = Webhook(id="desk", url="https://receiver.example/hook", secret="env:DESK", min_level="low")
POLICY = Alerts(window_seconds=60, incident_window_seconds=600)


def finding(event, rule="brute", level="high", title="Passwords Guessed", title_vi="Dò mật khẩu", **changes):
    values = {
        "rule": rule,
        "title": title,
        "title_vi": title_vi,
        "level": level,
        "agency": "so-y-te",
        "event_id": event,
        "timestamp": T0,
        "matched": {},
        "entity": "host:pc-1",
    }
    return Finding(**(values | changes))


@pytest.fixture
def state(tmp_path):
    opened = State(tmp_path / "citysoc.db")
    yield opened
    opened.close()


def taken(state, *findings):
    with state.transaction() as db:
        return take(db, findings, policy=POLICY, webhooks=(HOOK,), now=T0)


def stored(state, table):
    return [tuple(row) for row in state.rows(f"SELECT title, title_vi FROM {table}")]


def told(state):
    return {
        row["event"]: json.loads(row["body"])["data"]["title"]
        for row in state.rows("SELECT event, body FROM outbox ORDER BY created_at")
    }


def test_both_titles_are_kept_and_told(state):
    taken(state, finding("a"))
    both = {"en": "Passwords Guessed", "vi": "Dò mật khẩu"}
    assert stored(state, "alerts") == stored(state, "incidents") == [tuple(both.values())]
    assert told(state) == {"alert.created": both, "incident.created": both}


def test_a_rule_without_one_says_its_only_title(state):
    taken(state, finding("a", title_vi=""))
    assert told(state)["alert.created"] == {"en": "Passwords Guessed"}
    assert title_in("vi", "Passwords Guessed") == "Passwords Guessed"


def test_an_incident_that_rises_takes_both_titles_of_the_worse_alert(state):
    taken(state, finding("a"))
    taken(state, finding("b", rule="ransom", level="critical", title="Files Locked", title_vi="Mã hóa tệp"))
    assert stored(state, "incidents") == [("Files Locked", "Mã hóa tệp")]


def test_a_merged_incident_takes_both_titles_of_the_worse_one(state):
    taken(state, finding("a"))
    worse = finding("b", rule="ransom", level="critical", title="Files Locked", title_vi="Mã hóa tệp")
    far = dt.timedelta(days=1)
    taken(
        state, Finding(**{name: getattr(worse, name) for name in Finding.__slots__} | {"timestamp": T0 + far})
    )
    first, second = (row["id"] for row in state.rows("SELECT id FROM incidents ORDER BY id"))
    with state.transaction() as db:
        incidents.merge(db, first, [second], who="an", now=T0)
    assert stored(state, "incidents")[0] == ("Files Locked", "Mã hóa tệp")


def test_our_own_alerts_are_translated_by_the_catalogue():
    assert titles("Source fell silent") == {"en": "Source fell silent", "vi": "Nguồn nhật ký mất kết nối"}


def test_hostile_titles_are_bounded_and_clean(state):
    taken(state, finding("a", title_vi="\ud800" + "đ" * 10_000))
    ((_, title_vi),) = stored(state, "alerts")
    assert len(title_vi) <= 512
    title_vi.encode()


def test_a_prepared_commit_keeps_the_title_and_old_ones_without_it_are_read(state):
    changes = progress.Changes(findings=[finding("a")])
    with state.transaction() as db:
        progress.prepare(db, changes)
    ((_number, kept),) = progress.pending(state)
    assert kept.findings == [finding("a")]
    with state.transaction() as db:
        payload = orjson.loads(db.execute("SELECT payload FROM commits").fetchone()[0])
        del payload["findings"][0]["title_vi"]
        db.execute("UPDATE commits SET payload = ?", (orjson.dumps(payload),))
    ((_number, kept),) = progress.pending(state)
    assert kept.findings == [finding("a", title_vi="")]


def test_a_database_of_before_gets_the_column(tmp_path, monkeypatch):
    scripts = database._scripts()
    with monkeypatch.context() as patch:
        patch.setattr(database, "_scripts", lambda: scripts[:2])
        old = State(tmp_path / "citysoc.db")
        with old.transaction() as db:
            db.execute(
                "INSERT INTO alerts (id, key, rule, title, level, agency, first_seen, last_seen, window_seconds,"
                " created_at, updated_at) VALUES ('a', x'00', 'r', 'Title', 'low', 'x', '', '', 1, '', '')"
            )
        old.close()
    new = State(tmp_path / "citysoc.db")
    assert stored(new, "alerts") == [("Title", "")]
    new.close()


def test_findings_of_a_rule_carry_its_vietnamese_title():
    document = {
        "title": "Passwords Guessed",
        "id": "9d6a7d24-6c25-4a29-9d2b-0c4a2f1f3d7a",
        "logsource": {"product": "windows", "service": "security"},
        "detection": {"sel": {"EventID": 4625}, "condition": "sel"},
        "citysoc": {"title_vi": "Do\u0300 mật khẩu"},
    }
    plan = compile_document(document, "r")
    event = {"event.module": "windows", "event.dataset": "windows.security", "event.code": "4625"}
    event |= {"winlog.channel": "Security", "@timestamp": T0}
    (found,) = SigmaDetector([plan]).detect([event])
    assert found.title_vi == "Dò mật khẩu"  # composed


@pytest.fixture
def city(tmp_path, monkeypatch):
    (tmp_path / "sources").mkdir()
    (tmp_path / "agencies.yaml").write_text("agencies:\n  - {id: so-y-te, name: Sở Y tế}\n", encoding="utf-8")
    (tmp_path / "citysoc.yaml").write_text("{}")
    monkeypatch.setenv("CITYSOC_CONFIG", str(tmp_path / "citysoc.yaml"))
    config = load(tmp_path)
    state = State(config.state_path)
    with state.transaction() as db:
        take(db, [finding("a", timestamp=clock.now())], policy=POLICY, webhooks=(), now=clock.now())
    state.close()
    return config


def said(*args):
    result = CliRunner().invoke(root, args, standalone_mode=False)
    assert result.exception is None, result.exception
    return result.stdout


@pytest.mark.parametrize("noun", ["alerts", "incidents"])
def test_tables_show_the_title_of_the_readers_language(city, noun):
    vi, en = (said("--lang", lang, noun, "list", "-f", "table") for lang in ("vi", "en"))
    assert "Dò mật khẩu" in vi
    assert "Cao" in vi
    assert "mới" in vi
    assert "Passwords Guessed" in en
    assert "high" in en
    assert "Dò mật khẩu" not in en
    (row,) = json.loads(said("--lang", "vi", noun, "list", "-f", "json"))
    assert (row["title"], row["title_vi"], row["state"]) == ("Passwords Guessed", "Dò mật khẩu", "new")
    assert "Dò mật khẩu" in said("--lang", "vi", noun, "list", "-f", "csv")


@pytest.mark.parametrize("noun", ["alerts", "incidents"])
def test_one_thing_shown_whole_speaks_the_readers_language(city, noun):
    (row,) = json.loads(said(noun, "list", "-f", "json"))
    shown = said("--lang", "vi", noun, "show", row["id"], "-f", "table")
    assert "Dò mật khẩu" in shown
    assert "trạng thái" in shown
    assert "Passwords" not in shown
    assert "title_vi" not in said("--lang", "en", noun, "show", row["id"], "-f", "table")
