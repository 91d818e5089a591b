"""What decides on the candidates of a record: the fields that they ask for, and which of them match.

An event with a handful of fields is made for candidates only; whatever they ask for that is not plain to see in the
record is left to its whole event.
"""

from __future__ import annotations

import functools
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.detectors.sigma.rule import FIRST
from citysoc.detectors.sigma.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from citysoc.detectors.sigma.nodes import Node
    from citysoc.detectors.sigma.records import Kind, Part
    from citysoc.detectors.sigma.rule import Rule
    from citysoc.flow import Event

_Make: TypeAlias = "Callable[[Any], Event | None]"
Judged: TypeAlias = "tuple[tuple[Rule, ...], View, Mapping[int, Any]]"
"""Rules that match, the fields that their findings take, and the values that may hold the time, by their places."""
NOTHING: Judged = (), View({}, plain=True), {}
"""What is told of a record that no rule matches."""
_MAX_TELLING = 256
_RUNNERS = ("agency.", "citysoc.", "ecs.", "log.file.", "log.offset")
_RUNNERS_NAMES = frozenset({"@timestamp", "event.id", "event.ingested", "event.original", "event.created"})


def by_runner(name: str) -> bool:
    """Return whether a field is not the parser's to fill; the empty name stands for all fields."""
    return not name or name in _RUNNERS_NAMES or name.startswith(_RUNNERS)


class Trial:
    """Some candidates: what is left to be asked of them, and the fields that they ask for.

    Args:
        kind: of the records.
        rules: the candidates.
        certain: which of them match, as is known already.
    """

    __slots__ = (
        "_certain",
        "_kind",
        "_make",
        "_rules",
        "_same",
        "_telling",
        "_times",
        "cells",
        "pick",
        "places",
    )

    def __init__(self, kind: Kind, rules: Sequence[Rule], certain: Sequence[bool]) -> None:
        self._kind = kind
        self._rules = list(zip(rules, certain, strict=True))
        self._certain = tuple(rules) if all(certain) else None
        asked = frozenset(name for rule, known in self._rules if not known for name in rule.asks_rest())
        same = {rule: _same_in(kind, rule.undecided()) for rule, known in self._rules if not known}
        pairs = {rule: pair for rule, pair in same.items() if pair is not None}
        times = [place for place, _zone in kind.times]
        parts = [names for names in (asked, self._told(rules)) if not any(map(by_runner, names))]
        self.places = tuple(
            sorted({*times, *chain(*pairs.values(), *(_part(kind, names).places for names in parts))})
        )
        """Of a record's values those that are looked at."""
        self.cells = tuple(~cell if is_list else cell for cell, is_list in kind.cells(self.places))
        """The same as they are written in a record: ``~cell`` where that is a list."""
        self.pick = picker(self.places)
        """Returns these values of a row."""
        self._times = [(place, self.places.index(place)) for place in times]
        self._same = {
            rule: (self.places.index(one), self.places.index(other)) for rule, (one, other) in pairs.items()
        }
        self._make = self._maker(asked)
        self._telling: dict[tuple[Rule, ...], _Make] = {}

    def judge(self, found: Sequence[Any]) -> Judged | None:
        """Return the rules that match a record, and what its event says to their findings.

        Args:
            found: the values at ``places``.

        Returns:
            None where the whole event must be made to know; no rules where none matches.
        """
        rules = self._certain
        if rules is None:
            rules = self._decided(found)
            if not rules:
                return None if rules is None else NOTHING
        make = self._telling.get(rules) or self._new(rules)
        event = make(found)
        if event is None:
            return None
        return rules, View(event, plain=True), {place: found[own] for place, own in self._times}

    def _decided(self, found: Sequence[Any]) -> tuple[Rule, ...] | None:
        """Return the rules that match; None where the whole event must be made to know."""
        rules = self._rules
        if self._same:
            same = self._same
            rules = [one for one in rules if one[0] not in same or not _differ(found, *same[one[0]])]
            if all(certain for _rule, certain in rules):
                return tuple([rule for rule, _certain in rules])
        event = self._make(found)
        if event is None:
            return None
        view = View(event, plain=True)
        return tuple([rule for rule, certain in rules if certain or rule.holds(view)])

    def _told(self, rules: Iterable[Rule]) -> frozenset[str]:
        """Return the fields that the findings of some rules take."""
        first = FIRST in self._kind.names
        return frozenset(name for rule in rules for name in rule.asks_told(has_first=first))

    def _new(self, rules: tuple[Rule, ...]) -> _Make:
        """Return what makes the fields that the findings of some rules take."""
        if len(self._telling) >= _MAX_TELLING:
            self._telling.clear()
        make = self._maker(self._told(rules))
        made = self._telling[rules] = _with_first(make) if FIRST in self._kind.names else make
        return made

    def _maker(self, names: frozenset[str]) -> _Make:
        """Return what makes some fields of the values at ``places``; None where the whole event must be made."""
        if any(map(by_runner, names)):
            return _whole
        part = _part(self._kind, names)
        make, pick = part.make_of, picker([self.places.index(place) for place in part.places])
        return lambda found: make(pick(found))


def _differ(row: Any, one: int, other: int) -> bool:
    """Return whether it is plain to see that two values are not the same, whatever their case."""
    first, second = row[one], row[other]
    if type(first) is not str or type(second) is not str:
        return False
    if not first.isascii() or not second.isascii():
        return False
    return len(first) != len(second) or first.lower() != second.lower()


def _same_in(kind: Kind, parts: Sequence[Node]) -> tuple[int, int] | None:
    """Return the places of two values that must be the same, but for their case, for all parts to hold; None if there are none."""
    for part in parts:
        if part[0] == "ref" and part[2] == "is":
            one, other = kind.source(part[1]), kind.source(part[4])
            if one is not None and other is not None:
                return one, other
    return None


@functools.lru_cache(maxsize=8192)
def _part(kind: Kind, names: frozenset[str]) -> Part:
    """Return what makes some fields of the events of a kind."""
    return kind.part(names)


def picker(places: Sequence[int]) -> Callable[[Any], Sequence[Any]]:
    """Return what takes some values of many."""
    if len(places) > 1:
        return itemgetter(*places)
    return (lambda row: (row[places[0]],)) if places else (lambda _row: ())


def _whole(_row: Any) -> None:
    return None


def _with_first(make: _Make) -> _Make:
    """Return what makes events that say what their findings are about."""

    def made(row: Any) -> Event | None:
        event = make(row)
        return event if event is not None and type(event.get(FIRST)) is str and event[FIRST] else None

    return made
