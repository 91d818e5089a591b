"""Loops over bytes and numbers, compiled to machine code (numba): for what Python has no quick way for.

The modules of this room load the compiler, which takes a fifth of a second: ask ``ready`` first, and import them in
the functions that need them. What is compiled is kept by the compiler beside the sources, or in the user's cache.
Everything compiled here has another way that gives the same, for machines on which the compiler cannot be had.
"""

from __future__ import annotations

import functools
import os
import sys

from citysoc import telemetry


@functools.cache
def ready() -> bool:
    """Load the compiler and what it has compiled; return whether both are there."""
    if "numpy" not in sys.modules:  # its algebra would start a thread for every core, and none is wanted
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from citysoc.compiled import cells, combine, memory
    except (ImportError, RuntimeError) as error:  # not installed, or no folder to keep what is compiled
        telemetry.logger("compiled").info("compiler.absent", why=str(error))
        return False
    cells.warm()
    memory.warm()
    combine.warm()
    return True
