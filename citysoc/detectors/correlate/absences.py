"""Deadlines of absence: ``a and not b`` is certain, and told, once the time of its window has passed."""

from __future__ import annotations

import bisect
import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from citysoc.detectors.correlate.arranged import Key
    from citysoc.detectors.correlate.measures import Entry
    from citysoc.detectors.correlate.waiting import Place
    from citysoc.detectors.correlate.windows import Windows


class Deadlines:
    """For each group with windows that are not decided yet: when the first of them is."""

    def __init__(self) -> None:
        self._heaps: dict[Place, list[tuple[int, Key]]] = {}
        self._next: dict[Key, int] = {}

    def __bool__(self) -> bool:
        """Return whether anything waits for its deadline."""
        return bool(self._next)

    def places(self) -> Collection[Place]:
        """Return where deadlines wait: levels and scopes."""
        return self._heaps.keys()

    def note(self, level: int, key: Key, windows: Windows, entries: Sequence[Entry], since: int) -> None:
        """Take note of the first window of a group that begins at ``since`` or later."""
        for place in range(bisect.bisect_left(entries, (since,)), len(entries)):
            if entries[place][2] in windows.anchors:
                deadline = entries[place][0] + windows.span
                if deadline < self._next.get(key, deadline + 1):
                    self._next[key] = deadline
                    heapq.heappush(self._heaps.setdefault((level, key[1]), []), (deadline, key))
                return

    def passed(self, place: Place, mark: int) -> Iterator[tuple[int, Key]]:
        """Yield the deadlines before a watermark, one a group: the first; those groups are no longer noted."""
        heap = self._heaps.get(place)
        while heap and heap[0][0] < mark:
            deadline, key = heapq.heappop(heap)
            if self._next.get(key) == deadline:
                del self._next[key]
                yield deadline, key
        if heap is not None and not heap:
            del self._heaps[place]
