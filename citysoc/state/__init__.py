"""citysoc.db: whatever changes after it is written. SQLite, WAL, migrations in ``migrations/``."""

from __future__ import annotations

from citysoc.state.database import State

__all__ = ["State"]
