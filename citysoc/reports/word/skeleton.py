"""The template that we bring: Decree 30/2020/NĐ-CP, Annex I, with placeholders where the report goes.

Measures: A4, margins 20 mm above and below, 30 mm left, 15 mm right; Times New Roman; the page number
13 pt in the middle of the upper margin from the second page on; text 13 pt, justified, first line 1.27 cm,
6 pt between paragraphs.
"""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docx.document import Document as Page

FONT = "Times New Roman"
TEXT_POINTS = 13
TEXT_WIDTH_MM = 165
_LEFT_SHARE, _RIGHT_SHARE = 0.42, 0.58
_MOTTO_RULE_MM = 58
"""About as long as the motto in bold 13 pt, as the decree asks."""


@cache
def template() -> bytes:
    """Return the template as DOCX."""
    import docx

    page = docx.Document()
    _styles(page)
    _page(page.sections[0])
    _letterhead(page)
    _title(page)
    _line(page, "{{ opening }}")
    _line(page, "{{ sections }}")
    _line(page, "{{ closing }}", keep_next=True)
    _signature(page)
    _line(page, "{{ annexes }}")
    held = io.BytesIO()
    page.save(held)
    return held.getvalue()


def _styles(page: Page) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Mm, Pt

    normal = page.styles["Normal"]
    typeface(normal.font, TEXT_POINTS)
    form = normal.paragraph_format
    form.alignment = WD_ALIGN_PARAGRAPH.JUSTIFY
    form.first_line_indent = Mm(12.7)
    form.space_before, form.space_after, form.line_spacing = Pt(0), Pt(6), 1.15
    for level, before in ((1, 12), (2, 8)):
        style = page.styles[f"Heading {level}"]
        typeface(style.font, TEXT_POINTS, bold=True)
        style.font.all_caps = level == 1
        style.paragraph_format.alignment = WD_ALIGN_PARAGRAPH.LEFT
        style.paragraph_format.first_line_indent = Mm(12.7)
        style.paragraph_format.space_before, style.paragraph_format.space_after = Pt(before), Pt(6)
        style.paragraph_format.keep_with_next = True
    caption = page.styles["Caption"]
    typeface(caption.font, 11.5, italic=True)
    caption.font.bold = False
    caption.paragraph_format.first_line_indent = Mm(0)
    caption.paragraph_format.space_before, caption.paragraph_format.space_after = Pt(4), Pt(3)


def typeface(
    font: Any,
    points: float,
    *,
    bold: bool | None = None,
    italic: bool | None = None,
    caps: bool | None = None,
) -> None:
    """Set a font to Times New Roman in black, also for East Asian and complex scripts."""
    from docx.oxml.ns import qn
    from docx.shared import Pt, RGBColor

    font.name, font.size, font.bold, font.italic, font.all_caps = FONT, Pt(points), bold, italic, caps
    font.color.rgb = RGBColor(0, 0, 0)
    fonts = font.element.rPr.rFonts
    for script in ("w:ascii", "w:hAnsi", "w:eastAsia", "w:cs"):
        fonts.set(qn(script), FONT)
    for theme in ("w:asciiTheme", "w:hAnsiTheme", "w:eastAsiaTheme", "w:cstheme"):
        fonts.attrib.pop(qn(theme), None)


def _page(section: Any) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Mm

    section.page_width, section.page_height = Mm(210), Mm(297)
    section.top_margin = section.bottom_margin = Mm(20)
    # Lengths are kept in twentieths of a point, cut off: 15 mm would become a little less than the decree asks for.
    section.left_margin, section.right_margin = Mm(30), Mm(15.02)
    section.header_distance = Mm(9)
    section.different_first_page_header_footer = True
    number = section.header.paragraphs[0]
    number.alignment = WD_ALIGN_PARAGRAPH.CENTER
    number.paragraph_format.first_line_indent = Mm(0)
    typeface(_field(number, "PAGE").font, TEXT_POINTS)


def _field(paragraph: Any, code: str) -> Any:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    run = paragraph.add_run()
    for kind, text in (("begin", None), (None, code), ("separate", None), ("text", "2"), ("end", None)):
        if kind is None:
            element = OxmlElement("w:instrText")
            element.set(qn("xml:space"), "preserve")
            element.text = text
        elif kind == "text":
            element = OxmlElement("w:t")
            element.text = text
        else:
            element = OxmlElement("w:fldChar")
            element.set(qn("w:fldCharType"), kind)
        run._r.append(element)  # noqa: SLF001  python-docx has no door for fields
    return run


def _letterhead(page: Page) -> None:
    left, right = two_columns(page, _LEFT_SHARE, _RIGHT_SHARE)
    centred(left, "{{ superior }}", 12, caps=True, first=True)
    centred(left, "{{ issuer }}", 12, bold=True, caps=True)
    rule(left, TEXT_WIDTH_MM * _LEFT_SHARE, TEXT_WIDTH_MM * _LEFT_SHARE * 0.35)
    centred(left, "{{ number }}", 13)
    centred(left, "{{ mark }}", 13, bold=True, boxed=True, before=4)
    centred(right, "{{ nation }}", 12, bold=True, first=True)
    centred(right, "{{ motto }}", 13, bold=True)
    rule(right, TEXT_WIDTH_MM * _RIGHT_SHARE, _MOTTO_RULE_MM)
    centred(right, "{{ place_and_date }}", 13, italic=True)


def _title(page: Page) -> None:
    for text, points, style in (
        ("", 13, {}),
        ("{{ kind }}", 14, {"bold": True, "caps": True}),
        ("{{ title }}", 14, {"bold": True}),
    ):
        centred(page, text, points, **style)
    rule(page, TEXT_WIDTH_MM, TEXT_WIDTH_MM * 0.36)
    centred(page, "{{ period }}", 13, italic=True)
    centred(page, "{{ addressee }}", 13, before=10, after=10)


def _signature(page: Page) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH

    left, right = two_columns(page, 0.5, 0.5)
    head = centred(left, "{{ recipients_head }}", 12, bold=True, italic=True, first=True)
    listed = centred(left, "{{ recipients }}", 11)
    head.alignment = listed.alignment = WD_ALIGN_PARAGRAPH.LEFT
    centred(right, "{{ signer }}", 13, bold=True, caps=True, first=True)
    centred(right, "{{ signed }}", 13, italic=True, after=80)


def two_columns(page: Any, *shares: float) -> tuple[Any, ...]:
    """Add a table without lines, as wide as the text; return its cells."""
    from docx.shared import Mm

    table = page.add_table(rows=1, cols=len(shares))
    table.autofit = False
    pad(table, 0)
    for cell, column, share in zip(table.rows[0].cells, table.columns, shares, strict=True):
        cell.width = column.width = Mm(TEXT_WIDTH_MM * share)
    return tuple(table.rows[0].cells)


def pad(table: Any, twips: int) -> None:
    """Set the room left and right of the text in cells, in twentieths of a point."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    margins = OxmlElement("w:tblCellMar")
    for side in ("left", "right"):
        margin = OxmlElement(f"w:{side}")
        margin.set(qn("w:w"), str(twips))
        margin.set(qn("w:type"), "dxa")
        margins.append(margin)
    table._tbl.tblPr.insert_element_before(margins, "w:tblLook", "w:tblCaption")  # noqa: SLF001  python-docx has no door for cell margins


def centred(
    place: Any,
    text: str,
    points: float,
    *,
    first: bool = False,
    boxed: bool = False,
    before: float = 0,
    after: float = 0,
    **style: bool,
) -> Any:
    """Add a centred paragraph without indent, in a page or a cell; ``first`` takes the one a new cell has."""
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Mm, Pt

    paragraph = place.paragraphs[0] if first else place.add_paragraph()
    paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    form = paragraph.paragraph_format
    form.first_line_indent, form.space_before, form.space_after, form.line_spacing = (
        Mm(0),
        Pt(before),
        Pt(after),
        1.0,
    )
    run = paragraph.add_run(text)
    typeface(run.font, points, **style)
    if boxed:
        _box(run)
    return paragraph


def _box(run: Any) -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    border = OxmlElement("w:bdr")
    for name, value in (("val", "single"), ("sz", "6"), ("space", "0"), ("color", "000000")):
        border.set(qn(f"w:{name}"), value)
    run._r.get_or_add_rPr().append(border)  # noqa: SLF001  python-docx has no door for borders of runs


def rule(place: Any, width_mm: float, rule_mm: float) -> None:
    """Add a thin solid line of a length, in the middle of a page or cell of a width."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn
    from docx.shared import Mm, Pt

    paragraph = place.add_paragraph()
    form = paragraph.paragraph_format
    form.first_line_indent = Mm(0)
    form.left_indent = form.right_indent = Mm(max((width_mm - rule_mm) / 2 - 2, 0))
    form.space_after, form.line_spacing = Pt(5), Pt(3)
    borders = OxmlElement("w:pBdr")
    line = OxmlElement("w:bottom")
    for name, value in (("val", "single"), ("sz", "6"), ("space", "1"), ("color", "000000")):
        line.set(qn(f"w:{name}"), value)
    borders.append(line)
    properties = paragraph._p.get_or_add_pPr()  # noqa: SLF001  python-docx has no door for borders
    properties.insert_element_before(
        borders, "w:shd", "w:tabs", "w:suppressAutoHyphens", "w:spacing", "w:ind", "w:jc", "w:rPr"
    )


def _line(page: Page, text: str, *, keep_next: bool = False) -> None:
    page.add_paragraph(text).paragraph_format.keep_with_next = keep_next
