"""Which rules an event may match, found without evaluating any. One index serves the rules of one route.

Of each rule the ``needs`` are known. A field has the *conditions* that rules need of it. The texts that lead to a
condition are looked for in one pass over a value (``patterns``); where one is found, the condition is decided on the
value. The conditions that a value fulfils are its *class*. Values are remembered with their class, because the
values of logs repeat, and so are the candidates of a combination of classes, because those repeat far more. A
combination that is new is worked out with one bit a rule: OR over the event's fields, AND over the needs.
"""

from __future__ import annotations

import datetime as dt
import functools
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.detectors.sigma.match import View, is_object, predicate
from citysoc.detectors.sigma.needs import ANYWHERE, MAX_NEEDS, leads, needs
from citysoc.detectors.sigma.patterns import NUMERIC, finder, glance
from citysoc.detectors.sigma.text import fold, fold_again, texts
from citysoc.detectors.sigma.values import decider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from citysoc.detectors.sigma.match import Predicate
    from citysoc.detectors.sigma.needs import Expression
    from citysoc.detectors.sigma.patterns import Find
    from citysoc.detectors.sigma.plan import Node
    from citysoc.detectors.sigma.values import Decide

Bits: TypeAlias = list[int]
"""For each need the rules, one bit each, that have it fulfilled."""

_MAX_REMEMBERED_BYTES = 24 << 20
_MAX_REMEMBERED_CHARS = 4096
_ENTRY_BYTES = 160
"""What remembering a text costs beside its letters."""
_MAX_COMBINATIONS = 50_000
_MAX_CLASSES = 20_000
_NOTHING = 0
"""The class of a value that fulfils nothing."""
_EVERYTHING = 1
"""The class of a value of which nothing is known."""
_PLAIN = (str, type(None))
_SAID = frozenset({str})
_COUNTED = frozenset({str, int, float, dt.datetime, type(None)})


class Index:
    """Finds the candidates among some rules; a rule is its place in the sequence.

    Args:
        tests: for each rule its test, as a plan has it.
        memory: bounds what this index and others remember together.
        fast: use Hyperscan if it is there.
    """

    def __init__(self, tests: Sequence[Node], memory: Memory | None = None, *, fast: bool = True) -> None:
        conditions: dict[str, dict[str, tuple[Expression, Bits]]] = {}
        self._free: Bits = [(1 << len(tests)) - 1] * MAX_NEEDS
        for rule, test in enumerate(tests):
            bit = 1 << rule
            for place, need in enumerate(needs(test)):
                self._free[place] ^= bit
                for name, expression in need.items():
                    known = conditions.setdefault(name, {})
                    known.setdefault(repr(expression), (expression, [0] * MAX_NEEDS))[1][place] |= bit
        memory = memory or Memory()
        fields = {
            name: _Field(name, list(known.values()), memory, fast=fast) for name, known in conditions.items()
        }
        self._anywhere = fields.pop(ANYWHERE, None)
        self._fields = list(fields.items())
        self._known: list[tuple[str, Callable[[Any], int | None]]] = [
            (name, field.known.get) for name, field in self._fields
        ]
        self._found: dict[tuple[int | None, ...], tuple[int, ...]] = {}

    def candidates(self, event: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the places of the rules that an event may match, in order.

        Args:
            event: with the names as rules write them.
        """
        get = event.get
        try:
            key: tuple[int | None, ...] = tuple([known(get(name)) for name, known in self._known])
        except TypeError:  # a list among them
            key = (None,) * len(self._fields)
        if self._anywhere is not None:
            key = (*key, self._anywhere.in_all_of(event))
        found = self._found.get(key)
        return self._work_out(event, key) if found is None else found

    def _work_out(self, event: Mapping[str, Any], key: tuple[int | None, ...]) -> tuple[int, ...]:
        numbers = list(key)
        for place, (name, field) in enumerate(self._fields):
            if numbers[place] is None:
                value = event.get(name)
                numbers[place] = field.class_of(value)
                if type(value) not in _PLAIN:
                    self._known[place] = name, field.of_any
        full = tuple(numbers)
        found = self._found.get(full)
        if found is None:
            if len(self._found) >= _MAX_COMBINATIONS:
                self._found.clear()
            fields = [field for _name, field in self._fields]
            if self._anywhere is not None:
                fields.append(self._anywhere)
            found = self._found[full] = self._combine(
                [field.bits(number) for field, number in zip(fields, full, strict=True) if number]
            )
        return found

    def _combine(self, found: Sequence[Bits]) -> tuple[int, ...]:
        left = -1
        for place, fulfilled in enumerate(self._free):
            for bits in found:
                fulfilled |= bits[place]
            left &= fulfilled
        return tuple(places(left))


def everything(event: Mapping[str, Any], *, numbers: bool) -> str:
    """Return all that an event says, and a bit more, as one text.

    Args:
        event: the event.
        numbers: with its numbers and times.
    """
    original = event.get("event.original")
    values = event.values()
    said = [value for value in values if type(value) is str and value is not original]
    left_out = _SAID if numbers else _COUNTED
    for value in [value for value in values if type(value) not in left_out]:
        if type(value) is list and len(value) == 1 and type(value[0]) is str:
            said.append(value[0])
        else:
            said += texts(value)
    if type(original) is str and not is_object(original):
        said.append(original)
    return "\0".join(said)


class Memory:
    """How much is remembered in all fields together, and what to do when it is too much."""

    __slots__ = ("_fields", "left")

    def __init__(self) -> None:
        self._fields: list[_Field] = []
        self.left = _MAX_REMEMBERED_BYTES

    def join(self, field: _Field) -> None:
        """Let a field be one of those that forget."""
        self._fields.append(field)

    def forget(self) -> None:
        """Let every field forget what was not seen lately."""
        self.left = _MAX_REMEMBERED_BYTES
        for field in self._fields:
            field.forget()


class _Field:
    """The conditions on one field, and the classes of the values seen in it."""

    __slots__ = (
        "_always", "_bits", "_classes", "_conditions", "_earlier", "_expressions", "_find", "_glance",
        "_has_numbers", "_leads", "_make", "_memory", "_name", "_numbers", "_on_text", "_on_view", "_wanted", "known",
    )  # fmt: skip

    def __init__(
        self, name: str, conditions: list[tuple[Expression, Bits]], memory: Memory, *, fast: bool
    ) -> None:
        self._name = name
        self._conditions = [bits for _expression, bits in conditions]
        self._expressions = [expression for expression, _bits in conditions]
        self._on_text = [_on_text(expression, name) for expression, _bits in conditions]
        self._on_view: dict[int, Predicate] = {}
        wanted: dict[tuple[str, str], list[int]] = {}
        always = []
        for number, (expression, _bits) in enumerate(conditions):
            found = leads(expression)
            if not found:
                always.append(number)
            for text in found:
                wanted.setdefault(text, []).append(number)
        self._always = frozenset(always)
        self._leads = list(wanted.values())
        self._wanted = list(wanted)
        self._has_numbers = any(NUMERIC.issuperset(text) for _how, text in wanted)
        self._glance: Callable[[Mapping[str, Any]], bool] | None = None
        self._find: Find | None = None
        self._make: Callable[[], Find] = functools.partial(finder, self._wanted, fast=fast)
        everything = tuple(range(len(conditions)))
        self._classes: list[tuple[int, ...]] = [(), everything]
        self._numbers: dict[tuple[int, ...], int] = {(): _NOTHING, everything: _EVERYTHING}
        self._bits: list[Bits | None] = [None, None]
        self._earlier: dict[Any, int] = {}
        self.known: dict[Any, int] = {}
        """Texts, and None, to their classes. It is always the same object: indexes hold on to its methods."""
        self._memory = memory
        memory.join(self)

    def of_any(self, value: Any) -> int | None:
        """Return the class of a value of any type if it is known."""
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, str) or value is None:
            return self.known.get(value)
        return self.known.get(str(value)) if type(value) is int else None

    def class_of(self, value: Any) -> int:
        """Return the class of a value that is not known."""
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        text = str(value) if type(value) is int else value
        if not isinstance(text, str):
            return self._decide(value) if value is not None else self._absent()
        found = self._earlier.get(text)
        if found is None:
            found = self.known.get(text)
        if found is None:
            found = self.look(text)
        if len(text) <= _MAX_REMEMBERED_CHARS:
            self.known[text] = found
            self._memory.left -= len(text) + _ENTRY_BYTES
            if self._memory.left < 0:
                self._memory.forget()
        return found

    def _absent(self) -> int:
        found = self.known[None] = self._decide(None)
        return found

    def bits(self, number: int) -> Bits:
        """Return what a class fulfils."""
        bits = self._bits[number]
        if bits is None:
            bits = [0] * MAX_NEEDS
            for condition in self._classes[number]:
                for place, one in enumerate(self._conditions[condition]):
                    bits[place] |= one
            self._bits[number] = bits
        return bits

    def forget(self) -> None:
        """Keep only the values seen since the last time this was called."""
        self._earlier = dict(self.known)
        self.known.clear()

    def in_all_of(self, event: Mapping[str, Any]) -> int:
        """Return the class of all that an event says."""
        if self._glance is None:
            self._glance = glance([text for _how, text in self._wanted]) or _sees_all
        if self._glance(event):
            return self.look(everything(event, numbers=self._has_numbers))
        return _NOTHING

    def look(self, text: str) -> int:
        """Return the class of a text, by looking at it."""
        find = self._find
        if find is None:
            find = self._find = self._make()
        folded = text.lower() if text.isascii() else fold(text)
        found = find(folded, text)
        if not found and found is not None and not self._always and text.isascii():
            return _NOTHING  # as nearly always
        asked = self._asked(folded, text)
        if asked is None:
            return _EVERYTHING
        tests = self._on_text
        return self._number([number for number in sorted(asked) if tests[number](folded, text)])

    def _decide(self, value: Any) -> int:
        asked: set[int] = set(self._always)
        for text in texts(value):
            found = self._asked(fold(text), text)
            if found is None:
                return _EVERYTHING
            asked |= found
        view = View({self._name: value}, plain=True)
        return self._number([number for number in sorted(asked) if self._test(number)(view)])

    def _asked(self, folded: str, text: str) -> set[int] | None:
        """Return the conditions that a text leads to; None where that cannot be said."""
        find = self._find
        if find is None:
            find = self._find = self._make()
        found = find(folded, text)
        if found is None:
            return None
        asked = set(self._always)
        for lead in found:
            asked.update(self._leads[lead])
        if not text.isascii() and (again := fold_again(text)) is not None:
            more = find(again, None)
            if more is None:
                return None
            for lead in more:
                asked.update(self._leads[lead])
        return asked

    def _test(self, number: int) -> Predicate:
        test = self._on_view.get(number)
        if test is None:
            test = self._on_view[number] = predicate(_node(self._expressions[number], self._name))
        return test

    def _number(self, fulfilled: list[int]) -> int:
        key = tuple(fulfilled)
        number = self._numbers.get(key)
        if number is None:
            if len(self._classes) >= _MAX_CLASSES:  # someone plays with us: more candidates, the same answers
                return _EVERYTHING
            number = self._numbers[key] = len(self._classes)
            self._classes.append(key)
            self._bits.append(None)
        return number


def _sees_all(_event: Mapping[str, Any]) -> bool:
    return True


def _on_text(expression: Expression, field: str) -> Decide:
    """Return the function that decides an expression on a text in which one of its leads was found."""
    if field == ANYWHERE or _is_lead(expression):
        return _holds  # the lead is all there is to it, or what there is more to it is asked of each value
    return decider(_node(expression, field), field)


def _is_lead(expression: Expression) -> bool:
    """Return whether an expression says no more than its leads do."""
    if expression[0] == "or":
        return all(map(_is_lead, expression[1]))
    if expression[0] == "test":  # a pattern that was found as a pattern is as good as decided
        node: Node = expression[1]
        return bool(node[0] == "re" and leads(expression) == [(f"re{node[3]}", node[2])])
    return bool(expression[0] == "text")


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


def places(bits: int) -> Iterator[int]:
    """Yield the places of the bits that are set, lowest first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
