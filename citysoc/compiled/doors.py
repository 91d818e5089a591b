"""What Python calls: a function of CPython's own kind around each entry, as machine code.

A *door* has the signature that CPython knows as METH_FASTCALL, ``PyObject *door(PyObject *self, PyObject *const
*arguments, Py_ssize_t count)``. It takes arrays and whole numbers out of what it is given, refuses what the entry is
not made for with a TypeError, and calls the entry. That costs less than a tenth of a call through ctypes.

The layout of arrays is NumPy's (``PyArrayObject_fields``, ``PyArray_Descr`` in numpy/ndarraytypes.h), behind the header
of every object. It is compared with real arrays (``layout_holds``) before anything is built on it. What a door needs of
CPython it finds in a table that is filled when it is loaded (``NEEDS``): its code names nothing outside of itself.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.np.arrayobj import populate_array

from citysoc.compiled.target import DOOR, NEEDS, TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD = object.__basicsize__
_TYPE = _HEAD - 8
_DATA, _SIDES, _SIZES, _STRIDES, _DESCR, _FLAGS = (_HEAD + place for place in (0, 8, 16, 24, 40, 48))
_ORDER, _NUMBER = _HEAD + 10, _HEAD + 12
_READABLE, _WRITABLE = 0x101, 0x501
"""In C's order and aligned; and writable."""

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_POINTER = _I8.as_pointer()


def layout_holds() -> bool:
    """Return whether arrays are laid out in memory as doors take them to be."""
    array = np.empty((2, 3), np.int32)
    place = id(array)

    def word(at: int) -> int | None:
        return ctypes.c_void_p.from_address(at).value

    def number(at: int) -> int:
        return ctypes.c_int32.from_address(at).value

    sizes, strides, descr = (word(place + offset) or 0 for offset in (_SIZES, _STRIDES, _DESCR))
    return (
        ctypes.sizeof(ctypes.c_void_p) == 8
        and word(place + _TYPE) == id(np.ndarray)
        and descr == id(array.dtype)
        and word(place + _DATA) == array.__array_interface__["data"][0]
        and number(place + _SIDES) == 2
        and [word(sizes), word(sizes + 8), word(strides), word(strides + 8)] == [2, 3, 12, 4]
        and number(place + _FLAGS) & _WRITABLE == _WRITABLE
        and number(descr + _NUMBER) == array.dtype.num
        and ctypes.c_char.from_address(descr + _ORDER).value == b"="
    )


def add_door(module: ir.Module, compiled: Any, name: str, words: Sequence[str]) -> None:
    """Add the door of an entry to a module.

    Args:
        module: of the compiler's making.
        compiled: the entry, as the compiler hands it out.
        name: of the entry.
        words: what its arguments are called.
    """
    context, made = compiled.target_context, compiled.fndesc
    callee = ir.Function(
        module, context.call_conv.get_function_type(made.restype, made.argtypes), made.llvm_func_name
    )
    kind = ir.FunctionType(_POINTER, (_POINTER, _POINTER.as_pointer(), _I64))
    door = _Door(context, module, ir.Function(module, kind, DOOR + name), name)
    arguments = door.arguments(made.argtypes, words)
    status, result = context.call_conv.call_function(
        door.builder, callee, made.restype, made.argtypes, arguments
    )
    door.check(door.builder.not_(status.is_error), f"{name}: failed")
    number = _I64(0)
    if made.restype != types.none:
        number = context.cast(door.builder, result, made.restype, types.int64)
    door.builder.ret(door.call("PyLong_FromLongLong", _POINTER, number))


class _Door:
    """A door that is being built."""

    def __init__(self, context: Any, module: ir.Module, function: ir.Function, name: str) -> None:
        self._context = context
        self._module = module
        self._function = function
        self._name = name
        self.builder = ir.IRBuilder(function.append_basic_block("door"))
        self._table = ir.GlobalVariable(module, ir.ArrayType(_I64, len(NEEDS)), TABLE)
        self._table.linkage = "weak"  # one for all doors, and filled by others than they
        self._table.initializer = ir.Constant(self._table.value_type, None)

    def arguments(self, kinds: Sequence[Any], words: Sequence[str]) -> list[Any]:
        """Return the arguments as the entry takes them."""
        _self, given, count = self._function.args
        self.check(
            self.builder.icmp_signed("==", count, _I64(len(kinds))), f"{self._name}: {len(kinds)} arguments"
        )
        out = []
        for number, (kind, word) in enumerate(zip(kinds, words, strict=True)):
            value = self.builder.load(self.builder.gep(given, [_I64(number)]))
            if isinstance(kind, types.Array):
                out.append(self._array(value, kind, f"{self._name}: {word} must be {_said(kind)}"))
            else:
                out.append(self._number(value))
        return out

    def _number(self, value: Any) -> Any:
        """Take a whole number; what refuses others is CPython."""
        number = self.call("PyLong_AsLongLong", _I64, value)
        failed = self.builder.and_(
            self.builder.icmp_signed("==", number, _I64(-1)),
            self.builder.icmp_unsigned("!=", self.call("PyErr_Occurred", _POINTER), _POINTER(None)),
        )
        with self.builder.if_then(failed, likely=False):
            self.builder.ret(_POINTER(None))
        return number

    def _array(self, value: Any, kind: Any, refused: str) -> Any:
        is_array = self.builder.icmp_unsigned("==", self._load(value, _TYPE, _I64), self._need("ndarray"))
        self.check(is_array, refused)
        wanted = _dtype(kind)
        descr = self._load(value, _DESCR, _POINTER)
        flags = _WRITABLE if kind.mutable else _READABLE
        for have, want in (
            (self._load(value, _SIDES, _I32), _I32(kind.ndim)),
            (self._load(descr, _NUMBER, _I32), _I32(wanted.num)),
            (self._load(descr, _ORDER, _I8), _I8(ord(wanted.byteorder))),
            (self.builder.and_(self._load(value, _FLAGS, _I32), _I32(flags)), _I32(flags)),
        ):
            self.check(self.builder.icmp_signed("==", have, want), refused)
        array = self._context.make_array(kind)(self._context, self.builder)
        sizes, strides = (
            self._load(value, offset, ir.ArrayType(_I64, kind.ndim).as_pointer())
            for offset in (_SIZES, _STRIDES)
        )
        populate_array(  # type: ignore[no-untyped-call]
            array,
            data=self._load(value, _DATA, array.data.type),
            shape=self.builder.load(sizes),
            strides=self.builder.load(strides),
            itemsize=wanted.itemsize,
            meminfo=None,
        )
        return array._getvalue()  # noqa: SLF001 (so it is called for those who extend the compiler)

    def check(self, holds: Any, said: str) -> None:
        """Go on where something holds; else leave with a TypeError."""
        with self.builder.if_then(self.builder.not_(holds), likely=False):
            text = self._text(said)
            kind = self.builder.inttoptr(self._need("PyExc_TypeError"), _POINTER)
            self.call("PyErr_SetString", ir.VoidType(), kind, text)
            self.builder.ret(_POINTER(None))

    def _text(self, said: str) -> Any:
        content = bytearray(said.encode() + b"\0")
        kind = ir.ArrayType(_I8, len(content))
        text = ir.GlobalVariable(self._module, kind, self._module.get_unique_name("refused"))
        text.linkage, text.global_constant, text.initializer = "internal", True, kind(content)
        return self.builder.bitcast(text, _POINTER)

    def call(self, name: str, result: Any, *arguments: Any) -> Any:
        """Call a function of CPython."""
        kind = ir.FunctionType(result, [argument.type for argument in arguments]).as_pointer()
        return self.builder.call(self.builder.inttoptr(self._need(name), kind), arguments)

    def _need(self, name: str) -> Any:
        return self.builder.load(self.builder.gep(self._table, [_I64(0), _I64(NEEDS.index(name))]))

    def _load(self, base: Any, offset: int, kind: Any) -> Any:
        place = self.builder.gep(base, [_I64(offset)])
        return self.builder.load(self.builder.bitcast(place, kind.as_pointer()))


def _dtype(kind: Any) -> np.dtype[Any]:
    return np.dtype("bool" if kind.dtype == types.boolean else kind.dtype.name)


def _said(kind: Any) -> str:
    access = "a writable" if kind.mutable else "an"
    return f"{access} array of {_dtype(kind).name}, {kind.ndim}-dimensional, in C's order"
