"""Filling a template: names between double braces become text, sections and annexes.

``{{ title }}`` and the other names of the letterhead become text where they stand, in the style they have.
``{{ figures.cases.value }}`` becomes one figure. A paragraph that is only ``{{ sections }}``,
``{{ section.overview }}`` or ``{{ annexes }}`` is replaced by what it names; a section that is named alone
is left out of ``{{ sections }}``.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from citysoc.errors import ConfigError
from citysoc.i18n import _
from citysoc.reports.text import clean, integer, percent
from citysoc.reports.word.blocks import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from docx.document import Document as Page
    from docx.text.paragraph import Paragraph

    from citysoc.reports.blocks import Document, Section
    from citysoc.reports.figures import Figures

_NAME = re.compile(r"\{\{\s*([a-z_]+(?:\.[a-z0-9_-]+)*)\s*\}\}")
_FIGURES = "figures."
_SECTION = "section."
_MAX_NAMES = 60
"""So many names an error lists."""


def fill(page: Page, document: Document, figures: Figures | None, *, where: str | None) -> None:
    """Replace every placeholder of a template.

    Raises:
        ConfigError: a placeholder names nothing; ``where`` is the template.
    """
    paragraphs = list(_paragraphs(page))
    alone = {name.removeprefix(_SECTION) for name in _named(paragraphs) if name.startswith(_SECTION)}
    sections = {section.key: section for section in document.sections}
    texts = _texts(document)
    writer = Writer(page)
    for paragraph in paragraphs:
        name = _only_name(paragraph.text)
        if name == "annexes":
            writer.annexes(paragraph, document)
        elif name == "sections":
            writer.sections(paragraph, [section for key, section in sections.items() if key not in alone])
        elif name and name.startswith(_SECTION):
            writer.sections(paragraph, [_section(sections, name.removeprefix(_SECTION), where)])
        else:
            _fill_line(paragraph, texts, figures, where)


def _texts(document: Document) -> dict[str, str]:
    head = {field.name: getattr(document.head, field.name) for field in fields(document.head)}
    return {
        **head,
        "recipients": "\n".join(document.head.recipients),
        "title": document.title,
        "period": document.period,
        "opening": document.opening,
        "closing": document.closing,
    }


def _named(paragraphs: Sequence[Paragraph]) -> Iterator[str]:
    for paragraph in paragraphs:
        yield from _NAME.findall(paragraph.text)


def _only_name(text: str) -> str | None:
    found = _NAME.fullmatch(text.strip())
    return found[1] if found else None


def _paragraphs(page: Page) -> Iterator[Paragraph]:
    """Yield the paragraphs of the text, of its tables, of headers and footers."""
    yield from _inside(page)
    for section in page.sections:
        for place in (section.header, section.first_page_header, section.footer, section.first_page_footer):
            yield from _inside(place)


def _inside(place: Any) -> Iterator[Paragraph]:
    yield from place.paragraphs
    for table in place.tables:
        for row in table.rows:
            for cell in row.cells:
                yield from _inside(cell)


def _section(sections: Mapping[str, Section], key: str, where: str | None) -> Section:
    if key not in sections:
        raise _unknown(_SECTION + key, where, [_SECTION + name for name in sections])
    return sections[key]


def _fill_line(
    paragraph: Paragraph, texts: Mapping[str, str], figures: Figures | None, where: str | None
) -> None:
    found = list(_NAME.finditer(paragraph.text))
    if not found:
        return
    for match in reversed(found):
        name = match[1]
        if name.startswith(_FIGURES):
            text = _figure(figures, name, where)
        elif name in texts:
            text = texts[name]
        else:
            raise _unknown(name, where, [*texts, "sections", "annexes", "figures.cases.value"])
        _replace(paragraph, match.start(), match.end(), text)
    if not paragraph.text.strip():
        # Nothing to say, an empty mark for example, leaves no line.
        _drop(paragraph)


def _replace(paragraph: Paragraph, start: int, end: int, text: str) -> None:
    """Replace letters of a paragraph, which Word may have spread over runs, in the style of the first."""
    at = 0
    for run in paragraph.runs:
        letters = run.text
        left, right = max(start - at, 0), min(end - at, len(letters))
        at += len(letters)
        if left >= right:
            continue
        run.text = letters[:left] + text + letters[right:]
        text = ""


def _drop(paragraph: Paragraph) -> None:
    element = paragraph._p  # noqa: SLF001  python-docx has no door for removing paragraphs
    parent = element.getparent()
    if parent is not None and sum(child.tag == element.tag for child in parent) > 1:
        parent.remove(element)


def _figure(figures: Figures | None, name: str, where: str | None) -> str:
    value: Any = figures
    found = _FIGURES.rstrip(".")
    for step in name.removeprefix(_FIGURES).split("."):
        known = _steps(value)
        if step not in known:
            raise _unknown(name, where, [f"{found}.{key}" for key in known][:_MAX_NAMES])
        value, found = known[step], f"{found}.{step}"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _unknown(name, where, [f"{name}.{key}" for key in _steps(value)][:_MAX_NAMES])
    if isinstance(value, float):
        return percent(value)
    return integer(value) if isinstance(value, int) else clean(value)


def _steps(value: Any) -> dict[str, Any]:
    """Return what is below a value: fields, keys, or the codes of rows that have one."""
    if isinstance(value, dict):
        return {str(key).lower(): inner for key, inner in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        found = {field.name: getattr(value, field.name) for field in fields(value)}
        return {
            **found,
            **{name: getattr(value, name) for name in ("change", "year_change") if hasattr(value, name)},
        }
    if isinstance(value, tuple):
        return {
            str(getattr(row, name)).lower(): row
            for row in value
            for name in ("code", "key", "id", "level")
            if hasattr(row, name)
        }
    return {}


def _unknown(name: str, where: str | None, known: Sequence[str]) -> ConfigError:
    return ConfigError(
        _("the template of reports asks for {name!r}, which there is not").format(name=name[:100]),
        where=where,
        hint=_("There are: {names}.").format(names=", ".join(known)),
    )
