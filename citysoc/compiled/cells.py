"""Flat records of JSON cut into cells: where each value of each record stands in a block.

A record is cut only if it is an object of texts, whole numbers, true, false and null, written as JSON asks; all others
are *odd*, and left to a reader of any JSON. The grammar is RFC 8259.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit

from citysoc.compiled.eight import SPARE, equal_bytes, load, same, zeros_below

if TYPE_CHECKING:
    from collections.abc import Sequence

_QUOTE, _BACKSLASH, _COMMA, _COLON, _OPEN, _CLOSE, _LINE = (ord(letter) for letter in '"\\,:{}\n')
_MINUS, _ZERO, _NINE = (ord(letter) for letter in "-09")
_LETTER_U, _LETTER_D = ord("u"), ord("d")
_SPACE = ord(" ")
_BLANKS = tuple(ord(letter) for letter in " \t\r")
_ESCAPES = tuple(ord(letter) for letter in '"\\/bfnrt')
_TRUE, _FALSE, _NULL = (tuple(word) for word in (b"true", b"false", b"null"))
_QUOTES, _BACKSLASHES, _SPACES, _LINES, _HIGH = (
    np.uint64(letter * 0x0101010101010101) for letter in (_QUOTE, _BACKSLASH, _SPACE, _LINE, 128)
)
_MAX_CELLS = 200
"""Records with more values are odd."""
_MAX_DIGITS = 18
"""Longer numbers are odd: they may not fit 64 bits."""
_LEAST = 5
"""No value takes fewer bytes, its name and what stands between them."""


class Sheet(NamedTuple):
    """Records, and where their values stand.

    Args:
        block: the records, a line feed after each, and some more bytes that belong to none.
        lines: where each record begins, and the end of the last with its line feed.
        first: for each record the number of its first cell, and one more for the end.
        begin: for each cell where its value begins; a text with its quotes.
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
    _divide(data, size, lines)
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
    _cut(*sheet)
    return sheet


@njit(cache=True)
def _divide(block: Any, size: Any, lines: Any) -> Any:
    """Find where lines end."""
    number = 0
    for place in range(0, size, 8):
        word: Any = load(block, place)
        found = equal_bytes(word, _LINES)
        while found:
            at = place + np.int64(zeros_below(found) >> np.uint64(3))
            if at < size and block[at] == _LINE:
                number += 1
                lines[number] = at + 1
            found &= found - np.uint64(1)


@njit(inline="always")
def _after_blanks(block: Any, place: Any) -> Any:
    while block[place] <= _SPACE and block[place] in _BLANKS:
        place += 1
    return place


@njit(inline="always")
def _after_plain(block: Any, place: Any) -> Any:
    """Return the place of the first byte from a place on that is a quote, a backslash or no letter at all."""
    while True:
        word: Any = load(block, place)
        found = (
            equal_bytes(word, _QUOTES) | equal_bytes(word, _BACKSLASHES) | ((word - _SPACES) & ~word & _HIGH)
        )
        if found:
            return place + np.int64(zeros_below(found) >> np.uint64(3))
        place += 8


@njit(cache=True)
def _after_text(block: Any, place: Any) -> Any:
    """Return the place after a text that begins at a place with its quote; -1 where it is none."""
    place += 1
    while True:
        place = _after_plain(block, place)
        letter = block[place]
        if letter == _QUOTE:
            return place + 1
        if letter != _BACKSLASH:
            return -1
        letter = block[place + 1]
        if letter == _LETTER_U:
            if not _is_letter(block, place + 2):
                return -1
            place += 4
        elif letter not in _ESCAPES:
            return -1
        place += 2


@njit(cache=True)
def _is_letter(block: Any, place: Any) -> Any:
    """Return whether four digits name a letter; halves of pairs are left out."""
    for digit in range(place, place + 4):
        one = block[digit]
        lower = one | 32
        if not (_ZERO <= one <= _NINE or 97 <= lower <= 102):
            return False
    return not ((block[place] | 32) == _LETTER_D and not (_ZERO <= block[place + 1] <= 55))


@njit(cache=True)
def _after_word(block: Any, place: Any, word: Any) -> Any:
    for letter in word:
        if block[place] != letter:
            return -1
        place += 1
    return place


@njit(cache=True)
def _after_number(block: Any, place: Any) -> Any:
    """Return the place after a whole number; -1 where it is none."""
    if block[place] == _MINUS:
        place += 1
    begin = place
    while _ZERO <= block[place] <= _NINE:
        place += 1
    digits = place - begin
    if digits == 0 or digits > _MAX_DIGITS or (digits > 1 and block[begin] == _ZERO):
        return -1
    return place


@njit(cache=True)
def _after_value(block: Any, place: Any) -> Any:
    letter = block[place]
    if letter == _QUOTE:
        return _after_text(block, place)
    if letter == _TRUE[0]:
        return _after_word(block, place, _TRUE)
    if letter == _FALSE[0]:
        return _after_word(block, place, _FALSE)
    if letter == _NULL[0]:
        return _after_word(block, place, _NULL)
    return _after_number(block, place)


@njit(cache=True)
def _cut_one(block: Any, place: Any, end: Any, cell: Any, begins: Any, ends: Any) -> Any:
    """Cut one record; return the number of cells so far and what its names make, 0 where it is odd."""
    names = np.uint64(end - end)
    if block[place] != _OPEN:
        return cell, names
    most = cell + _MAX_CELLS
    place = _after_blanks(block, place + 1)
    while True:
        if cell == most or block[place] != _QUOTE:
            return cell, np.uint64(0)
        name = place + 1
        place = name
        place = _after_plain(block, place)
        if block[place] != _QUOTE:
            return cell, np.uint64(0)
        size = np.uint64(place - name)
        made = (
            size << np.uint64(32)
            | np.uint64(block[name]) << np.uint64(16)
            | np.uint64(block[place - 1]) << np.uint64(8)
            | np.uint64(block[(name + place) >> 1])
        )
        names = (names ^ made) * np.uint64(0x9E3779B97F4A7C15)
        names ^= names >> np.uint64(29)
        place = _after_blanks(block, place + 1)
        if block[place] != _COLON:
            return cell, np.uint64(0)
        place = _after_blanks(block, place + 1)
        begins[cell] = place
        place = _after_value(block, place)
        if place < 0:
            return cell, np.uint64(0)
        ends[cell] = place
        cell += 1
        place = _after_blanks(block, place)
        if block[place] != _COMMA:
            break
        place = _after_blanks(block, place + 1)
    if block[place] != _CLOSE or _after_blanks(block, place + 1) != end:
        return cell, np.uint64(0)
    return cell, names | np.uint64(1)


@njit(cache=True)
def _cut(block: Any, lines: Any, first: Any, begins: Any, ends: Any, names: Any) -> Any:
    cell = 0
    for number in range(len(names)):
        first[number] = cell
        after, made = _cut_one(block, lines[number], lines[number + 1] - 1, cell, begins, ends)
        names[number] = made
        if made:
            cell = after
    first[len(names)] = cell


@njit(cache=True)
def _is_same(
    block: Any, cells_first: Any, begins: Any, ends: Any, place: Any, end: Any, text: Any, pieces: Any
) -> Any:
    """Return whether what stands between the values of a record is what a text says, piece by piece."""
    count = len(pieces) - 2
    for number in range(count + 1):
        after = begins[cells_first + number] if number < count else end
        piece = pieces[number]
        if after - place != pieces[number + 1] - piece:
            return False
        if not same(block, place, text, piece, after - place):
            return False
        if number < count:
            place = ends[cells_first + number]
    return True


@njit(cache=True)
def _alike(
    block: Any, lines: Any, first: Any, begins: Any, ends: Any, some: Any, text: Any, pieces: Any, out: Any
) -> Any:
    for place in range(len(some)):
        number = some[place]
        cell = first[number]
        out[place] = first[number + 1] - cell == len(pieces) - 2 and _is_same(
            block, cell, begins, ends, lines[number], lines[number + 1] - 1, text, pieces
        )


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
    _alike(sheet.block, sheet.lines, sheet.first, sheet.begin, sheet.end, some, known.text, known.pieces, out)
    return out


def warm() -> None:
    """Load or compile what this module needs."""
    sheet = sheet_of([b'{"a":1}'], b'{"a":1}\n' + bytes(SPARE))
    alike(sheet, np.array([0], np.int32), frame(sheet, 0))
    sheet_of_lines(b"\n" + bytes(SPARE), 1)
