"""Blocks of a report as paragraphs, tables and pictures of a DOCX file."""

from __future__ import annotations

import copy
import io
from typing import TYPE_CHECKING, Any

from citysoc.i18n import _
from citysoc.reports import pdf
from citysoc.reports.blocks import Cards, Chart, Paragraph, Subheading, Table, shown
from citysoc.reports.word import markup
from citysoc.reports.word.skeleton import TEXT_WIDTH_MM, centred

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docx.document import Document as Page
    from docx.text.paragraph import Paragraph as Line

    from citysoc.reports.blocks import Annex, Block, Document, Section

_TABLE_POINTS, _SMALL_POINTS = 11.5, 9.5
WHOLE_ROWS = 13
"""Tables of at most so many rows are not broken over pages."""


class Writer:
    """Writes blocks into a page, in the place of a placeholder.

    Args:
        page: the page; what is new is made at its end and then moved.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._place: Any = None
        self._styles = {str(style.name): str(style.style_id) for style in page.styles}
        self._grid = self._styles.get("Table Grid", "")

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

    def _line(self, text: str = "", style: str = "", **form: Any) -> Any:
        """Add a paragraph in a style of the template, or in that of the text where there is none such."""
        from docx.text.paragraph import Paragraph as Line

        made = markup.paragraph(text, markup.Form(self._styles.get(style, ""), **form))
        return Line(self._moved(markup.element(made)), self._page._body)  # noqa: SLF001  python-docx only appends

    def _heading(self, text: str, level: int) -> None:
        self._line(text, f"Heading {level}")

    def _block(self, block: Block) -> None:
        if isinstance(block, Subheading):
            self._heading(block.text, 2)
        elif isinstance(block, Paragraph):
            self._line(block.text, italic=block.note)
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
        widths = [markup.TEXT_WIDTH // len(block.cards)] * len(block.cards)
        centre: dict[str, Any] = {"align": "center", "tight": True}
        number, words = markup.Form(points=18, bold=True, **centre), markup.Form(points=11, **centre)
        cells = [
            markup.cell(
                markup.paragraph(figure, number, outer=False) + markup.paragraph(label, words, outer=False),
                width,
            )
            for width, (label, figure) in zip(widths, block.cards, strict=True)
        ]
        self._moved(markup.element(markup.table(markup.row("".join(cells)), widths, self._grid)))
        self._gap()

    def _chart(self, block: Chart) -> None:
        from docx.shared import Mm

        line = self._line(align="left", tight=True, keep=True)
        picture = line.add_run().add_picture(io.BytesIO(pdf.picture(block.svg)), width=Mm(TEXT_WIDTH_MM))
        picture._inline.docPr.set("descr", block.caption)  # noqa: SLF001  for screen readers; no door for it
        self._line(block.caption, "Caption", align="center")

    def _table(self, block: Table) -> None:
        if not block.rows:
            self._line(_("{what}: nothing recorded.").format(what=block.caption))
            return
        self._line(block.caption, "Caption", keep=True)
        self._moved(markup.element(_table(block, self._grid)))
        self._gap()

    def _gap(self) -> None:
        """Keep two tables apart: Word joins tables without a paragraph between them."""
        self._line(line=8)


def _table(block: Table, style: str) -> str:
    """Return a table as markup; one of few rows stays on one page, of others the head is never alone."""
    points = _SMALL_POINTS if block.small else _TABLE_POINTS
    widths = markup.widths_of(block.columns)
    texts = [[shown(cell) for cell in row] for row in (*block.rows, *([block.foot] if block.foot else ()))]
    head = [
        markup.cell(
            markup.paragraph(
                column.title,
                markup.Form(align="center", points=points, bold=True, tight=True, keep=True),
                outer=False,
            ),
            width,
            shaded=True,
        )
        for column, width in zip(block.columns, widths, strict=True)
    ]
    rows = [markup.row("".join(head), head=True)]
    for number, row in enumerate(texts, start=1):
        last = number == len(texts)
        keep = not last and (len(texts) <= WHOLE_ROWS or number == len(texts) - 1)
        forms = [
            markup.Form(
                align=column.align, points=points, bold=last and bool(block.foot), tight=True, keep=keep
            )
            for column in block.columns
        ]
        cells = (
            markup.cell(markup.paragraph(text, form, outer=False), width)
            for text, form, width in zip(row, forms, widths, strict=True)
        )
        rows.append(markup.row("".join(cells)))
    return markup.table("".join(rows), widths, style)
