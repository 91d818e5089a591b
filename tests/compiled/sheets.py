"""Records for the loops, and what a strict reader says of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pytest

from citysoc.parsers.windows_rows import block_of

pytest.importorskip("numba", reason="there is no compiler for this machine")
from citysoc.compiled import cells, combine, memory, pick

__all__ = ["cells", "combine", "memory", "np", "pick"]

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from citysoc.compiled.cells import Sheet


def sheet_of(records: Sequence[bytes]) -> Sheet:
    """Return records with where their values stand."""
    return cells.sheet_of(records, block_of(records))


def values(sheet: Sheet, number: int) -> list[bytes]:
    """Return the values of a record as they are written."""
    block = sheet.block.tobytes()
    begin, end = sheet.first[number : number + 2].tolist()
    return [block[sheet.begin[cell] : sheet.end[cell]] for cell in range(begin, end)]


def pieces(sheet: Sheet, number: int) -> list[bytes]:
    """Return what stands before, between and after the values of a record."""
    block = sheet.block.tobytes()
    begin, end = sheet.first[number : number + 2].tolist()
    ends = [int(sheet.lines[number]), *sheet.end[begin:end].tolist()]
    begins = [*sheet.begin[begin:end].tolist(), int(sheet.lines[number + 1]) - 1]
    return [block[one:other] for one, other in zip(ends, begins, strict=True)]


def check(records: Sequence[bytes]) -> list[bool]:
    """Compare what is said of records with a strict reader; return which were cut."""
    sheet = sheet_of(records)
    for number, record in enumerate(records):
        if not sheet.names[number]:
            assert sheet.first[number] == sheet.first[number + 1]
            continue
        assert type(orjson.loads(record)) is dict
        leaves = list(leaves_of(json.loads(record, object_pairs_hook=Pairs, parse_int=orjson.loads)))
        cut = values(sheet, number)
        assert [read(one, leaf) for one, leaf in zip(cut, leaves, strict=True)] == list(map(typed, leaves))
        assert b"".join(mixed(pieces(sheet, number), cut)) == record
    return [bool(names) for names in sheet.names.tolist()]


class Pairs(list):
    """The names and values of an object as they are written, also where a name comes twice."""


def leaves_of(pairs: Pairs) -> Iterable[Any]:
    """Yield the values that are no objects, in the order in which they are written."""
    for _name, value in pairs:
        if isinstance(value, Pairs):
            yield from leaves_of(value)
        else:
            yield value


def read(cell: bytes, leaf: Any) -> tuple[type, Any]:
    """Return what a cell says; of a list it is what stands between the brackets."""
    return typed(orjson.loads(b"[%b]" % cell if type(leaf) is list else cell))


def mixed(parts: Sequence[bytes], cut: Sequence[bytes]) -> Iterable[bytes]:
    """Put a record together again."""
    yield parts[0]
    for value, part in zip(cut, parts[1:], strict=True):
        yield value
        yield part


def typed(value: Any) -> tuple[type, Any]:
    """Return a value that is no other's, as 1 is true's."""
    return type(value), value


def many(number: int, after: bytes = b"") -> bytes:
    """Return a record of so many values, and what follows the last."""
    return b"{" + b",".join(b'"n%d":%d' % (place, place) for place in range(number)) + after + b"}"
