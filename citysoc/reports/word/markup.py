"""Paragraphs and tables as WordprocessingML (ECMA-376, part 1, chapter 17), written as text.

python-docx sets one property of one cell at a time; a report with tables of 500 rows would take ten times as
long. Elements stand in the order that the schema asks for. Text is clean, so that every letter of it is
allowed in XML; escaping is done here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.reports.blocks import Column

FONT = "Times New Roman"
TEXT_WIDTH = 9355
"""Of the text, 165 mm, in twentieths of a point."""
_PADDING = 57
_SPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_LINE = '<w:{side} w:val="single" w:sz="4" w:space="0" w:color="auto"/>'
_BORDERS = "".join(
    _LINE.format(side=side) for side in ("top", "left", "bottom", "right", "insideH", "insideV")
)


@dataclass(frozen=True, slots=True)
class Form:
    """How a paragraph is set.

    Args:
        style: the id of its style; empty for the style of the text.
        align: left, right, center; empty for that of its style.
        points: size of its letters; 0 for that of its style.
        bold, italic: of its letters.
        tight: without indent and without space around it.
        keep: on the page of what comes next.
        line: height of its lines in points, exactly; 0 for that of its style.
    """

    style: str = ""
    align: str = ""
    points: float = 0
    bold: bool = False
    italic: bool = False
    tight: bool = False
    keep: bool = False
    line: float = 0


def element(text: str) -> Any:
    """Return what python-docx holds for a piece of markup."""
    from docx.oxml import parse_xml

    return parse_xml(text)


def paragraph(text: str, form: Form, *, outer: bool = True) -> str:
    """Return a paragraph; ``outer`` for one that stands alone and declares its namespace."""
    space = f" {_SPACE}" if outer else ""
    return f"<w:p{space}>{_paragraph_form(form)}{_run(text, form)}</w:p>"


def _paragraph_form(form: Form) -> str:
    parts = []
    if form.style:
        parts.append(f'<w:pStyle w:val="{escape(form.style)}"/>')
    if form.keep:
        parts.append("<w:keepNext/>")
    if form.line:
        parts.append(f'<w:spacing w:after="0" w:line="{round(form.line * 20)}" w:lineRule="exact"/>')
    elif form.tight:
        parts.append('<w:spacing w:before="0" w:after="0" w:line="240" w:lineRule="auto"/>')
    if form.tight:
        parts.append('<w:ind w:firstLine="0"/>')
    if form.align:
        parts.append(f'<w:jc w:val="{form.align}"/>')
    return f"<w:pPr>{''.join(parts)}</w:pPr>" if parts else ""


def _run(text: str, form: Form) -> str:
    if not text:
        return ""
    parts = []
    if form.points:
        parts.append(f'<w:rFonts w:ascii="{FONT}" w:hAnsi="{FONT}" w:eastAsia="{FONT}" w:cs="{FONT}"/>')
    parts += ["<w:b/>"] if form.bold else []
    parts += ["<w:i/>"] if form.italic else []
    if form.points:
        size = round(form.points * 2)
        parts.append(f'<w:color w:val="000000"/><w:sz w:val="{size}"/><w:szCs w:val="{size}"/>')
    properties = f"<w:rPr>{''.join(parts)}</w:rPr>" if parts else ""
    return f'<w:r>{properties}<w:t xml:space="preserve">{escape(text)}</w:t></w:r>'


def cell(paragraphs: str, width: int, *, shaded: bool = False) -> str:
    """Return a cell; ``width`` in twentieths of a point."""
    shade = '<w:shd w:val="clear" w:color="auto" w:fill="ECECEC"/>' if shaded else ""
    middle = '<w:vAlign w:val="center"/>' if shaded else ""
    return f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>{shade}{middle}</w:tcPr>{paragraphs}</w:tc>'


def row(cells: str, *, head: bool = False) -> str:
    """Return a row, which no page breaks; ``head`` for one at the top of every page of its table."""
    return f"<w:tr><w:trPr><w:cantSplit/>{'<w:tblHeader/>' if head else ''}</w:trPr>{cells}</w:tr>"


def table(rows: str, widths: Sequence[int], style: str) -> str:
    """Return a table; lines are drawn where the template has no style for them."""
    lines = f'<w:tblStyle w:val="{escape(style)}"/>' if style else ""
    borders = "" if style else f"<w:tblBorders>{_BORDERS}</w:tblBorders>"
    grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
    return (
        f'<w:tbl {_SPACE}><w:tblPr>{lines}<w:tblW w:w="{sum(widths)}" w:type="dxa"/>'
        f'<w:tblInd w:w="{_PADDING}" w:type="dxa"/>{borders}'
        '<w:tblLayout w:type="fixed"/><w:tblCellMar>'
        f'<w:top w:w="20" w:type="dxa"/><w:left w:w="{_PADDING}" w:type="dxa"/>'
        f'<w:bottom w:w="20" w:type="dxa"/><w:right w:w="{_PADDING}" w:type="dxa"/></w:tblCellMar>'
        f"</w:tblPr><w:tblGrid>{grid}</w:tblGrid>{rows}</w:tbl>"
    )


def widths_of(columns: Sequence[Column]) -> list[int]:
    """Return the widths of columns in twentieths of a point."""
    total = sum(column.width for column in columns)
    return [round(TEXT_WIDTH * column.width / total) for column in columns]
