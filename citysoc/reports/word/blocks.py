"""Blocks of a report as paragraphs, tables and pictures of a DOCX file."""

from __future__ import annotations

import copy
import io
from typing import TYPE_CHECKING, Any

from citysoc.i18n import _
from citysoc.reports import pdf
from citysoc.reports.blocks import Cards, Chart, Paragraph, Subheading, Table, shown
from citysoc.reports.word.skeleton import TEXT_WIDTH_MM, centred, pad, typeface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docx.document import Document as Page
    from docx.text.paragraph import Paragraph as Line

    from citysoc.reports.blocks import Annex, Block, Document, Section

_TABLE_POINTS, _SMALL_POINTS = 11.5, 9.5


class Writer:
    """Writes blocks into a page, in the place of a placeholder.

    Args:
        page: the page; what is new is made at its end and then moved.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._place: Any = None

    def sections(self, placeholder: Line, sections: Sequence[Section]) -> None:
        """Replace a paragraph by sections."""
        self._begin(placeholder)
        for section in sections:
            self._heading(f"{section.number}. {section.title}", 1)
            for block in section.blocks:
                self._block(block)
        self._end()

    def annexes(self, placeholder: Line, document: Document) -> None:
        """Replace a paragraph by the annexes, each on pages numbered from one."""
        self._begin(placeholder)
        for annex in document.annexes:
            self._annex(annex, document)
        self._end()

    def _begin(self, placeholder: Line) -> None:
        self._place = placeholder._p  # noqa: SLF001  elements are moved, python-docx only appends

    def _end(self) -> None:
        self._place.getparent().remove(self._place)
        self._place = None

    def _moved(self, element: Any) -> Any:
        self._place.addprevious(element)
        return element

    def _line(self, text: str = "", style: str | None = None) -> Any:
        line = self._page.add_paragraph(text, style=style if style in self._page.styles else None)
        self._moved(line._p)  # noqa: SLF001  see _begin
        return line

    def _heading(self, text: str, level: int) -> None:
        self._line(text, f"Heading {level}")

    def _block(self, block: Block) -> None:
        if isinstance(block, Subheading):
            self._heading(block.text, 2)
        elif isinstance(block, Paragraph):
            line = self._line()
            line.add_run(block.text).italic = block.note or None
        elif isinstance(block, Cards):
            self._cards(block)
        elif isinstance(block, Chart):
            self._chart(block)
        else:
            self._table(block)

    def _annex(self, annex: Annex, document: Document) -> None:
        self._break_section()
        for text, points, style in (
            (_("Annex {number}").format(number=annex.number), 14, {"bold": True}),
            (annex.title, 13, {"bold": True, "caps": True}),
            (document.head.annex_reference, 13, {"italic": True}),
        ):
            line = centred(self._page, text, points, **style)
            self._moved(line._p)  # noqa: SLF001  see _begin
        for table in annex.tables:
            self._table(table)

    def _break_section(self) -> None:
        """End the section before, with its page; the numbers of pages begin again."""
        from docx.oxml import OxmlElement
        from docx.oxml.ns import qn

        last = self._page.element.body.sectPr
        ended = copy.deepcopy(last)
        line = self._line()
        line._p.get_or_add_pPr().append(ended)  # noqa: SLF001  python-docx breaks sections only at the end
        line.paragraph_format.space_after = line.paragraph_format.line_spacing = 0
        numbers = last.find(qn("w:pgNumType"))
        if numbers is None:
            numbers = OxmlElement("w:pgNumType")
            last.insert_element_before(numbers, "w:cols", "w:titlePg", "w:docGrid")
        numbers.set(qn("w:start"), "1")

    def _cards(self, block: Cards) -> None:
        from docx.shared import Mm

        table = self._grid(1, len(block.cards))
        for cell, (label, figure) in zip(table.rows[0].cells, block.cards, strict=True):
            cell.width = Mm(TEXT_WIDTH_MM / len(block.cards))
            centred(cell, figure, 18, first=True, bold=True)
            centred(cell, label, 11)
        self._gap()

    def _chart(self, block: Chart) -> None:
        from docx.enum.text import WD_ALIGN_PARAGRAPH
        from docx.shared import Mm

        line = self._line()
        line.alignment = WD_ALIGN_PARAGRAPH.CENTER
        line.paragraph_format.first_line_indent = Mm(0)
        line.paragraph_format.keep_with_next = True
        picture = line.add_run().add_picture(io.BytesIO(pdf.picture(block.svg)), width=Mm(TEXT_WIDTH_MM - 2))
        picture._inline.docPr.set("descr", block.caption)  # noqa: SLF001  for screen readers; no door for it
        caption = self._line(block.caption, "Caption")
        caption.alignment = WD_ALIGN_PARAGRAPH.CENTER

    def _grid(self, rows: int, columns: int) -> Any:
        style = "Table Grid" if "Table Grid" in self._page.styles else None
        table = self._page.add_table(rows=rows, cols=columns, style=style)
        table.autofit = False
        pad(table, 57)
        self._moved(table._tbl)  # noqa: SLF001  see _begin
        return table

    def _table(self, block: Table) -> None:
        if not block.rows:
            self._line(_("{what}: nothing recorded.").format(what=block.caption))
            return
        self._line(block.caption, "Caption").paragraph_format.keep_with_next = True
        texts = [[shown(cell) for cell in row] for row in block.rows]
        foot = [[shown(cell) for cell in block.foot]] if block.foot else []
        rows = [[column.title for column in block.columns], *texts, *foot]
        table = self._grid(1, len(block.columns))
        self._moved(_filled(table, block, rows, has_foot=bool(foot)))
        self._gap()

    def _gap(self) -> None:
        """Keep two tables apart: Word joins tables without a paragraph between them."""
        from docx.shared import Pt

        form = self._line().paragraph_format
        form.space_after, form.line_spacing = Pt(0), Pt(8)


def _filled(table: Any, block: Table, rows: Sequence[Sequence[str]], *, has_foot: bool) -> Any:
    """Write rows into a table of one row; return its element.

    A cell of the first row of each kind is made by python-docx and then copied: a table of 500 rows takes
    a tenth of the time.
    """
    total = sum(column.width for column in block.columns)
    widths = [round(TEXT_WIDTH_MM * 56.7 * column.width / total) for column in block.columns]
    aligns = [column.align for column in block.columns]
    points = _SMALL_POINTS if block.small else _TABLE_POINTS
    grid = table._tbl  # noqa: SLF001  rows are copied as elements
    _keep_whole(table.rows[0]._tr)  # noqa: SLF001  as above
    for width, column in zip(widths, table.columns, strict=True):
        column.width = width * 635  # twentieths of a point in EMU
    head = table.rows[0]._tr  # noqa: SLF001  as above
    _prepare(table.rows[0], ["center"] * len(widths), widths, points, bold=True, shaded=True)
    body = copy.deepcopy(head)
    grid.append(body)
    _prepare(table.rows[1], aligns, widths, points)
    last = copy.deepcopy(body)
    grid.append(last)
    _prepare(table.rows[2], aligns, widths, points, bold=True)
    grid.remove(body)
    grid.remove(last)
    _write(head, rows[0])
    _repeat(head)
    for number, row in enumerate(rows[1:], start=1):
        element = copy.deepcopy(last if has_foot and number == len(rows) - 1 else body)
        _write(element, row)
        grid.append(element)
    return grid


def _prepare(
    row: Any,
    aligns: Sequence[str],
    widths: Sequence[int],
    points: float,
    *,
    bold: bool = False,
    shaded: bool = False,
) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Mm

    names = {
        "left": WD_ALIGN_PARAGRAPH.LEFT,
        "right": WD_ALIGN_PARAGRAPH.RIGHT,
        "center": WD_ALIGN_PARAGRAPH.CENTER,
    }
    for cell, align, width in zip(row.cells, aligns, widths, strict=True):
        cell.width = width * 635
        paragraph = cell.paragraphs[0]
        paragraph.alignment = names[align]
        form = paragraph.paragraph_format
        form.first_line_indent, form.space_after, form.line_spacing = Mm(0), 0, 1.0
        run = paragraph.runs[0] if paragraph.runs else paragraph.add_run("")
        run.text = "x"
        typeface(run.font, points, bold=bold or None)
        _shade(cell, shaded=shaded)


def _shade(cell: Any, *, shaded: bool) -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    properties = cell._tc.get_or_add_tcPr()  # noqa: SLF001  python-docx has no door for shading
    for old in properties.findall(qn("w:shd")):
        properties.remove(old)
    if shaded:
        shading = OxmlElement("w:shd")
        for name, value in (("val", "clear"), ("color", "auto"), ("fill", "ECECEC")):
            shading.set(qn(f"w:{name}"), value)
        properties.append(shading)


def _write(row: Any, texts: Sequence[str]) -> None:
    from docx.oxml.ns import qn

    for place, text in zip(row.iter(qn("w:t")), texts, strict=True):
        place.text = text
        place.set(qn("xml:space"), "preserve")


def _keep_whole(row: Any) -> None:
    """Let no row break over pages."""
    from docx.oxml import OxmlElement

    row.get_or_add_trPr().append(OxmlElement("w:cantSplit"))


def _repeat(row: Any) -> None:
    """Let a row stand at the top of every page of its table."""
    from docx.oxml import OxmlElement

    row.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
