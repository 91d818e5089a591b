"""Records of JSON cut into cells: where each value of each record stands in a block.

A record is cut only if it is an object of texts, numbers without exponents, true, false and null, lists of texts and such
objects, written as JSON asks; all others are *odd*, and left to a reader of any JSON. The cells are in the order in which the
values are written, those of objects within where these stand. The grammar is RFC 8259.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from citysoc.compiled.machine import Loops

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOOPS = Loops("citysoc.compiled.loops.cells")
load = _LOOPS.load
SPARE = 8
"""So many bytes that belong to nothing stand after all others: loops take eight at a time."""
_LEAST = 5
"""No value takes fewer bytes, its name and what stands between them."""


class Sheet(NamedTuple):
    """Records, and where their values stand.

    Args:
        block: the records, a line feed after each, and some more bytes that belong to none.
        lines: where each record begins, and the end of the last with its line feed.
        first: for each record the number of its first cell, and one more for the end.
        begin: for each cell where its value begins; a text with its quotes, a list without its brackets.
        end: where it ends.
        names: for each record a number that is the same where names are, and seldom otherwise; 0 where it is odd.
    """

    block: Any
    lines: Any
    first: Any
    begin: Any
    end: Any
    names: Any


def sheet_of(records: Sequence[bytes], block: bytes) -> Sheet:
    """Return records with where their values stand.

    Args:
        records: without line feeds.
        block: the same as one: a line feed after each, and ``SPARE`` or more bytes.
    """
    count = len(records)
    lines = np.zeros(count + 1, np.int32)
    np.cumsum(np.fromiter(map(len, records), np.int32, count) + np.int32(1), out=lines[1:])
    return _sheet(np.frombuffer(block, np.uint8), lines)


def sheet_of_lines(block: bytes | bytearray, size: int) -> Sheet:
    """Return lines with where the values of the records that they are stand.

    Args:
        block: the lines, and ``SPARE`` or more bytes.
        size: of the lines, the last of which ends, too.
    """
    data = np.frombuffer(block, np.uint8)
    lines = np.zeros(block.count(b"\n", 0, size) + 1, np.int32)
    _LOOPS.divide(data, size, lines)
    return _sheet(data, lines)


def _sheet(block: Any, lines: Any) -> Sheet:
    most = len(block) // _LEAST + 1
    count = len(lines) - 1
    sheet = Sheet(
        block,
        lines,
        np.empty(count + 1, np.int32),
        np.empty(most, np.int32),
        np.empty(most, np.int32),
        np.empty(count, np.uint64),
    )
    _LOOPS.cut(*sheet)
    return sheet


class Frame(NamedTuple):
    """What stands between the values of a record: its names, and how they are written.

    Args:
        text: all of it, as an array of bytes.
        pieces: where each piece begins in it, one before each value and one after the last; then the end.
    """

    text: Any
    pieces: Any


def frame(sheet: Sheet, number: int) -> Frame:
    """Return what stands between the values of a record that was cut."""
    block, lines = sheet.block, sheet.lines
    begin, end = int(sheet.first[number]), int(sheet.first[number + 1])
    place = int(lines[number])
    parts, pieces = [], [0]
    for cell in range(begin, end):
        parts.append(block[place : sheet.begin[cell]])
        pieces.append(pieces[-1] + len(parts[-1]))
        place = int(sheet.end[cell])
    parts.append(block[place : lines[number + 1] - 1])
    pieces.append(pieces[-1] + len(parts[-1]))
    parts.append(np.zeros(SPARE, np.uint8))
    return Frame(np.concatenate(parts), np.array(pieces, np.int32))


def alike(sheet: Sheet, some: Any, known: Frame) -> Any:
    """Return for each of some records that were cut whether it has the names of a frame, written in the same way."""
    out = np.empty(len(some), np.bool_)
    _LOOPS.alike(
        sheet.block, sheet.lines, sheet.first, sheet.begin, sheet.end, some, known.text, known.pieces, out
    )
    return out
