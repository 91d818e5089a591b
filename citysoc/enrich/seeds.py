"""The labelled names that the model learns from: families, their other spellings, composed names, signatures.

All are of our own making, after the public grammars, from ``families.yml``, ``data/names.yml`` and
``data/signatures.yml``. Each name has a group; names of one group are never parted when some are kept out of
training: a family in all its spellings is one group, and so are all composed names that end alike.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from citysoc.enrich.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FOLDS = 5
_FORMS_EACH = 3
_VOWELS = re.compile(r"[aeiou]")
_ADDED = ("doc", "plus", "mod", "new", "lite", "pack", "net", "pro")
"""Words that say nothing of a family's kind."""
_COMPOSED_EACH = 160
_SPELLED = 6
"""Shorter families are only written as they are."""


@dataclass(frozen=True, slots=True)
class Seed:
    """One labelled name.

    Args:
        text: the name.
        code: its class; empty for names that say nothing.
        group: what it shares with names that must not be parted from it.
        kind: family, spelling, composed, nothing, signature or phrase.
    """

    text: str
    code: str
    group: str
    kind: str

    @property
    def fold(self) -> int:
        """Which fifth of the groups it is in."""
        return zlib.crc32(self.group.encode()) % FOLDS

    @property
    def part(self) -> int:
        """Which fifth of all names it is in, whatever its group."""
        return zlib.crc32(f"{self.text}\n{self.group}".encode()) % FOLDS


def seeds() -> dict[str, list[Seed]]:
    """Return the labelled names of each half of the model: threat names and signatures."""
    return {"threat": [*_families(), *_composed(), *_nothing()], "signature": list(_signatures())}


def digest(found: Mapping[str, Sequence[Seed]]) -> str:
    """Return what tells one set of labelled names from another."""
    text = "\n".join(f"{half}\t{one.code}\t{one.text}" for half in sorted(found) for one in found[half])
    return hashlib.sha256(text.encode()).hexdigest()


def _families() -> Iterator[Seed]:
    classes: Mapping[str, str] = table("rules.yml")["malware"]
    for kind, families in table("families.yml").items():
        if kind in classes:
            for family in families:
                yield Seed(_written(family)[0], classes[kind], family, "family")
                for text in dict.fromkeys(_spellings(family)):
                    yield Seed(text, classes[kind], family, "spelling")


def _spellings(family: str) -> Iterator[str]:
    """Yield how else vendors write a family: without vowels, cut short, with a word behind, with two letters swapped."""
    chance = zlib.crc32(family.encode())
    if len(family) >= _SPELLED:
        yield family[0] + _VOWELS.sub("", family[1:])
        yield family[: max(_SPELLED, len(family) * 3 // 4)]
        place = 1 + chance % (len(family) - 2)
        yield family[:place] + family[place + 1] + family[place] + family[place + 2 :]
    yield family + _ADDED[chance % len(_ADDED)]


def _composed() -> Iterator[Seed]:
    for code, parts in table("data/names.yml")["words"].items():
        pairs = [(start, end) for start in parts["starts"] for end in parts["ends"] if start != end]
        pairs.sort(key=lambda pair: zlib.crc32("".join(pair).encode()))
        for start, end in pairs[:_COMPOSED_EACH]:
            yield Seed(_written(start + end)[0], code, f"{code} {end}", "composed")


def _nothing() -> Iterator[Seed]:
    for piece in table("data/names.yml")["nothing"]:
        for text in _written(piece):
            yield Seed(text, "", piece, "nothing")


def _signatures() -> Iterator[Seed]:
    for code, texts in table("data/signatures.yml").items():
        for text in texts:
            yield Seed(text, "" if code == "none" else code, text, "signature")
    for code, parts in table("data/phrases.yml").items():
        pairs = [(start, end) for start in parts["starts"] for end in parts["ends"]]
        pairs.sort(key=lambda pair: zlib.crc32(" ".join(pair).encode()))
        for start, end in pairs[:_COMPOSED_EACH]:
            yield Seed(f"{start} {end}", code, f"{code} {start}", "phrase")


def _written(family: str) -> list[str]:
    """Return a family's name in a few forms, always the same ones."""
    forms: list[str] = table("data/names.yml")["forms"]
    chance = zlib.crc32(family.lower().encode())
    capital = family[:1].upper() + family[1:]
    letters = "".join(chr(65 + (chance >> shift) % 26) for shift in (3, 7))
    return [
        forms[(chance + step * 3) % len(forms)].format(
            F=capital, U=family.upper(), L=family.lower(), n=chance % 99_991, v=letters
        )
        for step in range(_FORMS_EACH)
    ]
