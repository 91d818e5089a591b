"""Templates of one's own and words of one's own."""

from __future__ import annotations

import re

import docx
import pytest

from citysoc.errors import ConfigError
from citysoc.reports import sections
from citysoc.reports.build import build, month_period
from citysoc.state import State
from citysoc.stores.local import LocalStore
from tests.reports.made import NOW, ZONE, as_docx, docx_text


def filled(tmp_path, figures, *lines):
    page = docx.Document()
    for line in lines:
        page.add_paragraph(line)
    page.save(tmp_path / "own.docx")
    return docx_text(as_docx(figures, template=tmp_path / "own.docx"))


def test_a_template_of_ones_own_is_filled(tmp_path, figures):
    text = filled(
        tmp_path,
        figures,
        "Kính trình: {{ title }} ({{period}})",
        "Tổng: {{ figures.cases.value }} lượt, trong đó dò quét {{ figures.classes.scan.events.value }}.",
        "{{ section.tasks }}",
        "{{ sections }}",
    )
    assert "Kính trình: Tình hình bảo đảm an ninh mạng tháng 10 năm 2026 ((Số liệu từ" in text
    assert "Tổng: 110 lượt, trong đó dò quét 40." in text
    assert text.index("VIII.") < text.index("I. Tình hình chung")
    assert text.count("VIII.") == 1, "a section with a place of its own stands only there"


def test_a_placeholder_that_word_has_split_is_found(tmp_path, figures):
    page = docx.Document()
    paragraph = page.add_paragraph("Về: {{ ti")
    paragraph.add_run("tle").bold = True
    paragraph.add_run(" }} (bản 1)")
    page.save(tmp_path / "own.docx")
    assert "Về: Tình hình bảo đảm an ninh mạng tháng 10 năm 2026 (bản 1)" in docx_text(
        as_docx(figures, template=tmp_path / "own.docx")
    )


@pytest.mark.parametrize(
    "name", ["titel", "section.nothing", "figures.nothing", "figures.cases", "figures.cases.x.y"]
)
def test_a_placeholder_that_names_nothing_is_a_clear_error(tmp_path, figures, name):
    with pytest.raises(ConfigError, match=re.escape(name)) as caught:
        filled(tmp_path, figures, f"{{{{ {name} }}}}")
    assert caught.value.hint
    assert caught.value.where == str(tmp_path / "own.docx")


def test_the_error_names_figures_that_there_are(tmp_path, figures):
    with pytest.raises(ConfigError) as caught:
        filled(tmp_path, figures, "{{ figures.nothing.value }}")
    assert "figures.cases, " in (caught.value.hint or "")
    assert "figures.nothing" not in (caught.value.hint or "")


@pytest.mark.parametrize(
    "content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)], ids=["empty", "text", "empty zip"]
)
def test_what_is_no_template_is_a_clear_error(tmp_path, figures, content):
    (tmp_path / "own.docx").write_bytes(content)
    with pytest.raises(ConfigError, match="DOCX"):
        as_docx(figures, template=tmp_path / "own.docx", language="en")


def test_own_words_replace_what_was_written_and_survive_a_rebuild(city):
    def built():
        state = State(city.state_path)
        try:
            store = LocalStore(city.store_path)
            options = {"languages": ("vi",), "formats": ("html",), "now": NOW}
            return build(city, state, store, month_period(2026, 10, ZONE), **options).files[-1]
        finally:
            state.close()

    page = built()
    texts = page.with_name("texts.vi.yaml")
    texts.write_text(
        texts.read_text(encoding="utf-8").replace('tasks: ""', "tasks: |\n  Rà soát luật.\n\n  Tập huấn."),
        encoding="utf-8",
    )
    kept = texts.read_bytes()
    text = built().read_text(encoding="utf-8")
    assert "<p>Rà soát luật.</p>" in text
    assert "<p>Tập huấn.</p>" in text
    assert texts.read_bytes() == kept


def test_own_words_for_a_section_that_there_is_not(city, tmp_path):
    from citysoc.reports import texts

    path = tmp_path / "texts.vi.yaml"
    path.write_text("overview: a\ntaks: b\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        texts.read(path, sections.KEYS, empty="")
    assert caught.value.where == f"{path}:2"
