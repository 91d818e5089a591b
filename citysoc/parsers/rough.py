"""The records of a batch that need not become events to be judged: told apart by kind, made only where asked for.

For commands that want findings and nothing else. Whatever is not plain to see here is left to ``run.parse_batch``.
"""

from __future__ import annotations

import functools
import importlib
from bisect import bisect_left
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import orjson

from citysoc.flow import position_id
from citysoc.parsers import windows
from citysoc.parsers.run import FUTURE, clean, context_of, decode, is_believable, parser_name
from citysoc.parsers.times import guess
from citysoc.parsers.windows_kinds import Kind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from citysoc.flow import Batch
    from citysoc.parsers.windows_shapes import Recipe

try:
    hyperscan: Any = importlib.import_module("hyperscan")
except ImportError:  # there is no wheel for this machine
    hyperscan = None

_PARSER = "windows"
_FIRST = 16
"""If none of so many records is flat, the others are not looked at."""
_BRACE = ord("{")
_PADDING = b"\0" * 64
"""The library overlooks what stands at the very end."""
_SCALARS = frozenset({str, int, float, bool, type(None)})
_MAX_KINDS = 4096
_kinds: dict[int, tuple[Recipe, Kind]] = {}


@dataclass(frozen=True, slots=True)
class Group:
    """Records of one kind.

    Args:
        kind: what they have in common.
        numbers: which records of the batch they are.
        rows: the records' values by their keys: the names of a flat record, the places of a nested one's values.
    """

    kind: Kind
    numbers: list[int]
    rows: Sequence[Any]


class Rough:
    """A batch told apart by kinds.

    Args:
        batch: the batch.
        parser: the name of its parser.
    """

    def __init__(self, batch: Batch, parser: str) -> None:
        self._batch = batch
        self._context = context_of(batch)
        self._parser = parser
        self._latest = batch.arrived + FUTURE
        self.count = len(batch.records)
        self.agency = batch.agency
        self.path = batch.path

    def groups(self, begin: int, end: int) -> tuple[list[Group], list[int]]:
        """Return some of the records by their kinds, and the numbers of those that must be made into events."""
        records = self._batch.records[begin:end]
        first = _read(records[:_FIRST], by_scan=True)
        if not first.flat and not first.beats:  # a stream of other forms
            return [], list(range(begin, begin + len(records)))
        read = _read(records, by_scan=len(first.flat) > len(first.beats))
        groups = []
        rest = read.rest
        for kind, numbers, rows in chain(_flat_kinds(read), _nested_kinds(read)):
            if kind is None:
                rest += numbers
            else:
                groups.append(Group(kind, [begin + number for number in numbers], rows))
        return groups, [begin + number for number in rest]

    def records(self, numbers: Sequence[int]) -> list[bytes]:
        """Return records as they are."""
        records = self._batch.records
        return [records[number] for number in numbers]

    def only(self, numbers: Sequence[int]) -> Batch:
        """Return the batch with these records only."""
        offsets = tuple(self._batch.offsets[number] for number in numbers)
        records = tuple(self.records(numbers))
        return replace(self._batch, records=records, offsets=offsets, refused=(), parser=self._parser)

    def event_id(self, number: int) -> str:
        """Return the ``event.id`` of a record."""
        return position_id(self._batch.stream, self._batch.identity, self._batch.offsets[number])

    def offset(self, number: int) -> int:
        """Return where a record stands."""
        return self._batch.offsets[number]

    def moment(self, kind: Kind, row: Any) -> dt.datetime:
        """Return the ``@timestamp`` of a record."""
        for name, zone in kind.times:
            moment = guess(row[name], zone or self._context.zone, self._context.arrived)
            if moment is not None:
                return moment if is_believable(moment, self._latest) else self._batch.arrived
        return self._batch.arrived


def rough(batch: Batch) -> Rough | None:
    """Return a batch told apart by kinds; None where its format has none."""
    name = parser_name(batch)
    if name != _PARSER or batch.parser_options:  # options may say what no record does
        return None
    return Rough(batch, name)


class _Read(NamedTuple):
    """Records that were read, and the numbers of those that are flat objects, nested ones of Winlogbeat, and others."""

    loaded: list[Any]
    flat: list[int]
    beats: list[int]
    rest: list[int]


def _read(records: Sequence[bytes], *, by_scan: bool) -> _Read:
    """Read records.

    Args:
        records: what was received.
        by_scan: search for what may be nested, because it is seldom.
    """
    block = b"\n".join(records)
    try:
        if block.isascii() and b"\0" not in block:
            loaded: list[Any] = list(map(orjson.loads, records))
        else:
            loaded = [_load(record) for record in records]
    except ValueError:
        loaded = [_loaded(record) for record in records]
    rest = [
        number
        for number, (record, row) in enumerate(zip(records, loaded, strict=True))
        if type(row) is not dict or record[0] != _BRACE  # others have a header before the object
    ]
    others = frozenset(rest)
    nested = [
        number
        for number in (_nested(block, records) if by_scan else range(len(records)))
        if number not in others and not _SCALARS.issuperset(map(type, loaded[number].values()))
    ]
    beats = [number for number in nested if "winlog" in loaded[number]]
    rest += [number for number in nested if "winlog" not in loaded[number]]
    if not rest and not beats:
        return _Read(loaded, list(range(len(records))), [], [])
    return _Read(loaded, sorted(set(range(len(records))).difference(rest, beats)), beats, rest)


_Found: TypeAlias = "tuple[Kind | None, list[int], Sequence[Any]]"
"""A kind, the numbers of the records that are of it, and these."""


def _flat_kinds(read: _Read) -> Iterator[_Found]:
    every = (
        read.loaded if len(read.flat) == len(read.loaded) else [read.loaded[number] for number in read.flat]
    )
    for names, recipe, places in windows.kinds(every):
        kind = None if recipe is None else _kind(names, recipe)
        yield kind, [read.flat[place] for place in places], [every[place] for place in places]


def _nested_kinds(read: _Read) -> Iterator[_Found]:
    if read.beats:
        for recipe, places, rows in windows.nested_kinds([read.loaded[number] for number in read.beats]):
            kind = None if recipe is None else _kind(range(len(recipe.targets)), recipe)
            yield kind, [read.beats[place] for place in places], rows


def _nested(block: bytes, records: Sequence[bytes]) -> Sequence[int]:
    """Return the numbers of records of JSON that may hold objects or lists within.

    Args:
        block: the records, one byte between each two.
        records: the records.
    """
    database = _opening()
    if database is None:
        return range(len(records))
    ends: list[int] = []

    def on_match(_place: int, _start: int, end: int, _flags: int, _context: Any) -> None:
        ends.append(end)

    try:
        database.scan(block + _PADDING, on_match)
    except hyperscan.error:
        return range(len(records))
    begins = list(accumulate([len(record) + 1 for record in records])) if ends else []
    return sorted({bisect_left(begins, end) for end in ends})


@functools.cache
def _opening() -> Any:
    """Return what finds a value that is an object or a list; None where there is nothing quick that does."""
    if hyperscan is None:
        return None
    # Plain texts, because the library overlooks others: a brace after a colon, or more white space than one blank.
    between = [" ", "\t", "\n", "\r"]
    texts = [f":{one}" for one in ("{", "[", *between[1:])] + [f": {one}" for one in ("{", "[", *between)]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    expressions = ["".join(f"\\x{ord(letter):02x}" for letter in text).encode() for text in texts]
    database.compile(expressions=expressions, ids=list(range(len(texts))), flags=[0] * len(texts))
    return database


def _load(record: bytes) -> Any:
    return orjson.loads(record if record.isascii() and b"\0" not in record else clean(decode(record)))


def _loaded(record: bytes) -> Any:
    try:
        return _load(record)
    except ValueError:
        return None


def _kind(names: Sequence[Any], recipe: Recipe) -> Kind | None:
    """Return the kind of a recipe; None where its events depend on more."""
    found = _kinds.get(id(recipe))
    if found is None:
        if len(_kinds) >= _MAX_KINDS:
            _kinds.clear()
        found = _kinds[id(recipe)] = (
            recipe,
            Kind(recipe, names),
        )  # the recipe is kept, so that its id stays its own
    return found[1] if found[1].is_plain else None
