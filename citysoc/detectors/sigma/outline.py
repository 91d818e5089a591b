"""What is worked out of the conditions on a field before values come: the texts that lead to each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from citysoc.detectors.sigma.chances import asked, is_by_text
from citysoc.detectors.sigma.nodes import is_silent
from citysoc.detectors.sigma.remainder import is_settling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.detectors.sigma.chances import Expression
    from citysoc.detectors.sigma.nodes import Node

BETWEEN = "\0"
"""Stands between values that are searched as one block."""


class Outline(NamedTuple):
    """A field's conditions, and what leads to them: all that is worked out of rules before values come.

    Args:
        name: the field's name.
        conditions: an expression each, for each need the rules that have it fulfilled where the expression holds, and
            where it does not: the need's place, then the rules.
        wanted: what to look for: how, the text, and the numbers of the conditions that it leads to.
        always: the numbers of the conditions that every new value is asked.
        leading: the numbers of the conditions that hold where one of their leads was found.
    """

    name: str
    conditions: list[tuple[Expression, list[list[int]], list[list[int]]]]
    wanted: list[tuple[str, str, list[int]]]
    always: list[int]
    leading: list[int]


def outline(name: str, conditions: Sequence[tuple[Expression, list[list[int]], list[list[int]]]]) -> Outline:
    """Return what leads to the conditions of a field."""
    wanted: dict[tuple[str, str], list[int]] = {}
    always = []
    for number, (expression, *_rules) in enumerate(conditions):
        found = leads(expression)
        if not found and not _is_silent(expression):
            always.append(number)
        for text in found:
            wanted.setdefault(text, []).append(number)
    leading = [number for number, (expression, *_rules) in enumerate(conditions) if _is_lead(expression)]
    return Outline(
        name,
        list(conditions),
        [(how, text, numbers) for (how, text), numbers in wanted.items()],
        always,
        leading,
    )


def leads(expression: Expression | None) -> list[tuple[str, str]]:
    """Return texts, few and seldom ones, of which a value must have one for an expression to hold.

    A text comes with how it must stand in the value; where no text is seldom enough, a pattern with ``re`` and its flags
    takes its place. None are returned where there is nothing to look for.
    """
    if expression is None:
        return []
    kind = expression[0]
    if kind == "text":
        return [(expression[1], expression[2])]
    if kind == "re":
        return leads(expression[3]) if is_by_text(expression) else [(f"re{expression[2]}", expression[1])]
    if kind in {"test", "not"}:
        return leads(expression[2])
    if kind == "and":
        return leads(min(expression[1], key=asked))
    each = [leads(part) for part in expression[1]]
    return list(dict.fromkeys(text for texts in each for text in texts)) if all(each) else []


def _is_silent(expression: Expression) -> bool:
    return bool(expression[0] == "test" and is_silent(expression[1]))


def _is_lead(expression: Expression) -> bool:
    """Return whether an expression holds where one of its leads was found in a text of ASCII."""
    if expression[0] == "or":
        return all(map(_is_lead, expression[1]))
    if expression[0] == "test":
        # A pattern that was found is decided, unless it may have found the edge of another value.
        node: Node = expression[1]
        return bool(
            node[0] == "re" and leads(expression) == [(f"re{node[3]}", node[2])] and is_settling(node[2])
        )
    return bool(expression[0] == "text" and BETWEEN not in expression[2])
