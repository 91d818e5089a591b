"""citysoc.db: whatever changes after it is written. SQLite, WAL, migrations in ``migrations/``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from citysoc.state.database import State

__all__ = ["State"]


def __getattr__(name: str) -> Any:
    """Load SQLite where a database is wanted, not where only ``values`` are."""
    if name == "State":
        from citysoc.state.database import State

        return State
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
