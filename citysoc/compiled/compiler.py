"""Modules of loops into machine code: what this loads, no other process needs to load again.

The compiler (numba) makes each entry with all that it calls; around it comes its door (``doors``). What is kept is one
object file, whose code names nothing outside of itself but what every C library has: it is loaded without the compiler.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any, get_type_hints

import numba
from llvmlite import binding as llvm
from numba.core.compiler_lock import global_compiler_lock

from citysoc.compiled.doors import add_door, layout_holds
from citysoc.compiled.marks import ENTRIES
from citysoc.compiled.target import DOOR, TABLE, target_machine

_KNOWN = {"memcpy", "memmove", "memset", "memcmp"}
"""What the code generator may call by itself: it is in every C library."""


class NotAlone(ValueError):  # noqa: N818 (says what is wrong with the code)
    """What was compiled asks for something that only the compiler has."""


def compile_module(name: str) -> tuple[list[str], bytes]:
    """Return the names of a module's entries, and an object file of their doors.

    Args:
        name: the module's full name.

    Raises:
        ImportError: there is no such module.
        NotAlone: loops ask for what only the compiler has (memory, Python's objects).
        numba.core.errors.NumbaError: the compiler cannot make them.
    """
    if not layout_holds():
        raise NotAlone("arrays are laid out in memory in a way of their own")
    importlib.import_module(name)
    names, whole = [], None
    for function in ENTRIES.get(name, []):
        entry = function.py_func.__name__
        part = llvm.parse_assembly(_compiled(function, entry))
        names.append(entry)
        if whole is None:
            whole = part
        else:
            whole.link_in(part)
    if whole is None:
        raise NotAlone(f"{name} has no entries")
    _close(whole, {TABLE, *(DOOR + entry for entry in names)})
    return names, target_machine().emit_object(whole)


@global_compiler_lock  # type: ignore[untyped-decorator]
def _compiled(function: Any, name: str) -> str:
    """Compile an entry; return the text of a module that has its door and all that it needs."""
    hints = get_type_hints(function.py_func, include_extras=True)
    result = hints.pop("return")
    words = list(inspect.signature(function.py_func).parameters)
    returned = numba.types.none if result is type(None) else result.__metadata__[0]
    function.compile(returned(*(hints[word].__metadata__[0] for word in words)))
    (compiled,) = function.overloads.values()
    context = compiled.target_context
    library = context.codegen().create_library(name)
    library.add_linking_library(compiled.library)
    module = context.create_module(name)
    add_door(module, compiled, name, words)
    library.add_ir_module(module)
    library.finalize()
    return str(library.get_llvm_str())


def _close(module: Any, seen: set[str]) -> None:
    """Let nothing but doors be seen from outside; see that nothing from outside is asked for."""
    for part in (*module.functions, *module.global_variables):
        if not part.is_declaration and part.name not in seen:
            part.linkage = "internal"
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.add_strip_dead_prototype_pass()
    passes.run(module, llvm.create_pass_builder(target_machine(), llvm.create_pipeline_tuning_options()))
    asked = {part.name for part in (*module.functions, *module.global_variables) if part.is_declaration}
    foreign = {name for name in asked if not name.startswith("llvm.")} - _KNOWN
    if foreign:
        raise NotAlone(", ".join(sorted(foreign)))
