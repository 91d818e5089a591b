"""The configuration: models, loading with every mistake at once, the registry of agencies."""

from __future__ import annotations
