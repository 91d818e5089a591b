"""The report as DOCX, editable in Word: a template's placeholders filled with the report.

The template is the layout of Decree 30/2020 (:mod:`citysoc.reports.word.skeleton`) or a user's own. A
placeholder is a name between double braces; nothing in a template is run as code.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

from citysoc.errors import ConfigError
from citysoc.i18n import _
from citysoc.reports.packages import settled
from citysoc.reports.word import filling, places, skeleton

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from docx.document import Document as Page

    from citysoc.reports.blocks import Document
    from citysoc.reports.figures import Figures

MAX_TEMPLATE_BYTES = 20 << 20
MAX_UNPACKED_BYTES = 200 << 20
_LANGUAGES = {"vi": "vi-VN", "en": "en-GB"}
_PROPERTY_LETTERS = 255
"""As long as the format lets a property be."""


def render(document: Document, figures: Figures | None = None, template: Path | None = None) -> bytes:
    """Return the report as DOCX; same document and template, same bytes.

    Args:
        document: what it says.
        figures: single figures that a template asks for by name; None for a document that has none.
        template: a DOCX file with placeholders; None for the layout of Decree 30/2020.

    Raises:
        ConfigError: the template cannot be read, or asks for something that there is not.
    """
    page = _opened(template)
    filling.fill(page, document, figures, where=str(template) if template else None)
    if template is None:
        _speak(page, document.language)
    properties = page.core_properties
    properties.title = document.title[:_PROPERTY_LETTERS]
    properties.author = properties.last_modified_by = " ".join(document.head.issuer.split())[
        :_PROPERTY_LETTERS
    ]
    properties.created = properties.modified = document.dated.replace(tzinfo=None)
    properties.comments = ""
    properties.revision = 1
    held = io.BytesIO()
    page.save(held)
    return settled(held.getvalue(), document.dated)


def _speak(page: Page, language: str) -> None:
    """Name the language of the text, without which Word underlines every Vietnamese word as a mistake."""
    from docx.oxml.ns import qn

    code = _LANGUAGES[language]
    for place in page.styles.element.iter(qn("w:lang")):
        place.set(qn("w:val"), code)
    page.core_properties.language = code


def left_out(template: Path, keys: Sequence[str]) -> tuple[str, ...]:
    """Return which of the sections, and ``annexes``, a template has no place for: its reports lack them.

    Raises:
        ConfigError: the template cannot be read, asks for something that there is not, or holds nothing of a report.
    """
    where = str(template)
    asked = places.names(
        [places.text_of(paragraph) for paragraph in places.paragraphs(_opened(template))], where=where
    )
    filling.check(asked, keys, where=where)
    return places.left_out(asked, keys)


def _opened(template: Path | None) -> Page:
    import docx

    package = io.BytesIO(_read(template) if template else skeleton.template())
    try:
        return docx.Document(package)
    except (ValueError, KeyError, SyntaxError) as error:
        raise _not_a_template(template) from error


def _read(template: Path) -> bytes:
    """Return a template whose size packed and unpacked is bounded."""
    try:
        with template.open("rb") as file:
            package = file.read(MAX_TEMPLATE_BYTES + 1)
        with zipfile.ZipFile(io.BytesIO(package)) as members:
            unpacked = sum(member.file_size for member in members.infolist())
    except OSError as error:
        raise ConfigError(
            _("the template of reports cannot be read: {reason}").format(reason=error.strerror or str(error)),
            where=str(template),
        ) from error
    except zipfile.BadZipFile as error:
        raise _not_a_template(template) from error
    if len(package) > MAX_TEMPLATE_BYTES or unpacked > MAX_UNPACKED_BYTES:
        raise ConfigError(_("the template of reports is too large"), where=str(template))
    return package


def _not_a_template(template: Path | None) -> ConfigError:
    return ConfigError(
        _("the template of reports is no DOCX file"),
        where=str(template),
        hint=_("Write one to begin with: citysoc reports template export FILE.docx"),
    )
