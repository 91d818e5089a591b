"""The class of each value of a field: the set of the conditions that it fulfils.

Texts are looked at many at a time: they are searched as one block for what leads to a condition. Only where a lead
is found is a condition decided on a text.
"""

from __future__ import annotations

import functools
from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple

from citysoc.detectors.sigma.match import predicate
from citysoc.detectors.sigma.needs import ANYWHERE
from citysoc.detectors.sigma.outline import BETWEEN, Form
from citysoc.detectors.sigma.patterns import NUMERIC, Finder, block_of
from citysoc.detectors.sigma.remainder import remainder
from citysoc.detectors.sigma.values import decider
from citysoc.detectors.sigma.view import View
from citysoc.detectors.text import fold, fold_again, texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from citysoc.detectors.sigma.chances import Expression
    from citysoc.detectors.sigma.databases import Databases
    from citysoc.detectors.sigma.match import Predicate
    from citysoc.detectors.sigma.nodes import Node
    from citysoc.detectors.sigma.values import Decide

NOTHING = 1
"""The class of a value that fulfils nothing. No class is 0, so that a column that is known is all true."""
EVERYTHING = 2
"""The class of a value of which nothing is known."""
MAX_CHARS = 4096
"""Longer texts are looked at one by one, and not remembered."""
_MAX_CLASSES = 20_000
_MAX_MET = 8192
_MAX_SETTLED = 1024
_MAX_OUTCOMES = 64
"""So many sets of leads are known to have come, and so many what they settle, with so many classes each."""


class _Settled(NamedTuple):
    """What is known of a text by the leads that it has.

    Args:
        fulfilled: the conditions that it fulfils for certain.
        asked: those that are still to be decided.
        tests: what decides them.
        classes: the classes of what was decided.
    """

    fulfilled: list[int]
    asked: list[int]
    tests: list[Decide]
    classes: dict[tuple[bool, ...], int]


class Classifier:
    """The conditions on one field, and the class of each value: the set of those that it fulfils.

    Args:
        name: the field's name.
        form: the conditions, see ``outline.Outline``.
        fast: use Hyperscan if it is there.
        store: where databases are kept.
    """

    def __init__(self, name: str, form: bytes, *, fast: bool, store: Databases | None) -> None:
        self.name = name
        self._form = Form(form)
        self._on_text: dict[int, Decide] = {}
        self._on_view: dict[int, Predicate] = {}
        self._always = self._form.always
        self.has_patterns = self._form.has_patterns
        """Whether texts are searched for patterns, too, one by one."""
        self._settled: dict[frozenset[int], _Settled] = {}
        self._met: set[frozenset[int]] = set()
        self._finder: Finder | None = None
        self._fast = fast
        self._store = store
        self._classes: list[tuple[int, ...]] = [(), (), ()]
        # A value that fulfils all conditions, which are often one, has a class of its own: of that one all is known.
        self._numbers: dict[tuple[int, ...], int] = {(): NOTHING}

    @property
    def wanted(self) -> list[tuple[str, str]]:
        """What is looked for in a text: how it must stand there, and the text."""
        return self._form.wanted

    @functools.cached_property
    def has_numbers(self) -> bool:
        """Whether a number may be what is looked for."""
        return any(NUMERIC.issuperset(text) for _how, text in self.wanted)

    @functools.cached_property
    def _searched(self) -> frozenset[tuple[str, str]]:
        return frozenset(one for one in self.wanted if one[1] and BETWEEN not in one[1])

    def held(self, number: int) -> tuple[int, ...]:
        """Return the numbers of the conditions that the values of a class fulfil."""
        return self._classes[number]

    def of_texts(self, values: Sequence[str]) -> list[int]:
        """Return the classes of texts, by looking at them."""
        block = block_of(values)
        if (
            block.isascii()
            and block.count(BETWEEN) == len(values) + 1
            and max(map(len, values), default=0) <= MAX_CHARS
        ):
            return self._look_at_block(block.lower(), values)
        easy = [one for one in values if len(one) <= MAX_CHARS and one.isascii() and BETWEEN not in one]
        if len(easy) == len(values):
            return [self.of_text(one) for one in values]
        found = dict(zip(easy, self.of_texts(easy), strict=True)) if easy else {}
        return [found.get(one) or self.of_text(one) for one in values]

    def _look_at_block(self, block: str, values: Sequence[str]) -> list[int]:
        hits = self._find().many(block, values)
        if hits is None:
            return [self.of_text(one) for one in values]
        found = [NOTHING] * len(values)
        if self._always:
            for number in range(len(values)):
                hits.setdefault(number, [])
        for number, leading in hits.items():
            found[number] = EVERYTHING if leading is None else self._by_leads(leading, values[number])
        return found

    def _by_leads(self, leading: Sequence[int], text: str) -> int:
        """Return the class of a text of ASCII without a NUL, by the leads that were found in it."""
        found = frozenset(leading)
        settled = self._settled.get(found)
        if settled is None:
            if found not in self._met:  # may be the only one of its kind
                if len(self._met) >= _MAX_MET:
                    self._met.clear()
                self._met.add(found)
                return self._decided(self._asked_by(found), text.lower(), text)
            settled = self._settle(found)
        folded = text.lower()
        held = tuple([test(folded, text) for test in settled.tests])
        number = settled.classes.get(held)
        if number is None:
            number = self._number(sorted([*settled.fulfilled, *compress(settled.asked, held)]))
            if len(settled.classes) < _MAX_OUTCOMES:
                settled.classes[held] = number
        return number

    def _settle(self, leading: frozenset[int]) -> _Settled:
        """Return what some leads settle, and what they leave to be asked."""
        if len(self._settled) >= _MAX_SETTLED:
            self._settled.clear()
        found = {self.wanted[place] for place in leading} & self._searched
        settled = _Settled([], [], [], {})
        for number in sorted(self._asked_by(leading)):
            left: Node | bool = True
            if self.name != ANYWHERE and number not in self._form.leading:
                node = _node(self._form.expression(number), self.name)
                left = remainder(node, found, self._searched)
            if left is True:
                settled.fulfilled.append(number)
            elif not isinstance(left, bool):
                settled.asked.append(number)
                settled.tests.append(decider(left, self.name))
        self._settled[leading] = settled
        return settled

    def of_text(self, text: str) -> int:
        """Return the class of a text, by looking at it alone."""
        folded = text.lower() if text.isascii() else fold(text)
        asked = self._asked(folded, text)
        return EVERYTHING if asked is None else self._decided(asked, folded, text)

    def of_value(self, value: Any) -> int:
        """Return the class of a value of any type."""
        asked: Iterable[int] = range(self._form.count)
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

    def _find(self) -> Finder:
        if self._finder is None:
            self._finder = Finder(self.wanted, fast=self._fast, store=self._store)
        return self._finder

    def _decided(self, asked: Iterable[int], folded: str, text: str) -> int:
        tests = self._on_text
        # Elsewhere a text may be found that the value does not have: across a NUL, or before it is composed anew.
        leading = self._form.leading if text.isascii() and BETWEEN not in text else ()
        fulfilled = []
        for number in sorted(asked):
            if number not in leading:
                test = tests.get(number)
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
        return decider(_node(self._form.expression(number), self.name), self.name)

    def _asked_by(self, leading: Iterable[int]) -> set[int]:
        asked = set(self._always)
        led = self._form.led
        for lead in leading:
            asked.update(led[lead])
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
            test = self._on_view[number] = predicate(_node(self._form.expression(number), self.name))
        return test

    def _number(self, fulfilled: list[int]) -> int:
        key = tuple(fulfilled)
        number = self._numbers.get(key)
        if number is None:
            if len(self._classes) >= _MAX_CLASSES:  # someone plays with us: more candidates, the same answers
                return EVERYTHING
            number = self._numbers[key] = len(self._classes)
            self._classes.append(key)
        return number


def _holds(_folded: str, _text: str) -> bool:
    return True


def _node(expression: Expression, field: str) -> Node:
    """Return an expression as a node of a test."""
    if expression[0] == "text":
        return ["text", expression[1], False, field, [expression[2]]]
    if expression[0] == "test":
        node: Node = expression[1]
        return node
    return [{"and": "all", "or": "any"}[expression[0]], [_node(part, field) for part in expression[1]]]
