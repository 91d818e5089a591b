"""The groups of correlations: their entries in order, and what is measured over them while they are busy."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

from citysoc.detectors.correlate.due import once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from citysoc.detectors.correlate.arranged import Correlation, Key
    from citysoc.detectors.correlate.losses import Losses
    from citysoc.detectors.correlate.measures import Entry, Measure
    from citysoc.detectors.correlate.windows import Hit

PAGE = 64
"""So many entries are saved together; see ``saving``."""
_KEEP_SECONDS = 3600
"""A group whose windows have passed is kept for so long after it was last touched: a backlog may still reach it."""


class Group:
    """One group of one correlation. There may be a million of them, so it holds no more than it must.

    Args:
        shown: the group as its first event writes it; None where that is how its key writes it.
        touched: when it last got an entry, seconds since 1970.
    """

    __slots__ = ("entries", "first", "forgotten", "low", "measure", "pages", "shown", "touched")

    def __init__(self, shown: tuple[str, ...] | None, touched: int) -> None:
        self.entries: list[Entry] = []
        self.first = 0
        """How many entries it had before its first one and forgot."""
        self.forgotten: int | None = None
        """The time before which it forgot entries; None where it forgot none."""
        self.shown = shown
        self.touched = touched
        self.measure: Measure | None = None
        self.low = 0
        """Where the last window begins, while there is a measure."""
        self.pages: tuple[int, int] | None = None
        """Which pages of entries are saved; see ``saving``."""

    def put(self, one: Correlation, items: list[Entry]) -> list[Hit]:
        """Let items in that lie after all entries; return the windows that end at them and qualify.

        Absence is decided later.
        """
        entries, windows = self.entries, one.windows
        first = len(entries)
        if first:
            entries += items
        else:  # most groups have one entry: the list is of just that size
            self.entries = entries = items[:]
        if not windows.looks_back:
            return []
        if windows.counts:
            return windows.full(entries, first)
        measure, low = self.measure, self.low
        if measure is None:
            measure, low = windows.fresh(entries, first)
        hits, self.low = windows.slide(entries, first, measure, low)
        self.measure = measure if len(entries) > 1 else None
        return hits

    def put_behind(self, one: Correlation, items: Sequence[Entry], decided: int) -> list[Hit]:
        """Let items in that lie before entries; return the windows that qualify now and did not before.

        Args:
            one: the correlation.
            items: in order.
            decided: absences are decided whose deadline lies before it.
        """
        entries, windows = self.entries, one.windows
        since, until = items[0][0], items[-1][0] + windows.span
        place = bisect.bisect_left(entries, (since,))
        known = entries[place:]
        tail = once([*known, *items])
        if tail == known:
            return []
        begins, last = since - windows.span, decided - 1 - windows.span
        before = {hit[0] for hit in windows.hits(entries, since, until)}
        before |= {hit[0] for hit in windows.absent(entries, begins, last)}
        if (forgotten := self.forgotten) is not None:
            # Windows that reach into what was forgotten: those that were looked at before were told then, if at all.
            before |= {entry[0] for entry in entries[place:] if entry[0] - windows.span < forgotten}
            begins = max(begins, forgotten)
        self._unsave(self.first + place)
        entries[place:] = tail
        self.measure, self.low = None, 0
        after = windows.hits(entries, since, until)
        after += windows.absent(entries, begins, last)
        return sorted({hit[0]: hit for hit in reversed(after) if hit[0] not in before}.values())

    def _unsave(self, place: int) -> None:
        """Note that saved pages from a place on are no longer as they were saved."""
        if self.pages is not None:
            self.pages = (self.pages[0], max(min(self.pages[1], place // PAGE), self.pages[0]))

    def prune(self, oldest: int, span: int, max_events: int) -> int:
        """Forget the entries that no window can reach, even of items that come behind by one span.

        Args:
            oldest: the time before which none can: a file that is read late goes through its own past.
            span: of a window, microseconds.
            max_events: so many entries are kept; beyond, the oldest quarter is given up.

        Returns:
            How many were given up that a window could still reach.
        """
        entries = self.entries
        gone = lost = 0
        if len(entries) > max_events:
            gone = len(entries) - max_events * 3 // 4
            lost = max(gone - bisect.bisect_left(entries, (entries[-1][0] - span,)), 0)
        while entries[gone][0] < oldest:  # they are few, and let go of anyway: nothing else is fetched
            gone += 1
        if gone:
            if gone > self.low:
                self.measure, self.low = None, 0
            else:
                self.low -= gone
            self.forgotten = entries[gone - 1][0] + 1
            del entries[:gone]
            self.first += gone
        return lost


class Groups:
    """All groups of all correlations, bounded.

    Args:
        correlations: by number.
        losses: where evictions are counted.
        max_groups: so many groups are kept; beyond, those whose last event is oldest are given up.
        on_drop: is told of every group that is gone.
    """

    def __init__(
        self,
        correlations: Sequence[Correlation],
        losses: Losses,
        *,
        max_groups: int,
        on_drop: Callable[[Key, Group], None] | None,
    ) -> None:
        self._correlations = correlations
        self._losses = losses
        self._max = max_groups
        self._on_drop = on_drop
        self.by_key: dict[Key, Group] = {}

    def open(self, key: Key, shown: tuple[str, ...] | None, touched: int) -> Group:
        """Return a new group; make room for it where there are too many.

        A group is shown as its first event writes it: the same, however matches are cut into batches. None: as its key
        writes it.
        """
        if len(self.by_key) >= self._max:
            self._evict()
        group = self.by_key[key] = Group(shown, touched)
        return group

    def _evict(self) -> None:
        """Give up a twentieth of the groups: those whose last event is oldest."""
        number = max(self._max // 20, 1)
        times = sorted([group.entries[-1][0] for group in self.by_key.values() if group.entries])
        if not times:
            return
        limit = times[min(number, len(times)) - 1]
        oldest = [
            (group.entries[-1][0], key)
            for key, group in self.by_key.items()
            if group.entries and group.entries[-1][0] <= limit
        ]
        if len(oldest) > number:
            oldest.sort()
        for _time, key in oldest[:number]:
            self._drop(key)
            self._losses.add("evicted", rule=self._correlations[key[0]].id)

    def _drop(self, key: Key) -> None:
        group = self.by_key.pop(key)
        if self._on_drop is not None:
            self._on_drop(key, group)

    def sweep(self, now: int, watermark: Callable[[str], int]) -> None:
        """Drop the groups whose windows have passed and that nothing touched for a while.

        Args:
            now: seconds since 1970.
            watermark: of a scope.
        """
        limit = now - _KEEP_SECONDS
        reach = [2 * one.windows.span + one.keeps for one in self._correlations]
        for key in [key for key, mark in self._untouched(limit, watermark) if self._passed(key, mark, reach)]:
            self._drop(key)

    def _untouched(self, limit: int, watermark: Callable[[str], int]) -> Iterator[tuple[Key, int]]:
        marks: dict[str, int] = {}
        for key, group in self.by_key.items():
            if group.touched < limit:
                mark = marks.get(key[1])
                if mark is None:
                    mark = marks[key[1]] = watermark(key[1])
                yield key, mark

    def _passed(self, key: Key, mark: int, reach: Sequence[int]) -> bool:
        entries = self.by_key[key].entries
        return not entries or entries[-1][0] + reach[key[0]] < mark
