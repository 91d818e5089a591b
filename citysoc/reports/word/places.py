"""The places of a template where something is to be put: paragraphs with names between double braces.

Word spreads a name over runs, and puts paragraphs into tables, text boxes, content controls, headers and footers:
all of them are looked at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from citysoc.errors import ConfigError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from docx.document import Document as Page
    from docx.text.paragraph import Paragraph
    from docx.text.run import Run

NAME = re.compile(r"\{\{\s*([a-z_]+(?:\.[a-z0-9_-]+)*)\s*\}\}", re.IGNORECASE)
"""Word begins a line with a capital by itself, so that their case does not matter."""
FIGURES, SECTION = "figures.", "section."
SECTIONS, ANNEXES = "sections", "annexes"
_BRACES = re.compile(r"\{\{.{0,40}|.{0,40}\}\}", re.DOTALL)


def paragraphs(page: Page) -> Iterator[Paragraph]:
    """Yield every paragraph of the text, of headers and of footers, those in tables and text boxes included."""
    from docx.oxml.ns import qn
    from docx.text.paragraph import Paragraph

    def inside(element: Any, parent: Any) -> Iterator[Paragraph]:
        for found in list(element.iter(qn("w:p"))):
            yield Paragraph(found, parent)

    yield from inside(page.element.body, page._body)  # noqa: SLF001  python-docx has no door for text boxes
    for section in page.sections:
        for place in (
            *(section.header, section.first_page_header, section.even_page_header),
            *(section.footer, section.first_page_footer, section.even_page_footer),
        ):
            if not place.is_linked_to_previous:
                yield from inside(place._element, place)  # noqa: SLF001  likewise


def runs(paragraph: Paragraph) -> list[Run]:
    """Return the pieces of a paragraph's own text in order, those of links and content controls included."""
    from docx.oxml.ns import qn
    from docx.text.run import Run

    own = paragraph._p  # noqa: SLF001  python-docx has no door for runs in content controls
    found = (run for run in own.iter(qn("w:r")) if next(run.iterancestors(qn("w:p")), None) is own)
    return [Run(run, paragraph) for run in found]


def text_of(paragraph: Paragraph) -> str:
    """Return a paragraph's own text, as :func:`runs` has it."""
    return "".join(run.text for run in runs(paragraph))


def names(texts: Sequence[str], *, where: str | None) -> list[str]:
    """Return the names that paragraphs ask for, in small letters.

    Raises:
        ConfigError: braces that are no name, or sections inside of a line.
    """
    found = []
    for text in texts:
        if broken := _BRACES.search(NAME.sub("", text)):
            raise ConfigError(
                _("the template of reports has a placeholder that cannot be read: {text!r}").format(
                    text=broken[0]
                ),
                where=where,
                hint=_("Write it as {example}.").format(example="{{ title }}"),
            )
        here = [name.lower() for name in NAME.findall(text)]
        blocks = [name for name in here if name in {SECTIONS, ANNEXES} or name.startswith(SECTION)]
        if blocks and only_name(text) is None:
            raise ConfigError(
                _("{name!r} of the template of reports does not stand alone in its paragraph").format(
                    name=blocks[0]
                ),
                where=where,
                hint=_("Put it into a paragraph of its own: it becomes paragraphs and tables."),
            )
        found += here
    return found


def only_name(text: str) -> str | None:
    """Return the name that a paragraph consists of; None where it is more or no name."""
    found = NAME.fullmatch(text.strip())
    return found[1].lower() if found else None


def left_out(asked: Sequence[str], keys: Sequence[str]) -> tuple[str, ...]:
    """Return which sections have no place, and ``annexes`` where these have none.

    Args:
        asked: what the template asks for.
        keys: of all sections.
    """
    missing = () if SECTIONS in asked else tuple(key for key in keys if SECTION + key not in asked)
    return missing if ANNEXES in asked else (*missing, ANNEXES)


def says_nothing(asked: Sequence[str]) -> bool:
    """Return whether a template holds neither a section nor a figure: what is made of it is no report."""
    return not any(name == SECTIONS or name.startswith((SECTION, FIGURES)) for name in asked)
