"""Loops over bytes and numbers in machine code: for what Python has no quick way for.

How they are written is said in ``marks``, how they are kept and loaded in ``machine``. Ask ``ready`` before anything of
``cells``, ``memory``, ``combine`` or ``pick`` is called. Whatever is compiled has another way that gives the same, for machines on
which the compiler cannot be had.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def ready(cache_dir: Path | None = None) -> bool:
    """Load what is compiled; return whether all of it can be had.

    Args:
        cache_dir: where it is kept; None keeps nothing, and compiles it for some seconds in each process.
    """
    if "numpy" not in sys.modules:  # its algebra would start a thread for every core, and none is wanted
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from citysoc.compiled import cells, combine, memory, pick

    directory = cache_dir and cache_dir / "compiled"
    return all(module.load(directory) for module in (cells, memory, combine, pick))
