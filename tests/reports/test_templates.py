"""Templates of one's own and words of one's own."""

from __future__ import annotations

import re

import docx
import pytest
from docx.oxml import parse_xml

from citysoc.ecs.schema import to_table
from citysoc.errors import ConfigError
from citysoc.reports import sections, word
from citysoc.reports.build import build, month_period
from citysoc.state import State
from citysoc.stores.local import LocalStore
from tests.reports.made import NOW, ZONE, as_docx, docx_text, event, written


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
    page.add_paragraph("{{ sections }}")
    page.save(tmp_path / "own.docx")
    assert "Về: Tình hình bảo đảm an ninh mạng tháng 10 năm 2026 (bản 1)" in docx_text(
        as_docx(figures, template=tmp_path / "own.docx")
    )


@pytest.mark.parametrize(
    "name", ["titel", "section.nothing", "figures.nothing", "figures.cases", "figures.cases.x.y"]
)
def test_a_placeholder_that_names_nothing_is_a_clear_error(tmp_path, figures, name):
    with pytest.raises(ConfigError, match=re.escape(name)) as caught:
        filled(tmp_path, figures, "{{ sections }}", f"{{{{ {name} }}}}")
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


@pytest.mark.parametrize(
    "line",
    [
        "{{ sections }} and more",
        "{{ titel",
        "Số: }}",
        "{{ 1 }}",
        "{{}}",
        "{ {title}} x }}",
        "{{ section.tasks }}!",
    ],
)
def test_braces_that_are_no_placeholder_are_a_clear_error(tmp_path, figures, line):
    """They would stand in the signed report as they are."""
    with pytest.raises(ConfigError) as caught:
        filled(tmp_path, figures, "{{ sections }}", line)
    assert caught.value.hint


@pytest.mark.parametrize("lines", [(), ("Báo cáo",), ("{{ title }}", "{{ annexes }}")], ids=len)
def test_a_template_that_holds_nothing_of_the_report_is_refused(tmp_path, figures, lines):
    with pytest.raises(ConfigError, match="không chứa nội dung nào") as caught:
        filled(tmp_path, figures, *lines)
    assert "{{ sections }}" in (caught.value.hint or "")


def own_template(tmp_path, *lines):
    page = docx.Document()
    for line in lines:
        page.add_paragraph(line)
    page.save(tmp_path / "own.docx")
    return tmp_path / "own.docx"


@pytest.mark.parametrize(
    ("lines", "lacking"),
    [
        (("{{ sections }}", "{{ annexes }}"), ()),
        (("{{ sections }}",), ("annexes",)),
        (tuple(f"{{{{ section.{key} }}}}" for key in sections.KEYS[1:]), ("overview", "annexes")),
        (("Tổng: {{ figures.cases.value }}", "{{ annexes }}"), sections.KEYS),
    ],
    ids=["all", "no annexes", "no overview", "figures alone"],
)
def test_what_a_template_leaves_out_is_known(tmp_path, lines, lacking):
    assert word.left_out(own_template(tmp_path, *lines), sections.KEYS) == lacking


@pytest.mark.parametrize("name", ["titel", "section.nothing", "figures.nothing"])
def test_a_check_finds_names_that_mean_nothing(tmp_path, name):
    with pytest.raises(ConfigError, match=re.escape(name)):
        word.left_out(own_template(tmp_path, "{{ sections }}", f"{{{{ {name} }}}}"), sections.KEYS)


def test_our_own_template_leaves_nothing_out(tmp_path):
    (tmp_path / "own.docx").write_bytes(word.skeleton.template())
    assert word.left_out(tmp_path / "own.docx", sections.KEYS) == ()


def test_word_may_write_a_name_with_a_capital(tmp_path, figures):
    text = filled(tmp_path, figures, "{{ Title }}", "{{ Sections }}")
    assert "Tình hình bảo đảm an ninh mạng tháng 10" in text
    assert "VIII." in text


BOX = """<w:p xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"
 xmlns:v="urn:schemas-microsoft-com:vml"><w:r><w:pict><v:shape><v:textbox><w:txbxContent>
<w:p><w:r><w:t>Trong khung: {{ period }}</w:t></w:r></w:p></w:txbxContent></v:textbox></v:shape></w:pict></w:r></w:p>"""
CONTROL = """<w:sdt xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:sdtContent>
<w:p><w:r><w:t>Trong ô: {{ figures.cases.value }}</w:t></w:r></w:p></w:sdtContent></w:sdt>"""
LINK = """<w:p xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:hyperlink><w:r><w:t>Liên kết
</w:t></w:r></w:hyperlink><w:r><w:t xml:space="preserve"> {{ title }}!</w:t></w:r></w:p>"""


def test_placeholders_in_text_boxes_controls_headers_and_behind_links_are_filled(tmp_path, figures):
    page = docx.Document()
    page.add_paragraph("{{ sections }}")
    for made in (BOX, CONTROL, LINK):
        page.element.body.insert(0, parse_xml(made))
    page.sections[0].header.paragraphs[0].text = "{{ kind }}"
    page.save(tmp_path / "own.docx")
    content = as_docx(figures, template=tmp_path / "own.docx")
    text = docx_text(content)
    assert "{{" not in text
    assert "Trong khung: (Số liệu từ" in text
    assert "Trong ô: 110" in text
    assert " Tình hình bảo đảm an ninh mạng tháng 10 năm 2026!" in text
    assert "BÁO CÁO" in text


def test_own_words_that_cannot_be_read_leave_the_report_as_it_was(tmp_path):
    """Never new figures beside old documents."""
    config = written(tmp_path)
    state = State(config.state_path)
    store = LocalStore(config.store_path)
    options = {"languages": ("vi",), "formats": ("html",), "now": NOW}
    built = build(config, state, store, month_period(2026, 10, ZONE), **options)
    before = {path: path.read_bytes() for path in built.files}
    store.append(to_table([event(1)]), 1)
    texts = built.files[0].with_name("texts.vi.yaml")
    texts.write_text("taks: b\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        build(config, state, store, month_period(2026, 10, ZONE), **options)
    assert {path: path.read_bytes() for path in built.files} == before
    texts.write_text("", encoding="utf-8")
    build(config, state, store, month_period(2026, 10, ZONE), **options)
    assert {path: path.read_bytes() for path in built.files} != before
    state.close()
