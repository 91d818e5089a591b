"""A process in which nothing can be read or written just outside of an array: it would be killed (Linux, macOS).

Every array that NumPy is asked for ends where a page ends, or begins where one begins, and the next page belongs to
nobody. A process of its own runs this: ``python -c "from tests.compiled import guarded; guarded.run('end', '/tmp/x')"``.
"""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
import pathlib
import random
from typing import Any

import numpy as np

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_LETTERS = b'"\\{}[]:, \t\r\n\0\x1f\x7f\x80\xff0189-+.eEutfnax/'
_SPARE = 8
_NONE = 0
"""May neither be read nor written."""
_KEPT: list[Any] = []


class Guard:
    """Makes arrays with a page that belongs to nobody behind them, or before.

    Args:
        side: "end" or "begin".
    """

    def __init__(self, side: str) -> None:
        self._is_end = side == "end"

    def empty(self, shape: Any, dtype: Any = float) -> Any:
        """Return an array that is not filled."""
        kind = np.dtype(dtype)
        sides = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        size = int(np.prod(sides)) * kind.itemsize
        pages = (size + mmap.PAGESIZE - 1) // mmap.PAGESIZE
        memory = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
        place = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        nobody = place + pages * mmap.PAGESIZE if self._is_end else place
        if _libc.mprotect(nobody, mmap.PAGESIZE, _NONE):
            raise OSError(ctypes.get_errno(), "mprotect")
        begin = pages * mmap.PAGESIZE - size if self._is_end else mmap.PAGESIZE
        return np.frombuffer(memory, kind, size // kind.itemsize, begin).reshape(sides)

    def zeros(self, shape: Any, dtype: Any = float) -> Any:
        """Return an array of zeros, as new pages are."""
        return self.empty(shape, dtype)

    def of(self, array: Any) -> Any:
        """Return a copy of an array."""
        copy = self.empty(array.shape, array.dtype)
        copy[...] = array
        return copy


class Lines(np.ndarray):  # type: ignore[type-arg]  # of bytes
    """Lines whose bytes are guarded, and can be counted as those of others are."""

    def count(self, part: bytes, begin: int, end: int) -> int:
        """Return how often a part is there."""
        return self[begin:end].tobytes().count(part)


def _patch(guard: Guard) -> None:
    """Have all arrays guarded that modules ask NumPy for."""
    concatenate, array, contiguous = np.concatenate, np.array, np.ascontiguousarray
    named: Any = np
    named.empty, named.zeros = guard.empty, guard.zeros
    named.concatenate = lambda *some, **more: guard.of(concatenate(*some, **more))
    named.array = lambda *some, **more: guard.of(array(*some, **more))
    named.ascontiguousarray = lambda *some, **more: guard.of(contiguous(*some, **more))


def _records(dice: random.Random) -> list[bytes]:
    """Return records of any kind: whole, cut short anywhere, and with some bytes changed."""
    plain = [b"", b"{", b"{}", b'{"', b'"', b"\\", b'{"a":"\\', b'{"a":"\\u', b'{"a":-', b'{"a":t', b"{" * 9]
    plain += [b'{"":1' + b',"":1' * dice.randrange(210) + b"}", b'{"a":"' + b"x" * dice.randrange(40) + b'"}']
    plain += [
        b'{"name":"value","b%d":"%s","c":%d}' % (dice.randrange(3), b"\\u00e9" * 3, dice.randrange(999))
    ]
    out = []
    for _time in range(12):
        record = bytearray(dice.choice(plain))
        for _change in range(dice.randrange(3)):
            place = dice.randrange(len(record) + 1)
            record[place : place + dice.randrange(2)] = bytes([dice.choice(_LETTERS)])
        out.append(bytes(record[: dice.randrange(len(record) + 1)] if dice.random() < 0.3 else record))
    return out


def _sheets(guard: Guard, dice: random.Random) -> None:
    """Cut records, compare and remember their values."""
    from citysoc.compiled import cells, memory, pick

    records = _records(dice)
    text = b"".join(record + b"\n" for record in records) + bytes([dice.choice(_LETTERS)]) * _SPARE
    block = guard.of(np.frombuffer(text, np.uint8))
    lines: Any = block.view(Lines)
    for sheet in (cells.sheet_of(records, block), cells.sheet_of_lines(lines, len(text) - _SPARE)):
        cut = guard.of(np.flatnonzero(sheet.names).astype(np.int32))
        for number in cut.tolist():
            known = cells.frame(sheet, number)
            assert number in cut[cells.alike(sheet, cut, known)]
        own = memory.Memory() if not _KEPT else _KEPT[0]
        _KEPT[:] = [own]
        for number in cut.tolist():
            some = guard.of(np.array([number, number], np.int32))
            count = int(sheet.first[number + 1] - sheet.first[number])
            places = guard.of(np.array([0, count - 1], np.int32))
            found = own.look(sheet, some, places, 1)
            own.learn(found, guard.of(np.ones(len(found.fresh), np.int32)))
            assert memory.tokens(sheet, some, count - 1)[-1:] == b"]"
            pick.picked(sheet, some, [[0, ~(count - 1)], [count - 1]])


def _full(guard: Guard) -> None:
    """Remember more than there is room for, at once."""
    from citysoc.compiled import cells, memory

    own = memory.Memory()
    for size in (4060, 4095, 4096, 1, 100):
        records = [b'{"a":"%06d%s"}' % (number, b"x" * size) for number in range(24_000_000 // (size + 140))]
        sheet = cells.sheet_of(records, b"\n".join((*records, b"\n" * 8)))
        some = guard.of(np.arange(len(records), dtype=np.int32))
        found = own.look(sheet, some, guard.of(np.zeros(1, np.int32)), 1)
        own.learn(found, guard.of(np.ones(len(found.fresh), np.int32)))


def _combined(guard: Guard) -> None:
    """Number combinations until all are forgotten."""
    from citysoc.compiled import combine

    for width in (0, 1, 3):
        own = combine.Combinations(width, 3000)
        for begin in range(0, 9000, 700):
            rows = np.arange(begin, begin + 700, dtype=np.int32)
            own.numbers(guard.of(np.tile(rows, (width, 1))))


def touch() -> None:
    """Read the byte behind an array: so it is seen that guards do guard."""
    Guard("end").empty(1, np.uint8).ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))[1]


def run(side: str, cache_dir: str) -> None:
    """Run the loops on hostile records.

    Args:
        side: see ``Guard``.
        cache_dir: where what is compiled is kept.
    """
    from citysoc import compiled

    assert compiled.ready(pathlib.Path(cache_dir))
    faulthandler.enable()
    guard = Guard(side)
    _patch(guard)
    dice = random.Random(5)
    for _time in range(400):
        _sheets(guard, dice)
    _full(guard)
    _combined(guard)
