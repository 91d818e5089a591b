"""The report as DOCX, checked against the measures of the decree; same figures, same bytes."""

from __future__ import annotations

import io
import zipfile

import docx
import pytest

from citysoc.config.reports import Reports
from citysoc.reports import sheets, word
from tests.reports.made import as_docx, as_pdf, document, docx_text


def test_docx_has_the_measures_of_the_decree(figures):
    page = docx.Document(io.BytesIO(as_docx(figures)))
    for section in page.sections:
        assert (round(section.page_width.mm), round(section.page_height.mm)) == (210, 297)
        assert 20 <= round(section.top_margin.mm, 1) <= 25
        assert 20 <= round(section.bottom_margin.mm, 1) <= 25
        assert 30 <= round(section.left_margin.mm, 1) <= 35
        assert 15 <= section.right_margin.mm <= 20
        assert section.different_first_page_header_footer
        number = section.header.paragraphs[0]
        assert "PAGE" in number._p.xml
        assert number.alignment == 1
        assert not section.first_page_header.paragraphs[0].text
    normal = page.styles["Normal"]
    assert normal.font.name == "Times New Roman"
    assert 13 <= normal.font.size.pt <= 14
    assert normal.paragraph_format.alignment == 3
    assert round(normal.paragraph_format.first_line_indent.mm, 1) in {10, 12.7}
    assert normal.paragraph_format.space_after.pt >= 6


def styled(page, text):
    for paragraph in word.places.paragraphs(page):
        if paragraph.text.strip().replace("\n", " ") == text:
            return paragraph, paragraph.runs[0].font
    raise AssertionError(text)


@pytest.mark.parametrize(
    ("text", "points", "bold", "italic"),
    [
        ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", {12, 13}, True, None),
        ("Độc lập - Tự do - Hạnh phúc", {13, 14}, True, None),
        ("Tình hình bảo đảm an ninh mạng tháng 10 năm 2026", {13, 14}, True, None),
        ("Huế, ngày ...... tháng ...... năm 2026", {13, 14}, None, True),
        ("Nơi nhận:", {12}, True, True),
        ("SỞ KHOA HỌC VÀ CÔNG NGHỆ", {12, 13}, True, None),
        ("ỦY BAN NHÂN DÂN THÀNH PHỐ HUẾ", {12, 13}, None, None),
    ],
)
def test_docx_letterhead(figures, text, points, bold, italic):
    settings = Reports(superior="ỦY BAN NHÂN DÂN THÀNH PHỐ HUẾ", issuer="SỞ KHOA HỌC VÀ CÔNG NGHỆ")
    page = docx.Document(io.BytesIO(as_docx(figures, settings)))
    _, font = styled(page, text)
    assert font.size.pt in points
    assert (font.bold or None, font.italic or None) == (bold, italic)
    assert font.name == "Times New Roman"


def test_docx_leaves_number_date_and_signature_blank(figures):
    text = docx_text(as_docx(figures))
    assert "Số: ....../BC-......" in text
    assert "- Lưu: " in text
    assert "{{" not in text


def test_annexes_begin_pages_of_their_own_numbered_from_one(figures):
    content = as_docx(figures)
    page = docx.Document(io.BytesIO(content))
    assert len(page.sections) == 3
    assert 'w:pgNumType w:start="1"' in page.element.body.sectPr.xml
    assert "Phụ lục II" in docx_text(content)


@pytest.mark.parametrize(
    "make", [as_pdf, as_docx, lambda f: sheets.workbook(document(f))], ids=["pdf", "docx", "xlsx"]
)
def test_same_figures_same_bytes(figures, make):
    assert make(figures) == make(figures)


def test_office_files_carry_no_time_of_building(figures):
    with zipfile.ZipFile(io.BytesIO(as_docx(figures))) as package:
        assert {member.date_time for member in package.infolist()} == {(2026, 10, 31, 17, 0, 0)}


@pytest.mark.parametrize(("language", "code"), [("vi", "vi-VN"), ("en", "en-GB")])
def test_docx_names_its_language(figures, language, code):
    """Else a word processor underlines every Vietnamese word."""
    page = docx.Document(io.BytesIO(as_docx(figures, language=language)))
    assert set(page.styles.element.xpath("//w:docDefaults//w:lang/@w:val")) == {code}
    assert page.core_properties.language == code
