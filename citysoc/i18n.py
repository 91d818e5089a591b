"""The languages people read: every message for an analyst or a report passes through here.

Messages are written in English in the code, ``_("No alerts.")``, and translated by the gettext
catalogues in ``citysoc/locale``. The language belongs to the running command, not to the process:
a report in English can be built by a service that speaks Vietnamese.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import gettext as _gettext
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LANGUAGES = ("vi", "en")
_CATALOGUES = Path(__file__).with_name("locale")
_language: contextvars.ContextVar[str] = contextvars.ContextVar("language", default="en")


def from_environment(environment: Mapping[str, str] | None = None) -> str:
    """Return the language that the environment asks for, English where it does not say.

    Looks at ``CITYSOC_LANG``, then ``LC_ALL``, ``LC_MESSAGES``, ``LANG``.
    """
    environment = os.environ if environment is None else environment
    for name in ("CITYSOC_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        code = environment.get(name, "")[:2].lower()
        if code in LANGUAGES:
            return code
    return "en"


def language() -> str:
    """Return the language in force: ``vi`` or ``en``."""
    return _language.get()


def set_language(code: str) -> None:
    """Speak ``code`` from here on in this context."""
    _language.set(code)


@contextlib.contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak ``code`` inside the block, for example while rendering one report."""
    token = _language.set(code)
    try:
        yield
    finally:
        _language.reset(token)


@functools.lru_cache(maxsize=len(LANGUAGES))
def _catalogue(code: str) -> _gettext.NullTranslations:
    return _gettext.translation("citysoc", _CATALOGUES, languages=[code], fallback=True)


def gettext(message: str) -> str:
    """Return ``message`` in the language in force; English where no translation exists."""
    code = _language.get()
    return message if code == "en" else _catalogue(code).gettext(message)


def ngettext(one: str, many: str, count: int) -> str:
    """Return the form of a message that a count asks for, in the language in force; Vietnamese has one form.

    The number is written by the caller: ``ngettext("{count} alert", "{count} alerts", n).format(count=n)``.
    """
    code = _language.get()
    return (one if count == 1 else many) if code == "en" else _catalogue(code).ngettext(one, many, count)


def mark(message: str) -> str:
    """Mark a text for the catalogue where it stands; it is translated where it is shown, ``_(TITLES[state])``."""
    return message


_ = gettext

IN_FULL_BELOW = 100_000
_KEPT_DIGITS = 3
_UNITS = (
    (10**9, mark("{number} billion")),
    (10**6, mark("{number} million")),
    (10**3, mark("{number} thousand")),
)


def integer(value: int) -> str:
    """Return a whole number grouped as the language in force writes it: 5.661 in Vietnamese, 5,661 in English."""
    return _marks(f"{value:,}")


def about(value: int) -> str:
    """Return a count as a sentence says it where nobody needs its last digit: ``1,5 triệu``, ``about 2 million``.

    Below 100,000 it is written in full. From there on three digits are kept, the half rounded up, and the unit
    is chosen after rounding: 999,500 is a million, never 1,000 thousand. Zeros at the end of decimals are left
    out. What is not the exact number says so; it is within half a percent.

    >>> about(1_500_000), about(1_999_996), about(5_661)
    ('1.5 million', 'about 2 million', '5,661')
    """
    if value < IN_FULL_BELOW:
        return integer(value)
    step = 10 ** (len(str(value)) - _KEPT_DIGITS)
    kept = (value + step // 2) // step * step
    unit, form = next((unit, form) for unit, form in _UNITS if kept >= unit)
    whole, rest = divmod(kept, unit)
    decimals = f"{rest:0{len(str(unit)) - 1}}".rstrip("0")
    said = _(form).format(number=_marks(f"{whole:,}.{decimals}" if decimals else f"{whole:,}"))
    return said if kept == value else _("about {number}").format(number=said)


def _marks(number: str) -> str:
    """Return a number's marks of thousands and decimals as the language in force sets them."""
    return number.translate(_VIETNAMESE_MARKS) if language() == "vi" else number


_VIETNAMESE_MARKS = str.maketrans(",.", ".,")
