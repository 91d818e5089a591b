"""Records that are not events yet, as rules look at them: their kinds, and where they come from.

A *kind* of records (``parsers.windows_kinds``) says where a field comes from.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable, Sequence

    from citysoc.compiled.cells import Sheet
    from citysoc.detectors.sigma.patterns import Glance
    from citysoc.flow import Event


class Part(Protocol):
    """What makes some fields of the events of a kind."""

    places: tuple[int, ...]
    kept: type | None
    """The type of values that the only field has as they are, where there is such."""

    def make(self, row: Any) -> Event | None:
        """Return the fields of a record's event; None where the whole event must be made to know."""

    def make_of(self, found: Sequence[Any]) -> Event | None:
        """Return the same of the values at its places."""


class Kind(Hashable, Protocol):
    """What some records have in common."""

    same: Event
    """Fields that are the same in all events."""
    names: frozenset[str]
    """Fields that events may have besides."""
    words: Event
    """Texts that events may have and records not."""
    times: Sequence[tuple[int, Any]]
    """The places of the values that may hold the time, and what is to be known of each."""

    def source(self, name: str) -> int | None:
        """Return the place of the value that a field has as it is; None where it is made of something."""

    def cells(self, places: Sequence[int]) -> list[tuple[int, bool]]:
        """Return which of a record's values, as they are written, stand at some places, and whether they are lists."""

    def part(self, wanted: Iterable[str]) -> Part:
        """Return what makes some fields."""


class Group(Protocol):
    """Records of one kind: which of their batch they are, and their values."""

    @property
    def kind(self) -> Any:  # a Kind; what gives moments knows more of it
        """What they have in common."""

    @property
    def numbers(self) -> Sequence[int]:
        """Which of the records of their batch they are."""

    @property
    def rows(self) -> Any:  # they may be read when they are asked for
        """Their values."""

    @property
    def sheet(self) -> Sheet | None:
        """Where their values stand, where that is known."""

    @property
    def some(self) -> Any:
        """The numbers of the records in the sheet."""


class Origin(Protocol):
    """Where records come from: what findings say besides what matched."""

    agency: str
    path: str

    def saying(self, glance: Glance) -> Collection[int]:
        """Return the numbers of the records, among those that were told apart last, that may say what a glance looks for."""

    def event_id(self, number: int) -> str:
        """Return the ``event.id`` of a record."""

    def offset(self, number: int) -> int:
        """Return where a record stands."""

    def moment(self, kind: Any, row: Any) -> dt.datetime:
        """Return the ``@timestamp`` of a record."""
