"""Rules on records that are not events yet: candidates by kind, and of these only the fields that rules ask for.

A *kind* of records (``parsers.windows_kinds``) says where a field comes from. What rules need is looked up on the
values as they stand in the record, and an event with a handful of fields is made for candidates only. Whatever is
not plain to see here is handed back, to be made into events and judged as such.
"""

from __future__ import annotations

from functools import partial
from itertools import compress
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from citysoc.detectors.sigma.columns import UNKNOWN, Column, Columns
from citysoc.detectors.sigma.index import UNSURE
from citysoc.detectors.sigma.trial import NOTHING, Trial, by_runner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from citysoc.compiled.cells import Sheet
    from citysoc.compiled.memory import Memory
    from citysoc.detectors.sigma.field import Field
    from citysoc.detectors.sigma.index import Candidates
    from citysoc.detectors.sigma.records import Group, Kind, Origin, Part
    from citysoc.detectors.sigma.routes import Route
    from citysoc.detectors.sigma.rule import Rule
    from citysoc.detectors.sigma.view import View
    from citysoc.detectors.sigma.words import Words

_MAX_MADE = 20_000
_MAX_TRIALS = 20_000


class Sight:
    """The rules of a route on the records of a kind.

    Args:
        kind: of the records.
        route: the rules that see their events.
        words: what the rules of all routes look for anywhere.
    """

    __slots__ = (
        "_columns",
        "_combinations",
        "_fields",
        "_get",
        "_glance",
        "_kind",
        "_made",
        "_places",
        "_route",
        "_trials",
        "_words",
        "is_plain",
    )

    def __init__(self, kind: Kind, route: Route, words: Words) -> None:
        index = route.index
        self._kind = kind
        self._route = route
        self._glance = index.glance()
        self._words = words
        if self._glance is not None and self._glance.is_quick and index.anywhere is not None:
            words.take(index.anywhere.classifier.wanted, self._glance)
        varied = [name for name in index.fields if name in kind.names]
        self.is_plain = not any(map(by_runner, index.fields)) and not (
            self._glance is not None and self._glance.events([kind.words])
        )
        """Whether rules ask nothing but what a kind tells."""
        plain = {name: place for name in varied if (place := kind.source(name)) is not None}
        made = [name for name in varied if name not in plain]
        self._combinations = index.combinations(kind.same, [*plain, *made])
        self._fields = [index.fields[name] for name in plain]
        self._places = list(plain.values())
        self._get = itemgetter(*self._places) if plain else None
        self._made = [_Made(index.fields[name], kind.part([name]), name) for name in made]
        self._trials: dict[Candidates, Trial] = {}
        self._columns: Columns | None = None

    def of_cells(
        self, sheet: Sheet, some: Any, memory: Memory
    ) -> tuple[list[tuple[int, Candidates]], list[int]]:
        """Return the places of the records that have candidates, with these; and of those whose events must be made.

        Args:
            sheet: where the values of records stand.
            some: the numbers of those that are meant.
            memory: remembers the classes of values.
        """
        if self._columns is None:
            cells = self._kind.cells
            plain = [
                Column(memory, cells([place]), partial(_of_column, field))
                for place, field in zip(self._places, self._fields, strict=True)
            ]
            made = [Column(memory, cells(one.places), one.of_columns) for one in self._made]
            self._columns = Columns([*plain, *made], self._combinations)
        return self._columns.candidates(sheet, some)

    def candidates(self, rows: Sequence[Any]) -> list[Candidates] | None:
        """Return the candidates of each record; None where the whole events must be made to know."""
        columns: list[Sequence[int]] = []
        if self._get is not None:
            values = map(self._get, rows)
            if len(self._fields) == 1:
                columns.append(self._fields[0].classes(list(values)))
            else:
                for field, column in zip(self._fields, zip(*values, strict=True), strict=True):
                    columns.append(field.classes(column))
        for made in self._made:
            classes = made.classes(rows)
            if classes is None:
                return None
            columns.append(classes)
        return self._combinations.candidates(columns, len(rows))

    def spoken(self, origin: Origin, numbers: Sequence[int]) -> Sequence[int]:
        """Return the places of the records that may say what rules look for anywhere."""
        glance = self._glance
        if glance is None:
            return ()
        said = origin.saying(self._words.glance() if glance.is_quick else glance)
        return [place for place, number in enumerate(numbers) if number in said] if said else ()

    def trial(self, candidates: Candidates) -> Trial:
        """Return what some candidates ask for."""
        found = self._trials.get(candidates)
        if found is None:
            certain = [place < 0 for place in candidates]
            rules = [self._route.rules[~place if place < 0 else place] for place in candidates]
            if len(self._trials) >= _MAX_TRIALS:
                self._trials.clear()
            found = self._trials[candidates] = Trial(self._kind, rules, certain)
        return found


def _of_column(field: Field, columns: Sequence[Sequence[Any]]) -> Sequence[int]:
    (column,) = columns
    return field.fresh(column)


class _Made:
    """The classes of a field that is made of values, by those values."""

    __slots__ = ("_field", "_get", "_known", "_name", "_part")

    def __init__(self, field: Any, part: Part, name: str) -> None:
        self._field = field
        self._part = part
        self._name = name
        self._get = itemgetter(*part.places)
        self._known: dict[Any, int] = {}

    @property
    def places(self) -> Sequence[int]:
        """Which values make it."""
        return self._part.places

    def of_columns(self, columns: Sequence[Sequence[Any]]) -> Sequence[int]:
        """Return the classes by the values that make each; ``UNKNOWN`` where the whole event must be made to know."""
        made = list(map(self._part.make_of, zip(*columns, strict=True)))
        classes = iter(self._field.fresh([event.get(self._name) for event in made if event is not None]))
        return [UNKNOWN if event is None else next(classes) for event in made]

    def classes(self, rows: Sequence[Any]) -> list[int] | None:
        column = list(map(self._get, rows))
        types = set(map(type, column))
        if types == {self._part.kept} and types != {str}:  # an empty text may count as absent
            return list(self._field.classes(column))
        if not types.issubset({str, int}):  # 1, 1.0 and true are one key
            return self._classes(rows)
        known = self._known
        found = list(map(known.get, column))
        if all(found):
            return found  # type: ignore[return-value]  # none is left out
        fresh = dict(compress(zip(column, rows, strict=True), [one is None for one in found]))
        classes = self._classes(list(fresh.values()))
        if classes is None:
            return None
        if len(known) > _MAX_MADE:
            known.clear()
        new = dict(zip(fresh, classes, strict=True))
        known.update(new)
        return [one or new[value] for one, value in zip(found, column, strict=True)]

    def _classes(self, rows: Sequence[Any]) -> list[int] | None:
        made = list(map(self._part.make, rows))
        if None in made:
            return None
        classes: list[int] = self._field.classes(
            [event.get(self._name) for event in made if event is not None]
        )
        return classes


def matches(
    sight: Sight, group: Group, origin: Origin, memory: Memory | None = None
) -> tuple[list[tuple[int, tuple[Rule, ...], View, Mapping[int, Any]]], list[int]]:
    """Return what of a group matches, and the places of the records that must be made into events.

    What matches is the place of a record in its group, the rules, its fields so far as their findings take them, and
    the values that may hold its time, by their places.
    """
    rows = group.rows
    candidates: Iterable[tuple[int, Candidates]]
    whole: list[int] = []
    if not sight.is_plain:
        return [], list(range(len(rows)))
    if group.sheet is not None and memory is not None:
        candidates, whole = sight.of_cells(group.sheet, group.some, memory)
    else:
        every = sight.candidates(rows)
        if every is None:
            return [], list(range(len(rows)))
        candidates = compress(enumerate(every), every)
    whole += sight.spoken(origin, group.numbers)
    left_out = frozenset(whole)
    whole = sorted(left_out)
    places = []
    trials = []
    for place, own in candidates:
        if place in left_out:
            continue
        if own is UNSURE:
            whole.append(place)
        else:
            places.append(place)
            trials.append(sight.trial(own))
    found = []
    for place, trial, values in zip(places, trials, _values(group, places, trials), strict=True):
        judged = trial.judge(values)
        if judged is None:
            whole.append(place)
        elif judged is not NOTHING:
            found.append((place, *judged))
    return found, whole


def _values(group: Group, places: Sequence[int], trials: Sequence[Trial]) -> Sequence[Sequence[Any]]:
    """Return of some records what their trials look at."""
    if group.sheet is not None:
        from citysoc.compiled.pick import picked

        values = picked(group.sheet, group.some[places], [trial.cells for trial in trials])
        if values is not None:
            return values
    rows = group.rows
    return [trial.pick(rows[place]) for place, trial in zip(places, trials, strict=True)]
