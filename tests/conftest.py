"""What all tests share."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from elastic_node import elastic
from hypothesis import settings

__all__ = ["elastic"]

settings.register_profile("house", parent=settings.default, deadline=None)
"""As hypothesis has it, on developers' machines and in continuous integration each; but an example takes what time it
takes: the first one compiles patterns, and the machine may have other work to do."""
settings.load_profile("house")
