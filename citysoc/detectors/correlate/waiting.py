"""Matches that wait until their watermark has passed: then nothing earlier can come any more."""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

from citysoc.detectors.correlate.arranged import CITY
from citysoc.detectors.correlate.lanes import FOREVER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from citysoc.detectors.correlate.arranged import Correlation, Key
    from citysoc.detectors.correlate.feed import Match
    from citysoc.detectors.correlate.lanes import Lanes
    from citysoc.detectors.correlate.losses import Losses
    from citysoc.detectors.correlate.measures import Value

Item: TypeAlias = "tuple[int, str, Key, int, Value, tuple[str, ...], str]"
"""What a match says: time, event, group, slot, value, the group as it is written, the agency. In this order matches are
put to their groups: items that differ only later are one entry."""
Held: TypeAlias = "tuple[int, str, Key, int, Value, tuple[str, ...], str, int]"
"""An item that waits: it has a number of its own."""
Place: TypeAlias = "tuple[int, str]"
"""Where matches wait: the level of their correlation, and its scope."""
_TIME = itemgetter(0)


def _first_time(group: tuple[Key, list[Held]]) -> int:
    return group[1][0][0]


class Waiting:
    """The matches that wait, by level and scope.

    Args:
        journal: note what comes and goes, for ``changes``.
    """

    def __init__(self, *, journal: bool) -> None:
        self._lists: dict[Place, list[Held]] = {}
        self._count = 0
        self._number = -1
        self._journal = journal
        self._came: list[Held] = []
        self._went: list[int] = []

    def __len__(self) -> int:
        """Return how many wait."""
        return self._count

    def places(self) -> Collection[Place]:
        """Return where matches wait."""
        return self._lists.keys()

    @property
    def latest(self) -> int:
        """The latest time of a match that waits."""
        return max((item[0] for held in self._lists.values() for item in held), default=0)

    def take(
        self, matches: Iterable[Match], correlations: Mapping[str, Correlation], lanes: Lanes, losses: Losses
    ) -> None:
        """Let matches wait, but for those that come too late."""
        newest = lanes.arrived * 1_000_000 + 999_999 if lanes.arrived else FOREVER
        late: set[tuple[str, str]] = set()
        lane, name = None, ""
        append, last, at = None, "", ""
        prefix: Key = ()
        single = False
        number = first = self._number
        came: list[Held] = []
        for rule, slot, time, event, agency, group, shown, value, came_along in matches:
            if append is None or rule != last or agency != at:
                one = correlations.get(rule)
                if one is None:  # a worker began with other rules
                    losses.add("unknown", rule=rule)
                    continue
                last, at, single = rule, agency, one.single
                prefix = (one.number, CITY if one.across else agency)
                append = self._lists.setdefault((one.level, prefix[1]), []).append
            if lane is None or came_along != name:
                name, lane = came_along, lanes.get(came_along, agency)
            if time > lane.latest:
                lane.latest = min(time, newest)
            elif time < lane.latest - lane.lateness:
                losses.add("late", rule=rule)
                late.add((lane.stream, event))
                continue
            number += 1
            # Plain tuples, and keys made of two: this is done for every match.
            item = (time, event, prefix + group, 0 if single else slot, value, shown, agency, number)
            append(item)
            if self._journal:
                came.append(item)
        self._came += came
        self._number = number
        self._count += number - first
        for stream, _event in late:
            losses.add("late", stream=stream)

    def add(self, level: int, items: Sequence[Item]) -> None:
        """Let what one group of a correlation found wait for those above it.

        Args:
            level: of the correlation above.
            items: of one group of it.
        """
        if not items:
            return
        held: list[Held] = [(*item, number) for number, item in enumerate(items, self._number + 1)]
        self._number += len(held)
        self._count += len(held)
        self._lists.setdefault((level, held[0][2][1]), []).extend(held)
        if self._journal:
            self._came += held

    def release(self, place: Place, mark: int) -> dict[Key, list[Held]]:
        """Return the matches from before a watermark, which wait no longer: by group, each in order."""
        held = self._lists.get(place, ())
        gone = [item for item in held if item[0] < mark]
        if not gone:
            return {}
        if len(gone) == len(held):
            del self._lists[place]
        else:
            self._lists[place] = [item for item in held if item[0] >= mark]
        if self._journal:
            self._went += [item[7] for item in gone]
        self._count -= len(gone)
        groups: defaultdict[Key, list[Held]] = defaultdict(list)
        for item in gone:
            groups[item[2]].append(item)
        # Many short lists are sorted sooner than one that is long.
        for key, items in groups.items():
            if len(items) > 1:
                items.sort(key=_TIME)
                if len(set(map(_TIME, items))) < len(items):
                    groups[key] = _each_once(items)
        return dict(sorted(groups.items(), key=_first_time))

    def middle(self, place: Place) -> int:
        """Return the time up to which the older half of what waits at a place lies."""
        held = self._lists[place]
        held.sort(key=_TIME)
        return held[len(held) // 2][0]

    def changes(self) -> tuple[list[Held], list[int]]:
        """Return what came since the last call, and the numbers of what went."""
        came, went, self._came, self._went = self._came, self._went, [], []
        return came, went

    def restore(self, level: int, item: Held) -> None:
        """Put a match back."""
        self._lists.setdefault((level, item[2][1]), []).append(item)
        self._count += 1

    def resume(self, number: int) -> None:
        """Give numbers from here on."""
        self._number = number - 1


def _each_once(items: list[Held]) -> list[Held]:
    """Return the items of one group in their order, those that say the same only once."""
    items.sort()
    return [item for place, item in enumerate(items) if not place or item[:5] != items[place - 1][:5]]
