"""Winlogbeat's nested records by their shape: what is said of one kind of event is worked out once.

Records of one kind have the same names, the objects within them too. For each such shape, with provider, event id and
channel, a *recipe* (``windows_shapes``) says of each place what it is in the event. What a recipe cannot say (lists
where there are none as a rule, data within data, names that only the runner may give) is left to ``windows``, which reads
any event; the two give the same.
"""

from __future__ import annotations

from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from citysoc.ecs.windows import EVENT_DATA
from citysoc.parsers.windows_fields import COPY, DEFENDER, name_kind, plan_of
from citysoc.parsers.windows_heads import copy_level, head_reader, target_of
from citysoc.parsers.windows_shapes import NOWHERE, Recipe, copy_name, reader_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from citysoc.flow import Event
    from citysoc.parsers.windows_shapes import Row

_MAX_SHAPES = 1024
_MAX_RECIPES = 4096
_MAX_LEAVES = 200
_MAX_DEPTH = 5
_MAX_LAYOUTS = 4
_MAX_OBJECTS = 32
_SCALARS = frozenset({str, int, float, bool, type(None)})
_CODES = (str, int)
_OTHER_FORMS = frozenset({"EventID", "Event", "System"})
"""Names of records that are read as something else."""
_KIND = ("event_id", "provider_name", "channel", "computer_name")
_DATA = ("winlog", "event_data")
_DATA_NAMES = ("winlog.event_data.", "winlog.user_data.")
_SETTLED = frozenset(
    {
        *("winlog.computer_name", "host.name", "winlog.keywords", "winlog.level", "log.level"),
        *("winlog.record_id", "event.kind"),
    }
)
"""Made of the head alone: data that go there are left to the plain way."""


_OBJECTS = frozenset({dict})
_LEAVES = frozenset({*_SCALARS, list})
_Layout: TypeAlias = tuple[tuple[int, str], ...]


class _Shape:
    """The names of a record, and where its values are.

    Args:
        layout: for each object within, the number of the one that holds it, and its name there.
        objects: those of the first such record, the record itself before them.
    """

    __slots__ = ("data", "head", "kind", "leaves", "names", "paths", "recipes")

    def __init__(self, layout: _Layout, objects: Sequence[Mapping[str, Any]]) -> None:
        paths: list[tuple[str, ...]] = [()]
        for holder, name in layout:
            paths.append((*paths[holder], name))
        inner = {path for path in paths if path}
        every = [(*path, name) for path, one in zip(paths, objects, strict=True) for name in one]
        places = [place for place, path in enumerate(every) if path not in inner]
        self.leaves = _getter(places)
        names = [every[place] for place in places]
        self.data = {
            path[2]: place for place, path in enumerate(names) if path[:2] == _DATA and len(path) == 3
        }
        self.names = {".".join(path): place for place, path in enumerate(names) if path[:2] != _DATA}
        self.paths = names
        self.recipes: dict[tuple[Any, ...], Recipe | None] = {}
        self.kind: Callable[[Row], tuple[Any, ...]] | None = None
        self.head: tuple[Sequence[int], int] = (), 0
        kind = [self.names.get(f"winlog.{name}", -1) for name in _KIND]
        if (
            -1 not in kind
            and _DATA in inner
            and len(self.names) + len(self.data) == len(names) <= _MAX_LEAVES
            and not _OTHER_FORMS.intersection(path[0] for path in every)
            and not any(path[0].startswith("winlog.") for path in every)
            and not any(name.startswith(_DATA_NAMES) for name in self.names)
            and "ecs" not in self.names
            and max(map(len, chain(self.names, self.data)), default=0) <= _MAX_LEAVES
        ):
            self.kind = itemgetter(*kind)
            self.head = kind[:-1], kind[-1]

    def plain(self, row: Row) -> bool:
        """Return whether all values are such as a recipe can speak of: no objects, and lists of texts in the head only."""
        types = set(map(type, row))
        if _SCALARS.issuperset(types):
            return True
        if not _LEAVES.issuperset(types):
            return False
        data = set(self.data.values())
        return all(
            place not in data and value and all(type(one) is str for one in value)
            for place, value in enumerate(row)
            if type(value) is list
        )

    def recipe(self, code: Any, provider: Any, channel: Any) -> Recipe | None:
        """Return the recipe for events of an id, a provider and a channel; None where they have none."""
        if type(provider) is not str or type(channel) is not str or provider == DEFENDER:
            return None
        if "" in {code, provider, channel}:
            return None
        head = {name: target_of(name) for name in self.names}
        bare = {name.replace(" ", ""): place for name, place in self.data.items()}
        plan = plan_of(provider, str(code))
        data = {name: plan.moved.get(name.replace(" ", ""), EVENT_DATA + name) for name in self.data}
        if None in head.values() or len(bare) < len(self.data):
            return None
        same: Event = {
            "event.code": str(code),
            "winlog.event_id": str(code),
            "winlog.provider_name": provider,
            "winlog.channel": channel,
        }
        name_kind(same, provider)
        if not {*_SETTLED, *same}.isdisjoint(data.values()):
            return None
        targets = [NOWHERE] * (len(head) + len(data))
        for name, place in self.names.items():
            targets[place] = head[name] or NOWHERE
        for name, place in self.data.items():
            targets[place] = data[name]
        recipe = Recipe(targets)
        moved = set(data.values())
        readers = [head_reader(name) for name in head if name not in moved] + [*map(reader_of, sorted(moved))]
        recipe.read = [read for read in readers if read is not None]
        recipe.copies = [(self.names["winlog.computer_name"], "host.name", copy_name, "text")]
        if "log.level" in head:
            recipe.copies.append((self.names["log.level"], "winlog.level", copy_level, "text"))
        recipe.copies += [
            (bare[copy.source], copy.target, COPY[copy.form], copy.form)
            for copy in plan.copies
            if copy.source in bare
        ]
        recipe.system = frozenset({"winlog.computer_name"})
        recipe.times = [(self.names["@timestamp"], None)] if "@timestamp" in self.names else []
        recipe.same = same
        if plan.kind is not None:
            recipe.describe(plan.kind)
        return recipe


class Standing(NamedTuple):
    """Where the values of nested records stand.

    Args:
        cells: for each value, which it is in the order in which they are written.
        lists: the places of those that are lists.
        telling: the places of what tells the kind.
        text: the place of what must be a text.
    """

    cells: Sequence[int]
    lists: frozenset[int]
    telling: Sequence[int]
    text: int


class Beats:
    """The shapes seen."""

    def __init__(self) -> None:
        self._layouts: dict[tuple[str, ...], list[_Layout]] = {}
        self._shapes: dict[tuple[Any, ...], _Shape] = {}
        self._recipes = 0

    def recipes(
        self, records: Iterable[tuple[int, dict[str, Any]]]
    ) -> Iterator[tuple[Recipe | None, list[int], Sequence[Row]]]:
        """Yield recipes, the numbers of the records that they are for, and the values of these records' leaves.

        Args:
            records: JSON objects with their numbers. Those for which there is no recipe come with None.
        """
        kinds: dict[tuple[Any, ...], tuple[list[int], list[Row], Recipe | None]] = {}
        left: list[int] = []
        for number, record in records:
            shape, objects = self._shape(record)
            if shape is None or shape.kind is None:
                left.append(number)
                continue
            row = shape.leaves(list(chain.from_iterable(map(dict.values, objects))))
            code, provider, channel, computer = shape.kind(row)
            # Of the code, 1, 1.0 and true are one key.
            if type(code) not in _CODES or type(computer) is not str or not shape.plain(row):
                left.append(number)
                continue
            kind = (shape, code, provider, channel)
            known = kinds.get(kind)
            if known is None:
                known = kinds[kind] = ([], [], self._recipe(shape, kind[1:]))
            numbers, rows, _recipe = known
            numbers.append(number)
            rows.append(row)
        yield None, left, []
        for numbers, rows, recipe in kinds.values():
            yield recipe, numbers, rows

    def standing(self, record: dict[str, Any]) -> Standing | None:
        """Return where the values of such records stand; None where they must be read."""
        shape, _objects = self._shape(record)
        if shape is None or shape.kind is None or not shape.plain(self.row(record)):
            return None
        written = {path: place for place, path in enumerate(_leaves(record))}
        cells = [written[path] for path in shape.paths]
        lists = frozenset(place for place, value in enumerate(self.row(record)) if type(value) is list)
        return Standing(cells, lists, *shape.head)

    def row(self, record: dict[str, Any]) -> Row:
        """Return the values of the leaves of a record."""
        shape, objects = self._shape(record)
        return () if shape is None else shape.leaves(list(chain.from_iterable(map(dict.values, objects))))

    def recipe(self, record: dict[str, Any]) -> Recipe | None:
        """Return the recipe of a record; None where it has none."""
        shape, _objects = self._shape(record)
        if shape is None or shape.kind is None:
            return None
        code, provider, channel, _computer = shape.kind(self.row(record))
        return self._recipe(shape, (code, provider, channel)) if type(code) in _CODES else None

    def _shape(self, record: dict[str, Any]) -> tuple[_Shape | None, Sequence[dict[str, Any]]]:
        """Return the shape of a record and its objects."""
        layouts = self._layouts.get(tuple(record), ())
        for layout in layouts:
            objects = _objects(record, layout)
            if objects is not None:
                shape = self._shapes.get((layout, *map(tuple, objects)))
                if shape is not None:
                    return shape, objects
        return self._new(record)

    def _new(self, record: dict[str, Any]) -> tuple[_Shape | None, Sequence[dict[str, Any]]]:
        layout = _layout(record)
        objects = None if layout is None else _objects(record, layout)
        if layout is None or objects is None:
            return None, ()
        if len(self._shapes) >= _MAX_SHAPES:
            self._layouts.clear()
            self._shapes.clear()
            self._recipes = 0
        layouts = self._layouts.setdefault(tuple(record), [])
        if layout not in layouts:
            if len(layouts) >= _MAX_LAYOUTS:
                return None, ()
            layouts.append(layout)
        key = (layout, *map(tuple, objects))
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = _Shape(layout, objects)
        return shape, objects

    def _recipe(self, shape: _Shape, kind: tuple[Any, ...]) -> Recipe | None:
        """Return the recipe of a kind; None where it has none."""
        if kind in shape.recipes:
            return shape.recipes[kind]
        self._recipes += 1
        if self._recipes > _MAX_RECIPES:
            self._layouts.clear()
            self._shapes.clear()
            self._recipes = 0
        recipe = shape.recipes[kind] = shape.recipe(*kind)
        return recipe


def _objects(record: dict[str, Any], layout: _Layout) -> list[dict[str, Any]] | None:
    """Return the objects of a record, itself first; None where it is laid out otherwise."""
    found: list[Any] = [record]
    try:
        for holder, name in layout:
            found.append(found[holder][name])
    except (KeyError, TypeError, IndexError):
        return None
    return found if _OBJECTS.issuperset(map(type, found)) else None


def _layout(record: dict[str, Any]) -> _Layout | None:
    """Return where the objects of a record are; None where they are too many or too deep."""
    found: list[tuple[int, str]] = []
    objects: list[tuple[int, dict[str, Any]]] = [(1, record)]
    for holder, (depth, one) in enumerate(objects):
        for name, value in one.items():
            if type(value) is dict:
                if depth >= _MAX_DEPTH or len(objects) >= _MAX_OBJECTS:
                    return None
                found.append((holder, name))
                objects.append((depth + 1, value))
    return tuple(found)


def _leaves(record: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the names of the values of a record that has a shape, in the order in which they are written."""
    for name, value in record.items():
        if type(value) is dict:
            yield from _leaves(value, (*above, name))
        else:
            yield *above, name


def _getter(places: Sequence[int]) -> Callable[[Sequence[Any]], Row]:
    if len(places) > 1:
        return itemgetter(*places)
    return lambda row: tuple(row[place] for place in places)
