"""Loops in machine code, ready to be called: loaded where they were kept, compiled where they were not.

Loops are written in modules of their own, which only the compiler reads (``marks`` says how). Others know them by name:

    _LOOPS = Loops("citysoc.compiled.loops.cells")
    if _LOOPS.load(directory):
        cells = _LOOPS.cut(block, begins)

To load what is kept takes three hundredths of a second, nearly all of it for LLVM itself (llvmlite); to load the compiler
takes half a second, and to compile some seconds more. While a loop runs no other thread of Python does, and Ctrl-C waits.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from citysoc import telemetry
from citysoc.compiled import kept
from citysoc.compiled.target import DOOR, NEEDS, TABLE, target_machine

_FASTCALL = 0x80
_ALIVE: list[Any] = []
"""What the code of doors lies in; it stays until the process ends, for so may they."""


class _Method(ctypes.Structure):
    """What CPython knows of a function (``PyMethodDef``)."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("text", ctypes.c_char_p),
    )


class Loops:
    """The entries of a module of loops, by their names.

    They are loaded by ``load``, or when the first of them is asked for: then nothing is kept.
    Entries take arrays of exactly the types that they are annotated with, and whole numbers of 64 bits; they raise a
    TypeError (an OverflowError) where they are given others, and return a whole number.

    Args:
        module: the module's full name.
    """

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        """Load the entries; those that are loaded are found before."""
        if name.startswith("_") or len(vars(self)) > 1 or not self.load():
            raise AttributeError(f"{self._module}: no entry {name!r}")
        return getattr(self, name)

    def load(self, directory: Path | None = None) -> bool:
        """Load the entries; return whether they can be had on this machine.

        Args:
            directory: where what is compiled is kept; None keeps nothing.
        """
        if len(vars(self)) > 1:
            return True
        try:
            entries = _load(self._module, directory)
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            # Not installed, nothing may be run that was written, or not on this machine.
            telemetry.logger("compiled").info("loops.absent", module=self._module, why=str(error))
            return False
        vars(self).update(entries)
        return True


def _load(module: str, directory: Path | None) -> dict[str, Any]:
    key = _key(module)
    found = directory and kept.read(directory, key)
    if not found:
        found = _compile(module)
        if directory and _key(module) == key:  # the sources are still those that were compiled
            kept.keep(directory, key, *found)
    return _entries(module, *found)


def _compile(module: str) -> tuple[list[str], bytes]:
    from numba.core.errors import NumbaError

    from citysoc.compiled.compiler import compile_module

    try:
        return compile_module(module)
    except (NumbaError, AttributeError, TypeError, LookupError, AssertionError) as error:
        # Doors are built of the compiler's inner parts, which another version may have changed.
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


def _key(module: str) -> str:
    """Return a hash of all that decides what code is made of a module."""
    import llvmlite
    import llvmlite.binding as llvm
    import numpy as np

    digest = hashlib.blake2b(digest_size=20)
    made_by = (
        module,
        sys.version,
        object.__basicsize__,
        np.__version__,
        llvmlite.__version__,
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
    )
    digest.update(repr(made_by).encode())
    folders = {Path(__file__).parent, _folder(module)}
    sources = [path for folder in folders for path in folder.glob("*.py")]
    for path in (*sorted(sources), _folder("numba") / "_version.py"):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _folder(module: str) -> Path:
    """Return where a module lies, without loading it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ImportError(f"no module {module}")
    return Path(spec.origin).parent


def _entries(module: str, names: list[str], code: bytes) -> dict[str, Any]:
    """Put an object file into memory; return its doors by the names of their entries."""
    import llvmlite.binding as llvm

    llvm.check_jit_execution()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    table = (ctypes.c_uint64 * len(NEEDS)).from_address(engine.get_global_value_address(TABLE))
    for place, need in enumerate(_needs()):
        table[place] = need
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    out = {}
    for name in names:
        door = engine.get_function_address(DOOR + name)
        method = _Method(name.encode(), door, _FASTCALL, f"Run {module}.{name}.".encode())
        _ALIVE.append(method)
        out[name] = make(ctypes.addressof(method), None, None)
    _ALIVE.append(engine)
    return out


def _needs() -> list[int]:
    """Return where what doors need is, in the order of ``NEEDS``."""
    import numpy as np

    functions = (getattr(ctypes.pythonapi, name) for name in NEEDS[2:])
    addresses = (ctypes.cast(function, ctypes.c_void_p).value or 0 for function in functions)
    return [id(np.ndarray), id(TypeError), *addresses]
