"""What compiled code and those who load it agree on: the machine, and what its doors are called."""

from __future__ import annotations

from typing import Any

DOOR = "citysoc_door_"
"""What the names of doors begin with, in object files."""
TABLE = "citysoc_needs"
"""The table of what doors need of CPython, filled when they are loaded."""
NEEDS = (
    "ndarray",
    "PyExc_TypeError",
    "PyErr_SetString",
    "PyErr_Occurred",
    "PyLong_AsLongLong",
    "PyLong_FromLongLong",
)
"""What a door needs: two types, and functions of CPython, all of them in its stable interface but NumPy's."""


def target_machine() -> Any:
    """Return LLVM's machine for this processor."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="static" if target.name.startswith("x86") else "default",  # what its loader can put in place
        codemodel="jitdefault",
        jit=True,
    )
