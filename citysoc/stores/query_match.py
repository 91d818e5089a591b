"""A query's tree evaluated on one event in plain Python: slow, obvious, the reference for the stores.

Used where events pass by one at a time (``events tail``) and in tests, which hold the stores to it.
"""

from __future__ import annotations

import decimal
import ipaddress
import re
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.ecs.fields import FIELDS
from citysoc.ecs.schema import extra_text, fit
from citysoc.stores.query import (
    TEXT_FIELDS,
    And,
    Cidr,
    Contains,
    Everything,
    Exists,
    Gap,
    Leaf,
    Node,
    Not,
    Or,
    Range,
    Term,
    Wildcard,
    fold,
)
from citysoc.stores.query_values import NUMBER

if TYPE_CHECKING:
    from citysoc.flow import Event


def matches(node: Node, event: Event) -> bool:
    """Return whether the event matches."""
    match node:
        case Everything():
            return True
        case And(parts):
            return all(matches(part, event) for part in parts)
        case Or(parts):
            return any(matches(part, event) for part in parts)
        case Not(part):
            return not matches(part, event)
        case _:
            return any(_test(node, value) for value in values(event, node.field))


def values(event: Event, name: str) -> list[Any]:
    """Return the values that an event has in a field, as the stores keep them: [] where it has none."""
    value = event.get(name)
    if value is None:
        return []
    if name in FIELDS:
        value = fit(name, value)
        if value is None:
            return []
        return list(value) if FIELDS[name].array else [value]
    # Outside the dictionary values are text: what JSON makes of them.
    kept = orjson.loads(extra_text({name: value}))[name]
    items = kept if isinstance(kept, list) else [kept]
    return [text_of(item) for item in items if item is not None]


def text_of(value: Any) -> str:
    """Return a JSON value as text; fractions as DuckDB writes them, which is as ECMAScript does, with ``.0``."""
    if isinstance(value, str):
        return value
    if not isinstance(value, float):
        return _json(value)
    if value and not 1e-6 <= abs(value) < 1e21:
        return repr(value).replace("e-0", "e-").replace("e+", "e")
    text = format(decimal.Decimal(repr(value)), "f")
    return text if "." in text else f"{text}.0"


def _json(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_json(key)}:{_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return text_of(value) if isinstance(value, float) else orjson.dumps(value).decode()


def _test(leaf: Leaf, value: Any) -> bool:
    match leaf:
        case Exists():
            return True
        case Term(_, wanted):
            return bool(fold(value) == fold(wanted) if isinstance(wanted, str) else value == wanted)
        case Contains(_, text):
            return fold(text) in fold(value)
        case Wildcard(field, pattern):
            return _like(pattern, fold(value), whole=field not in TEXT_FIELDS)
        case Cidr(_, network):
            return ipaddress.ip_address(value) in network
        case Range():
            return _between(leaf, value)


def _like(pattern: tuple[str | Gap, ...], text: str, *, whole: bool) -> bool:
    """Return whether a folded text has a form; each stretch is looked for once, so time grows with the lengths alone."""
    stretches = _stretches(pattern if whole else (Gap.ANY, *pattern, Gap.ANY))
    if len(stretches) == 1:
        return len(stretches[0]) == len(text) and _fits(stretches[0], text, 0)
    first, *middle, last = stretches
    end = len(text) - len(last)
    if end < len(first) or not _fits(first, text, 0) or not _fits(last, text, end):
        return False
    at = len(first)
    for stretch in middle:  # the leftmost place leaves the most to those behind it
        found = _find(stretch, text, at, end)
        if found is None:
            return False
        at = found + len(stretch)
    return True


def _stretches(pattern: tuple[str | Gap, ...]) -> list[list[str | None]]:
    """Return what stands between the ``*`` of a pattern, letter by letter, None for any letter."""
    found: list[list[str | None]] = [[]]
    for part in pattern:
        if part is Gap.ANY:
            found.append([])
        else:
            found[-1] += [None] if isinstance(part, Gap) else fold(part)
    return found


def _fits(stretch: list[str | None], text: str, at: int) -> bool:
    return all(letter in (None, text[at + n]) for n, letter in enumerate(stretch))


def _find(stretch: list[str | None], text: str, at: int, end: int) -> int | None:
    """Return the leftmost place of a stretch between two places; None where there is none."""
    if None not in stretch:
        found = text.find("".join(map(str, stretch)), at, end)
        return None if found < 0 else found
    expression = "".join("." if letter is None else re.escape(letter) for letter in stretch)
    match = re.compile(expression, re.DOTALL).search(text, at, end)
    return match.start() if match else None


def _between(leaf: Range, value: Any) -> bool:
    example = leaf.low if leaf.low is not None else leaf.high
    low, high = leaf.low, leaf.high
    if isinstance(example, str):
        value = fold(value)
        low, high = (fold(edge) if isinstance(edge, str) else None for edge in (low, high))
    elif isinstance(example, ipaddress.IPv4Address | ipaddress.IPv6Address):
        value = ipaddress.ip_address(value)
        if value.version != example.version:
            return False
    elif leaf.field not in FIELDS:
        if not NUMBER.fullmatch(value):
            return False
        value = float(value)
    return _above(value, low, equal=leaf.with_low) and _below(value, high, equal=leaf.with_high)


def _above(value: Any, edge: Any, *, equal: bool) -> bool:
    return edge is None or value > edge or (equal and value == edge)


def _below(value: Any, edge: Any, *, equal: bool) -> bool:
    return edge is None or value < edge or (equal and value == edge)
