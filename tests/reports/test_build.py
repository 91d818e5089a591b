"""Reports of one agency and of all, and what was issued before."""

from __future__ import annotations

import dataclasses

import pytest

from citysoc.config.load import load
from citysoc.ecs.schema import to_table
from citysoc.errors import ConfigError
from citysoc.reports import issued
from citysoc.reports.build import build, month_period
from citysoc.reports.each import build_each
from citysoc.state import State
from citysoc.stores.local import LocalStore
from tests.reports.made import AGENCIES, NOW, SOURCES, ZONE, as_docx, docx_text, event, figures_of


def test_a_report_of_one_agency_is_about_it_alone(city):
    own = figures_of(city, agency="phuong-vy-da")
    assert own.cases.value == 70
    assert [row.id for row in own.table] == ["phuong-vy-da"]
    assert own.incidents.value == 0
    assert own.coverage.machines == 20
    text = docx_text(as_docx(own))
    assert "Sở Y tế" not in text
    assert "Phường Vỹ Dạ" in text


def test_uncleaned_machines_are_those_whose_last_word_is_failure(figures):
    assert {row.host for row in figures.uncleaned} == {f"PC-{n}" for n in range(1, 7)}
    assert figures.coverage.not_cleaned == 60


@pytest.mark.parametrize("processes", [0, 2])
def test_the_reports_of_all_agencies_say_what_each_ones_own_says(city, processes):
    """Asked once for the city and parted, or asked for each agency: the same figures, and the same bytes."""
    names = ("so-y-te", "phuong-vy-da")
    options = {"languages": ("vi",), "formats": ("html", "pdf", "docx", "xlsx"), "now": NOW}
    period = month_period(2026, 10, ZONE)
    state = State(city.state_path)
    try:
        store = LocalStore(city.store_path)
        found = list(build_each(city, state, store, period, processes=processes, **options))
        contents = [[path.read_bytes() for path in built.files] for built in found]
        own = [build(city, state, store, period, agency=name, **options) for name in names]
    finally:
        state.close()
    assert [built.files[0].parent.name for built in found] == list(names)
    assert [built.figures for built in found] == [figures_of(city, agency=name) for name in names]
    assert contents == [[path.read_bytes() for path in built.files] for built in own]


def test_what_goes_wrong_in_a_process_is_told(city, tmp_path):
    (tmp_path / "own.docx").write_bytes(b"no template")
    settings = city.settings.reports.model_copy(update={"template": tmp_path / "own.docx"})
    config = dataclasses.replace(city, settings=city.settings.model_copy(update={"reports": settings}))
    state = State(city.state_path)
    options = {"languages": ("en",), "formats": ("docx",), "now": NOW, "processes": 1}
    try:
        with pytest.raises(ConfigError, match="no DOCX file") as caught:
            list(
                build_each(
                    config, state, LocalStore(city.store_path), month_period(2026, 10, ZONE), **options
                )
            )
    finally:
        state.close()
    assert caught.value.where == str(tmp_path / "own.docx")
    assert caught.value.hint


def test_a_month_computed_again_says_what_changed_since_it_was_issued(tmp_path):
    (tmp_path / "agencies.yaml").write_text(AGENCIES, encoding="utf-8")
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "all.yaml").write_text(SOURCES, encoding="utf-8")
    (tmp_path / "citysoc.yaml").write_text("{}", encoding="utf-8")
    config = load(tmp_path / "citysoc.yaml")
    store = LocalStore(config.store_path)

    def built():
        state = State(config.state_path)
        try:
            options = {"languages": ("vi",), "formats": ("html",), "now": NOW}
            return build(config, state, store, month_period(2026, 10, ZONE), **options)
        finally:
            state.close()

    store.append(to_table([event(n) for n in range(5)]), 1)
    first = built()
    assert issued.issue(first.files[0].parent, now=NOW) == issued.issue(first.files[0].parent, now=NOW)
    assert built().differences == ()
    store.append(to_table([event(n) for n in range(5, 8)]), 2)
    again = built()
    assert issued.Difference("cases", "", 5, 8) in again.differences
    assert issued.Difference("classes", "SCAN", 5, 8) in again.differences
    page = again.files[1].read_text(encoding="utf-8")
    assert "lượt tấn công, mã độc gián điệp và vi-rút: khi phát hành là 5, nay là 8" in page
    assert "03/11/2026 07:00" in page, "when it was issued, in Huế's time"
