"""Turn events into findings."""

from __future__ import annotations
