"""Vietnamese in its two spellings: hóa and hoá, for rules with ``citysoc: {folded: true}``.

Two schools differ in which letter of ``oa``, ``oe`` and ``uy`` carries the tone. What is treated as one are these
fifteen pairs, small and large: òa oà, óa oá, ỏa oả, õa oã, ọa oạ, òe oè, óe oé, ỏe oẻ, õe oẽ, ọe oẹ, ùy uỳ, úy uý, ủy uỷ,
ũy uỹ, ụy uỵ. Nothing else is: đ is no d, a tone is never left out, i is no y. A rule's texts are written out in all
their spellings when it is compiled, so that matching costs nothing and the event is taken as it is.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

from citysoc.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from citysoc.detectors.sigma.nodes import Node

MAX_SPELLINGS = 256
"""A text that could be written in more ways than this is refused."""
_PAIRS = "òa oà óa oá ỏa oả õa oã ọa oạ òe oè óe oé ỏe oẻ õe oẽ ọe oẹ ùy uỳ úy uý ủy uỷ ũy uỹ ụy uỵ".split()  # noqa: SIM905  a table


def _cases() -> Iterator[tuple[str, str]]:
    for one, other in zip(_PAIRS[::2], _PAIRS[1::2], strict=True):
        for shape in (str, str.upper, str.capitalize, lambda pair: pair[0] + pair[1].upper()):
            yield shape(one), shape(other)


_OTHER = {spelling: pair for pair in _cases() for spelling in pair}
_ANY = re.compile("|".join(_OTHER))


def spellings(text: str) -> list[str]:
    """Return a text in all its spellings, the text itself among them.

    Args:
        text: composed (NFC).

    Raises:
        RuleError: there are too many.
    """
    parts: list[tuple[str, ...]] = []
    place = 0
    count = 1
    for found in _ANY.finditer(text):
        parts += [(text[place : found.start()],), _OTHER[found[0]]]
        place = found.end()
        count *= 2
    if count > MAX_SPELLINGS:
        raise RuleError(
            f"the text {text[:60]!r} could be spelt in {count} ways; with `folded` it may be {MAX_SPELLINGS}"
        )
    return ["".join(chosen) for chosen in itertools.product(*parts, (text[place:],))]


def in_all_spellings(node: Node) -> Node:
    """Return the same test for texts in all their spellings."""
    kind = node[0]
    if kind in {"all", "any"}:
        return [kind, [in_all_spellings(part) for part in node[1]]]
    if kind == "not":
        return ["not", in_all_spellings(node[1])]
    if kind == "text":
        texts = dict.fromkeys(one for text in node[4] for one in spellings(text))
        return [*node[:4], list(texts)]
    if kind in {"like", "keyword"}:
        return ["any", [[*node[:-1], pieces] for pieces in _globs(node[-1])]]
    return node


def _globs(pieces: Sequence[Any]) -> list[list[Any]]:
    each = [spellings(piece) if isinstance(piece, str) else [piece] for piece in pieces]
    count = 1
    for one in each:
        count *= len(one)
    if count > MAX_SPELLINGS:
        raise RuleError(f"a text with wildcards could be spelt in {count} ways; it may be {MAX_SPELLINGS}")
    return [list(chosen) for chosen in itertools.product(*each)]
