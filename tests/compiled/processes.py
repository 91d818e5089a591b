"""Processes of their own, as each start of the command is one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

FORBID = """
import sys
def forbid(event, arguments):
    if event == "pickle.find_class":
        raise ImportError("nothing is made of pickles")
    if event == "import" and arguments[0].partition(".")[0] in {names!r}:
        raise ImportError("forbidden: " + arguments[0])
sys.addaudithook(forbid)
"""
"""Lets nothing of some libraries be imported, and nothing be read from pickles."""

TOTAL = """
import pathlib, sys
import numpy as np
from citysoc.compiled.machine import Loops
loops = Loops({module!r})
loaded = loops.load(pathlib.Path({directory!r}))
print(loaded, loops.total(np.arange(5, dtype=np.int32), 100) if loaded else None, "numba" in sys.modules)
"""
"""Loads loops; writes whether it could, a total, and whether the compiler was loaded."""


def start(program: str, folder: Path | None = None) -> subprocess.Popen[str]:
    """Start a process that imports from the checkout and from a folder."""
    places = [str(ROOT), *([str(folder)] if folder else [])]
    environment: dict[str, Any] = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(places),
        "PYTHONDONTWRITEBYTECODE": "1",
        "CITYSOC_LOG_LEVEL": "info",
    }
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )


def said(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Return what a process wrote, once it has ended well."""
    out, log = process.communicate(timeout=120)
    assert process.returncode == 0, log
    return out.strip(), log
