"""What is released together: entries by group, each group's in order and each event once."""

from __future__ import annotations

from itertools import islice
from operator import lt
from typing import TYPE_CHECKING

from citysoc.detectors.correlate.arranged import CITY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from citysoc.detectors.correlate.arranged import Key, Names
    from citysoc.detectors.correlate.measures import Entry

_SAME = 4
"""Entries that are alike in so many of their parts are one event: in all but the agency."""


class Due:
    """What is released together: entries by group."""

    __slots__ = ("groups", "written")

    def __init__(self) -> None:
        self.groups: dict[Key, list[Entry]] = {}
        self.written: dict[Key, list[tuple[Entry, Names]]] = {}

    def add(self, key: Key, entries: list[Entry]) -> None:
        """Add entries of a group; the list is kept."""
        known = self.groups.setdefault(key, entries)
        if known is not entries:
            known += entries

    def spell(self, key: Key, pairs: Sequence[tuple[Entry, Names]]) -> None:
        """Add how events write the group's values, where they write them otherwise than its key."""
        if pairs:
            self.written.setdefault(key, []).extend(pairs)

    def in_order(self) -> Iterator[tuple[Key, list[Entry]]]:
        """Yield the groups with their entries, each in order and once; the groups by the entry that came first.

        One after the other: what was looked at here is still at hand when its group takes it in.
        """
        for key, entries in sorted(self.groups.items(), key=_first_time):
            if len(entries) > 1 and (key[1] == CITY or not all(map(lt, entries, islice(entries, 1, None)))):
                entries[:] = once(entries)
            yield key, entries

    def shown(self, key: Key) -> Names | None:
        """Return how the first event of a group writes it; None where that is how its key writes it."""
        pairs = self.written.get(key)
        if pairs is None:
            return None
        first = self.groups[key][0]
        return min((written for entry, written in pairs if entry[:_SAME] == first[:_SAME]), default=None)


def _first_time(group: tuple[Key, list[Entry]]) -> int:
    time: int = group[1][0][0]
    return time


def once(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries of one group in order, each event once; what several agencies tell names them all."""
    found: list[Entry] = []
    for entry in sorted(entries):
        # Ids differ, and nearly all times do: nothing else is looked at then.
        if not found or entry[0] != found[-1][0] or entry[:_SAME] != found[-1][:_SAME]:
            found.append(entry)
        elif len(entry) > _SAME and entry != found[-1]:
            names = {*found[-1][_SAME].split(","), *entry[_SAME].split(",")}
            found[-1] = (*entry[:_SAME], ",".join(sorted(names)))
    return found
