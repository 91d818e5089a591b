"""A query's tree as Elasticsearch's query DSL; the same answers as ``query_sql`` and ``query_match`` give.

Everything stands in filters: nothing is scored, and the cluster may remember parts.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING, Any

from citysoc.ecs.fields import FIELDS
from citysoc.stores import elastic_scripts as scripts
from citysoc.stores.elastic_mapping import EXTRAS, MICROSECONDS, ODD, SEPARATOR, TIME, extra_key
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

if TYPE_CHECKING:
    from citysoc.stores.base import Question

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_V4 = ipaddress.ip_network("::ffff:0:0/96")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_LONGEST_PATTERN = 200
_MOST_GAPS = 40
_MOST_SINGLE_GAPS = 8


class Translation:
    """One query on its way: runtime fields are gathered in ``runtime``, by name."""

    def __init__(self) -> None:
        self.runtime: dict[str, Any] = {}

    def script(self, field: dict[str, Any]) -> dict[str, Any]:
        """Add a runtime field; return the condition that it is true."""
        name = f"citysoc_q{len(self.runtime)}"
        self.runtime[name] = field
        return {"term": {name: True}}

    def question(self, question: Question, node: Node) -> dict[str, Any]:
        """Return the whole condition of a question."""
        unparsed = {"exists": {"field": "citysoc.unparsed"}}
        filters: list[dict[str, Any]] = [unparsed] if question.quarantine else []
        span: dict[str, int] = {}
        if question.since:
            span["gte"] = microseconds(question.since)
        if question.until:
            span["lt"] = microseconds(question.until)
        if span:
            filters.append({"range": {TIME: span}})
        if question.agency is not None:
            filters.append({"term": {"agency.id": question.agency}})
        if not isinstance(node, Everything):
            filters.append(self.node(node))
        found: dict[str, Any] = {"filter": filters}
        if not question.quarantine:
            found["must_not"] = [unparsed]
        return {"bool": found}

    def node(self, node: Node) -> dict[str, Any]:
        """Return the condition of a tree."""
        match node:
            case Everything():
                return {"match_all": {}}
            case And(parts):
                return {"bool": self._both(parts)}
            case Or(parts):
                return _either([self.node(part) for part in _flat(parts, Or)])
            case Not(Not(part)):
                return self.node(part)
            case Not(part):
                return {"bool": {"must_not": [self.node(part)]}}
            case _:
                return self._leaf(node)

    def _both(self, parts: tuple[Node, ...]) -> dict[str, Any]:
        """Return an AND with its negations beside it: the cluster allows 30 levels."""
        flat = _flat(parts, And)
        yes = [self.node(part) for part in flat if not isinstance(part, Not)]
        no = [self.node(part.part) for part in flat if isinstance(part, Not)]
        return {name: found for name, found in (("filter", yes), ("must_not", no)) if found}

    def _leaf(self, leaf: Leaf) -> dict[str, Any]:
        field = FIELDS.get(leaf.field)
        if field is None:
            found = self._extra(leaf)
        elif isinstance(leaf, Exists):
            found = _exists(leaf.field)
        elif field.type == "ip":
            found = self._address(leaf)
        elif isinstance(leaf, Range) and field.type == "date":
            found = {"range": {f"{MICROSECONDS}.{leaf.field}": _bounds(leaf)}}
        elif isinstance(leaf, Range) and field.type in ("long", "float"):
            found = {"range": {leaf.field: _bounds(leaf)}}
        elif isinstance(leaf, Term) and not isinstance(leaf.value, str):
            found = {"term": {leaf.field: {"value": leaf.value}}}
        else:
            indexed = leaf.field if leaf.field in TEXT_FIELDS else f"{leaf.field}.folded"
            found = self._text(leaf, indexed, "", leaf.field)
        return found

    def _address(self, leaf: Leaf) -> dict[str, Any]:
        match leaf:
            case Cidr(name, network):
                return _network(name, network)
            case Range():
                return _addresses(leaf)
            case Wildcard():
                return _octets(leaf) or self.script(scripts.address_text(leaf))
            case _:
                raise AssertionError(leaf)

    def _extra(self, leaf: Leaf) -> dict[str, Any]:
        """Return the condition on a field outside the dictionary: its values stand behind its name."""
        key = extra_key(leaf.field)
        if isinstance(leaf, Exists):
            return _either([_starting(key), {"term": {ODD: key}}])
        if isinstance(leaf, Range) and not isinstance(leaf.low, str) and not isinstance(leaf.high, str):
            number = self.script(scripts.extra_number(leaf))
            return {"bool": {"filter": [_starting(key), number]}}
        return self._text(leaf, f"{EXTRAS}.folded", key + SEPARATOR, key)

    def _text(self, leaf: Leaf, indexed: str, before: str, key: str) -> dict[str, Any]:
        """Return the condition on text: by the index, and by a script where that cannot be trusted."""
        odd = {"term": {ODD: key}}
        found = [_indexed(leaf, indexed, before)]
        if isinstance(leaf, Contains | Wildcard) and _heavy(leaf):
            found = [_indexed(_part(leaf), indexed, before), self.script(scripts.plain_text(leaf))]
        by_index = {"bool": {"filter": found, "must_not": [odd]}}
        by_script = {"bool": {"filter": [odd, self.script(scripts.odd_text(leaf, key))]}}
        return _either([by_index, by_script])


def microseconds(moment: dt.datetime) -> int:
    """Return a moment as microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def _flat(parts: tuple[Node, ...], kind: type[And] | type[Or]) -> list[Node]:
    found: list[Node] = []
    for part in parts:
        found += _flat(part.parts, kind) if isinstance(part, kind) else [part]
    return found


def _either(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"bool": {"should": conditions, "minimum_should_match": 1}}


def _exists(name: str) -> dict[str, Any]:
    there = {"exists": {"field": name}}
    if FIELDS[name].type in ("keyword", "text"):  # values too long for the index are odd
        return _either([there, {"term": {ODD: name}}])
    return there


def _starting(key: str) -> dict[str, Any]:
    return {"prefix": {f"{EXTRAS}.folded": {"value": key + SEPARATOR}}}


def _indexed(leaf: Leaf, indexed: str, before: str) -> dict[str, Any]:
    """Return the condition on a folded keyword.

    Args:
        leaf: what is asked.
        indexed: the keyword.
        before: what stands before each value in it.
    """
    match leaf:
        case Term(_, value):
            return {"term": {indexed: {"value": before + fold(str(value))}}}
        case Contains(_, text):
            pattern = f"*{_escaped(fold(text))}*"
        case Range(_, low, high):
            return {"range": {indexed: _text_bounds(leaf, before, low, high)}}
        case Wildcard(field, parts):
            pattern = "".join(part.value if isinstance(part, Gap) else _escaped(fold(part)) for part in parts)
            pattern = f"*{pattern}*" if field in TEXT_FIELDS else pattern
        case _:
            raise AssertionError(leaf)
    return {"wildcard": {indexed: {"value": _escaped(before) + pattern}}}


def _heavy(leaf: Contains | Wildcard) -> bool:
    """Return whether the cluster would refuse the pattern: it makes an automaton of it, of bounded size."""
    parts = (leaf.text,) if isinstance(leaf, Contains) else leaf.pattern
    longest = max((len(part) for part in parts if isinstance(part, str)), default=0)
    gaps = [part for part in parts if isinstance(part, Gap)]
    return longest > _LONGEST_PATTERN or len(gaps) > _MOST_GAPS or gaps.count(Gap.ONE) > _MOST_SINGLE_GAPS


def _part(leaf: Contains | Wildcard) -> Contains | Wildcard:
    """Return a lighter pattern that everything that the leaf finds has as well."""
    parts = (leaf.text,) if isinstance(leaf, Contains) else leaf.pattern
    # Folding a part of a text may differ from a part of the folded text at its edges.
    longest = max((fold(part)[1:-1] for part in parts if isinstance(part, str)), key=len, default="")
    return Wildcard(leaf.field, (Gap.ANY, longest[: _LONGEST_PATTERN // 2], Gap.ANY))


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "*?\\" else letter for letter in text)


def _text_bounds(leaf: Range, before: str, low: Any, high: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if low is not None:
        found["gte" if leaf.with_low else "gt"] = before + fold(low)
    elif before:
        found["gte"] = before
    if high is not None:
        found["lte" if leaf.with_high else "lt"] = before + fold(high)
    elif before:
        found["lt"] = before[:-1] + chr(ord(before[-1]) + 1)
    return found


def _bounds(leaf: Range) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, bound in (
        ("gte" if leaf.with_low else "gt", leaf.low),
        ("lte" if leaf.with_high else "lt", leaf.high),
    ):
        if bound is not None:
            found[name] = microseconds(bound) if isinstance(bound, dt.datetime) else bound
    return found


def _network(name: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> dict[str, Any]:
    if isinstance(network, ipaddress.IPv4Network):
        return {"term": {name: str(network)}}
    return _v6(name, int(network[0]), int(network[-1]))


def _v6(name: str, low: int, high: int) -> dict[str, Any]:
    """Return the condition for IPv6 addresses of a span: to the cluster IPv4 addresses lie among them."""
    spans = [(low, min(high, int(_V4[0]) - 1)), (max(low, int(_V4[-1]) + 1), high)]
    found = [
        {"range": {name: {"gte": str(ipaddress.IPv6Address(a)), "lte": str(ipaddress.IPv6Address(b))}}}
        for a, b in spans
        if a <= b
    ]
    return _either(found) if found else {"match_none": {}}


def _addresses(leaf: Range) -> dict[str, Any]:
    """Return the condition for addresses of one family between two bounds."""
    example = leaf.low if leaf.low is not None else leaf.high
    bits = 32 if isinstance(example, ipaddress.IPv4Address) else 128
    low, high = 0, 2**bits - 1
    if isinstance(leaf.low, _Address):
        low = int(leaf.low) + (not leaf.with_low)
    if isinstance(leaf.high, _Address):
        high = int(leaf.high) - (not leaf.with_high)
    if low > high:
        return {"match_none": {}}
    if bits == 128:
        return _v6(leaf.field, low, high)
    span = {"gte": str(ipaddress.IPv4Address(low)), "lte": str(ipaddress.IPv4Address(high))}
    return {"range": {leaf.field: span}}


def _octets(leaf: Wildcard) -> dict[str, Any] | None:
    """Return ``10.1.*`` as the network it is; None for other patterns."""
    if len(leaf.pattern) != 2 or leaf.pattern[1] is not Gap.ANY or not isinstance(leaf.pattern[0], str):
        return None
    octets = leaf.pattern[0].split(".")
    whole = octets[:-1]
    if octets[-1] or not 1 <= len(whole) <= 3 or not all(_is_octet(octet) for octet in whole):
        return None
    return {"term": {leaf.field: ".".join(whole + ["0"] * (4 - len(whole))) + f"/{8 * len(whole)}"}}


def _is_octet(text: str) -> bool:
    return text.isascii() and text.isdecimal() and text == str(int(text)) and int(text) < 256
