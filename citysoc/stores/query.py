"""The query as a tree: what ``source.ip:10.0.0.0/8 AND NOT user.name:svc_*`` means, for any store.

``stores.query_parse`` makes the tree from text (its leaves: ``query_leaves``), ``stores.query_sql`` turns it into SQL for the local
store, ``stores.query_match`` evaluates it on one event in plain Python. The three agree on this:

- Text is compared folded: NFC, lower case letter by letter (``ß`` and ``ss`` differ, ``Đ`` and ``đ`` do not).
- A list field matches when any of its values does; an absent field matches nothing, so its negation matches.
- A known field is asked by its type. A field outside the dictionary is asked as text, or as a number where
  a range is given in numbers.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from citysoc.ecs.fields import EXTRA, FIELDS

if TYPE_CHECKING:
    import datetime as dt
    import ipaddress
    from collections.abc import Iterator

TEXT_FIELDS = frozenset(name for name, field in FIELDS.items() if field.type == "text") | {"event.original"}
"""Fields of free text: a value is looked for inside them, in every other field it is the whole."""

FREE_TEXT = ("message", "event.original")
"""Where a word without a field is looked for."""


class Gap(Enum):
    """A place in a pattern that stands for other characters."""

    ANY = "*"
    ONE = "?"


Scalar: TypeAlias = "str | int | float | bool | dt.datetime | ipaddress.IPv4Address | ipaddress.IPv6Address"


@dataclass(frozen=True, slots=True)
class Everything:
    """Every event."""


@dataclass(frozen=True, slots=True)
class And:
    """All of the parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of the parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Not the part; true where the part's field is absent."""

    part: Node


@dataclass(frozen=True, slots=True)
class Term:
    """The field is the value: text folded, numbers, truth values and moments exactly."""

    field: str
    value: str | int | float | bool | dt.datetime


@dataclass(frozen=True, slots=True)
class Contains:
    """The field's text has this text in it, folded."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Wildcard:
    """The field's text has this form, folded: the whole of it, in text fields any part of it."""

    field: str
    pattern: tuple[str | Gap, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The field lies between two bounds; None is no bound.

    Addresses compare as numbers within one family, text by its folded code points.
    """

    field: str
    low: Scalar | None
    high: Scalar | None
    with_low: bool = True
    with_high: bool = True


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has a value."""

    field: str


@dataclass(frozen=True, slots=True)
class Cidr:
    """The field's address lies in the network."""

    field: str
    network: ipaddress.IPv4Network | ipaddress.IPv6Network


Leaf: TypeAlias = Term | Contains | Wildcard | Range | Exists | Cidr
Node: TypeAlias = Everything | And | Or | Not | Leaf


def fold(text: str) -> str:
    """Return the text as it is compared: composed (NFC), then each letter in lower case.

    Letter by letter, so that the length of a match never depends on its neighbours and DuckDB's
    ``lower`` gives the same: ``İ`` is ``i``, ``Σ`` is always ``σ``. NUL becomes U+FFFD: DuckDB would
    end a text at it, and what stands behind could not be found.

    >>> fold("ĐỘC HẠI") == fold("độc hại")
    True
    """
    text = text.replace("\0", "\ufffd")
    if text.isascii():
        return text.lower()
    return "".join(map(_lower, unicodedata.normalize("NFC", text)))


def _lower(letter: str) -> str:
    return lower if len(lower := letter.lower()) == 1 else lower[0]


def leaves(node: Node) -> Iterator[Leaf]:
    """Yield the leaves of a tree from left to right."""
    match node:
        case Everything():
            return
        case And(parts) | Or(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
        case _:
            yield node


def columns(node: Node) -> set[str]:
    """Return the stored columns that the tree reads."""
    return {leaf.field if leaf.field in FIELDS else EXTRA for leaf in leaves(node)}
