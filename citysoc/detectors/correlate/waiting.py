"""Matches that wait until their watermark has passed: then nothing earlier can come any more.

They wait in *lots*, of which each holds what came together: lists of entries by group, so that what is released together
needs not be sorted apart again, and goes to its groups as it lies here.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, TypeAlias

from citysoc.detectors.correlate.arranged import CITY
from citysoc.detectors.correlate.lanes import FOREVER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from citysoc.detectors.correlate.arranged import Correlation, Key, Names
    from citysoc.detectors.correlate.due import Due
    from citysoc.detectors.correlate.feed import Match
    from citysoc.detectors.correlate.lanes import Lane, Lanes
    from citysoc.detectors.correlate.losses import Losses
    from citysoc.detectors.correlate.measures import Entry

Place: TypeAlias = "tuple[int, str]"
"""Where matches wait: the level of their correlation, and its scope."""
PAGE = 64
"""What comes later joins the last lot of its place until that has so many entries."""
_LANE, _NUMBER, _TIME = itemgetter(8), attrgetter("number"), itemgetter(2)


class Lot:
    """Entries that came to wait together at one place.

    Args:
        number: its own.
        place: where they wait.
    """

    __slots__ = (
        *(
            "counted",
            "first",
            "groups",
            "is_fresh",
            "is_marked",
            "is_saved",
            "last",
            "mark",
            "number",
            "place",
        ),
        *("size", "written"),
    )

    def __init__(self, number: int, place: Place) -> None:
        self.number = number
        self.place = place
        self.groups: dict[int, dict[Names, list[Entry]]] = {}
        """Correlation to group to its entries."""
        self.written: dict[int, dict[Names, list[tuple[Entry, Names]]]] = {}
        """Of entries whose event writes its group otherwise than the group is called: how."""
        self.size = self.counted = 0
        """How many entries it holds, and held when they were last counted."""
        self.first, self.last = FOREVER, -FOREVER
        """No entry is from before the one, none from after the other."""
        self.mark = -FOREVER
        """What was from before it is released."""
        self.is_fresh = self.is_saved = self.is_marked = False
        """Whether something joined since it was saved; whether it is saved, and a mark beside it. See ``saving``."""

    def add(self, number: int, group: Names, entries: Sequence[Entry], written: Names) -> None:
        """Let entries of one group wait, in order of time."""
        self.groups.setdefault(number, {}).setdefault(group, []).extend(entries)
        if written != group:
            known = self.written.setdefault(number, {}).setdefault(group, [])
            known.extend([(entry, written) for entry in entries])
        self.size += len(entries)

    def stretch(self, first: int, last: int) -> None:
        """Take note of the times of what joined."""
        self.first, self.last = min(self.first, first), max(self.last, last)

    def cut(self, mark: int, due: Due) -> None:
        """Hand out what is from before a watermark, and keep the rest."""
        gone, scope = 0, self.place[1]
        for number, groups in self.groups.items():
            emptied = []
            for group, entries in groups.items():
                if len(entries) > 1:
                    entries.sort()
                if entries[0][0] >= mark:
                    continue
                place = bisect_left(entries, (mark,)) if entries[-1][0] >= mark else len(entries)
                gone += place
                if place == len(entries):
                    due.add((number, scope, *group), entries)
                    emptied.append(group)
                else:
                    due.add((number, scope, *group), entries[:place])
                    groups[group] = entries[place:]
            for group in emptied:
                del groups[group]
        for number, spelled in self.written.items():
            for group, pairs in list(spelled.items()):
                due.spell((number, scope, *group), [pair for pair in pairs if pair[0][0] < mark])
                spelled[group] = [pair for pair in pairs if pair[0][0] >= mark]
        self.size -= gone
        self.first, self.mark = mark, max(mark, self.mark)

    def hand_out(self, due: Due) -> None:
        """Hand out everything."""
        scope = self.place[1]
        for number, groups in self.groups.items():
            for group, entries in groups.items():
                due.add((number, scope, *group), entries)
        for number, spelled in self.written.items():
            for group, pairs in spelled.items():
                due.spell((number, scope, *group), pairs)

    def times(self) -> list[int]:
        """Return the times of all entries."""
        return [entry[0] for groups in self.groups.values() for some in groups.values() for entry in some]


def _in_time(matches: Sequence[Match], lane: Lane, newest: int) -> tuple[list[Match], list[Match]]:
    """Return which matches of a lane come in time, and which come too late."""
    latest, lateness = lane.latest, lane.lateness
    good: list[Match] = []
    late: list[Match] = []
    for match in matches:
        latest = max(latest, min(match.time, newest))
        (good if match.time >= latest - lateness else late).append(match)
    return good, late


class Waiting:
    """The matches that wait, by level and scope.

    Args:
        journal: note what changes, for ``changes``.
    """

    def __init__(self, *, journal: bool) -> None:
        self._lots: dict[Place, list[Lot]] = {}
        self._count = 0
        self._number = 0
        self._journal = journal
        self._changed: set[Lot] = set()

    def __len__(self) -> int:
        """Return how many wait."""
        return self._count

    def places(self) -> Collection[Place]:
        """Return where matches wait."""
        return self._lots.keys()

    @property
    def latest(self) -> int:
        """The latest time of a match that waits."""
        return max((max(lot.times()) for lots in self._lots.values() for lot in lots), default=0)

    def take(
        self, matches: Iterable[Match], correlations: Mapping[str, Correlation], lanes: Lanes, losses: Losses
    ) -> None:
        """Let matches wait, but for those that come too late."""
        newest = lanes.arrived * 1_000_000 + 999_999 if lanes.arrived else FOREVER
        late: set[tuple[str, str]] = set()
        for name, run in groupby(matches, key=_LANE):
            some = list(run)
            lane = lanes.get(name, some[0].agency)
            times = list(map(_TIME, some))
            if min(times) < max(min(max(times), newest), lane.latest) - lane.lateness:
                some, behind = _in_time(some, lane, newest)
                times = list(map(_TIME, some))
                for match in behind:
                    losses.add("late", rule=match.correlation)
                    late.add((lane.stream, match.event))
            if some:
                first, last = min(times), max(times)
                lane.latest = max(lane.latest, min(last, newest))
                self._let_wait(some, correlations, losses, first, last)
        for stream, _event in late:
            losses.add("late", stream=stream)

    def _let_wait(
        self,
        matches: Sequence[Match],
        correlations: Mapping[str, Correlation],
        losses: Losses,
        first: int,
        end: int,
    ) -> None:
        ways: dict[tuple[str, str], _Way] = {}
        way = _Way(None, Lot(-1, (0, "")))
        last, at, taken = None, "", 0
        for rule, slot, time, event, agency, group, shown, value, _lane in matches:
            if rule != last or agency != at:
                way.lot.size += taken
                last, at, taken = rule, agency, 0
                if (rule, agency) not in ways:
                    ways[rule, agency] = self._way(correlations.get(rule), agency)
                way = ways[rule, agency]
                single, across, groups, get = way.single, way.across, way.groups, way.groups.get
            taken += 1
            # Plain tuples, which become the entries of their group as they are: this is done for every match.
            entry: Entry = (time, event, 0 if single else slot, value)
            if across:
                entry += (agency,)
            known = get(group)
            if known is None:
                groups[group] = [entry]
            else:
                known.append(entry)
            if shown != group:
                way.spell(group, entry, shown)
        way.lot.size += taken
        for (rule, _agency), one in ways.items():
            if one.number < 0:  # a worker began with other rules
                losses.add("unknown", rule=rule, number=one.lot.size)
        self._joined({way.lot for way in ways.values() if way.number >= 0}, first, end)

    def _way(self, one: Correlation | None, agency: str) -> _Way:
        if one is None:
            return _Way(None, Lot(-1, (0, "")))
        return _Way(one, self._lot((one.level, CITY if one.across else agency)))

    def _lot(self, place: Place) -> Lot:
        """Return the lot that what comes to a place joins."""
        lots = self._lots.setdefault(place, [])
        if not lots or lots[-1].size >= PAGE:
            lots.append(Lot(self._number, place))
            self._number += 1
        return lots[-1]

    def _joined(self, lots: Iterable[Lot], first: int, last: int) -> None:
        """Take note of lots that something joined."""
        for lot in lots:
            self._count += lot.size - lot.counted
            lot.counted = lot.size
            lot.stretch(first, last)
            lot.is_fresh = True
            if self._journal:
                self._changed.add(lot)

    def add(self, level: int, key: Key, entries: Sequence[Entry], written: Names) -> None:
        """Let what a correlation found wait for one above it.

        Args:
            level: of the correlation above.
            key: the group of it.
            entries: in order of time.
            written: how its values are written.
        """
        number, scope, *group = key
        lot = self._lot((level, scope))
        lot.add(number, tuple(group), entries, written)
        self._joined([lot], entries[0][0], entries[-1][0])

    def release(self, place: Place, mark: int, due: Due) -> None:
        """Release what is from before a watermark."""
        kept = []
        for lot in self._lots.get(place, ()):
            if lot.first >= mark:
                kept.append(lot)
                continue
            if lot.last < mark:
                lot.hand_out(due)
                lot.size = 0
            else:
                lot.cut(mark, due)
                if lot.size:
                    kept.append(lot)
            self._count -= lot.counted - lot.size
            lot.counted = lot.size
            if self._journal:
                self._changed.add(lot)
        if kept:
            self._lots[place] = kept
        else:
            self._lots.pop(place, None)

    def awaited(self, scope: str) -> frozenset[int]:
        """Return the correlations of which something waits in a scope."""
        lots = (lot for (_level, at), some in self._lots.items() if at == scope for lot in some)
        return frozenset(number for lot in lots for number, groups in lot.groups.items() if groups)

    def middle(self, place: Place) -> int:
        """Return the time up to which the older half of what waits at a place lies."""
        times = sorted(time for lot in self._lots[place] for time in lot.times())
        return times[len(times) // 2]

    def changes(self) -> list[Lot]:
        """Return the lots that changed since the last call; what holds nothing is gone."""
        changed = sorted(self._changed, key=_NUMBER)
        self._changed.clear()
        return changed

    def restore(self, lots: Sequence[Lot]) -> None:
        """Put lots back; those with the number -1 get new ones."""
        self._number = max((lot.number + 1 for lot in lots), default=0)
        for lot in sorted(lots, key=_NUMBER):
            if lot.number < 0:
                lot.number = self._number
                self._number += 1
            if lot.is_fresh and self._journal:
                self._changed.add(lot)
            self._lots.setdefault(lot.place, []).append(lot)
            lot.counted = lot.size
            self._count += lot.size


class _Way:
    """Where the matches of one correlation and one agency go; nowhere, where nobody knows the correlation."""

    __slots__ = ("across", "groups", "lot", "number", "single")

    def __init__(self, one: Correlation | None, lot: Lot) -> None:
        self.number = -1 if one is None else one.number
        self.single = one is None or one.single
        self.across = one is not None and one.across
        self.lot = lot
        self.groups = lot.groups.setdefault(self.number, {})

    def spell(self, group: Names, entry: Entry, written: Names) -> None:
        """Note how an event writes its group."""
        self.lot.written.setdefault(self.number, {}).setdefault(group, []).append((entry, written))
