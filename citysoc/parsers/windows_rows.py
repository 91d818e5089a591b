"""Windows records to rows of values by their recipes: flat ones, and those of Winlogbeat.

A record is taken apart as soon as it is read, while it is near the processor: what is kept of it is a tuple of its values.
"""

from __future__ import annotations

import functools
import importlib
import operator
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import orjson

from citysoc.parsers import windows
from citysoc.parsers.run import clean, decode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from citysoc.parsers.windows_shapes import Recipe, Row

    _Flat: TypeAlias = dict[tuple[str, ...], tuple[list[int], list[Row]]]

try:
    hyperscan: Any = importlib.import_module("hyperscan")
except ImportError:  # there is no wheel for this machine
    hyperscan = None

_FIRST = 16
"""What so many records are is what the others are expected to be."""
_BRACE = ord("{")
_PADDING = b"\n" * 64
"""The library overlooks what stands at the very end."""
_SCALARS = frozenset({str, int, float, bool, type(None)})


class Found(NamedTuple):
    """Records of one recipe.

    Args:
        recipe: how their events are made.
        numbers: which records they are.
        rows: their values, in the order of the recipe.
    """

    recipe: Recipe
    numbers: list[int]
    rows: Sequence[Row]


def block_of(records: Sequence[bytes]) -> bytes:
    """Return records as one block to search: a line end after each, and more of them than what searches overlook."""
    return b"\n".join((*records, _PADDING))


def ends_of(records: Sequence[bytes]) -> list[int]:
    """Return where each record ends in ``block_of`` them, with its line end."""
    return list(accumulate([len(record) + 1 for record in records]))


def by_recipe(records: Sequence[bytes], block: bytes) -> tuple[list[Found], list[int]]:
    """Return records by their recipes, and the numbers of those that have none.

    Args:
        records: what was received.
        block: the same as ``block_of`` makes one of it.
    """
    flat, nested = _expected(records[:_FIRST])
    if not flat and not nested:  # a stream of other forms
        return [], list(range(len(records)))
    load = orjson.loads if block.isascii() and b"\0" not in block else _load
    odd = _nested(block, records) if flat > nested else range(len(records))
    try:
        return _sorted_out(map(load, records), records, odd)
    except ValueError:
        return _sorted_out(map(_loaded, records), records, odd, is_sound=False)


def _expected(records: Sequence[bytes]) -> tuple[int, int]:
    """Return how many of some records are flat, and how many are like those of Winlogbeat."""
    loaded = [row for row in map(_loaded, records) if type(row) is dict]
    nested = sum("winlog" in row for row in loaded)
    return sum(_SCALARS.issuperset(map(type, row.values())) for row in loaded), nested


_is_object = operator.methodcaller("startswith", b"{")


def _take(records: Iterable[tuple[int, dict[str, Any]]], flat: _Flat) -> None:
    """Put the values of flat records, and their numbers, to those of the same names."""
    for number, record in records:
        names = tuple(record)
        try:
            numbers, rows = flat[names]
        except KeyError:
            numbers, rows = flat[names] = [], []
        numbers.append(number)
        rows.append(tuple(record.values()))


def _sorted_out(
    loaded: Iterable[Any], records: Sequence[bytes], odd: Collection[int], *, is_sound: bool = True
) -> tuple[list[Found], list[int]]:
    """Return records by their recipes, and the numbers of those that have none.

    Args:
        loaded: what the records say.
        records: the records.
        odd: the numbers of those that may not be flat.
        is_sound: all of them say something.
    """
    flat: _Flat = {}
    rest: list[int] = []
    found: list[tuple[Recipe | None, list[int], Sequence[Row]]] = []
    if is_sound and not odd and all(map(_is_object, records)):
        _take(enumerate(loaded), flat)
    else:
        found += windows.nested_kinds(_others(loaded, records, frozenset(odd), flat, rest))
    found += windows.kinds(flat)
    kinds = []
    for recipe, numbers, rows in found:
        if recipe is None:
            rest += numbers
        else:
            kinds.append(Found(recipe, numbers, rows))
    return kinds, rest


def _others(
    loaded: Iterable[Any],
    records: Sequence[bytes],
    odd: Collection[int],
    flat: _Flat,
    rest: list[int],
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield nested records with their numbers; put flat ones, and the numbers of all others, where they belong."""
    for number, (record, row) in enumerate(zip(records, loaded, strict=True)):
        if type(row) is not dict or record[0] != _BRACE:  # others have a header before the object
            rest.append(number)
        elif number in odd and "winlog" in row:
            yield number, row
        elif number in odd and not _SCALARS.issuperset(map(type, row.values())):
            rest.append(number)
        else:
            _take([(number, row)], flat)


def _nested(block: bytes, records: Sequence[bytes]) -> Sequence[int]:
    """Return the numbers of records of JSON that may hold objects or lists within.

    Args:
        block: the records as ``block_of`` makes one of them.
        records: the records.
    """
    database = _opening()
    if database is None:
        return range(len(records))
    ends: list[int] = []

    def on_match(_place: int, _start: int, end: int, _flags: int, _context: Any) -> None:
        ends.append(end)

    try:
        database.scan(block, on_match)
    except hyperscan.error:
        return range(len(records))
    begins = ends_of(records) if ends else []
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
