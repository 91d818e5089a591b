"""The correlator: matches of base rules in any order within their lateness, findings in the order of event time.

Matches wait until the *watermark* of their scope has passed: then nothing earlier can come any more, and they are put
to their groups in order. So the same matches give the same findings, however they are cut into batches or shuffled
within the lateness.

A lane that only joins when its scope is further on (an old file is read, a device sends its backlog) is *behind*: its
matches are put into the groups where they belong, the windows they change are looked at again, and what qualifies now
and did not before is a finding.

Who does what: ``arranged`` knows who builds upon whom, ``lanes`` how far time has come, ``waiting`` holds what it is too
early for, ``due`` puts in order what no longer is, ``groups`` keep the entries, ``windows`` and ``measures`` say which windows qualify, ``absences`` when absence
is certain, ``findings`` makes of windows what the world sees and ``handing`` what others build upon, ``losses`` counts what is left out, ``saving`` turns the
state into rows of which only what changed is written.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from citysoc.detectors.correlate.absences import Deadlines
from citysoc.detectors.correlate.arranged import arranged
from citysoc.detectors.correlate.findings import Teller
from citysoc.detectors.correlate.groups import Groups
from citysoc.detectors.correlate.handing import Handed, Turn
from citysoc.detectors.correlate.lanes import FOREVER, LATENESS_SECONDS, Lanes
from citysoc.detectors.correlate.losses import Losses
from citysoc.detectors.correlate.saving import Ledger, Restored
from citysoc.detectors.correlate.waiting import Waiting

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from citysoc.detectors.correlate.arranged import Correlation, Key, Names
    from citysoc.detectors.correlate.feed import Match
    from citysoc.detectors.correlate.findings import Told
    from citysoc.detectors.correlate.groups import Group
    from citysoc.detectors.correlate.lanes import Clock
    from citysoc.detectors.correlate.losses import Loss
    from citysoc.detectors.correlate.measures import Entry
    from citysoc.detectors.correlate.windows import Hit
    from citysoc.flow import Finding

MAX_WAITING = 250_000
MAX_GROUPS = 1_000_000
MAX_EVENTS = 10_000
_SWEEP_SECONDS = 60
_IN_ORDER = itemgetter(0, 1)


class Correlator:
    """Finds windows that qualify among the matches of base rules. Not for several threads at once.

    Args:
        plans: linked correlations.
        lateness_seconds: an event may come so long after a later one of its lane; None: however late.
        lateness_by_source: the same for sources that differ, by the source's id.
        max_groups: so many groups are kept; beyond, those whose last event is oldest are given up, and counted.
        max_events: so many events a group keeps; beyond, the oldest are given up, and counted.
        max_waiting: so many matches wait; beyond, the older half is judged too early, and counted.
        saves: note what changes, for ``delta``.
        each: a finding for each window that qualifies, not one for those that follow each other.
    """

    def __init__(
        self,
        plans: Sequence[Mapping[str, Any]],
        *,
        lateness_seconds: float | None = LATENESS_SECONDS,
        lateness_by_source: Mapping[str, float] | None = None,
        max_groups: int = MAX_GROUPS,
        max_events: int = MAX_EVENTS,
        max_waiting: int = MAX_WAITING,
        saves: bool = False,
        each: bool = False,
    ) -> None:
        self._correlations = arranged(plans)
        self._by_id = {one.id: one for one in self._correlations}
        self._levels = sorted({one.level for one in self._correlations})
        self._max_events = max_events
        self._max_waiting = max_waiting
        self._tellers = [Teller(one, each=each) for one in self._correlations]
        self._losses = Losses()
        self._lanes = Lanes(lateness_seconds, lateness_by_source or {})
        self._waiting = Waiting(journal=saves)
        self._ledger = Ledger(self._correlations) if saves else None
        self._groups = Groups(
            self._correlations,
            self._losses,
            max_groups=max_groups,
            on_drop=self._ledger.dropped if self._ledger else None,
        )
        self._handed = Handed(self._correlations, self._waiting)
        self._deadlines = Deadlines()
        self._passed: dict[str, int] = {}
        self._swept = 0

    def __len__(self) -> int:
        """Return how many groups are kept."""
        return len(self._groups.by_key)

    @property
    def counts(self) -> Counter[str]:
        """What rules lost since the beginning: late, evicted, truncated, forced (see ``Loss``)."""
        return self._losses.totals()

    @property
    def waiting(self) -> int:
        """How many matches wait for their watermark."""
        return len(self._waiting)

    @property
    def is_waiting(self) -> bool:
        """Whether anything waits for time to pass: matches, or the end of an absence."""
        return len(self._waiting) > 0 or bool(self._deadlines)

    def report(self) -> Mapping[Loss, int]:
        """Return what was left out since the last report."""
        return self._losses.report()

    def feed(self, matches: Iterable[Match], clocks: Iterable[Clock] = ()) -> list[Finding]:
        """Take in matches, and what their batches say of the time; return what is certain now, in order of time.

        Args:
            matches: in the order of their arrival.
            clocks: of the batches that held them, and of batches that held none.
        """
        clocks = tuple(clocks)
        self._lanes.arrived = max(self._lanes.arrived, *(clock.arrived for clock in clocks), 0)
        self._waiting.take(matches, self._by_id, self._lanes, self._losses)
        for clock in clocks:
            self._lanes.hear(clock)
        return self._advance()

    def pass_time(self, now: int) -> list[Finding]:
        """Let time pass without events, so that silent lanes hold nobody up; return what is certain now.

        Args:
            now: the present, seconds since 1970.
        """
        self._lanes.arrived = max(self._lanes.arrived, now)
        return self._advance()

    def finish(self) -> list[Finding]:
        """Return what is left: nothing more comes. Absence is only certain up to the newest event time."""
        return self._advance(until=max(self._lanes.latest, self._waiting.latest) + 1)

    # -- time --------------------------------------------------------------------------------------------------

    def _advance(self, until: int | None = None) -> list[Finding]:
        """Put to their groups what the watermarks have passed, level by level; return the findings."""
        found: list[Told] = []
        marks: dict[str, int] = {}
        for level in self._levels:
            places = {*self._waiting.places(), *self._handed.places(), *self._deadlines.places()}
            for scope in sorted(scope for at, scope in places if at == level):
                mark = marks.get(scope)
                if mark is None:
                    mark = marks[scope] = self._lanes.watermark(scope) if until is None else until
                found += self._release(level, scope, mark)
        if len(self._waiting) > self._max_waiting:
            found += self._force()
        for scope, mark in marks.items():
            self._passed[scope] = max(mark, self._passed.get(scope, -FOREVER))
        if self._lanes.arrived - self._swept >= _SWEEP_SECONDS:
            self._swept = self._lanes.arrived
            self._groups.sweep(self._swept, lambda scope: marks.get(scope) or self._lanes.watermark(scope))
            self._lanes.forget_old()
        found.sort(key=_IN_ORDER)
        return [finding for _time, _key, finding in found]

    def _force(self) -> list[Told]:
        """Release the older half of what waits: better too early than without end."""
        found: list[Told] = []
        for level, scope in sorted(self._waiting.places()):
            if (level, scope) in self._waiting.places():
                middle = self._waiting.middle((level, scope))
                found += self._release(level, scope, middle + 1, forced=True)
        return found

    def _release(self, level: int, scope: str, mark: int, *, forced: bool = False) -> list[Told]:
        """Put what waits at a place and is from before a watermark to its groups; return what qualifies."""
        found: list[Told] = []
        decided = max(mark, self._passed.get(scope, -FOREVER))
        again: set[tuple[Key, int]] = set()
        due = self._handed.taken((level, scope))
        self._waiting.release((level, scope), mark, due)
        turn = Turn(decided, -FOREVER if forced else mark, self._waiting.awaited(scope), found)
        for key, items in due.in_order():
            one = self._correlations[key[0]]
            if forced:
                self._losses.add("forced", rule=one.id, number=len(items))
            hits = self._let_in(one, key, items, due.shown(key), turn)
            if hits and one.windows.absences:
                again.update((key, hit[0]) for hit in hits)
        self._decide(level, scope, again, turn)
        return found

    # -- groups ------------------------------------------------------------------------------------------------

    def _let_in(
        self, one: Correlation, key: Key, items: list[Entry], shown: Names | None, turn: Turn
    ) -> list[Hit]:
        """Let a group's matches in; return what qualifies."""
        now = self._lanes.arrived
        group = self._groups.by_key.get(key)
        if group is None:
            group = self._groups.open(key, shown, now)
        group.touched = now
        if group.entries and items[0][0] <= group.entries[-1][0]:
            hits, undecided = group.put_behind(one, items, turn.decided), turn.decided - one.windows.span
        else:
            hits, undecided = group.put(one, items), items[0][0]
        above = self._qualified(one, key, group, hits, turn) if hits else ()
        self._settle(one, key, group, items, undecided)
        for taker, target, entries, written in above:
            self._let_in(taker, target, entries, written if written != target[2:] else None, turn)
        return hits

    def _settle(
        self, one: Correlation, key: Key, group: Group, items: Sequence[Entry], undecided: int
    ) -> None:
        """Note what is to be decided of a group that changed, forget what no window reaches, have it saved."""
        span = one.windows.span
        front = items[-1][0] - span
        if one.windows.absences:
            self._deadlines.note(one.level, key, one.windows, group.entries, undecided)
            # What is not decided yet must stay.
            front = min(front, self._passed.get(key[1], -FOREVER), undecided + span)
        oldest, entries = front - one.keeps - span, group.entries
        if entries[0][0] < oldest or len(entries) > self._max_events:
            lost = group.prune(oldest, span, self._max_events)
            if lost:
                self._losses.add("truncated", rule=one.id, number=lost)
        if self._ledger is not None:
            self._ledger.changed.add(key)

    def _decide(self, level: int, scope: str, again: set[tuple[Key, int]], turn: Turn) -> None:
        """Decide the absences whose deadline lies before a watermark.

        A window that ends and an absence that is certain may fall on the same moment: one of them is enough, so what
        was told already is in ``again``.
        """
        decided = turn.decided
        for deadline, key in list(self._deadlines.passed((level, scope), decided)):
            one = self._correlations[key[0]]
            group = self._groups.by_key.get(key)
            if group is None:
                continue
            span = one.windows.span
            hits = one.windows.absent(group.entries, deadline - span, decided - 1 - span)
            if again:
                hits = [hit for hit in hits if (key, hit[0]) not in again]
            if hits:
                self._qualified(one, key, group, hits, turn)
            self._deadlines.note(level, key, one.windows, group.entries, decided - span)

    def _qualified(
        self, one: Correlation, key: Key, group: Group, hits: Sequence[Hit], turn: Turn
    ) -> Sequence[tuple[Correlation, Key, list[Entry], Names]]:
        """Tell the world of windows that qualify; return what goes into groups above at once."""
        if not one.quiet:
            turn.found.extend(self._tellers[one.number].told(key, group, hits))
        return self._handed.up(one, key, group, hits, turn) if one.parents else ()

    # -- state -------------------------------------------------------------------------------------------------

    def delta(self) -> dict[str, bytes | None]:
        """Return what of the state changed since the last call: name to content, None for what is gone."""
        if self._ledger is None:
            return {}
        times = (self._lanes.arrived, self._swept)
        return self._ledger.rows(self._groups.by_key, self._lanes, self._waiting, self._passed, times)

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Go on from a state that ``delta`` gave, piece by piece; what belongs to other rules is left out."""
        saved = Restored(rows, self._correlations)
        for _name, (arrived, swept) in saved.of("g"):
            self._lanes.arrived, self._swept = arrived, swept
        self._passed.update(saved.of("s"))
        for name, lane in saved.of("l"):
            self._lanes.restore(name, lane)
        self._waiting.restore(saved.waiting())
        for one, key, group in saved.groups():
            self._groups.by_key[key] = group
            if one.windows.absences:
                undecided = self._passed.get(key[1], -FOREVER) - one.windows.span
                self._deadlines.note(one.level, key, one.windows, group.entries, undecided)
        if self._ledger is not None:
            for name in saved.useless:
                self._ledger.useless(name)
