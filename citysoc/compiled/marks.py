"""What loops are written with: marks for functions, and words for what an entry is given.

For modules of loops only, which the compiler reads: this loads it.

    @loop
    def _after(block, place): ...

    @entry
    def cut(block: U8, lines: I32, begins: OutI32) -> Int: ...

An entry is called from Python (``machine.Loops``). All of its arguments are annotated: arrays, in C's order, and whole
numbers; arrays that are not called ``Out`` are only read. It returns a whole number or nothing (0). Nothing may be
made in loops: no arrays, no lists, no texts, and no exceptions. Places are not checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from numba import njit, types

if TYPE_CHECKING:
    from collections.abc import Callable

ENTRIES: dict[str, list[Any]] = {}
"""The entries of each module, by its name."""


_ALONE: dict[str, Any] = {
    "_nrt": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "error_model": "numpy",
}


def loop(function: Callable[..., Any]) -> Any:
    """Mark a function that loops call."""
    return njit(**_ALONE)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Mark a small function that is to be a part of each loop that calls it."""
    return njit(inline="always", **_ALONE)(function)


def entry(function: Callable[..., Any]) -> Any:
    """Mark a function that Python calls."""
    made = loop(function)
    ENTRIES.setdefault(function.__module__, []).append(made)
    return made


def _array(element: Any, sides: int = 1) -> Any:
    return types.Array(element, sides, "C", readonly=True)


def _out(element: Any, sides: int = 1) -> Any:
    return types.Array(element, sides, "C")


Int = Annotated[Any, types.int64]
U8 = Annotated[Any, _array(types.uint8)]
I32 = Annotated[Any, _array(types.int32)]
I64 = Annotated[Any, _array(types.int64)]
U64 = Annotated[Any, _array(types.uint64)]
Bools = Annotated[Any, _array(types.boolean)]
I32Rows = Annotated[Any, _array(types.int32, 2)]
OutU8 = Annotated[Any, _out(types.uint8)]
OutI32 = Annotated[Any, _out(types.int32)]
OutI64 = Annotated[Any, _out(types.int64)]
OutU64 = Annotated[Any, _out(types.uint64)]
OutBools = Annotated[Any, _out(types.boolean)]
OutI32Rows = Annotated[Any, _out(types.int32, 2)]
