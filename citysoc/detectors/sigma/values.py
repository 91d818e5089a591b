"""Nodes of one field decided on one text: what ``match`` says of an event, said of a value, in fewer steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from citysoc.detectors.sigma.expressions import searcher
from citysoc.detectors.sigma.glob import glob
from citysoc.detectors.sigma.match import cost, predicate
from citysoc.detectors.sigma.nodes import MAX_LOOK_CHARS
from citysoc.detectors.sigma.view import View
from citysoc.detectors.text import compose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from citysoc.detectors.sigma.nodes import Node

Decide: TypeAlias = "Callable[[str, str], bool]"
"""From a folded text and the text itself to whether a node holds for it."""


def decider(node: Node, field: str) -> Decide:
    """Return the function that decides a node on a text of the only field that it looks at."""
    kind = node[0]
    if kind in {"all", "any"}:
        return _group(kind == "any", [decider(part, field) for part in sorted(node[1], key=cost)])
    if kind == "not":
        inner = decider(node[1], field)
        return lambda folded, text: not inner(folded, text)
    return _leaf(node, field)


def _leaf(node: Node, field: str) -> Decide:
    kind = node[0]
    if kind == "text" and not node[2]:
        return _text(node[1], tuple(node[4]))
    if kind == "like" and not node[1]:
        fits = glob(node[3])
        return lambda folded, _text: fits(folded)
    if kind == "re":
        search = searcher(node[2], node[3], MAX_LOOK_CHARS)
        return lambda _folded, text: search(compose(text))
    test = predicate(node)
    return lambda _folded, text: test(View({field: text}, plain=True))


def _group(wanted: bool, parts: Sequence[Decide]) -> Decide:
    def decide(folded: str, text: str) -> bool:
        for part in parts:
            if part(folded, text) is wanted:
                return wanted
        return not wanted

    return decide


def _text(how: str, wanted: tuple[str, ...]) -> Decide:
    if how == "starts":
        return lambda folded, _text: folded.startswith(wanted)
    if how == "ends":
        return lambda folded, _text: folded.endswith(wanted)
    if how == "is":
        known = frozenset(wanted)
        return lambda folded, _text: folded in known
    if len(wanted) == 1:
        only = wanted[0]
        return lambda folded, _text: only in folded

    def has(folded: str, _text: str) -> bool:
        for text in wanted:  # noqa: SIM110  a generator costs more than the tests
            if text in folded:
                return True
        return False

    return has
