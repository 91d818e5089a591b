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


@dataclass(frozen=True, slots=True)
class Refusal:
    """Records of one commit that the store refused for good after they were counted.

    Args:
        commit: its number.
        became: refused: they lie in quarantine now; buried: not even that.
        counts: stream, hour of arrival and how many.
        reason: the store's word on the first of them.
    """

    commit: int
    became: str
    counts: tuple[tuple[str, str, int], ...]
    reason: str

    @property
    def name(self) -> str:
        """What names it in the audit trail."""
        return f"commit {self.commit}"


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

    def refusals(self) -> list[Refusal]:
        """Return what the store refused and nobody has counted yet."""

    def forget(self, refusal: Refusal) -> None:
        """Take a refusal for counted."""
