"""What is left to ask of a text once it is known which leads it has.

Which leads a text has is seen in one search, and settles most of what conditions ask of it. The same leads come together
again and again, so what is left is worked out once for each set of them (``classifier``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection

    from citysoc.detectors.sigma.nodes import Node

Lead: TypeAlias = tuple[str, str]
"""How a text stands in a value, and the text; or ``re`` with its flags, and a pattern."""


def remainder(node: Node, found: Collection[Lead], known: Collection[Lead]) -> Node | bool:
    """Return what of a node is still to be asked of a text; whether it holds, where nothing is.

    Args:
        node: of one field only, whose value is one text.
        found: the leads that the text has.
        known: the leads that were looked for.
    """
    kind = node[0]
    if kind in {"all", "any"}:
        return _group(node, found, known)
    if kind == "not":
        inner = remainder(node[1], found, known)
        return not inner if isinstance(inner, bool) else ["not", inner]
    if kind == "text" and not node[2]:
        return _text(node, found, known)
    if kind == "like" and not node[1]:
        return _like(node, found, known)
    if kind == "re":
        return _pattern(node, found, known)
    return bool(kind == "exists") if kind in {"exists", "null"} else node


def is_settling(pattern: str) -> bool:
    """Return whether a pattern that was found is known to hold: it may not have found the edge of another value."""
    return "$" not in pattern and "^" not in pattern.replace("[^", "")


def _group(node: Node, found: Collection[Lead], known: Collection[Lead]) -> Node | bool:
    settles = node[0] == "any"
    left = []
    for part in node[1]:
        one = remainder(part, found, known)
        if one is settles:
            return settles
        if not isinstance(one, bool):
            left.append(one)
    if not left:
        return not settles
    return left[0] if len(left) == 1 else [node[0], left]


def _text(node: Node, found: Collection[Lead], known: Collection[Lead]) -> Node | bool:
    how = node[1]
    within = [text for own, text in found if not own.startswith("re")] if how == "has" else []
    left = []
    for text in node[4]:
        if (how, text) in found or any(text in one for one in within):
            return True
        if (how, text) not in known:
            left.append(text)
    return [*node[:4], left] if left else False


def _like(node: Node, found: Collection[Lead], known: Collection[Lead]) -> Node | bool:
    pieces = [("has", piece) for piece in node[3] if isinstance(piece, str)]
    return False if any(piece in known and piece not in found for piece in pieces) else node


def _pattern(node: Node, found: Collection[Lead], known: Collection[Lead]) -> Node | bool:
    lead = f"re{node[3]}", node[2]
    if lead in found:
        return True if is_settling(node[2]) else node
    return False if lead in known else node
