"""Nodes to predicates: each node of a rule's test becomes a function of one event's view.

The meaning of every node is fixed in the module docstring of ``nodes``; this is the plain engine, exact and
easy to read. What makes it fast enough is that it is asked seldom (``detector`` routes first).
"""

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.detectors.sigma.addresses import within
from citysoc.detectors.sigma.expressions import searcher
from citysoc.detectors.sigma.glob import glob
from citysoc.detectors.sigma.moments import moment_of, time_part
from citysoc.detectors.sigma.nodes import MAX_LOOK_CHARS
from citysoc.detectors.sigma.view import View
from citysoc.detectors.text import is_only_null

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from citysoc.detectors.sigma.nodes import Node

Predicate: TypeAlias = "Callable[[View], bool]"


def predicate(node: Node) -> Predicate:
    """Return the function that says whether a node holds for an event."""
    return _MAKERS[node[0]](*node[1:])


def _all(parts: Sequence[Node]) -> Predicate:
    tests = tuple(map(predicate, sorted(parts, key=cost)))
    if len(tests) == 1:
        return tests[0]

    def test(view: View) -> bool:
        for part in tests:  # noqa: SIM110  a generator costs more than the tests
            if not part(view):
                return False
        return True

    return test


def _any(parts: Sequence[Node]) -> Predicate:
    words = [part for part in parts if part[0] == "keyword" and not part[1] and _is_word(part[2])]
    others = [part for part in parts if not (part[0] == "keyword" and not part[1] and _is_word(part[2]))]
    tests = tuple(map(predicate, sorted(others, key=cost)))
    if words:
        tests = (*tests, _words([part[2][1] for part in words]))

    def test(view: View) -> bool:
        for part in tests:  # noqa: SIM110  as above
            if part(view):
                return True
        return False

    return test


def _not(node: Node) -> Predicate:
    inner = predicate(node)
    return lambda view: not inner(view)


def cost(node: Node) -> int:
    """Return how much later than others a test should be asked; the sort is stable."""
    kind = node[0]
    if kind == "text":
        return {"is": 0, "starts": 1, "ends": 1, "has": 2}[node[1]]
    return {"exists": 0, "null": 0, "not": 4, "keyword": 9, "re": 8, "keyword_re": 10}.get(kind, 3)


def _text(how: str, cased: bool, field: str, wanted: Sequence[str]) -> Predicate:
    if how == "is":
        known = frozenset(wanted)
        return lambda view: not known.isdisjoint(view.cased(field) if cased else view[field])
    if how == "has":
        return _has(tuple(wanted), field, cased=cased)
    return _edge(tuple(wanted), field, cased=cased, ends=how == "ends")


def _edge(edges: tuple[str, ...], field: str, *, cased: bool, ends: bool) -> Predicate:
    def starts(view: View) -> bool:
        for text in view.cased(field) if cased else view[field]:  # noqa: SIM110  as above
            if text.startswith(edges):
                return True
        return False

    def finishes(view: View) -> bool:
        for text in view.cased(field) if cased else view[field]:  # noqa: SIM110  as above
            if text.endswith(edges):
                return True
        return False

    return finishes if ends else starts


def _has(wanted: tuple[str, ...], field: str, *, cased: bool) -> Predicate:
    def test(view: View) -> bool:
        for text in view.cased(field) if cased else view[field]:
            for part in wanted:
                if part in text:
                    return True
        return False

    return test


def _like(cased: bool, field: str, pieces: Sequence[Any]) -> Predicate:
    fits = glob(pieces)
    return lambda view: any(map(fits, view.cased(field) if cased else view[field]))


def _re(field: str, pattern: str, flags: str) -> Predicate:
    search = searcher(pattern, flags, MAX_LOOK_CHARS)
    return lambda view: any(map(search, view.cased(field)))


def _cidr(field: str, networks: Sequence[str]) -> Predicate:
    inside = within(networks)
    return lambda view: any(map(inside, view[field]))


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "eq": lambda a, b: a == b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "neq": lambda a, b: a != b,
}


def _number(field: str, sign: str, bound: float) -> Predicate:
    compare = _COMPARE[sign]

    def fits(text: str) -> bool:
        number = _as_number(text)
        return number is not None and compare(number, bound)

    return lambda view: any(map(fits, view[field]))


def _as_number(text: str) -> float | int | None:
    """Return the number that a text says, in decimal or as 0x…; NaN is none."""
    text = text.strip()
    if len(text) > 40:
        return None
    try:
        return int(text, 16) if text.startswith(("0x", "-0x")) else int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return None if number != number else number  # noqa: PLR0124  NaN only differs from itself


def _part(field: str, part: str, sign: str, bound: float, zone_name: str) -> Predicate:
    compare = _COMPARE[sign]
    zone = zoneinfo.ZoneInfo(zone_name)

    def test(view: View) -> bool:
        value = view.event.get(field)
        for item in value if isinstance(value, list | tuple) else (value,):
            moment = moment_of(item)
            if moment is not None and compare(time_part(moment, part, zone), bound):
                return True
        return False

    return test


_RELATE: dict[str, Callable[[str, str], bool]] = {
    "is": lambda a, b: a == b,
    "starts": lambda a, b: a.startswith(b),
    "ends": lambda a, b: a.endswith(b),
    "has": lambda a, b: b in a,
}


def _ref(field: str, how: str, cased: bool, other: str) -> Predicate:
    values = View.cased if cased else View.__getitem__
    compare = _RELATE[how]
    return lambda view: any(compare(a, b) for a in values(view, field) for b in values(view, other))


def _exists(field: str) -> Predicate:
    def test(view: View) -> bool:
        value = view.event.get(field)
        return value is not None and not is_only_null(value)

    return test


def _null(field: str) -> Predicate:
    def test(view: View) -> bool:
        value = view.event.get(field)
        return value is None or value == [] or is_only_null(value)

    return test


def _is_word(pieces: Sequence[Any]) -> bool:
    """Return whether a keyword is one text with anything around it."""
    return len(pieces) == 3 and isinstance(pieces[1], str)


def _words(words: Sequence[str]) -> Predicate:
    def test(view: View) -> bool:
        said = view.all_said(cased=False)
        for word in words:  # noqa: SIM110  a generator costs more than the tests
            if word in said:
                return True
        return False

    return test


def _keyword(cased: bool, pieces: Sequence[Any]) -> Predicate:
    if _is_word(pieces):
        only = pieces[1]
        return lambda view: only in view.all_said(cased=cased)
    fits = glob(pieces)
    return lambda view: any(map(fits, view.said(cased=cased)))


def _keyword_re(pattern: str, flags: str) -> Predicate:
    search = searcher(pattern, flags, MAX_LOOK_CHARS)
    return lambda view: any(map(search, view.said(cased=True)))


_MAKERS: dict[str, Callable[..., Predicate]] = {
    "all": _all,
    "any": _any,
    "not": _not,
    "text": _text,
    "like": _like,
    "re": _re,
    "cidr": _cidr,
    "number": _number,
    "part": _part,
    "ref": _ref,
    "exists": _exists,
    "null": _null,
    "keyword": _keyword,
    "keyword_re": _keyword_re,
}
