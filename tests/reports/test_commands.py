"""The commands about reports as their user meets them."""

from __future__ import annotations

import json
import re

import docx
import pytest
from click.testing import CliRunner

from citysoc.cli import root
from citysoc.ecs.schema import to_table
from citysoc.errors import ConfigError, StoreError, UsageError
from citysoc.state import State
from citysoc.stores.local import LocalStore
from tests.reports.made import event, written


@pytest.fixture
def config(tmp_path):
    config = written(tmp_path)
    LocalStore(config.store_path).append(to_table([event(n) for n in range(3)]), 1)
    State(config.state_path).close()
    return config


def run(config, *words, lang="en"):
    return CliRunner().invoke(root, ["--config", str(config.path), "--lang", lang, "reports", *words])


def test_a_report_is_built_listed_and_shown_by_any_of_its_names(config):
    built = run(config, "build", "--month", "2026-10", "--format", "csv")
    assert built.exit_code == 0, built.output
    assert "3 events; 0 alerts; 0 incidents." in built.stderr
    (row,) = [json.loads(line) for line in run(config, "list").stdout.splitlines()]
    assert (row["period"], row["events"], row["issued"]) == ("10/2026", 3, None)
    for name in ("2026-10", row["period"]):
        shown = [json.loads(line) for line in run(config, "show", name).stdout.splitlines()]
        assert {line["figure"]: line["value"] for line in shown}["cases"] == 3
    assert "Số bản ghi" in run(config, "show", "2026-10", lang="vi").stdout


def test_one_event_is_one_event(config):
    LocalStore(config.store_path).append(to_table([event(9, **{"agency.id": "phuong-vy-da"})]), 2)
    built = run(config, "build", "--month", "2026-10", "--agency", "phuong-vy-da", "--format", "csv")
    assert "1 event; 0 alerts; 0 incidents." in built.stderr


def test_what_was_issued_is_kept_and_what_changed_is_told(config):
    run(config, "build", "--month", "2026-10", "--format", "csv")
    assert run(config, "issue", "2026-10").exit_code == 0
    LocalStore(config.store_path).append(to_table([event(9)]), 2)
    again = run(config, "build", "--month", "2026-10", "--format", "html")
    assert "4 figures differ from those that were issued" in again.stderr
    page = config.reports_dir / "2026-10-01_2026-10-31" / "report.vi.html"
    assert "bản ghi nhật ký: khi phát hành là 3, nay là 4" in page.read_text(encoding="utf-8")
    assert re.search(r" \d\d/\d\d/20\d\d \d\d:\d\d", run(config, "list", "-f", "table").stdout), (
        "a local time"
    )


@pytest.mark.parametrize("damage", ["{", "[]", "{}", '{"figures": {"period": {}}}', "null"])
def test_damaged_figures_are_named_with_what_to_do(config, damage):
    run(config, "build", "--month", "2026-10", "--format", "csv")
    path = config.reports_dir / "2026-10-01_2026-10-31" / "figures.json"
    path.write_text(damage, encoding="utf-8")
    for words in (("list",), ("show", "2026-10")):
        failed = run(config, *words)
        assert isinstance(failed.exception, StoreError)
        assert failed.exception.where == str(path)


@pytest.mark.parametrize(
    "words",
    [
        ("build",),
        ("build", "--month", "2026-10", "--agency", "nobody"),
        ("build", "--month", "2026-10", "--period", "2026-10"),
        ("show", "2026-09"),
        ("issue", "2026-09"),
        ("send", "2026-10"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(config, words):
    failed = run(config, *words)
    assert isinstance(failed.exception, UsageError)
    assert failed.exit_code != 0


def test_a_template_is_not_overwritten_unasked(config, tmp_path):
    path = tmp_path / "own.docx"
    assert run(config, "template", "export", str(path)).exit_code == 0
    first = path.read_bytes()
    path.write_bytes(b"mine")
    assert isinstance(run(config, "template", "export", str(path)).exception, UsageError)
    assert path.read_bytes() == b"mine"
    assert run(config, "template", "export", str(path), "--force").exit_code == 0
    assert path.read_bytes() == first


def test_a_template_that_leaves_something_out_is_told(config, tmp_path):
    path = tmp_path / "own.docx"
    page = docx.Document()
    page.add_paragraph("Tổng: {{ figures.cases.value }}")
    page.save(path)
    words = ("--config", str(config.path), "--lang", "en", "reports", "template", "check", str(path))
    said = CliRunner().invoke(root, words, standalone_mode=False)
    assert said.return_value == 1
    assert "no place for overview, monitoring" in said.stderr
    (config.root / "citysoc.yaml").write_text("reports: {template: own.docx}\n", encoding="utf-8")
    built = run(config, "build", "--month", "2026-10", "--format", "docx")
    assert built.exit_code == 0, built.output
    assert "no place for overview, monitoring" in built.stderr
    assert "no place" not in run(config, "build", "--month", "2026-10", "--format", "csv").stderr
    page.paragraphs[0].text = "Báo cáo"
    page.save(path)
    for words in (("template", "check", str(path)), ("build", "--month", "2026-10", "--format", "docx")):
        failed = run(config, *words).exception
        assert isinstance(failed, ConfigError)
        assert "nothing of the report" in str(failed)
