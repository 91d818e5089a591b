"""What a detector is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.flow import Event, Finding


class Detector(Protocol):
    """Judges events one by one; keeps nothing between batches."""

    def detect(self, events: Sequence[Event]) -> list[Finding]:
        """Return the findings of a batch, ordered by event, then rule id. Never raises."""
