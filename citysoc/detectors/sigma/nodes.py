"""A rule's test as nodes: nested lists that JSON can hold and ``match`` turns into a predicate.

    ["all", [node ...]]  ["any", [node ...]]  ["not", node]
    ["text", how, cased, field, [text ...]]     how: is, starts, ends, has; any of the texts
    ["like", cased, field, [piece ...]]         wildcards: pieces of text, "*" and "?" as ["*"], ["?"]
    ["re", field, pattern, flags]               flags: some of i, m, s
    ["cidr", field, [network ...]]
    ["number", field, operator, number]         operator: lt lte gt gte
    ["part", field, part, operator, number, zone]     of a time: minute hour day weekday week month year
    ["ref", field, how, cased, other field]
    ["exists", field]  ["null", field]
    ["keyword", cased, [piece ...]]             anywhere in a value; ["keyword_re", pattern, flags]

Texts are folded already (``text.fold``) unless ``cased``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.detectors.sigma.written import read, written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Node: TypeAlias = list[Any]

DEFAULT_ZONE = "Asia/Ho_Chi_Minh"
"""The zone of hours and days that rules name, where the configuration says no other."""
MAX_LOOK_CHARS = 16_384
"""A value's first so many characters are what an expression with look-around or references sees."""
_FIELD_AT = {"text": 3, "like": 2, "keyword": 0, "keyword_re": 0}
"""Where a leaf has its field; second where it is not said here, and none for keywords."""


def kept(test: Node) -> str:
    """Return a test as a rule's plan keeps it: most rules are never asked for theirs, so it is read when it is needed."""
    return written(test).decode()


def node_of(plan: Mapping[str, Any]) -> Node:
    """Return the test of a rule's plan."""
    found: Node = read(plan["test"].encode())
    return found


def field_of(node: Node) -> str:
    """Return the field that a leaf looks at; empty for keywords."""
    place = _FIELD_AT.get(node[0], 1)
    return str(node[place]) if place else ""


def fields_of(node: Node) -> set[str]:
    """Return the fields that a node looks at; the empty name stands for all that an event says."""
    kind = node[0]
    if kind in {"all", "any"}:
        return {name for part in node[1] for name in fields_of(part)}
    if kind == "not":
        return fields_of(node[1])
    return {field_of(node), str(node[4])} if kind == "ref" else {field_of(node)}


def only_field(node: Node) -> str | None:
    """Return the one field that a node looks at, None where there are more or it is not a matter of fields."""
    kind = node[0]
    if kind == "not":
        return only_field(node[1])
    if kind in {"all", "any"}:
        found = {only_field(part) for part in node[1]}
        return found.pop() if len(found) == 1 else None
    place = _FIELD_AT.get(kind, 1)
    return str(node[place]) if place and kind != "ref" else None


def is_silent(node: Node) -> bool:
    """Return whether a node cannot hold for a text, so that no text need be asked."""
    kind = node[0]
    if kind in {"all", "any"}:
        return (any if kind == "all" else all)(map(is_silent, node[1]))
    return bool(kind == "null" or (kind == "not" and node[1][0] == "exists"))


def in_zone(node: Node, zone: str) -> Node:
    """Return the same test with its hours and days those of a zone."""
    if zone == DEFAULT_ZONE:
        return node
    if node[0] in {"all", "any"}:
        return [node[0], [in_zone(part, zone) for part in node[1]]]
    if node[0] == "not":
        return ["not", in_zone(node[1], zone)]
    return [*node[:-1], zone] if node[0] == "part" else node


def simplify(node: Node) -> Node:
    """Return the same test with fewer nodes: nested groups joined, texts of one field in one test."""
    kind = node[0]
    if kind == "not":
        inner = simplify(node[1])
        return inner[1] if inner[0] == "not" else ["not", inner]
    if kind not in {"all", "any"}:
        return node
    parts: list[Node] = []
    for part in map(simplify, node[1]):
        parts += part[1] if part[0] == kind else [part]
    if kind == "any":
        parts = _joined(parts)
    return parts[0] if len(parts) == 1 else [kind, parts]


def _joined(parts: Sequence[Node]) -> list[Node]:
    joined: list[Node] = []
    places: dict[tuple[Any, ...], Node] = {}
    for part in parts:
        key = tuple(part[:-1]) if part[0] in {"text", "cidr"} else None
        if key is not None and key in places:
            places[key][-1] += [item for item in part[-1] if item not in places[key][-1]]
            continue
        if key is not None:
            part = places[key] = [*part[:-1], list(part[-1])]
        joined.append(part)
    return joined


def necessary(node: Node, field: str) -> list[str] | None:
    """Return the values of which ``field`` must have one for the test to hold; None where it need not."""
    kind = node[0]
    if kind == "text":
        return list(node[4]) if node[1] == "is" and node[3] == field and not node[2] else None
    if kind == "all":
        known = [values for part in node[1] if (values := necessary(part, field)) is not None]
        if not known:
            return None
        return sorted(set(known[0]).intersection(*known[1:]))
    if kind == "any":
        each = [necessary(part, field) for part in node[1]]
        if any(values is None for values in each):
            return None
        return sorted({item for values in each for item in values or ()})
    return None
