"""What is worked out of the conditions on a field before values come: the texts that lead to each."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from citysoc.detectors.sigma.chances import asked, is_by_text
from citysoc.detectors.sigma.nodes import is_silent
from citysoc.detectors.sigma.remainder import is_settling
from citysoc.detectors.sigma.written import read, written

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
        form: the conditions and what leads to them, see ``Form``.
        rules: which rules have the conditions, see ``fulfilled.Rules``.
    """

    name: str
    form: bytes
    rules: bytes


class Form:
    """What is asked of a field, whatever rules ask it; each part is read when it is first needed.

    Written as lines: what is there; what to look for; the conditions that each of these leads to, and those that hold
    where one of their leads was found; then the conditions, an expression each.

    Args:
        lines: as ``outline`` writes them.
    """

    def __init__(self, lines: bytes) -> None:
        head, self._wanted, self._led, *expressions = lines.split(b"\n", 3)
        self._lines = expressions[0] if expressions else b""
        self.count, self.has_patterns, always = read(head)
        """How many conditions there are, and whether patterns are looked for."""
        self.always: frozenset[int] = frozenset(always)
        """The numbers of the conditions that every new value is asked."""

    @functools.cached_property
    def wanted(self) -> list[tuple[str, str]]:
        """What to look for: how it must stand in a value, and the text."""
        hows, texts = read(self._wanted)
        return list(zip(hows, texts, strict=True))

    @functools.cached_property
    def led(self) -> list[list[int]]:
        """The numbers of the conditions that each of what is looked for leads to."""
        return self._leads[0]

    @functools.cached_property
    def leading(self) -> frozenset[int]:
        """The numbers of the conditions that hold where one of their leads was found."""
        return frozenset(self._leads[1])

    @functools.cached_property
    def _leads(self) -> tuple[list[list[int]], list[int]]:
        led, leading = read(self._led)
        return led, leading

    @functools.cached_property
    def _expressions(self) -> list[bytes]:
        return self._lines.split(b"\n")

    def expression(self, number: int) -> Expression:
        """Return what a condition asks."""
        found: Expression = read(self._expressions[number])
        return found


def outline(name: str, conditions: Sequence[tuple[Expression, list[list[int]], list[list[int]]]]) -> Outline:
    """Return what leads to the conditions of a field.

    Args:
        name: the field's name.
        conditions: an expression each, for each need the rules that have it fulfilled where the expression holds, and
            where it does not: the need's place, then the rules.
    """
    wanted: dict[tuple[str, str], list[int]] = {}
    always = []
    for number, (expression, *_rules) in enumerate(conditions):
        found = leads(expression)
        if not found and not _is_silent(expression):
            always.append(number)
        for text in found:
            wanted.setdefault(text, []).append(number)
    leading = [number for number, (expression, *_rules) in enumerate(conditions) if _is_lead(expression)]
    hows, texts = [how for how, _text in wanted], [text for _how, text in wanted]
    form = (
        (len(conditions), any(how.startswith("re") for how in hows), always),
        (hows, texts),
        (list(wanted.values()), leading),
        *(expression for expression, *_rules in conditions),
    )
    unfulfilled = [number for number, (_expression, _held, other) in enumerate(conditions) if other]
    rules = unfulfilled, *((held, other) for _expression, held, other in conditions)
    return Outline(name, b"\n".join(map(written, form)), b"\n".join(map(written, rules)))


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
