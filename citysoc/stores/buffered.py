"""A store that lies across a network: what waits for it here while it is away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import datetime as dt


@dataclass(frozen=True, slots=True)
class Outside:
    """What waits outside a store that may be away.

    Args:
        commits: how many commits wait.
        rows: events and quarantined records in them.
        bytes: what they take on the disk.
        away_since: since when the store has been away; None when it is not.
        reason: why it is away.
    """

    commits: int
    rows: int
    bytes: int
    away_since: dt.datetime | None
    reason: str = ""


@runtime_checkable
class Buffered(Protocol):
    """A store that may be away: commits are durable here before they are there."""

    @property
    def place(self) -> str:
        """Where it is, for people."""

    def begin(self) -> None:
        """Look whether the store can be written to, before anything is taken in.

        Raises:
            StoreError: it refuses us.
        """

    def drain(self) -> int:
        """Send what waits; return how many commits are left."""

    def finish(self) -> None:
        """Send what waits, once, and let it be found at once."""

    def outside(self) -> Outside:
        """Return what waits."""
