"""Bring the catalogues up to date with the code: ``python -m tests.catalogues``, ``make catalogues``.

Messages are found by Babel as ``babel.cfg`` says. The Vietnamese catalogue keeps its translations, gets what
is new without one and loses what is gone; the compiled catalogue is written beside it. Nothing in the files
changes without a change of the messages: no dates, no places in the code, no names.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[1]
PO = ROOT / "citysoc" / "locale" / "vi" / "LC_MESSAGES" / "citysoc.po"
MO = PO.with_suffix(".mo")
KEYWORDS = {"_": None, "mark": None, "ngettext": (1, 2)}
_HEAD = {
    "Project-Id-Version": "citysoc",
    "Language": "vi",
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Transfer-Encoding": "8bit",
    "Plural-Forms": "nplurals=1; plural=0;",
}


Text = str | tuple[str, str]
"""A message, or its forms for one and for many."""
Forms = str | tuple[str, ...] | list[str] | None


def in_the_code() -> set[Text]:
    """Return every message that the code and the templates hold."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    found = extract_from_dir(ROOT, methods, options, KEYWORDS, directory_filter=_looked_into)
    return {message for _path, _line, message, _comments, _context in found if message}


def _looked_into(directory: str) -> bool:
    return not Path(directory).name.startswith(".") and Path(directory).name != "__pycache__"


def translations(path: Path = PO) -> Catalog:
    """Return the Vietnamese catalogue as it is written."""
    with path.open("rb") as file:
        return read_po(file, locale="vi", abort_invalid=True)


def renewed(old: Catalog, messages: Iterable[Text]) -> Catalog:
    """Return a catalogue of exactly these messages, with the translations that the old one has."""
    new = Catalog(locale="vi", charset="utf-8", header_comment="# Vietnamese messages of citysoc.")
    for text in sorted(messages, key=forms):
        known = old.get(text)
        if known is None or known.id != text:
            new.add(text, "" if isinstance(text, str) else ("",))
        else:
            new.add(text, known.string, flags=known.flags)
    return new


def forms(text: Forms) -> tuple[str, ...]:
    """Return the forms of a message or of its translation."""
    return (text,) if isinstance(text, str) else tuple(text or ())


def as_po(catalog: Catalog) -> bytes:
    """Return a catalogue as text, sorted, one message a line."""
    out = io.BytesIO()
    write_po(out, catalog, width=0, no_location=True, omit_header=True, sort_output=True)
    head = "".join(f'"{name}: {value}\\n"\n' for name, value in _HEAD.items())
    return f'{catalog.header_comment}\nmsgid ""\nmsgstr ""\n{head}\n'.encode() + out.getvalue()


def as_mo(catalog: Catalog) -> bytes:
    """Return a catalogue as gettext reads it."""
    out = io.BytesIO()
    write_mo(out, _with_fixed_head(catalog))
    return out.getvalue()


def _with_fixed_head(catalog: Catalog) -> Catalog:
    """Return a catalogue whose head is ours: Babel's own holds dates and the time of writing."""
    fixed = _Fixed(locale="vi", charset="utf-8")
    for message in catalog:
        if message.id and any(forms(message.string)):
            fixed.add(message.id, message.string)
    return fixed


class _Fixed(Catalog):
    mime_headers = property(lambda _self: list(_HEAD.items()))


def main() -> None:
    """Write both catalogues; say what has no translation yet."""
    PO.parent.mkdir(parents=True, exist_ok=True)
    old = translations() if PO.exists() else Catalog(locale="vi")
    new = renewed(old, in_the_code())
    PO.write_bytes(as_po(new))
    MO.write_bytes(as_mo(new))
    lacking = [message.id for message in new if message.id and not any(forms(message.string))]
    sys.stdout.write(f"{len(new)} messages, {len(lacking)} without a translation\n")
    sys.stdout.writelines(f"  {forms(text)[0]}\n" for text in lacking)


if __name__ == "__main__":
    main()
