"""Rule files that would overflow the stack of the YAML library."""

from __future__ import annotations

import subprocess
import sys

import pytest

RULE = "title: Good\nlogsource: {product: windows}\ndetection: {s: {Image: x}, condition: s}\n---\n"


@pytest.mark.parametrize("text", ["[" * 200_000, "a: " + "{a: " * 200_000, "- " * 200_000, "? " * 200_000])
@pytest.mark.parametrize("before", ["", RULE], ids=["alone", "after a rule"])
def test_deep_nesting_is_refused(tmp_path, text, before):
    """In a process of its own: a crash of the library would end the tests."""
    path = tmp_path / "deep.yml"
    path.write_text(before + text)
    done = subprocess.run(
        [sys.executable, "-m", "citysoc", "rules", "check", str(path), "-f", "ndjson"],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "nested too deeply" in done.stdout + done.stderr


@pytest.mark.parametrize("text", ["[" * 4096, "- " * 2048, "{a: " * 1024], ids=["flow", "block", "map"])
def test_small_files_are_safe_without_a_look(text):
    from citysoc.detectors.sigma.load import documents

    assert [document.problem for document in documents(text.encode())] != [""]
