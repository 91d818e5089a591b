"""Eight bytes at a time: what compiled loops over bytes are built of.

Bytes are taken as one number, the first of them lowest (little endian), wherever they begin. Whoever reads eight bytes
sees to it that they are there: arrays end with ``SPARE`` bytes that belong to nothing
(``citysoc.compiled.cells``).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from citysoc.compiled.marks import inlined

_LITTLE = sys.byteorder == "little"
_ONES = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_MIX = np.uint64(0x9E3779B97F4A7C15)


def _array(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    struct: Any = cgutils.create_struct_proxy
    return struct(signature.args[0])(context, builder, args[0])


def _load(typing: Any, block: Any, place: Any) -> Any:  # noqa: ARG001  how intrinsics are declared
    """Return the eight bytes of an array of bytes from a place on."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = _array(context, builder, signature, args)
        pointer = builder.gep(array.data, [context.cast(builder, args[1], signature.args[1], types.intp)])
        word = builder.load(builder.bitcast(pointer, ir.IntType(64).as_pointer()))
        word.align = 1
        return word if _LITTLE else builder.bswap(word)

    return types.uint64(block, place), codegen


def _store(typing: Any, block: Any, place: Any, word: Any) -> Any:  # noqa: ARG001  how intrinsics are declared
    """Write eight bytes into an array of bytes from a place on."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = _array(context, builder, signature, args)
        pointer = builder.gep(array.data, [context.cast(builder, args[1], signature.args[1], types.intp)])
        written = builder.store(
            args[2] if _LITTLE else builder.bswap(args[2]),
            builder.bitcast(pointer, ir.IntType(64).as_pointer()),
        )
        written.align = 1
        return context.get_dummy_value()

    return types.void(block, place, types.uint64), codegen


def _zeros_below(typing: Any, word: Any) -> Any:  # noqa: ARG001  how intrinsics are declared
    """Return how many bits below the lowest that is set are not."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001  the same
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), codegen


load: Any = intrinsic(_load)
store: Any = intrinsic(_store)
zeros_below: Any = intrinsic(_zeros_below)


@inlined
def equal_bytes(word, pattern):
    """Return a bit for bytes that are those of a pattern; the lowest bit is right, others above it may not be."""
    differ = word ^ pattern
    return (differ - _ONES) & ~differ & _HIGH


@inlined
def least_bytes(size):
    """Return what keeps the first bytes of eight: from none to eight of them."""
    if size >= 8:
        return ~np.uint64(0)
    return (np.uint64(1) << np.uint64(size << 3)) - np.uint64(1)


@inlined
def mixed(code, word):
    """Return a hash with eight more bytes in it."""
    code = (code ^ word) * _MIX
    return code ^ (code >> np.uint64(32))


@inlined
def same(one, place, other, at, size):
    """Return whether so many bytes of two arrays are the same."""
    while size > 8:
        if load(one, place) != load(other, at):
            return False
        place += 8
        at += 8
        size -= 8
    return (load(one, place) ^ load(other, at)) & least_bytes(size) == 0


@inlined
def copy(one, place, other, at, size):
    """Copy so many bytes, and up to seven more, from one array into another."""
    while size > 0:
        store(other, at, load(one, place))
        place += 8
        at += 8
        size -= 8
