"""Filling a template: names between double braces become text, sections and annexes.

``{{ title }}`` and the other names of the letterhead become text where they stand, in the style they have.
``{{ figures.cases.value }}`` becomes one figure. A paragraph that is only ``{{ sections }}``,
``{{ section.overview }}`` or ``{{ annexes }}`` is replaced by what it names; a section that is named alone
is left out of ``{{ sections }}``.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from citysoc.errors import ConfigError
from citysoc.i18n import _
from citysoc.reports.text import clean, integer, percent
from citysoc.reports.word import places
from citysoc.reports.word.blocks import Writer
from citysoc.reports.word.places import FIGURES, SECTION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docx.document import Document as Page
    from docx.text.paragraph import Paragraph

    from citysoc.reports.blocks import Document, Section
    from citysoc.reports.figures import Figures

_OF_DOCUMENT = ("title", "period", "opening", "closing")
_MAX_NAMES = 60
"""So many names an error lists."""


def fill(page: Page, document: Document, figures: Figures | None, *, where: str | None) -> None:
    """Replace every placeholder of a template.

    Raises:
        ConfigError: a placeholder names nothing or cannot be read, or nothing of the report has a place;
            ``where`` is the template.
    """
    paragraphs = list(places.paragraphs(page))
    asked = places.names([places.text_of(paragraph) for paragraph in paragraphs], where=where)
    _says_something(asked, where)
    alone = {name.removeprefix(SECTION) for name in asked if name.startswith(SECTION)}
    sections = {section.key: section for section in document.sections}
    texts = _texts(document)
    writer = Writer(page)
    for paragraph in paragraphs:
        name = places.only_name(places.text_of(paragraph))
        if name == places.ANNEXES:
            writer.annexes(paragraph, document)
        elif name == places.SECTIONS:
            writer.sections(paragraph, [section for key, section in sections.items() if key not in alone])
        elif name and name.startswith(SECTION):
            writer.sections(paragraph, [_section(sections, name.removeprefix(SECTION), where)])
        else:
            _fill_line(paragraph, texts, figures, where)


def check(asked: Sequence[str], keys: Sequence[str], *, where: str) -> None:
    """Look at what a template asks for, as far as that can be known before there are figures.

    Raises:
        ConfigError: a name means nothing, or nothing of a report has a place.
    """
    from citysoc.reports.blocks import Letterhead
    from citysoc.reports.figures import Figures

    _says_something(asked, where)
    lines = [*(field.name for field in fields(Letterhead)), *_OF_DOCUMENT]
    figures = [FIGURES + field.name for field in fields(Figures)]
    known = {*lines, places.SECTIONS, places.ANNEXES, *(SECTION + key for key in keys)}
    for name in asked:
        if name.startswith(FIGURES):
            if ".".join(name.split(".")[:2]) not in figures:
                raise _unknown(name, where, figures)
        elif name not in known:
            raise _unknown(name, where, sorted(known))


def _says_something(asked: Sequence[str], where: str | None) -> None:
    if places.says_nothing(asked):
        raise ConfigError(
            _("the template of reports holds nothing of the report"),
            where=where,
            hint=_("Put {example} alone into a paragraph.").format(example="{{ sections }}"),
        )


def _texts(document: Document) -> dict[str, str]:
    head = {field.name: getattr(document.head, field.name) for field in fields(document.head)}
    return {
        **head,
        "recipients": "\n".join(document.head.recipients),
        **{name: getattr(document, name) for name in _OF_DOCUMENT},
    }


def _section(sections: Mapping[str, Section], key: str, where: str | None) -> Section:
    if key not in sections:
        raise _unknown(SECTION + key, where, [SECTION + name for name in sections])
    return sections[key]


def _fill_line(
    paragraph: Paragraph, texts: Mapping[str, str], figures: Figures | None, where: str | None
) -> None:
    found = list(places.NAME.finditer(places.text_of(paragraph)))
    if not found:
        return
    for match in reversed(found):
        name = match[1].lower()
        if name.startswith(FIGURES):
            text = _figure(figures, name, where)
        elif name in texts:
            text = texts[name]
        else:
            raise _unknown(name, where, [*texts, "sections", "annexes", "figures.cases.value"])
        _replace(paragraph, match.start(), match.end(), text)
    if not places.text_of(paragraph).strip() and not paragraph._p.xpath(".//w:drawing|.//w:pict"):  # noqa: SLF001  see _drop
        # Nothing to say, an empty mark for example, leaves no line.
        _drop(paragraph)


def _replace(paragraph: Paragraph, start: int, end: int, text: str) -> None:
    """Replace letters of a paragraph, which Word may have spread over runs, in the style of the first."""
    at = 0
    for run in places.runs(paragraph):
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
    found = FIGURES.rstrip(".")
    for step in name.removeprefix(FIGURES).split("."):
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
