"""Nothing is counted twice: a detection, its alert and its incident are three figures of a month, never one sum."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

from citysoc.cli import root
from citysoc.config.load import load
from tests.intake import intake
from tests.reports.made import SOURCES, figures_of

AGENCIES = "agencies:\n  - {id: phuong-vy-da, name: Phường Vỹ Dạ, level: ward}\n"
HEAD = "Tên máy,Địa chỉ IP,Tên virus,Loại,Đường dẫn,Hành động,Thời gian\n"
RULE = """\
title: A File Infector Found
id: 6f3c1d9e-41b7-4c0a-9a55-0d2f8c1e7b31
status: test
level: high
logsource: {category: antivirus}
detection:
  selection: {citysoc.class: VIRUS}
  condition: selection
"""


@pytest.fixture
def month(tmp_path):
    (tmp_path / "agencies.yaml").write_text(AGENCIES, "utf-8")
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "a.yaml").write_text(SOURCES, "utf-8")
    (tmp_path / "citysoc.yaml").write_text("{}", "utf-8")
    (tmp_path / "rule.yml").write_text(RULE, "utf-8")
    rows = [
        f"PC-1,10.1.1.1,W32.Sality.PE,Virus,D:\\a{n}.exe,Chưa xử lý,0{n % 3 + 7}:{n:02}:00 05/10/2026"
        for n in range(9)
    ]
    rows += [
        f"PC-2,10.1.1.2,W32.AIDetectMalware,Nghi ngờ,D:\\b{n}.exe,Đã diệt,08:{n:02}:00 06/10/2026"
        for n in range(4)
    ]
    rows += ["PC-3,10.1.1.3,Trojan-Spy.Win32.Noon.gen,Trojan,D:\\c.exe,Đã cách ly,08:00:00 07/10/2026"]
    rows += ["PC-3,10.1.1.3,Eicar-Test-Signature,Thử,D:\\d.exe,Đã diệt,08:00:00 07/10/2026"]
    (tmp_path / "xuat.csv").write_text(HEAD + "\n".join(rows) + "\n", "utf-8")
    config = load(tmp_path / "citysoc.yaml")
    config.data_dir.mkdir(exist_ok=True)
    with intake(config.data_dir, rules=(tmp_path / "rule.yml",)) as taken:
        taken.take(tmp_path / "xuat.csv", parser="antivirus")
        alerts = [dict(row) for row in taken.state.rows("SELECT * FROM alerts")]
        incidents = [dict(row) for row in taken.state.rows("SELECT * FROM incidents")]
        events = taken.rows()
    return config, events, alerts, incidents


def test_a_detection_its_alert_and_its_incident_are_three_figures(month):
    config, events, alerts, incidents = month
    assert len(events) == 15
    found = figures_of(config)
    assert found.records.value == 15
    assert found.cases.value == 14  # all but the test file
    assert (found.attack.value, found.spyware.value, found.virus.value) == (0, 1, 13)
    assert {row.code: row.events.value for row in found.classes} == {"VIRUS": 9, "": 4, "SPY": 1}
    assert sum(row.events.value for row in found.classes) == found.cases.value
    assert found.unnamed == 4
    # Nine findings are fewer alerts, each counts its findings; one host is one incident.
    assert 1 <= len(alerts) < 9
    assert sum(row["count"] for row in alerts) == 9
    assert {row["class"] for row in alerts} == {"VIRUS"}
    assert found.alerts.value == len(alerts)
    assert len(incidents) == found.incidents.value == 1


def test_the_same_export_again_changes_no_figure(month, tmp_path):
    config, _events, alerts, incidents = month
    before = figures_of(config)
    with intake(config.data_dir, rules=(tmp_path / "rule.yml",)) as taken:
        copy = tmp_path / "again.csv"
        copy.write_bytes((tmp_path / "xuat.csv").read_bytes())
        taken.take(copy, parser="antivirus")
        assert len(taken.state.rows("SELECT id FROM alerts")) == len(alerts)
        assert len(taken.state.rows("SELECT id FROM incidents")) == len(incidents)
    after = figures_of(config)
    assert (after.cases, after.alerts, after.incidents) == (before.cases, before.alerts, before.incidents)


def test_events_show_says_how_sure_and_why(month):
    config, events, _alerts, _incidents = month
    one = next(event for event in events if event.get("citysoc.class") == "SPY")
    done = CliRunner().invoke(
        root, ["--config", str(config.path), "events", "show", one["event.id"], "-f", "table"]
    )
    assert done.exit_code == 0, done.output
    assert "citysoc.reason" in done.stdout
    assert "family:noon" in done.stdout
    assert "citysoc.confidence" in done.stdout


def test_the_commands_and_the_report_say_the_same_and_unknown_is_a_row_of_its_own(month):
    config, _events, alerts, incidents = month

    def rows(*words):
        done = CliRunner().invoke(root, ["--config", str(config.path), *words, "-f", "json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    found = figures_of(config)
    told = rows("events", "stats", "citysoc.threat:*", "--by", "citysoc.class", "--month", "2026-10")
    by_class = {row["citysoc.class"] or "": row["count"] for row in told}
    assert by_class == {row.code: row.events.value for row in found.classes} == {"VIRUS": 9, "": 4, "SPY": 1}
    by_word = rows("events", "stats", "citysoc.threat:*", "--by", "citysoc.threat", "--month", "2026-10")
    assert {row["citysoc.threat"]: row["count"] for row in by_word} == {"virus": 13, "spyware": 1}
    unknown = rows("events", "search", "citysoc.threat:* AND NOT citysoc.class:*", "--month", "2026-10")
    assert {row["threat.software.name"] for row in unknown} == {"W32.AIDetectMalware"}
    assert len(unknown) == found.unnamed == by_class[""]
    # Three figures, each from its own command, none the sum of others.
    assert len(rows("alerts", "list")) == len(alerts) == found.alerts.value
    assert len(rows("incidents", "list")) == len(incidents) == found.incidents.value
    assert len({found.cases.value, found.alerts.value, found.incidents.value}) == 3
    words = (
        "--config",
        str(config.path),
        "reports",
        "build",
        "--month",
        "2026-10",
        "--lang",
        "en",
        "--format",
        "html",
    )
    built = CliRunner().invoke(root, words)
    assert built.exit_code in {0, 4}, built.output
    (page,) = config.data_dir.rglob("report.en.html")
    text = re.sub(r"<[^>]+>|\s+", " ", page.read_text("utf-8"))
    assert re.search(r"Not classified\s+4\b", text)
    assert "Malware whose name tells no kind: 4 of them" in text
