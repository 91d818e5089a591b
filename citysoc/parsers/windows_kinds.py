"""Windows records by their kind, before they are events: what a field of theirs comes from.

Rules read a third of an event's fields, and seldom match. So where only findings are wanted, records are told apart by
their *kind* (``windows_shapes``, ``windows_beats``: the same names, provider, id and channel), and of most events nothing more is made.
What a kind says of a field is what ``windows`` makes of it: the parts of a recipe are taken from the recipe.
"""

from __future__ import annotations

import functools
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from citysoc.parsers import values
from citysoc.parsers.windows_heads import KEYWORDS, keywords
from citysoc.parsers.windows_shapes import NOWHERE, Recipe, copy_name

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from citysoc.flow import Event
    from citysoc.parsers.windows_shapes import Row


class Kind:
    """The records of one recipe.

    Args:
        recipe: how their events are made.
        cells: which of a record's values, as they are written, those of the recipe are; None: in their order.
        lists: the places of those that are lists.
    """

    def __init__(
        self, recipe: Recipe, cells: Sequence[int] | None = None, lists: Collection[int] = ()
    ) -> None:
        self.recipe = recipe
        self._cells = cells
        self._lists = lists
        self.times = recipe.times
        """The places of what may hold the time, and the zones that it promises."""
        self.same: Event = {
            **({} if "event.kind" in recipe.targets else {"event.kind": "event"}),
            **recipe.same,
            **{name: [only] for name, only in recipe.lists},
        }
        """Fields that are the same in all events."""
        self._written = {
            name for _place, target, _copy, form in recipe.copies for name in _written(target, form)
        }
        told = {name for _path, name in recipe.paths}
        self.names = frozenset({*recipe.targets, *self._written, *told} - {NOWHERE} - self.same.keys())
        """Fields that events may have besides."""
        self._made = {name for name, _kept, _read in recipe.read} | self._written | told | recipe.system
        self.words: Event = {**self.same, "transports": _transports(), "keywords": keywords([*KEYWORDS])}
        """Texts that events may have and records not."""
        self.is_plain = (
            not any(" " in name for name in self.names) and "threat.software.name" not in self.names
        )
        """Whether nothing about an event depends on more than its recipe."""

    def source(self, name: str) -> int | None:
        """Return the place of the value that a field has as it is; None where it is made of something."""
        if name in self._made or self.recipe.targets.count(name) != 1:
            return None
        return self.recipe.targets.index(name)

    def cells(self, places: Sequence[int]) -> list[tuple[int, bool]]:
        """Return which of a record's values, as they are written, some of the recipe's are, and whether they are lists."""
        written = self._cells
        return [(place if written is None else written[place], place in self._lists) for place in places]

    def _sources(self, wanted: Collection[str]) -> tuple[set[str], list[int]]:
        """Return some fields with those that they are told from, and the places of the values they are made of."""
        names = {*wanted, *(path for path, name in self.recipe.paths if name in wanted)}
        copied = (
            place
            for place, target, _copy, form in self.recipe.copies
            if not names.isdisjoint(_written(target, form))
        )
        plain = (place for place, target in enumerate(self.recipe.targets) if target in names)
        return names, sorted({*plain, *copied})

    def part(self, wanted: Collection[str]) -> Part:
        """Return what makes some fields of events."""
        names, places = self._sources(wanted)
        copies = [copy for copy in self.recipe.copies if not names.isdisjoint(_written(copy[1], copy[3]))]
        texts = [(place, name) for place, name, copy, _form in copies if copy is copy_name]
        if len({name for _place, name in texts}.difference(self.recipe.targets)) == len(texts):
            copies = [copy for copy in copies if copy[2] is not copy_name]
        else:  # fields that are filled twice
            texts = []
        own = {place for place, *_rest in copies}
        places = [place for place in places if place in own or self.recipe.targets[place] in names]
        targets = [self.recipe.targets[place] for place in places] + [name for _place, name in texts]
        places += [place for place, _name in texts]
        recipe = Recipe([target if target in names else NOWHERE for target in targets])
        recipe.read = [read for read in self.recipe.read if read[0] in names and read[0] in targets]
        recipe.read += [(name, str, values.text) for _place, name in texts]
        recipe.copies = [(places.index(place), *rest) for place, *rest in copies]  # type: ignore[misc]  # three remain
        lists = {name for name, _only in self.recipe.lists}
        recipe.same = {n: value for n, value in self.same.items() if n in names and n not in lists}
        recipe.lists = [(name, only) for name, only in self.recipe.lists if name in names]
        recipe.paths = [(path, name) for path, name in self.recipe.paths if name in names]
        empty = frozenset(self.recipe.system).intersection(self.recipe.targets[place] for place in places)
        part = Part(recipe, places, any_empty=bool(empty))
        if len(places) == len(names) == len(recipe.read) == 1 and not copies and not recipe.paths:
            part.kept = recipe.read[0][1]
        return part


class Part:
    """What makes some fields of the events of a kind.

    Args:
        recipe: makes them.
        places: of these values of a record.
        any_empty: whether an empty value may count as absent.

    ``kept`` is the type of values that the only field has as they are, where there is such.
    """

    __slots__ = ("_any_empty", "_complete", "_get", "_read", "_targets", "kept", "places")

    def __init__(self, recipe: Recipe, places: Sequence[int], *, any_empty: bool) -> None:
        self.places = tuple(places)
        self.kept: type | None = None
        self._any_empty = any_empty
        self._get = _getter(self.places)
        self._targets = recipe.targets
        self._read = recipe.read
        is_plain = not (recipe.copies or recipe.same or recipe.lists or recipe.paths)
        self._complete = None if is_plain and NOWHERE not in recipe.targets else recipe.complete

    def make(self, row: Row) -> Event | None:
        """Return the fields; None where the event must be made as a whole to know."""
        return self.make_of(self._get(row))

    def make_of(self, found: Sequence[Any]) -> Event | None:
        """Return the fields by the values at ``places``; None where the event must be made as a whole to know."""
        if None in found or (self._any_empty and "" in found):
            return None
        event: Event = dict(zip(self._targets, found))  # noqa: B905  they are as many, and to ask costs as much again
        if self._complete is not None:
            self._complete(event, found)
            return event
        for name, kept, read in self._read:
            value = event[name]
            if type(value) is not kept:
                event[name] = read(value)
        return event


def _getter(places: Sequence[int]) -> Any:
    if len(places) > 1:
        return itemgetter(*places)
    return (lambda row: (row[places[0]],)) if places else (lambda _row: ())


@functools.cache
def _transports() -> list[str | None]:
    return [values.transport(number) for number in range(256)]


@functools.lru_cache(maxsize=4096)
def _written(target: str, form: str) -> tuple[str, ...]:
    """Return the fields that a copy of a form may fill."""
    if form == "account":
        return f"{target}.name", f"{target}.domain"
    if form == "hashes":
        return *(f"{target}.hash.{kind}" for kind in ("md5", "sha1", "sha256")), f"{target}.pe.imphash"
    return (target,)
