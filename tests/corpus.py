"""The folder of real logs beside the checkout, for tests that measure against the world."""

from __future__ import annotations

from pathlib import Path

import pytest

CORPUS = Path(__file__).resolve().parents[1].parent / "shared" / "data"

needs_corpus = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="the folder of real logs (../shared/data) is not beside this checkout"
)
