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


def _always(node: Node) -> tuple[str, ...] | None:
    """Return the fields that are told of a node whatever the event is, in order; None where that depends."""
    kind = node[0]
    if kind == "all":
        parts = [_always(part) for part in node[1]]
        return None if None in parts else tuple(dict.fromkeys(name for part in parts for name in part or ()))
    if kind == "any":
        fields = {_told(part) for part in node[1]}
        return (fields.pop(),) if len(fields) == 1 and "" not in fields else None
    if kind in {"keyword", "keyword_re"}:
        return None
    field = _told(node)
    return (field,) if field else ()


def _looked_at(node: Node) -> set[str]:
    """Return the fields that are looked at to tell what made a node hold."""
    always = _always(node)
    if always is not None:
        return set(always)
    return {name for part in node[1] for name in _looked_at(part)} if node[0] == "all" else fields_of(node)


def _open_fields(node: Node) -> set[str]:
    """Return the fields on which it depends what is told of a node; the empty name stands for all that is said."""
    if _always(node) is not None:
        return set()
    if node[0] == "all":
        return {name for part in node[1] for name in _open_fields(part)}
    return fields_of(node)


def _teller(node: Node) -> _Teller:
    """Return the function that adds what is told of a node that holds: fields, and keywords as they are shown."""
    kind = node[0]
    if kind == "any" and len(fields := {_told(part) for part in node[1]}) == 1 and (field := fields.pop()):
        return _tell_field(field)  # whichever of them it is
    if kind in {"all", "any"}:
        return _tell_group([(predicate(part), _teller(part)) for part in node[1]], each=kind == "all")
    if kind in {"keyword", "keyword_re"}:
        return _tell_keyword(
            as_written(node[1]) if kind == "keyword_re" else "".join(_shown(piece) for piece in node[2][1:-1])
        )
    field = _told(node)
    return _tell_field(field) if field else lambda _view, _found: None


def _told(node: Node) -> str:
    """Return the field that a leaf is told by; empty where there is none."""
    return "" if node[0] in {"all", "any", "not", "null"} else field_of(node)


def _tell_group(parts: Sequence[tuple[Predicate, _Teller]], *, each: bool) -> _Teller:
    def tell(view: View, found: dict[str, list[str] | None]) -> None:
        for test, inner in parts:
            if each or test(view):
                inner(view, found)

    return tell


def _tell_field(field: str) -> _Teller:
    def tell(_view: View, found: dict[str, list[str] | None]) -> None:
        found.setdefault(field, None)

    return tell


def _tell_keyword(shown: str) -> _Teller:
    def tell(_view: View, found: dict[str, list[str] | None]) -> None:
        found["keywords"] = [*(found.get("keywords") or ()), shown]

    return tell


def _shown(piece: Any) -> str:
    return piece if isinstance(piece, str) else str(piece[0])
