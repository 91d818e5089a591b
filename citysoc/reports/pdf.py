"""The report as PDF: the layout of Decree 30/2020, set by Typst with fonts that we bring along.

The text travels as JSON into a template of ours (``templates/report.typ``): nothing in it is ever read as
markup. Tinos has the measures of Times New Roman and all Vietnamese letters; it is embedded, so that the
file looks the same everywhere.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.i18n import _
from citysoc.reports.blocks import Cards, Chart, Paragraph, Subheading, Table, shown

if TYPE_CHECKING:
    import typst

    from citysoc.reports.blocks import Annex, Block, Document

FONTS = Path(__file__).with_name("fonts")
_TEMPLATE = Path(__file__).with_name("templates") / "report.typ"
_PICTURE = b"""#set page(width: 165mm, height: auto, margin: 0mm, fill: white)
#set text(font: "Tinos")
#image(bytes(sys.inputs.svg), format: "svg", width: 100%)
"""
_NOTHING = b"#set page(width: 10mm, height: 10mm)"
_REMEMBERED = 12
"""Compilations through which Typst remembers, and a few more."""
_LARGE_BYTES = 100_000


def render(document: Document) -> bytes:
    """Return the report as tagged PDF; same document, same bytes.

    The moment inside the file is the end of the period: a report built again is the same file.
    """
    data = orjson.dumps(_data(document)).decode()
    moment = int(document.dated.timestamp())
    content = _compiled(_TEMPLATE.read_bytes(), {"report": data}, format="pdf", timestamp=moment)
    if len(data) > _LARGE_BYTES:
        _forget()
    return content


def picture(svg: str, *, dots_per_inch: float = 200) -> bytes:
    """Return a drawing as PNG, 165 mm wide: word processors do not all show SVG."""
    return _compiled(_PICTURE, {"svg": svg}, format="png", ppi=dots_per_inch)


def _forget() -> None:
    """Let Typst forget the pages it has set: 500 MiB for a report of the city, which it keeps through later calls.

    It has no door for that. What was not used in so many compilations is dropped, so it is given some of nothing.
    """
    for _time in range(_REMEMBERED):
        _compiled(_NOTHING, {}, format="svg")


@cache
def _fonts() -> typst.Fonts:
    """Return our fonts and those inside Typst; fonts of the machine would make files differ."""
    import typst

    return typst.Fonts(include_system_fonts=False, font_paths=[str(FONTS)])


def _compiled(source: bytes, inputs: dict[str, str], **options: Any) -> bytes:
    import typst

    compiler = typst.Compiler(source, font_paths=_fonts(), ignore_system_fonts=True, sys_inputs=inputs)
    result = compiler.compile(**options)
    if not isinstance(result, bytes):
        raise TypeError("one document gives one file")
    return result


def _data(document: Document) -> dict[str, Any]:
    head = document.head
    return {
        "language": document.language,
        "title": document.title,
        "period": document.period,
        "opening": document.opening,
        "closing": document.closing,
        "head": {name: getattr(head, name) for name in head.__slots__},
        "sections": [
            {
                "title": f"{section.number}. {section.title}",
                "blocks": [_block(block) for block in section.blocks],
            }
            for section in document.sections
        ],
        "annexes": [_annex(annex) for annex in document.annexes],
    }


def _annex(annex: Annex) -> dict[str, Any]:
    return {
        "head": _("Annex {number}").format(number=annex.number),
        "title": annex.title,
        "blocks": [_block(table) for table in annex.tables],
    }


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Subheading):
        return {"kind": "subheading", "text": block.text}
    if isinstance(block, Paragraph):
        return {"kind": "paragraph", "text": block.text, "note": block.note}
    if isinstance(block, Cards):
        return {"kind": "cards", "cards": block.cards}
    if isinstance(block, Chart):
        return {"kind": "chart", "svg": block.svg, "caption": block.caption}
    return _table(block)


def _table(table: Table) -> dict[str, Any]:
    if not table.rows:
        return {
            "kind": "paragraph",
            "text": _("{what}: nothing recorded.").format(what=table.caption),
            "note": False,
        }
    return {
        "kind": "table",
        "caption": table.caption,
        "heads": [column.title for column in table.columns],
        "widths": [column.width for column in table.columns],
        "aligns": [column.align for column in table.columns],
        "rows": [[shown(cell) for cell in row] for row in table.rows],
        "foot": [shown(cell) for cell in table.foot],
        "small": table.small,
    }
