"""What made a rule match: the fields and values that a finding shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.detectors.sigma.expressions import as_written
from citysoc.detectors.sigma.match import Predicate, predicate
from citysoc.detectors.sigma.nodes import field_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from citysoc.detectors.sigma.nodes import Node
    from citysoc.detectors.sigma.view import View

Teller: TypeAlias = "Callable[[View, dict[str, Any]], None]"


def matched(node: Node, view: View) -> dict[str, Any]:
    """Return field to value of what made a test hold; empty where only absence did."""
    found: dict[str, Any] = {}
    teller(node)(view, found)
    return found


def teller(node: Node) -> Teller:
    """Return the function that adds to a mapping what made a node hold, where it does: field to value."""
    kind = node[0]
    if kind == "any" and len(fields := {_told(part) for part in node[1]}) == 1 and (field := fields.pop()):
        return _tell_field(field)  # whichever of them it is
    if kind in {"all", "any"}:
        return _tell_group([(predicate(part), teller(part)) for part in node[1]], each=kind == "all")
    if kind in {"keyword", "keyword_re"}:
        shown = (
            as_written(node[1]) if kind == "keyword_re" else "".join(_shown(piece) for piece in node[2][1:-1])
        )
        return lambda _view, found: found.setdefault("keywords", []).append(shown)
    field = _told(node)
    return _tell_field(field) if field else lambda _view, _found: None


def _told(node: Node) -> str:
    """Return the field that a leaf is told by; empty where there is none."""
    return "" if node[0] in {"all", "any", "not", "null"} else field_of(node)


def _tell_group(parts: Sequence[tuple[Predicate, Teller]], *, each: bool) -> Teller:
    def tell(view: View, found: dict[str, Any]) -> None:
        for test, inner in parts:
            if each or test(view):
                inner(view, found)

    return tell


def _tell_field(field: str) -> Teller:
    def tell(view: View, found: dict[str, Any]) -> None:
        if field in view.event:
            found[field] = view.event[field]

    return tell


def _shown(piece: Any) -> str:
    return piece if isinstance(piece, str) else str(piece[0])
