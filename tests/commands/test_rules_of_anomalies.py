"""Rules over anomalies by the commands: without a model, with one; explained, backtested, shown."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from citysoc.cli import root
from citysoc.detectors.anomaly import event, journal
from citysoc.detectors.anomaly.anomalies import Anomaly, Reason
from citysoc.detectors.anomaly.days import hour_of
from citysoc.errors import UsageError
from citysoc.state import State, handed
from citysoc.stores.local import LocalStore

if TYPE_CHECKING:
    from pathlib import Path

AT = dt.datetime(2026, 10, 7, 18, tzinfo=dt.UTC)
RULE = """
title: Data and Protection
id: 5a0c8b2e-6d6d-4d39-9a53-2e2c2a0f6f10
name: data_and_protection
correlation:
  type: temporal
  rules: [anomaly_bytes, guard_off]
  group-by: [host.name]
  timespan: 1d
level: high
citysoc: {entity: host.name}
---
title: Guard Off
id: 5a0c8b2e-6d6d-4d39-9a53-2e2c2a0f6f11
name: guard_off
logsource: {product: windows, service: windefend}
detection: {s: {EventID: 5001}, condition: s}
level: informational
"""
ANOMALY = Anomaly(
    *("3f2a000000000001", "host", "so-y-te", "pc-7", hour_of(AT), 7.5, "bytes"),
    (Reason("bytes_out", 2.5e9, 4000.0, 90_000.0, 11.2),),
)


class House:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "citysoc.yaml").write_text("rules: {shipped: false}\n", "utf-8")
        (folder / "agencies.yaml").write_text(
            "agencies: [{id: so-y-te, name: Sở Y tế, level: department, networks: [10.1.0.0/24]}]\n", "utf-8"
        )
        (folder / "sources").mkdir()
        (folder / "rules").mkdir()
        (folder / "rules" / "data.yml").write_text(RULE, "utf-8")

    def run(self, *arguments: str, code: int = 0) -> Any:
        done = CliRunner().invoke(
            root, ["--config", str(self.folder / "citysoc.yaml"), "--lang", "en", *arguments]
        )
        assert done.exit_code == code, done.output
        return done

    def rows(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        return [
            json.loads(line) for line in self.run(*arguments, "-f", "ndjson", code=code).stdout.splitlines()
        ]

    def ingest(self) -> None:
        record = {
            "@timestamp": (AT + dt.timedelta(minutes=20)).isoformat(),
            "event": {"code": "5001", "module": "windows"},
            "winlog": {"channel": "Microsoft-Windows-Windows Defender/Operational"},
            "host": {"name": "PC-7.hue.example"},
        }
        (self.folder / "a.ndjson").write_text(json.dumps(record) + "\n", "utf-8")
        self.run("ingest", str(self.folder / "a.ndjson"), "--agency", "so-y-te", "--as", "ndjson")

    def tell(self, *, handed_in: bool = False) -> None:
        """Write the anomaly down as the scoring does."""
        state = State(self.folder / "data" / "citysoc.db")
        with state.transaction() as db:
            journal.write(db, [ANOMALY], model="m", now=AT)
            if handed_in:
                handed.hand_in(db, event.events(LocalStore(self.folder / "data" / "events"), [ANOMALY]))
        state.close()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return House(tmp_path)


def verdicts(house: House) -> dict[str, tuple[str, bool, str]]:
    return {
        row["rule"][-2:]: (row["status"], row["in_use"], row["reason"])
        for row in house.rows("rules", "check")
    }


def test_without_a_model_a_correlation_is_kept_and_said_to_lack_its_source(house: House) -> None:
    status, in_use, reason = verdicts(house)["10"]
    assert (status, in_use) == ("degraded", True)
    assert "no model yet" in reason
    assert verdicts(house)["11"] == ("ok", True, "")
    (house.folder / "data" / "anomaly").mkdir(parents=True)
    (house.folder / "data" / "anomaly" / "model.json").write_text("{}")
    assert verdicts(house)["10"] == ("ok", True, "")


def test_files_alone_have_no_anomalies(house: House) -> None:
    (house.folder / "e.ndjson").write_text('{"event": {"code": "1", "module": "windows"}}\n')
    said = house.run("detect", str(house.folder / "e.ndjson"), "--rules", str(house.folder / "rules")).stderr
    assert "1 correlation is degraded: it asks for anomalies" in said
    assert "(Data and Protection)" in said


def test_a_stored_event_and_a_told_anomaly_explain_each_other(house: House) -> None:
    house.ingest()
    (stored,) = house.rows("events", "search", "", "--limit", "1")
    (alone,) = house.rows("rules", "explain", "data_and_protection", stored["event.id"])
    assert not alone["found"]
    assert "anomaly_bytes" in alone["missing"]
    house.tell()
    for named in (stored["event.id"], "anomaly:3f2a"):
        (one,) = house.rows("rules", "explain", "data_and_protection", named)
        assert one["found"]
        assert [(part["rule"], part["count"]) for part in one["parts"]] == [
            ("anomaly_bytes", 1),
            ("guard_off", 1),
        ]
        assert one["parts"][0]["events"] == ["anomaly:3f2a000000000001"]
    unknown = house.run("rules", "explain", "data_and_protection", "anomaly:9999", code=1)
    assert isinstance(unknown.exception, UsageError)


def test_a_backtest_sees_what_was_told(house: House) -> None:
    house.ingest()
    span = ("--since", "2026-10-07", "--until", "2026-10-09")
    assert house.rows("rules", "backtest", *span) == []
    house.tell()
    (row,) = [one for one in house.rows("rules", "backtest", *span) if one["new"]]
    assert (row["title"], row["new"], row["hits_after"]) == ("Data and Protection", 1, 1)
    assert house.rows("rules", "backtest", *span, "--agency", "so-y-te")[0]["new"] == 1
    assert house.rows("rules", "backtest", "--since", "2026-10-08T09:00", "--until", "2026-10-09") == []


def test_the_next_line_takes_in_what_was_told_and_the_alert_names_its_parts(house: House) -> None:
    house.ingest()
    house.tell(handed_in=True)
    (house.folder / "b.ndjson").write_text(
        json.dumps({"@timestamp": AT.isoformat(), "message": "x"}) + "\n", "utf-8"
    )
    house.run("ingest", str(house.folder / "b.ndjson"), "--agency", "so-y-te", "--as", "ndjson")
    (alert,) = house.rows("alerts", "list")
    (whole,) = house.rows("alerts", "show", alert["id"])
    assert [(part["rule"], part["title"]) for part in whole["parts"]] == [
        ("anomaly_bytes", "Unusual Amount of Data Sent"),
        ("guard_off", "Guard Off"),
    ]
    assert "2.5 GB" in whole["parts"][0]["detail"]
    table = house.run("alerts", "show", alert["id"], "-f", "table").stdout
    assert "Guard Off" in table
    assert "citysoc.parts" not in table
    assert house.rows("anomaly", "explain", "anomaly:3f2a")[0]["entity"] == "pc-7"
    # The rule and the anomaly may be gone by then: the alert is shown all the same.
    (house.folder / "rules" / "data.yml").unlink()
    state = State(house.folder / "data" / "citysoc.db")
    with state.transaction() as db:
        journal.prune(db, AT + dt.timedelta(days=1))
    state.close()
    (whole,) = house.rows("alerts", "show", alert["id"])
    assert [(part["rule"], part["title"]) for part in whole["parts"]] == [
        ("anomaly_bytes", ""),
        ("guard_off", "guard_off"),
    ]


@pytest.mark.parametrize(
    "hostile", ["", "a b", "a b c", "a b c d", "x anomaly:\x1b[31m 2026-10-07T18:00:00Z", "\x00"]
)
def test_parts_that_are_none_break_nothing(house: House, hostile: str) -> None:
    """A field of an event may be called like ours."""
    from citysoc.commands.alert_parts import parts_of
    from citysoc.commands.context import App

    house.ingest()
    app = App(config_path=house.folder / "citysoc.yaml")
    state = app.state()
    found = parts_of(
        app, state, [{"matched": {"citysoc.parts": [hostile]}}, {"matched": {"citysoc.parts": hostile}}]
    )
    state.close()
    assert len(found) <= 1
