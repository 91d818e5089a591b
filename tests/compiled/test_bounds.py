"""Nothing is read or written outside of arrays, whatever records say."""

from __future__ import annotations

import os
import signal

import pytest

from tests.compiled import processes, sheets

assert sheets.cells
PROGRAM = "from tests.compiled import guarded; guarded."
pytestmark = pytest.mark.skipif(os.name != "posix", reason="pages are guarded by mprotect")


@pytest.mark.parametrize("side", ["end", "begin"])
def test_nothing_outside_is_touched(side, tmp_path_factory):
    cache = tmp_path_factory.getbasetemp() / "loops"
    processes.said(processes.start(f"{PROGRAM}run({side!r}, {str(cache)!r})"))


def test_guards_do_guard():
    process = processes.start(PROGRAM + "touch()")
    process.communicate(timeout=60)
    assert process.returncode in {-signal.SIGSEGV, -signal.SIGBUS}
