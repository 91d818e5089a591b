"""One form for all ways of writing a Vietnamese name: without marks, case or hyphens."""

from __future__ import annotations

import re
import unicodedata

_GAPS = re.compile(r"[\s\-\u2010-\u2015\u2212_]+")


def fold(text: str) -> str:
    """Return the key under which ``text`` is compared with other names.

    Marks are dropped, đ becomes d, letters are lower case, runs of spaces, hyphens and underscores
    are one space: ``Hóa``, ``Hoá`` and ``HOA`` are the same, in composed and decomposed Unicode.

    >>> fold("Phường  Chân Mây – Lăng Cô")
    'phuong chan may lang co'
    """
    if text.isascii():
        return _GAPS.sub(" ", text.lower()).strip()
    folded = _bare(text.casefold())
    # Case folding may bring marks and decomposing may bring capitals; the second round settles both.
    return _GAPS.sub(" ", _bare(folded.casefold())).strip()


def _bare(text: str) -> str:
    parts = unicodedata.normalize("NFD", text)
    return "".join(c for c in parts if not unicodedata.combining(c)).replace("đ", "d")
