"""Which rules events may match, found without evaluating any. One index serves the rules of one route.

Of each rule the ``needs`` are known. A field has the *conditions* that rules need of it (``field``), and a value's
*class* is the set of those that it fulfils. Events are looked at column by column; their candidates follow from the
combination of their classes, and are remembered, because combinations come again even where values do not. A
combination that is new is worked out with one bit a rule: OR over the fields, AND over the needs.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.detectors.sigma.classifier import EVERYTHING, NOTHING
from citysoc.detectors.sigma.field import Field, Memory
from citysoc.detectors.sigma.index_plan import Plan, plan_of
from citysoc.detectors.sigma.needs import ANYWHERE
from citysoc.detectors.sigma.patterns import Glance
from citysoc.detectors.sigma.view import is_object
from citysoc.detectors.text import texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from citysoc.detectors.sigma.classifier import Classifier
    from citysoc.detectors.sigma.databases import Databases
    from citysoc.detectors.sigma.fulfilled import Bits
    from citysoc.detectors.sigma.nodes import Node

Candidates: TypeAlias = tuple[int, ...]
"""Places of rules, in order; ``~place`` where it is certain that the rule matches."""

UNSURE: Candidates = (-(1 << 62),)
"""Stands for the candidates of a record of which too little is known to say what is left to be asked of them."""
_MAX_COMBINATIONS = 50_000
_SAID = frozenset({str})
_COUNTED = frozenset({str, int, float, dt.datetime, type(None)})


class Combinations:
    """The candidates of each combination of classes of some fields.

    Args:
        base: what events fulfil whatever those fields hold.
        fields: the fields.
        exact: the rules, one bit each, whose needs are all that they ask for.
        known: whether base is all that is to be known; None: ``UNSURE`` is no answer, but more candidates are.
    """

    __slots__ = ("_base", "_exact", "_fields", "_found", "_known")

    def __init__(self, base: Bits, fields: Sequence[Field], exact: int, *, known: bool | None = None) -> None:
        self._base = base
        self._exact = exact
        self._fields = fields
        self._known = known
        self._found: dict[tuple[int, ...], Candidates] = {}

    def candidates(self, columns: Sequence[Sequence[int]], count: int) -> list[Candidates]:
        """Return the candidates of each event.

        Args:
            columns: for each field the classes of the events.
            count: how many events there are.
        """
        keys: list[tuple[int, ...]] = list(zip(*columns, strict=True)) if columns else [()] * count
        found = list(map(self._found.get, keys))
        if None not in found:
            return found  # type: ignore[return-value]  # no None is left
        return [self._one(key) if one is None else one for key, one in zip(keys, found, strict=True)]

    def _one(self, key: tuple[int, ...]) -> Candidates:
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= _MAX_COMBINATIONS:
                self._found.clear()
            is_known = EVERYTHING not in key
            if self._known is not None and not (self._known and is_known):
                return UNSURE
            fulfilled = [field.bits(number) for field, number in zip(self._fields, key, strict=True)]
            exact = self._exact if is_known else 0
            found = self._found[key] = tuple(
                ~place if exact >> place & 1 else place
                for place in places(_all(_with(self._base, fulfilled)))
            )
        return found


def _with(base: Bits, fulfilled: Sequence[Bits]) -> Bits:
    """Return what is fulfilled by any."""
    bits = list(base)
    for more in fulfilled:
        for place, one in enumerate(more):
            bits[place] |= one
    return bits


def _all(bits: Bits) -> int:
    """Return the rules of which every need is fulfilled."""
    left = -1
    for one in bits:
        left &= one
    return left


class Index:
    """Finds the candidates among some rules; a rule is its place in the sequence.

    Args:
        tests: for each rule its test, as a plan has it; or what was worked out of them.
        memory: bounds what this index and others remember together.
        fast: use Hyperscan if it is there.
        store: where databases are kept.
    """

    def __init__(
        self,
        tests: Sequence[Node] | Plan,
        memory: Memory | None = None,
        *,
        fast: bool = True,
        store: Databases | None = None,
    ) -> None:
        plan = tests if isinstance(tests, Plan) else plan_of(tests)
        self._free: Bits = plan.free
        self._exact = plan.exact
        memory = memory or Memory()
        self.fields = {one.name: Field(one, memory, fast=fast, store=store) for one in plan.fields}
        """The fields by their names."""
        self.anywhere = self.fields.pop(ANYWHERE, None)
        """What rules need of anything that an event says."""
        self._store = store
        self._glance: Glance | None = None
        every = list(self.fields.values())
        self._combinations = Combinations(
            self._free, [*every, self.anywhere] if self.anywhere else every, self._exact
        )

    def candidates(self, events: Sequence[Mapping[str, Any]]) -> list[Candidates]:
        """Return for each event the rules that it may match.

        Args:
            events: with the names as rules write them.
        """
        columns = [
            field.classes([event.get(name) for event in events]) for name, field in self.fields.items()
        ]
        if self.anywhere is not None:
            columns.append(self._in_all_of(self.anywhere.classifier, events))
        return self._combinations.candidates(columns, len(events))

    def combinations(self, same: Mapping[str, Any], varied: Sequence[str]) -> Combinations:
        """Return the combinations of the classes of some fields where all others are the same for all events.

        Args:
            same: the values of the others; what is not there is absent.
            varied: the names of the fields that differ.
        """
        fixed = [field for name, field in self.fields.items() if name not in varied]
        classes = [field.class_of(same.get(field.name)) for field in fixed]
        told = [one.bits(own) for one, own in zip(fixed, classes, strict=True)]
        fields = [self.fields[name] for name in varied]
        return Combinations(_with(self._free, told), fields, self._exact, known=EVERYTHING not in classes)

    def glance(self) -> Glance | None:
        """Return the quick look for what rules need of anything that an event says; None where they need nothing."""
        if self.anywhere is None:
            return None
        if self._glance is None:
            self._glance = Glance(self.anywhere.classifier.wanted, self._store)
        return self._glance

    def _in_all_of(self, classifier: Classifier, events: Sequence[Mapping[str, Any]]) -> list[int]:
        """Return the classes of all that each event says."""
        found = [NOTHING] * len(events)
        glance = self.glance()
        for number in glance.events(events) if glance else range(len(events)):
            found[number] = classifier.of_text(everything(events[number], numbers=classifier.has_numbers))
        return found


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


def places(bits: int) -> Iterator[int]:
    """Yield the places of the bits that are set, lowest first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
