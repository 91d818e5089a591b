"""Where events live: the local lakehouse, and one query language."""

from __future__ import annotations
