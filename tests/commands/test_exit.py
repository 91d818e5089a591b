"""How a command ends: nothing is said but what it says itself."""

from __future__ import annotations

import subprocess
import sys


def test_libraries_say_nothing_of_what_was_left_behind():
    """DuckDB counts what lives on when Python ends, and reports it as leaked."""
    code = (
        "import duckdb\nduckdb.sql('select 1').fetchall()\nfrom citysoc.cli import main\nmain(['--version'])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("citysoc")
    assert done.stderr == ""
