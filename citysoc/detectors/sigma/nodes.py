"""What the nodes of a plan look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.detectors.sigma.match import field_of

if TYPE_CHECKING:
    from citysoc.detectors.sigma.plan import Node


def fields_of(node: Node) -> set[str]:
    """Return the fields that a node looks at; the empty name stands for all that an event says."""
    kind = node[0]
    if kind in {"all", "any"}:
        return {name for part in node[1] for name in fields_of(part)}
    if kind == "not":
        return fields_of(node[1])
    return {field_of(node), str(node[4])} if kind == "ref" else {field_of(node)}
