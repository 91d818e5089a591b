"""What an event must have for a rule to match, field by field: the part of a test that one value can decide.

A rule's *needs* must all be fulfilled. A need is a mapping of fields to *expressions*, and is fulfilled where one
of its fields has a value for which one of its expressions holds (``chances``).

Needs are necessary: an event that fulfils them is a candidate. Where they say all that the test says they are also
sufficient; else a candidate is evaluated exactly. The *leads*
of an expression are texts of which a value must have one, so that most values are never asked; an expression
without leads must be decided on every new value, and is used only where a rule has nothing better. The field
``""`` stands for all that an event says, which is where keywords are looked for.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.detectors.sigma.chances import Expression, asked, chance
from citysoc.detectors.sigma.expressions import is_linear, literals
from citysoc.detectors.sigma.nodes import is_silent, only_field
from citysoc.detectors.text import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from citysoc.detectors.sigma.nodes import Node

Need: TypeAlias = dict[str, list[Expression]]
MAX_NEEDS = 8
_MAX_PRODUCT = 8
"""So many needs an alternative is written out to."""
ANYWHERE = ""
SELDOM_AGAIN = frozenset(
    {
        "process.command_line",
        "process.parent.command_line",
        "file.path",
        "registry.path",
        "url.full",
        "url.path",
        "registry.data.strings",
        "powershell.file.script_block_text",
        "powershell.payload",
        "dns.question.name",
        "destination.domain",
        "dll.path",
        "message",
        ANYWHERE,
        "winlog.event_data.Hashes",
        "winlog.event_data.CallTrace",
        "winlog.event_data.LogonId",
        "source.port",
        "source.ip",
        "process.pid",
    }
)
"""Fields whose values seldom come again, so that what is decided on a value is decided for one event."""
_USEFUL = 0.05
"""What is asked of such fields oftener than this is left out where the rule has another need."""
_TELLING = 0.1
"""A rule whose best need is fulfilled oftener than this uses them all."""


def needs(test: Node) -> tuple[list[Need], bool]:
    """Return up to ``MAX_NEEDS`` needs of a test, the most telling first, and whether they say all that it says."""
    found, exact = _needs(test, holds=True)
    found.sort(key=chance)
    seldom = [need for need in found if _is_worth(need)]
    if not seldom or chance(seldom[0]) > _TELLING:
        seldom = [need for need in found if _is_possible(need)] or found
        if found and chance(seldom[0]) > _TELLING and found[0] not in seldom:
            seldom.insert(0, found[0])
    kept = seldom[:MAX_NEEDS]
    return kept, exact and len(kept) == len(found)


def undecided(test: Node) -> list[Node]:
    """Return what is left to be asked of an event that fulfils a test's needs: all of these must hold."""
    kept, exact = needs(test)
    if exact and kept:
        return []
    told = _told(test[1], holds=True) if test[0] == "all" else [([test], *_needs(test, holds=True))]
    return [
        node
        for nodes, found, exact in told
        if not exact or not found or any(need not in kept for need in found)
        for node in nodes
    ]


def _is_worth(need: Need) -> bool:
    """Return whether it is cheaper to decide a need on new values than to evaluate the rule more often."""
    return all(
        field not in SELDOM_AGAIN or sum(map(asked, expressions)) <= _USEFUL
        for field, expressions in need.items()
    )


def _is_possible(need: Need) -> bool:
    return all(
        field not in SELDOM_AGAIN or sum(map(asked, expressions)) < 1.0 for field, expressions in need.items()
    )


def _needs(node: Node, *, holds: bool) -> tuple[list[Need], bool]:
    """Return what is needed for a node to hold, or not to hold, and whether that is all."""
    kind = node[0]
    if kind == "not":
        return _needs(node[1], holds=not holds)
    if kind == "exists":  # that it is not there is what no text fulfils
        node, holds = ["not", node], not holds
    field = only_field(node)
    if field is not None:
        return [{field: [_exactly(node) if holds else ["not", node, _texts(node)]]}], True
    if kind in {"all", "any"}:
        return _joined(node[1], holds=holds) if (kind == "all") is holds else _either(node[1], holds=holds)
    if kind in {"keyword", "keyword_re"} and holds:
        expression = _glob(node[2]) if kind == "keyword" else _pattern(node[1], node[2])
        return ([] if expression is None else [{ANYWHERE: [expression]}]), False
    return [], False


def _exactly(node: Node) -> Expression:
    """Return the expression of a node of one field; a text needs no test beside itself."""
    text = _texts(node)
    if node[0] == "text" and not node[2] and text is not None:
        return text
    return ["test", node, text]


def _texts(node: Node) -> Expression | None:
    """Return what texts a value has wherever a node of its field holds."""
    kind = node[0]
    if kind == "text":
        return _either_text(node[1], node[4])
    if kind == "like":
        return _glob(node[3])
    if kind == "re":
        return _pattern(node[2], node[3])
    if kind == "all":
        parts = [part for part in map(_texts, node[1]) if part is not None]
        return _and(parts) if parts else None
    if kind == "any":
        each = [_texts(part) for part in node[1] if not is_silent(part)]
        return _or([part for part in each if part is not None]) if each and None not in each else None
    return None


def _either_text(how: str, texts: Sequence[str]) -> Expression | None:
    folded = dict.fromkeys(map(fold, texts))
    if not folded or ("" in folded and how != "is"):
        return None
    return _or([["text", how, text] for text in folded])


def _glob(pieces: Sequence[Any]) -> Expression | None:
    last = len(pieces) - 1
    parts = []
    for place, piece in enumerate(pieces):
        if isinstance(piece, str) and piece:
            how = {(True, True): "is", (True, False): "starts", (False, True): "ends"}
            parts.append(["text", how.get((place == 0, place == last), "has"), fold(piece)])
    return _and(parts) if parts else None


def _pattern(pattern: str, flags: str) -> Expression | None:
    return ["re", pattern, flags, literals(pattern, flags)] if is_linear(pattern, flags) else None


def _joined(parts: Sequence[Node], *, holds: bool) -> tuple[list[Need], bool]:
    """Return what is needed where all parts must hold."""
    told = _told(parts, holds=holds)
    return [need for _nodes, found, _exact in told for need in found], all(exact for *_rest, exact in told)


def _told(parts: Sequence[Node], *, holds: bool) -> list[tuple[list[Node], list[Need], bool]]:
    """Return parts with their needs, and whether these say all; those that look at one field only are one test of it."""
    own: dict[str, list[Node]] = {}
    others = []
    for part in parts:
        field = only_field(part)
        if holds and field is not None and part[0] != "not":
            own.setdefault(field, []).append(part)
        else:
            others.append(([part], *_needs(part, holds=holds)))
    single: list[tuple[list[Node], list[Need], bool]] = [
        (nodes, [{field: [_exactly(nodes[0] if len(nodes) == 1 else ["all", nodes])]}], True)
        for field, nodes in own.items()
    ]
    return single + others


def _either(parts: Sequence[Node], *, holds: bool) -> tuple[list[Need], bool]:
    """Return what is needed where one of several parts must hold, written out if it is not too much."""
    each = [_needs(part, holds=holds) for part in parts]
    alternatives = [needs for needs, _exact in each]
    if not alternatives or not all(alternatives):
        return [], False
    if math.prod(map(len, alternatives)) <= _MAX_PRODUCT:
        found = [_merged(choice) for choice in itertools.product(*alternatives)]
        return found, all(exact for _needs, exact in each)
    # The best of each; the best among fields whose values come again; and what is said of one field by all.
    found = [_merged([min(needs, key=chance) for needs in alternatives])]
    again = [[need for need in needs if SELDOM_AGAIN.isdisjoint(need)] for needs in alternatives]
    if all(again):
        found.append(_merged([min(needs, key=chance) for needs in again]))
    common = set.intersection(*({f for n in needs if len(n) == 1 for f in n} for needs in alternatives))
    for field in sorted(common):
        found.append(
            _merged([min((n for n in needs if n.keys() == {field}), key=chance) for needs in alternatives])
        )
    return [need for place, need in enumerate(found) if need not in found[:place]], False


def _merged(needs: Sequence[Need]) -> Need:
    """Return the need that is fulfilled where one of several is."""
    found: Need = {}
    for need in needs:
        for field, expressions in need.items():
            known = found.setdefault(field, [])
            known += [expression for expression in expressions if expression not in known]
    for field, expressions in found.items():
        positive = [one for one in expressions if one[0] != "not"]
        negative = [one for one in expressions if one[0] == "not"]
        found[field] = [_or(positive), *negative] if positive else negative
    return found


def _and(parts: list[Expression]) -> Expression:
    return parts[0] if len(parts) == 1 else ["and", parts]


def _or(parts: Iterable[Expression]) -> Expression:
    flat: list[Expression] = []
    for part in parts:
        flat += part[1] if part[0] == "or" else [part]
    return flat[0] if len(flat) == 1 else ["or", flat]
