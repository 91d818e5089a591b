"""What made a rule match: the fields and values that a finding shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.detectors.sigma.expressions import as_written
from citysoc.detectors.sigma.match import Predicate, predicate
from citysoc.detectors.sigma.needs import SELDOM_AGAIN
from citysoc.detectors.sigma.nodes import field_of, fields_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from citysoc.detectors.sigma.nodes import Node
    from citysoc.detectors.sigma.view import View

_Teller: TypeAlias = "Callable[[View, dict[str, list[str] | None]], None]"
_NONE: frozenset[str] = frozenset()
_TEXTS = frozenset({str, type(None)})
_MAX_KNOWN = 1024


def matched(node: Node, view: View) -> dict[str, Any]:
    """Return field to value of what made a test hold; empty where only absence did."""
    return Telling(node).matched(view)


class Telling:
    """What the findings of a rule say of the events that match it.

    Which fields that are depends on few values, as a rule, and on none in most rules: it is remembered by these.

    Args:
        test: the rule's test; events are such as match it.
    """

    __slots__ = ("_always", "_by", "_known", "_tell", "fields")

    def __init__(self, test: Node) -> None:
        self._always = _always(test)
        """The fields, where they are the same whatever the event is."""
        self.fields = _looked_at(test)
        """The fields that it looks at; the empty name stands for all that is said."""
        by = sorted(_open_fields(test))
        self._by = by if by and SELDOM_AGAIN.isdisjoint(by) else None
        """The fields whose values say which fields are told; None where nothing is to be remembered."""
        self._known: dict[tuple[Any, ...], tuple[str, ...]] = {}
        self._tell = _teller(test) if self._always is None else None

    def matched(self, view: View) -> dict[str, Any]:
        """Return field to value of what made an event match."""
        event = view.event
        names: Iterable[str] | None = self._always
        if names is None:
            names = self._names(view)
        if isinstance(names, dict) and names.get("keywords"):
            return {name: shown or event[name] for name, shown in names.items() if shown or name in event}
        return {name: event[name] for name in names if name in event}

    def _names(self, view: View) -> Iterable[str]:
        """Return the fields that are told of an event; with keywords as what they are told by."""
        key: tuple[Any, ...] = ()
        if self._by is not None:
            key = tuple([view.event.get(name) for name in self._by])
            if not _TEXTS.issuperset(map(type, key)):
                key = ()
            elif key in self._known:
                return self._known[key]
        found: dict[str, list[str] | None] = {}
        if self._tell is not None:
            self._tell(view, found)
        if key:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[key] = tuple(found)
        return found


def _always(node: Node, known: frozenset[str] = _NONE) -> tuple[str, ...] | None:
    """Return the fields that are told of a node whatever the event is, in order; None where that depends.

    Args:
        node: holds.
        known: fields that are told already: they are not told again.
    """
    kind = node[0]
    if kind == "all":
        names: dict[str, None] = {}
        for part in node[1]:
            told = _always(part, known.union(names))
            if told is None:
                return None
            names.update(dict.fromkeys(told))
        return tuple(names)
    if kind == "any":
        fields = {_told(part) for part in node[1]}
        if len(fields) == 1 and "" not in fields:
            return (fields.pop(),)
        return () if _tellable(node) <= known else None
    if kind in {"keyword", "keyword_re"}:
        return None
    field = _told(node)
    return (field,) if field else ()


def _tellable(node: Node) -> set[str]:
    """Return the fields that may be told of a node; the empty name stands for keywords."""
    if node[0] in {"all", "any"}:
        return {name for part in node[1] for name in _tellable(part)}
    return set() if node[0] in {"not", "null"} else {field_of(node)}


def _steps(node: Node) -> list[tuple[Node, tuple[str, ...] | None, frozenset[str]]]:
    """Return the parts of a node that must all hold, with what is told of each in any case, and what was before it."""
    steps = []
    known: frozenset[str] = _NONE
    for part in node[1] if node[0] == "all" else [node]:
        told = _always(part, known)
        steps.append((part, told, known))
        known = known.union(told or ())
    return steps


def _looked_at(test: Node) -> set[str]:
    """Return the fields that are looked at to tell what made a test hold."""
    return {
        name
        for part, told, _known in _steps(test)
        for name in (_tellable(part) if told is not None else fields_of(part))
    }


def _open_fields(test: Node) -> set[str]:
    """Return the fields on which it depends what is told of a test; the empty name stands for all that is said."""
    return {name for part, told, _known in _steps(test) if told is None for name in fields_of(part)}


def _teller(node: Node, known: frozenset[str] = _NONE) -> _Teller:
    """Return the function that adds what is told of a node that holds: fields, and keywords as they are shown."""
    always = _always(node, known)
    if always is not None:
        return _tell_fields(always)
    kind = node[0]
    if kind == "all":
        return _tell_all([_teller(part, known.union(before)) for part, _told, before in _steps(node)])
    if kind == "any":
        parts = [part for part in node[1] if not _tellable(part) <= known]
        return _tell_any([(predicate(part), _teller(part, known)) for part in parts])
    return _tell_keyword(
        as_written(node[1]) if kind == "keyword_re" else "".join(_shown(piece) for piece in node[2][1:-1])
    )


def _told(node: Node) -> str:
    """Return the field that a leaf is told by; empty where there is none."""
    return "" if node[0] in {"all", "any", "not", "null"} else field_of(node)


def _tell_all(parts: Sequence[_Teller]) -> _Teller:
    def tell(view: View, found: dict[str, list[str] | None]) -> None:
        for part in parts:
            part(view, found)

    return tell


def _tell_any(parts: Sequence[tuple[Predicate, _Teller]]) -> _Teller:
    def tell(view: View, found: dict[str, list[str] | None]) -> None:
        for test, part in parts:
            if test(view):
                part(view, found)

    return tell


def _tell_fields(fields: Sequence[str]) -> _Teller:
    def tell(_view: View, found: dict[str, list[str] | None]) -> None:
        for field in fields:
            found.setdefault(field, None)

    return tell


def _tell_keyword(shown: str) -> _Teller:
    def tell(_view: View, found: dict[str, list[str] | None]) -> None:
        found["keywords"] = [*(found.get("keywords") or ()), shown]

    return tell


def _shown(piece: Any) -> str:
    return piece if isinstance(piece, str) else str(piece[0])
