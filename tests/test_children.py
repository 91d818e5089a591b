"""Processes of a pool end with their parent, even one that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_PARENT = """
import concurrent.futures as cf, multiprocessing, os, sys, time
from citysoc.children import follow_parent
if __name__ == "__main__":
    pool = cf.ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=follow_parent)
    sys.stdout.write(f"{pool.submit(os.getpid).result()}\\n")
    sys.stdout.flush()
    pool.submit(time.sleep, 60)
    time.sleep(60)
"""


def test_a_child_does_not_outlive_a_killed_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(_PARENT, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        os.kill(child, signal.SIGINT)  # the parent's to judge
        time.sleep(0.2)
        assert _lives(child)
        parent.kill()
    deadline = time.monotonic() + 10
    while _lives(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(child)


def _lives(process: int) -> bool:
    try:
        said = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return said.rpartition(")")[2].split()[0] != "Z"
