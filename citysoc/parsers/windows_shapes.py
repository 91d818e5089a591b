"""Flat Windows events by their shape: what the tables say of one kind of event is worked out once.

Events of one kind from one shipper have the same names in the same order. For each such *shape*, with provider, event
id and channel, a *recipe* holds where every value goes and which few of them must be read, so that an event is
made in a handful of steps. What a recipe cannot say (nested values, absent ones, Defender's words) is left to
``windows``, which reads any event; the two give the same.
"""

from __future__ import annotations

import functools
import operator
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias
from zoneinfo import ZoneInfo

from citysoc.ecs.fields import FIELDS
from citysoc.ecs.windows import EVENT_DATA
from citysoc.parsers import values
from citysoc.parsers.times import guess
from citysoc.parsers.windows_fields import COPY, DEFENDER, describe, fit, name_kind, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from citysoc.flow import Event
    from citysoc.parsers.base import Context

Row: TypeAlias = tuple[Any, ...]
"""The values of a record, in the order of its names."""

_UTC = ZoneInfo("UTC")
_MAX_SHAPES = 1024
_MAX_RECIPES = 4096
_MAX_NAMES = 200
_SCALARS = frozenset({str, int, float, bool})
NOWHERE = ""
_SKIPPED = ("#attributes", "@", "xmlns")
"""Names that begin so are no fields of the event: attributes of its XML."""
_NUMBERS = ("winlog.process.", "winlog.level", "winlog.record_id")
_KIND = ("event.code", "winlog.provider_name", "winlog.channel")


class Recipe:
    """How the events of one shape, id, provider and channel are made.

    Args:
        targets: for each value its name in the event; empty where it has none.
        read: name, type and reader of the values that are not kept as they are, unless of that type.
        copies: place, name, maker and form of the fields that are filled besides.
        same: what every such event has.
        lists: the same for lists of one: each event has its own.
        paths: names of executables, and the name that is told from each.
        system: names of the system part, whose values count as absent where they are empty.
        times: the places of the times, and the zones their names promise.
    """

    __slots__ = (
        "copies",
        "lists",
        "paths",
        "read",
        "same",
        "system",
        "targets",
        "times",
    )

    def __init__(self, targets: Sequence[str]) -> None:
        self.targets = targets
        self.system: frozenset[str] = frozenset()
        self.times: Sequence[tuple[int, ZoneInfo | None]] = ()
        self.read: list[tuple[str, type | None, Callable[[Any], Any]]] = []
        self.copies: list[tuple[int, str, Callable[[Event, str, Any], None], str]] = []
        self.same: Event = {}
        self.lists: list[tuple[str, str]] = []
        self.paths: list[tuple[str, str]] = [
            (f"{prefix}.executable", f"{prefix}.name")
            for prefix in ("process", "process.parent")
            if f"{prefix}.executable" in targets
        ]

    def describe(self, kind: Any) -> None:
        """Have every event say what its id means in ECS."""
        described: Event = {}
        describe(described, kind)
        self.lists = [(name, value[0]) for name, value in described.items() if isinstance(value, list)]
        self.same.update({name: value for name, value in described.items() if not isinstance(value, list)})

    def make(self, found: Sequence[Any]) -> Event:
        """Return the event of a record's values."""
        event: Event = dict(zip(self.targets, found, strict=True))
        self.complete(event, found)
        return event

    def complete(self, event: Event, found: Sequence[Any]) -> None:
        """Make an event of a record's values under their names: read them, and fill in what there is besides."""
        event.pop(NOWHERE, None)
        for name, kept, read in self.read:
            value = event[name]
            if type(value) is not kept:
                event[name] = read(value)
        for place, name, copy, _form in self.copies:
            copy(event, name, found[place])
        event.update(self.same)
        for name, only in self.lists:
            event[name] = [only]
        for path, name in self.paths:
            executable = event[path]
            if name not in event and type(executable) is str:
                event[name] = executable.rpartition("\\")[2]


def is_data(names: Collection[str]) -> frozenset[str]:
    """Return names of the system part that are an event's own data in a record: it names its provider otherwise."""
    return _NONE if "SourceName" not in names or _PROVIDERS.isdisjoint(names) else _SOURCE


_PROVIDERS = frozenset({"Provider_Name", "ProviderName"})
_SOURCE = frozenset({"SourceName"})
_NONE: frozenset[str] = frozenset()


class _Shape:
    """The names of a record in their order, and the recipes for it."""

    __slots__ = (
        "_data",
        "_system",
        "_targets",
        "kind",
        "recipes",
        "times",
        "watched",
    )

    def __init__(self, names: Sequence[str], facts: Mapping[str, str], times: Sequence[str]) -> None:
        self.times = [(names.index(name), zone_of(name)) for name in times if name in names]
        self._system: dict[str, int] = {}
        self._data: dict[str, int] = {}
        self._targets = [NOWHERE] * len(names)
        twice = is_data(names)
        for place, name in enumerate(names):
            target = None if name in twice else facts.get(name)
            if target is not None:
                self._system.setdefault(target, place)
            elif (name not in times or name == "UtcTime") and not name.startswith(_SKIPPED):
                self._data[name] = place
        self.watched = sorted(self._system.values())
        """Places of the values that count as absent where they are empty."""
        self.kind = [self._system.get(name) for name in _KIND]
        self.recipes: dict[tuple[Any, ...], Recipe | None] = {}

    def recipe(self, code: Any, provider: Any, channel: Any) -> Recipe | None:
        """Return the recipe for events of an id, a provider and a channel; None where they have none."""
        if type(code) not in {str, int} or type(channel) not in {str, type(None)}:
            return None
        if type(provider) is not str or provider == DEFENDER:
            return None
        bare = {name.replace(" ", ""): place for name, place in self._data.items()}
        plan = plan_of(provider, str(code))
        targets = list(self._targets)
        for name, place in self._data.items():
            targets[place] = plan.moved.get(name.replace(" ", ""), EVENT_DATA + name)
        if len(bare) < len(self._data) or not {*self._system, "host.name"}.isdisjoint(targets):
            return None
        moved = sorted(set(targets) - {NOWHERE})
        for target, place in self._system.items():
            if target not in _KIND:
                targets[place] = target
        recipe = Recipe(targets)
        recipe.read = [(name, int, number_of) for name in self._system if name.startswith(_NUMBERS)]
        recipe.read += [read for name in moved if (read := reader_of(name)) is not None]
        if "winlog.computer_name" in self._system:
            recipe.read.append(("winlog.computer_name", str, values.text))
            recipe.copies.append((self._system["winlog.computer_name"], "host.name", copy_name, "text"))
        recipe.copies += [
            (bare[copy.source], copy.target, COPY[copy.form], copy.form)
            for copy in plan.copies
            if copy.source in bare
        ]
        recipe.system = frozenset(self._system)
        recipe.times = self.times
        recipe.same = {
            "event.code": str(code),
            "winlog.event_id": str(code),
            "winlog.provider_name": provider,
        }
        if channel is not None:
            recipe.same["winlog.channel"] = channel
        name_kind(recipe.same, provider)
        if plan.kind is not None:
            recipe.describe(plan.kind)
        return recipe


class Shapes:
    """The shapes seen.

    Args:
        facts: a shipper's names of the system part, and ours.
        times: names that may hold the time, in the order they are asked.
    """

    def __init__(self, facts: Mapping[str, str], times: Sequence[str]) -> None:
        self._facts = facts
        self._times = times
        self._known: dict[tuple[str, ...], _Shape] = {}
        self._recipes = 0

    def telling(self, names: tuple[str, ...]) -> Sequence[int] | None:
        """Return the places of what tells the kind of records of some names; None where they have none."""
        shape = self._known.get(names) or self._new(names)
        first, second, third = shape.kind
        if first is None or second is None:
            return None
        return [first, second] if third is None else [first, second, third]

    def recipes(
        self, names: tuple[str, ...], numbers: list[int], rows: list[Row]
    ) -> Iterator[tuple[Recipe | None, list[int], Sequence[Row]]]:
        """Yield recipes, the numbers of the records that they are for, and these records' values.

        Args:
            names: the names of flat records of scalars.
            numbers: which records they are.
            rows: their values.
        """
        shape = self._known.get(names) or self._new(names)
        first, second, third = shape.kind
        if first is None or second is None:
            yield None, numbers, rows
            return
        kinds = list(map(operator.itemgetter(first, second, second if third is None else third), rows))
        if not _KEYS.issuperset(map(type, chain.from_iterable(kinds))):
            yield None, numbers, rows  # 1, 1.0 and true are one key
            return
        by_kind: dict[tuple[Any, ...], tuple[list[int], list[Row]]] = {}
        if len(set(kinds)) == 1:
            by_kind[kinds[0]] = numbers, rows
        else:
            for number, row, kind in zip(numbers, rows, kinds, strict=True):
                own, own_rows = by_kind.setdefault(kind, ([], []))
                own.append(number)
                own_rows.append(row)
        for (code, provider, channel), (own, own_rows) in by_kind.items():
            kind = (code, provider, None if third is None else channel)
            recipe = shape.recipes[kind] if kind in shape.recipes else self._add(shape, kind)
            yield None if "" in kind else recipe, own, own_rows

    def event(self, record: Mapping[str, Any], context: Context) -> Event | None:
        """Return the event of a flat record, None where there is no recipe for it."""
        found = list(record.values())
        if not _SCALARS.issuperset(map(type, found)):
            return None
        names = tuple(record)
        shape = self._known.get(names) or self._new(names)
        first, second, third = shape.kind
        if first is None or second is None:
            return None
        kind = (found[first], found[second], None if third is None else found[third])
        try:
            recipe = shape.recipes[kind]
        except KeyError:
            recipe = self._add(shape, kind)
        if recipe is None or type(kind[0]) not in _CODES:
            return None
        if "" in found and any(found[place] == "" for place in shape.watched):
            return None
        event = recipe.make(found)
        for place, zone in shape.times:
            moment = guess(found[place], zone or context.zone, context.arrived)
            if moment is not None:
                event["@timestamp"] = moment
                break
        return event

    def _new(self, names: tuple[str, ...]) -> _Shape:
        shape = _Shape(names[:_MAX_NAMES], self._facts, self._times)
        if len(names) > _MAX_NAMES:  # left to the way that reads any event
            shape.kind = [None, None, None]
        if len(self._known) >= _MAX_SHAPES:
            self._known.clear()
            self._recipes = 0
        self._known[names] = shape
        return shape

    def _add(self, shape: _Shape, kind: tuple[Any, ...]) -> Recipe | None:
        self._recipes += 1
        if self._recipes > _MAX_RECIPES:
            self._known.clear()
            self._recipes = 0
        recipe = shape.recipes[kind] = shape.recipe(*kind)
        return recipe


_CODES = (str, int)
_KEYS = frozenset({str, int})


def zone_of(name: str) -> ZoneInfo | None:
    """Return the zone that the name of a time promises; None where it is the source's own."""
    return _UTC if name == "UtcTime" else None  # Sysmon writes it without a zone


def reader_of(name: str) -> tuple[str, type | None, Callable[[Any], Any]] | None:
    """Return what reads the values of a field; None where they are kept as they are."""
    field = FIELDS.get(name)
    if field is None:
        return None
    if field.array or field.type in {"long", "ip"} or name == "network.transport":
        return name, int if field.type == "long" and not field.array else None, functools.partial(fit, name)
    return None


def number_of(value: Any) -> Any:
    """Return a value as a whole number where it is one, else as it is."""
    number = values.integer(value)
    return value if number is None else number


def copy_name(event: Event, target: str, value: Any) -> None:
    """Give a field the text of a value."""
    event[target] = value if type(value) is str else values.text(value)
