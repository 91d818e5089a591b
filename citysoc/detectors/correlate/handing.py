"""From windows that qualify to entries of the correlations that build upon theirs."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from citysoc.detectors.correlate.arranged import CITY
from citysoc.detectors.correlate.due import Due
from citysoc.detectors.correlate.findings import agencies_of, bare

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from citysoc.detectors.correlate.arranged import Correlation, Key, Names, Parent
    from citysoc.detectors.correlate.findings import Told
    from citysoc.detectors.correlate.groups import Group
    from citysoc.detectors.correlate.measures import Entry, Value
    from citysoc.detectors.correlate.waiting import Place, Waiting
    from citysoc.detectors.correlate.windows import Hit

_VALUE = itemgetter(3)


class Turn(NamedTuple):
    """What is put to the groups of a level and scope in one go.

    Args:
        decided: absences are decided whose deadline lies before it.
        before: what correlations hand up from before it need not wait.
        awaited: correlations of which something waits.
        found: what the world is told.
    """

    decided: int
    before: int
    awaited: frozenset[int]
    found: list[Told]


class Handed:
    """What correlations handed to those above them, by level and scope; empty between turns.

    Args:
        correlations: by number.
        waiting: where what is not certain yet waits.
    """

    def __init__(self, correlations: Sequence[Correlation], waiting: Waiting) -> None:
        self._correlations = correlations
        self._waiting = waiting
        self._due: dict[Place, Due] = {}

    def places(self) -> Collection[Place]:
        """Return where something was handed to: levels and scopes."""
        return self._due.keys()

    def taken(self, place: Place) -> Due:
        """Return what was handed to a place; it is there no longer."""
        return self._due.pop(place, None) or Due()

    def up(
        self, one: Correlation, key: Key, group: Group, hits: Sequence[Hit], turn: Turn
    ) -> list[tuple[Correlation, Key, list[Entry], Names]]:
        """Hand windows to the correlations above.

        What lies before the watermark that is worked on comes to the levels above in the same turn, and need not wait.

        Args:
            one: the correlation.
            key: the group's key.
            group: the group.
            hits: in order of time.
            turn: what is worked on.

        Returns:
            What goes into groups above at once, while it is at hand: nothing else comes to them.
        """
        at_once = []
        for parent in one.parents:
            above = self._correlations[parent.number]
            target, entries, written = _made(one, above, parent, key=key, group=group, hits=hits)
            if target[1] == key[1] and hits[-1][0] < turn.before:
                if parent.alone and parent.number not in turn.awaited:
                    at_once.append((above, target, entries, written))
                    continue
                due = self._due.setdefault((above.level, key[1]), Due())
                due.add(target, entries)
                if written != target[2:]:
                    due.spell(target, [(entries[0], written)])
            else:
                self._waiting.add(above.level, target, entries, written)
        return at_once


def _made(
    one: Correlation, above: Correlation, parent: Parent, *, key: Key, group: Group, hits: Sequence[Hit]
) -> tuple[Key, list[Entry], Names]:
    """Return what windows of a correlation are to one above it: the group there, an entry for each, how it is written.

    Args:
        one: the correlation.
        above: the one above it.
        parent: how it builds upon the other.
        key: the group's key.
        group: the group.
        hits: in order of time.
    """
    entries = group.entries
    shown = group.shown or key[2:]
    written = tuple([shown[place] for place in parent.places])
    target = (
        parent.number,
        CITY if above.across else key[1],
        *[key[2 + place] for place in parent.places],
    )
    slot = 0 if above.single else parent.slot
    agency = str(key[1])
    of_group: Value = (
        () if parent.takes in {"", "metric"} else tuple(key[2 + int(p)] for p in parent.takes.split(","))
    )
    # Several correlations, and several groups of one, may hand up the same event at the same time.
    end = "" if parent.alone else f"#{one.number}.{'/'.join(key[1:])}"
    if not one.across and not one.marked and parent.takes != "metric":
        # Most are, and there is one for each event where most events qualify: the entry itself, where it would be made again.
        if parent.alone and one.single and above.single and not above.across and not of_group:
            own = [entries[high - 1] for _time, _low, high, _metric in hits]
            if not any(map(_VALUE, own)):
                return target, own, written
        rest = (slot, of_group, agency) if above.across else (slot, of_group)
        return (
            target,
            [(time, entries[high - 1][1] + end, *rest) for time, _low, high, _metric in hits],
            written,
        )
    found: list[Entry] = []
    for hit in hits:
        time, _low, high, metric = one.windows.sought(entries, hit)
        value: Value = of_group
        if parent.takes == "metric":
            value = (str(metric),) if above.plan["type"] == "value_count" else (metric,)
        if one.across:
            agency = ",".join(agencies_of(one, entries, (hit,)))
        event = entries[high - 1][1]
        name = f"{bare(event) if one.marked else event}{end}"
        found.append((time, name, slot, value, agency) if above.across else (time, name, slot, value))
    return target, found, written
