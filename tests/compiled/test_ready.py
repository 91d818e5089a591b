"""What the command needs of loops: loaded where it was compiled once."""

from __future__ import annotations

import pytest

from citysoc.compiled.machine import Loops
from tests.compiled.processes import FORBID, said, start

pytest.importorskip("numba", reason="there is no compiler for this machine")

_READY = """
import pathlib, sys
from citysoc import compiled
from citysoc.pipeline.pool import _is_alone
ready = compiled.ready(pathlib.Path({directory!r}))
if ready:
    from citysoc.compiled import cells
    sheet = cells.sheet_of_lines(b'{{"a":1,"b":"c"}}\\n' + bytes(cells.SPARE), 16)
    ready = sheet.first.tolist(), sheet.begin[:2].tolist()
print(ready, "numba" in sys.modules, _is_alone())
"""


def test_what_was_compiled_is_loaded_by_later_processes_without_the_compiler(tmp_path):
    modules = ("cells", "memory", "combine", "pick")
    for module in modules:
        assert Loops(f"citysoc.compiled.loops.{module}").load(tmp_path / "compiled")
    program = FORBID.format(names={"numba"}) + _READY.format(directory=str(tmp_path))
    out, _log = said(start(program))
    assert out.startswith("([0, 2], [5, 11]) False ")
    assert len(list((tmp_path / "compiled").iterdir())) == len(modules)


def test_without_the_compiler_nothing_is_ready(tmp_path):
    program = FORBID.format(names={"numba"}) + _READY.format(directory=str(tmp_path))
    out, log = said(start(program))
    assert out.startswith("False False ")
    assert "loops.absent" in log
