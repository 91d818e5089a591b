"""Loops that tests compile."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from citysoc.compiled.marks import I32, U8, U64, Bools, I32Rows, Int, OutI32Rows, OutU64, entry, inlined, loop


@intrinsic
def _eight(typing: Any, block: Any, place: Any) -> Any:
    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0])
        word = builder.load(
            builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(64).as_pointer())
        )
        word.align = 1
        return word

    return types.uint64(block, place), made


@inlined
def _mixed(word, seed):
    return (word ^ np.uint64(seed)) * np.uint64(0x9E3779B97F4A7C15)


@loop
def _larger(one, other):
    return max(other, one)


@entry
def total(values: I32, begin: Int) -> Int:
    out = begin
    for value in values:
        out += value
    return out


@entry
def largest(values: I32Rows, wanted: Bools) -> Int:
    rows, sides = values.shape
    out = np.int64(-1)
    for row in range(rows):
        if wanted[row]:
            for side in range(sides):
                out = _larger(out, np.int64(values[row, side]))
    return out


@entry
def words(block: U8, seeds: U64, out: OutU64) -> None:
    for place in range(len(out)):
        out[place] = _mixed(_eight(block, place), seeds[place & 1])


@entry
def fill(out: OutI32Rows, value: Int) -> None:
    rows, sides = out.shape
    for row in range(rows):
        for side in range(sides):
            out[row, side] = value + row * sides + side


@entry
def nothing() -> Int:
    return 7
