"""How records of JSON are cut (``citysoc.compiled.cells``)."""

from __future__ import annotations

import numpy as np

from citysoc.compiled.loops.eight import equal_bytes, load, same, zeros_below
from citysoc.compiled.marks import I32, U8, Int, OutBools, OutI32, OutU64, entry, inlined, loop

_QUOTE, _BACKSLASH, _COMMA, _COLON, _OPEN, _CLOSE, _LINE = (ord(letter) for letter in '"\\,:{}\n')
_LIST, _LIST_END = (ord(letter) for letter in "[]")
_MINUS, _POINT, _ZERO, _NINE = (ord(letter) for letter in "-.09")
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
_MAX_DEPTH = 5
"""Records with objects within objects further down are odd."""
_MAX_DIGITS = 20
"""Numbers with more digits before or after the point are odd."""


@entry
def divide(block: U8, size: Int, lines: OutI32) -> None:
    """Find where lines end."""
    number = 0
    for place in range(0, size, 8):
        word = load(block, place)
        found = equal_bytes(word, _LINES)
        while found:
            at = place + np.int64(zeros_below(found) >> np.uint64(3))
            if at < size and block[at] == _LINE:
                number += 1
                lines[number] = at + 1
            found &= found - np.uint64(1)


@inlined
def _after_blanks(block, place):
    while block[place] <= _SPACE and block[place] in _BLANKS:
        place += 1
    return place


@inlined
def _after_plain(block, place):
    """Return the place of the first byte from a place on that is a quote, a backslash or no letter at all."""
    while True:
        word = load(block, place)
        found = (
            equal_bytes(word, _QUOTES) | equal_bytes(word, _BACKSLASHES) | ((word - _SPACES) & ~word & _HIGH)
        )
        if found:
            return place + np.int64(zeros_below(found) >> np.uint64(3))
        place += 8


@loop
def _after_text(block, place):
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


@loop
def _is_letter(block, place):
    """Return whether four digits name a letter; halves of pairs are left out."""
    for digit in range(place, place + 4):
        one = block[digit]
        lower = one | 32
        if not (_ZERO <= one <= _NINE or 97 <= lower <= 102):
            return False
    return not ((block[place] | 32) == _LETTER_D and not (_ZERO <= block[place + 1] <= 55))


@loop
def _after_word(block, place, word):
    for letter in word:
        if block[place] != letter:
            return -1
        place += 1
    return place


@loop
def _after_digits(block, place):
    """Return the place after some digits; -1 where there are none, or too many."""
    begin = place
    while _ZERO <= block[place] <= _NINE:
        place += 1
    return place if 0 < place - begin <= _MAX_DIGITS else -1


@loop
def _after_number(block, place):
    """Return the place after a number without an exponent; -1 where it is none."""
    if block[place] == _MINUS:
        place += 1
    begin = place
    place = _after_digits(block, place)
    if place > begin + 1 and block[begin] == _ZERO:
        return -1
    if place >= 0 and block[place] == _POINT:
        place = _after_digits(block, place + 1)
    return place


@loop
def _after_value(block, place):
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


@loop
def _after_texts(block, place):
    """Return the place of the end of a list of texts, one at least; -1 where it is none."""
    while True:
        place = _after_blanks(block, place + 1)
        if block[place] != _QUOTE:
            return -1
        place = _after_text(block, place)
        if place < 0:
            return -1
        place = _after_blanks(block, place)
        if block[place] == _LIST_END:
            return place
        if block[place] != _COMMA:
            return -1


@inlined
def _mixed(names, word):
    names = (names ^ word) * np.uint64(0x9E3779B97F4A7C15)
    return names ^ (names >> np.uint64(29))


@inlined
def _named(block, name, end):
    """Return what tells a name from most others."""
    return (
        np.uint64(end - name) << np.uint64(32)
        | np.uint64(block[name]) << np.uint64(16)
        | np.uint64(block[end - 1]) << np.uint64(8)
        | np.uint64(block[(name + end) >> 1])
    )


@loop
def _cut_one(block, place, end, cell, begins, ends):
    """Cut one record; return the number of cells so far and what its names make, 0 where it is odd."""
    odd = cell, np.uint64(0)
    names = np.uint64(1)
    if block[place] != _OPEN:
        return odd
    depth = 1
    most = cell + _MAX_CELLS
    place = _after_blanks(block, place + 1)
    while True:
        if cell == most or block[place] != _QUOTE:
            return odd
        name = place + 1
        place = _after_plain(block, name)
        if block[place] != _QUOTE:
            return odd
        names = _mixed(names, _named(block, name, place))
        place = _after_blanks(block, place + 1)
        if block[place] != _COLON:
            return odd
        place = _after_blanks(block, place + 1)
        if block[place] == _OPEN:
            depth += 1
            if depth > _MAX_DEPTH:
                return odd
            names = _mixed(names, np.uint64(_OPEN))
            place = _after_blanks(block, place + 1)
            continue
        if block[place] == _LIST:
            begins[cell] = place + 1
            place = _after_texts(block, place)
            ends[cell] = place
            names = _mixed(names, np.uint64(_LIST))
            place += place >= 0
        else:
            begins[cell] = place
            place = _after_value(block, place)
            ends[cell] = place
        if place < 0:
            return odd
        cell += 1
        place = _after_blanks(block, place)
        while block[place] == _CLOSE:
            depth -= 1
            if depth == 0:
                if _after_blanks(block, place + 1) != end:
                    return odd
                return cell, names | np.uint64(1)
            names = _mixed(names, np.uint64(_CLOSE))
            place = _after_blanks(block, place + 1)
        if block[place] != _COMMA:
            return odd
        place = _after_blanks(block, place + 1)


@entry
def cut(block: U8, lines: I32, first: OutI32, begins: OutI32, ends: OutI32, names: OutU64) -> None:
    """Note where values of records begin and end."""
    cell = 0
    for number in range(len(names)):
        first[number] = cell
        after, made = _cut_one(block, lines[number], lines[number + 1] - 1, cell, begins, ends)
        names[number] = made
        if made:
            cell = after
    first[len(names)] = cell


@loop
def _is_same(block, cells_first, begins, ends, place, end, text, pieces):
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


@entry
def alike(
    block: U8, lines: I32, first: I32, begins: I32, ends: I32, some: I32, text: U8, pieces: I32, out: OutBools
) -> None:
    """Note which of some records are written as a text says, piece by piece."""
    for place in range(len(some)):
        number = some[place]
        cell = first[number]
        out[place] = first[number + 1] - cell == len(pieces) - 2 and _is_same(
            block, cell, begins, ends, lines[number], lines[number + 1] - 1, text, pieces
        )
