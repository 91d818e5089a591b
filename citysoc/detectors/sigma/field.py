"""A field that rules ask for: the class of each of its values, remembered.

Values come a column at a time: those seen before are looked up, all others go to the ``classifier``.
"""

from __future__ import annotations

from itertools import compress
from operator import not_
from typing import TYPE_CHECKING, Any

from citysoc.detectors.sigma.classifier import EVERYTHING, MAX_CHARS, Classifier
from citysoc.detectors.sigma.fulfilled import Rules
from citysoc.detectors.text import is_only_null

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.detectors.sigma.databases import Databases
    from citysoc.detectors.sigma.fulfilled import Bits
    from citysoc.detectors.sigma.outline import Outline

_MAX_REMEMBERED_BYTES = 24 << 20
_ENTRY_BYTES = 160
"""What remembering a text costs beside its letters."""
_NEVER_AGAIN, _SELDOM_AGAIN = 0.95, 0.3
"""Of a column with so many new values, of all, to look at each value costs less than to remember it: with patterns, without."""
_FICKLE = 8
_ASK_AGAIN = 128


class Memory:
    """How much is remembered in all fields together, and what to do when it is too much."""

    __slots__ = ("_classifiers", "_fields", "_left")

    def __init__(self) -> None:
        self._classifiers: dict[tuple[str, bytes, bool], Classifier] = {}
        self._fields: list[Field] = []
        self._left = _MAX_REMEMBERED_BYTES

    def join(self, field: Field) -> None:
        """Let a field be one of those that forget."""
        self._fields.append(field)

    def classifier(self, asked: Outline, *, fast: bool, store: Databases | None) -> Classifier:
        """Return what says the classes of a field's values: one for all that ask the same, whatever rules they have."""
        key = asked.name, asked.form, fast
        found = self._classifiers.get(key)
        if found is None:
            found = self._classifiers[key] = Classifier(asked.name, asked.form, fast=fast, store=store)
        return found

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
    """A field that rules ask for: the class of each of its values, remembered.

    Args:
        asked: the conditions on it.
        memory: bounds what is remembered.
        fast: use Hyperscan if it is there.
        store: where databases are kept.
    """

    def __init__(self, asked: Outline, memory: Memory, *, fast: bool, store: Databases | None) -> None:
        self.name = asked.name
        self.classifier = memory.classifier(asked, fast=fast, store=store)
        """What says the class of a value that is not remembered."""
        self._rules = Rules(asked.rules)
        self._bits: dict[int, Bits] = {}
        self._known: dict[Any, int] = {}
        self._earlier: dict[Any, int] = {}
        self._mixed = False
        self._never_again = _NEVER_AGAIN if self.classifier.has_patterns else _SELDOM_AGAIN
        self._fickle = 0
        """How often nearly all values were new: where it is often, they are not remembered."""
        self._memory = memory
        memory.join(self)

    def bits(self, number: int) -> Bits:
        """Return what the values of a class fulfil."""
        bits = self._bits.get(number)
        if bits is None:
            held = self.classifier.held(number)
            bits = self._bits[number] = (
                self._rules.all() if number == EVERYTHING else self._rules.fulfilled(held)
            )
        return bits

    def classes(self, column: Sequence[Any]) -> list[int]:
        """Return the class of each value of a column."""
        if self._fickle >= _FICKLE and len(column) > 1:
            self._fickle += 1
            if self._fickle > _ASK_AGAIN:  # two columns are remembered, to see whether it still is so
                self._fickle = _FICKLE - 2
            elif set(map(type, column)) == {str}:
                return self.classifier.of_texts(column)
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
                    fresh[value] = self._known[None] = self.classifier.of_value(None)
                elif type(value) is _Other:
                    fresh[value] = self.classifier.of_value(value.value)
        if self._earlier:
            fresh.update(
                (value, known)
                for value, known in zip(fresh, map(self._earlier.get, fresh), strict=True)
                if known
            )
        new = [value for value, number in fresh.items() if not number]
        if new:
            fresh.update(zip(new, self.classifier.of_texts(new), strict=True))
        if len(new) > self._never_again * len(column):
            self._fickle += len(column) > _FICKLE
        else:
            self._fickle = 0
        kept = [value for value in fresh if type(value) is str and len(value) <= MAX_CHARS]
        self._known.update(zip(kept, map(fresh.__getitem__, kept), strict=True))
        self._memory.take(kept)
        return [number or fresh[value] for number, value in zip(found, column, strict=True)]

    def fresh(self, column: Sequence[Any]) -> Sequence[int]:
        """Return the class of each value of a column that somebody else remembers."""
        if set(map(type, column)) != {str}:
            column = list(map(_as_text, column))
            texts = [value for value in column if type(value) is str]
            own = iter(self.classifier.of_texts(texts)) if texts else iter(())
            return [
                next(own)
                if type(value) is str
                else self.classifier.of_value(value.value if type(value) is _Other else value)
                for value in column
            ]
        return self.classifier.of_texts(column)

    def forget(self) -> None:
        """Keep only the values seen since the last time this was called."""
        self._earlier = self._known
        self._known = {}

    def class_of(self, value: Any) -> int:
        """Return the class of one value."""
        return self.classes((value,))[0]
