"""The conditions that rules need of one field, and the class of each value: the conditions that it fulfils.

Values are looked at a column at a time: those seen before are remembered, all others are searched as one block for
the texts that lead to a condition. Only where one is found is a condition decided on a value.
"""

from __future__ import annotations

from itertools import compress
from operator import not_
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from citysoc.detectors.sigma.match import predicate
from citysoc.detectors.sigma.needs import ANYWHERE, MAX_NEEDS, leads
from citysoc.detectors.sigma.nodes import is_silent
from citysoc.detectors.sigma.patterns import NUMERIC, Finder
from citysoc.detectors.sigma.values import decider
from citysoc.detectors.sigma.view import View
from citysoc.detectors.text import fold, fold_again, is_only_null, texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from citysoc.detectors.sigma.databases import Databases
    from citysoc.detectors.sigma.match import Predicate
    from citysoc.detectors.sigma.needs import Expression
    from citysoc.detectors.sigma.nodes import Node
    from citysoc.detectors.sigma.values import Decide

Bits: TypeAlias = list[int]
"""For each need the rules, one bit each, that have it fulfilled."""

NOTHING = 1
"""The class of a value that fulfils nothing. No class is 0, so that a column that is known is all true."""
EVERYTHING = 2
"""The class of a value of which nothing is known."""
_MAX_REMEMBERED_BYTES = 24 << 20
_MAX_CHARS = 4096
"""Longer values are not remembered, and looked at one by one."""
_ENTRY_BYTES = 160
"""What remembering a text costs beside its letters."""
_MAX_CLASSES = 20_000
_NEVER_AGAIN = 0.95
"""A column with so many new values, of all, is one whose values do not come again."""
_FICKLE = 8
_ASK_AGAIN = 128
_BETWEEN = "\0"


class Condition(NamedTuple):
    """What rules ask of a field.

    Args:
        expression: what a value must have.
        fulfilled: for each need the rules, one bit each, that have it fulfilled where the expression holds.
        unfulfilled: the same where it does not hold.
    """

    expression: Expression
    fulfilled: dict[int, int]
    unfulfilled: dict[int, int]


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


def _rules(places: Sequence[Sequence[int]]) -> dict[int, int]:
    """Return for each need its rules as bits."""
    found = {}
    for place, *rules in places:
        bits = 0
        for rule in rules:
            bits |= 1 << rule
        found[place] = bits
    return found


class Memory:
    """How much is remembered in all fields together, and what to do when it is too much."""

    __slots__ = ("_fields", "_left")

    def __init__(self) -> None:
        self._fields: list[Field] = []
        self._left = _MAX_REMEMBERED_BYTES

    def join(self, field: Field) -> None:
        """Let a field be one of those that forget."""
        self._fields.append(field)

    def take(self, values: Sequence[str]) -> None:
        """Count values that are remembered; where they are too many, every field forgets what was not seen lately."""
        self._left -= sum(map(len, values)) + len(values) * _ENTRY_BYTES
        if self._left < 0:
            self._left = _MAX_REMEMBERED_BYTES
            for field in self._fields:
                field.forget()


class _Other:
    """A value that is neither text nor absent: looked at each time it comes."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def _as_text(value: Any) -> Any:
    """Return a value as it is remembered: a whole number, and a list of one text, as text."""
    kind = type(value)
    if kind is str or value is None:
        return value
    if kind is int:
        return str(value)
    if kind is list and len(value) == 1 and type(value[0]) is str:
        return value[0]
    return None if is_only_null(value) else _Other(value)


class Field:
    """The conditions on one field, and the classes of the values seen in it.

    Args:
        asked: the conditions.
        memory: bounds what is remembered.
        fast: use Hyperscan if it is there.
        store: where databases are kept.
    """

    def __init__(self, asked: Outline, memory: Memory, *, fast: bool, store: Databases | None) -> None:
        self.name = asked.name
        conditions = [
            Condition(expression, _rules(fulfilled), _rules(unfulfilled))
            for expression, fulfilled, unfulfilled in asked.conditions
        ]
        self._conditions = conditions
        self._on_text: list[Decide | None] = [None] * len(conditions)
        self._on_view: dict[int, Predicate] = {}
        self._always = frozenset(asked.always)
        self._leading = frozenset(asked.leading)
        self._leads = [numbers for _how, _text, numbers in asked.wanted]
        self.wanted = [(how, text) for how, text, _numbers in asked.wanted]
        self.has_numbers = any(NUMERIC.issuperset(text) for _how, text in self.wanted)
        self._finder: Finder | None = None
        self._fast = fast
        self._store = store
        everything = tuple(range(len(conditions)))
        self._classes: list[tuple[int, ...]] = [(), (), everything]
        self._numbers: dict[tuple[int, ...], int] = {everything: EVERYTHING, (): NOTHING}
        self._bits: list[Bits | None] = [None, None, None]
        self._known: dict[Any, int] = {}
        self._earlier: dict[Any, int] = {}
        self._mixed = False
        self._fickle = 0
        """How often nearly all values were new: where it is often, they are not remembered."""
        self._memory = memory
        memory.join(self)

    def classes(self, column: Sequence[Any]) -> list[int]:
        """Return the class of each value of a column."""
        if self._fickle >= _FICKLE and len(column) > 1:
            self._fickle += 1
            if self._fickle % _ASK_AGAIN and set(map(type, column)) == {str}:
                return self._look(column)
        if self._mixed:
            column = list(map(_as_text, column))
        try:
            found: list[int | None] = list(map(self._known.get, column))
        except TypeError:  # a list among them
            self._mixed = True
            return self.classes(column)
        return found if all(found) else self._learned(column, found)  # type: ignore[return-value]  # no None is left

    def _learned(self, column: Sequence[Any], found: Sequence[int | None]) -> list[int]:
        """Return the classes of a column of which some values are not known yet."""
        fresh: dict[Any, int] = dict.fromkeys(compress(column, map(not_, found)), 0)
        if not self._mixed and not {str, type(None)}.issuperset(map(type, fresh)):
            self._mixed = True
            return self.classes(column)
        if self._mixed or None in fresh:
            for value in fresh:
                if value is None:
                    fresh[value] = self._known[None] = self._decide(None)
                elif type(value) is _Other:
                    fresh[value] = self._decide(value.value)
        if self._earlier:
            fresh.update(
                (value, known)
                for value, known in zip(fresh, map(self._earlier.get, fresh), strict=True)
                if known
            )
        new = [value for value, number in fresh.items() if not number]
        if new:
            fresh.update(zip(new, self._look(new), strict=True))
        if len(new) > _NEVER_AGAIN * len(column):
            self._fickle += len(column) > _FICKLE
        else:
            self._fickle = 0
        kept = [value for value in fresh if type(value) is str and len(value) <= _MAX_CHARS]
        self._known.update(zip(kept, map(fresh.__getitem__, kept), strict=True))
        self._memory.take(kept)
        return [number or fresh[value] for number, value in zip(found, column, strict=True)]

    def forget(self) -> None:
        """Keep only the values seen since the last time this was called."""
        self._earlier = self._known
        self._known = {}

    def class_of(self, value: Any) -> int:
        """Return the class of one value."""
        return self.classes((value,))[0]

    def bits(self, number: int) -> Bits:
        """Return what a class fulfils."""
        bits = self._bits[number]
        if bits is None:
            bits = [0] * MAX_NEEDS
            held = set(self._classes[number])
            for place, condition in enumerate(self._conditions):
                if place in held or number == EVERYTHING:
                    _add(bits, condition.fulfilled)
                if place not in held or number == EVERYTHING:
                    _add(bits, condition.unfulfilled)
            self._bits[number] = bits
        return bits

    def _find(self) -> Finder:
        if self._finder is None:
            self._finder = Finder(self.wanted, fast=self._fast, store=self._store)
        return self._finder

    def _look(self, values: Sequence[str]) -> list[int]:
        """Return the classes of texts, by looking at them."""
        block = _BETWEEN.join(("", *values, ""))
        if (
            block.isascii()
            and block.count(_BETWEEN) == len(values) + 1
            and len(max(values, key=len)) <= _MAX_CHARS
        ):
            return self._look_at_block(block.lower(), values)
        easy = [one for one in values if len(one) <= _MAX_CHARS and one.isascii() and _BETWEEN not in one]
        if len(easy) == len(values):
            return [self.look(one) for one in values]
        found = dict(zip(easy, self._look(easy), strict=True)) if easy else {}
        return [found.get(one) or self.look(one) for one in values]

    def _look_at_block(self, block: str, values: Sequence[str]) -> list[int]:
        folded = block[1:-1].split(_BETWEEN)
        hits = self._find().many(block, folded, values)
        if hits is None:
            return [self.look(one) for one in values]
        found = [NOTHING] * len(values)
        if self._always:
            for number in range(len(values)):
                hits.setdefault(number, [])
        for number, leading in hits.items():
            found[number] = (
                EVERYTHING
                if leading is None
                else self._decided(self._asked_by(leading), folded[number], values[number])
            )
        return found

    def look(self, text: str) -> int:
        """Return the class of a text, by looking at it alone."""
        folded = text.lower() if text.isascii() else fold(text)
        asked = self._asked(folded, text)
        return EVERYTHING if asked is None else self._decided(asked, folded, text)

    def _decided(self, asked: Iterable[int], folded: str, text: str) -> int:
        tests = self._on_text
        # Elsewhere a text may be found that the value does not have: across a NUL, or before it is composed anew.
        leading = self._leading if text.isascii() and _BETWEEN not in text else ()
        fulfilled = []
        for number in sorted(asked):
            if number not in leading:
                test = tests[number]
                if test is None:
                    test = tests[number] = self._on(number)
                if not test(folded, text):
                    continue
            fulfilled.append(number)
        return self._number(fulfilled)

    def _on(self, number: int) -> Decide:
        """Return the function that decides a condition on a text in which one of its leads was found."""
        if self.name == ANYWHERE:  # what there is more to it is asked of each value
            return _holds
        return decider(_node(self._conditions[number].expression, self.name), self.name)

    def _decide(self, value: Any) -> int:
        """Return the class of a value of any type."""
        asked: Iterable[int] = range(len(self._conditions))
        if value:
            some: set[int] = set(self._always)
            for text in texts(value):
                found = self._asked(fold(text), text)
                if found is None:
                    return EVERYTHING
                some |= found
            asked = sorted(some)
        view = View({self.name: value}, plain=True)
        return self._number([number for number in asked if self._test(number)(view)])

    def _asked_by(self, leading: Iterable[int]) -> set[int]:
        asked = set(self._always)
        for lead in leading:
            asked.update(self._leads[lead])
        return asked

    def _asked(self, folded: str, text: str) -> set[int] | None:
        """Return the conditions that a text leads to; None where that cannot be said."""
        find = self._find()
        found = find.one(folded, text)
        if found is None:
            return None
        asked = self._asked_by(found)
        if not text.isascii() and (again := fold_again(text)) is not None:
            more = find.one(again, None)
            if more is None:
                return None
            asked |= self._asked_by(more)
        return asked

    def _test(self, number: int) -> Predicate:
        test = self._on_view.get(number)
        if test is None:
            test = self._on_view[number] = predicate(_node(self._conditions[number].expression, self.name))
        return test

    def _number(self, fulfilled: list[int]) -> int:
        key = tuple(fulfilled)
        number = self._numbers.get(key)
        if number is None:
            if len(self._classes) >= _MAX_CLASSES:  # someone plays with us: more candidates, the same answers
                return EVERYTHING
            number = self._numbers[key] = len(self._classes)
            self._classes.append(key)
            self._bits.append(None)
        return number


def _add(bits: Bits, more: Mapping[int, int]) -> None:
    for place, one in more.items():
        bits[place] |= one


def _is_silent(expression: Expression) -> bool:
    return bool(expression[0] == "test" and is_silent(expression[1]))


def _is_lead(expression: Expression) -> bool:
    """Return whether an expression holds where one of its leads was found in a text of ASCII."""
    if expression[0] == "or":
        return all(map(_is_lead, expression[1]))
    if (
        expression[0] == "test"
    ):  # a pattern that was found is decided, unless it may have found the edge of another
        node: Node = expression[1]
        return bool(
            node[0] == "re"
            and leads(expression) == [(f"re{node[3]}", node[2])]
            and "$" not in node[2]
            and "^" not in node[2].replace("[^", "")
        )
    return bool(expression[0] == "text" and _BETWEEN not in expression[2])


def _holds(_folded: str, _text: str) -> bool:
    return True


def _node(expression: Expression, field: str) -> Node:
    """Return an expression as the node of a plan."""
    if expression[0] == "text":
        return ["text", expression[1], False, field, [expression[2]]]
    if expression[0] == "test":
        node: Node = expression[1]
        return node
    return [{"and": "all", "or": "any"}[expression[0]], [_node(part, field) for part in expression[1]]]
