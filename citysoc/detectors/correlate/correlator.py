"""The correlator: matches of base rules in any order within their lateness, findings in the order of event time.

Matches wait until the *watermark* of their scope has passed: then nothing earlier can come any more, and they
are put to their keys in order. The watermark of a lane (a file or a listener of a stream) is the newest event
time it told of, less the lateness; the watermark of a scope (an agency, or the whole city for correlations
across agencies) is the earliest of its lanes, but for those that fell silent. So the same matches give the same
findings, however they are cut into batches or shuffled within the lateness.

A lane that only joins when its scope is further on (an old file is read, a device sends its backlog) is
*behind*: its matches are put into the keys where they belong, the windows they change are looked at again, and
what qualifies now and did not before is a finding.

The state is a mapping of texts to bytes, of which ``delta`` gives what changed: it can be kept in a database, row by row.
"""

from __future__ import annotations

import bisect
import datetime as dt
import heapq
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import orjson

from citysoc.detectors.correlate.windows import COUNTED, Windows
from citysoc.flow import UNKNOWN_AGENCY, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from citysoc.detectors.correlate.feed import Match
    from citysoc.detectors.correlate.windows import Entry, Hit, Measure, Value

Counts: TypeAlias = "Counter[str]"
_Key: TypeAlias = "tuple[str, ...]"
_Held: TypeAlias = "tuple[int, str, int, int, _Key, Value, tuple[str, ...]]"
"""A match that waits: time, event, correlation's number, slot, key, value, the key as it is written."""

CITY = "*"
"""The scope of correlations across agencies."""
MAX_WAITING = 250_000
MAX_LANES = 20_000
_KEEP_SECONDS = 3600
"""A key whose windows have passed is kept for so long after it was last touched: a backlog may still reach it."""
_SWEEP_SECONDS = 60
_LANE_SECONDS = 2 * 86_400
_SAMPLE = 5
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LAST = dt.datetime.max.replace(tzinfo=dt.UTC)
_FOREVER = 1 << 62
_KINDS = {
    **dict.fromkeys(("host.name", "observer.name", "log.syslog.hostname"), "host"),
    **dict.fromkeys(("source.ip", "destination.ip", "client.ip", "server.ip", "host.ip"), "ip"),
    **dict.fromkeys(("user.name", "user.target.name", "winlog.event_data.TargetUserName"), "user"),
    "url.domain": "domain",
    "threat.software.name": "malware",
    "file.hash.sha256": "file",
}
"""What a field names, as an alert's entity says it."""


class Clock(NamedTuple):
    """What a batch says of the time, whether or not anything in it matched.

    Args:
        lane: what it came along, as in ``Match``.
        agency: whose it is.
        event: its newest event time, microseconds since 1970.
        arrived: when it arrived, seconds since 1970.
    """

    lane: str
    agency: str
    event: int
    arrived: int


class _Lane:
    __slots__ = ("agency", "arrived", "latest")

    def __init__(self, agency: str, latest: int, arrived: int) -> None:
        self.agency = agency
        self.latest = latest
        self.arrived = arrived


class _State:
    """One key of one correlation: its entries in order, and what is derived from them while it is busy."""

    __slots__ = ("entries", "low", "measure", "shown", "touched")

    def __init__(self, shown: tuple[str, ...], touched: int) -> None:
        self.entries: list[Entry] = []
        self.shown = shown
        self.touched = touched
        self.measure: Measure | None = None
        self.low = 0


@dataclass(slots=True)
class _Correlation:
    """A correlation at work.

    Args:
        number: its place.
        plan: what it asks for.
        windows: its windows.
        level: 0 over rules alone, 1 over correlations of level 0, and so on.
        single: every entry counts for itself, whatever rule it comes from.
        chained: it builds upon other correlations.
        parents: (correlation's number, slot, what to take as value) of the correlations built upon it.
        keys: its state.
    """

    number: int
    plan: Mapping[str, Any]
    windows: Windows
    level: int
    single: bool
    chained: bool
    parents: list[tuple[int, int, str, tuple[int, ...]]]
    keys: dict[_Key, _State]


class _Emission(NamedTuple):
    time: int
    number: int
    key: _Key
    event: str
    finding: Finding
    metric: float


class Correlator:
    """Finds windows that qualify among the matches of base rules. Not for several threads at once.

    Args:
        plans: linked correlations.
        lateness_seconds: an event may come so long after a later one of its lane; None: however late.
        max_keys: so many keys are kept; beyond, those whose last event is oldest are given up, and counted.
        max_events: so many events a key keeps; beyond, the oldest are given up, and counted.
        saves: note what changes, for ``delta``.
    """

    def __init__(
        self,
        plans: Sequence[Mapping[str, Any]],
        *,
        lateness_seconds: float | None = 600,
        max_keys: int = 1_000_000,
        max_events: int = 10_000,
        saves: bool = False,
    ) -> None:
        self._lateness = _FOREVER if lateness_seconds is None else int(lateness_seconds * 1_000_000)
        self._idle_seconds = math.inf if lateness_seconds is None else max(lateness_seconds, 1)
        self._max_keys = max_keys
        self._max_events = max_events
        self._lanes: dict[str, _Lane] = {}
        self._scopes: dict[str, dict[str, _Lane]] = {CITY: self._lanes}
        self._waiting: dict[tuple[int, str], list[_Held]] = {}
        self._waiting_count = 0
        self._passed: dict[str, int] = {}
        self._due: dict[tuple[int, str], list[tuple[int, int, _Key]]] = {}
        self._arrived = 0
        self._swept = 0
        self._count = 0
        self._saves = saves
        self._changed: set[tuple[int, _Key]] = set()
        self._held: list[_Held] = []
        self._let_go: list[_Held] = []
        self._kept: dict[str, bytes] = {}
        self._delta: dict[str, bytes | None] = {}
        self.counts: Counts = Counter()
        """late, evicted (keys), truncated (events of a key), forced (matches that could wait no longer)."""
        self.reported: Counts = Counter()
        self._correlations = _arranged(plans)
        self._numbers = {str(c.plan["id"]): c.number for c in self._correlations}
        self._absences = any(one.windows.absences for one in self._correlations)
        self._levels = sorted({c.level for c in self._correlations})

    def __len__(self) -> int:
        """Return how many keys are kept."""
        return self._count

    @property
    def waiting(self) -> int:
        """How many matches wait for their watermark."""
        return self._waiting_count

    @property
    def is_waiting(self) -> bool:
        """Whether anything waits for time to pass: matches, or the end of an absence."""
        return self._waiting_count > 0 or bool(self._due)

    def report(self) -> dict[str, int]:
        """Return what was given up since the last report: late matches, keys and events beyond the bounds."""
        news = {name: number - self.reported[name] for name, number in self.counts.items()}
        self.reported = Counter(self.counts)
        return {name: number for name, number in news.items() if number}

    def feed(self, matches: Iterable[Match], clocks: Iterable[Clock] = ()) -> list[Finding]:
        """Take in matches, and what their batches say of the time; return what is certain now, in order of time.

        Args:
            matches: in the order of their arrival.
            clocks: of the batches that held them, and of batches that held none.
        """
        clocks = tuple(clocks)
        self._arrived = max(self._arrived, *(clock.arrived for clock in clocks), 0)
        self._hold(matches)
        for clock in clocks:
            lane = self._lane(clock.lane, clock.agency)
            lane.arrived = max(lane.arrived, clock.arrived)
            lane.latest = max(lane.latest, min(clock.event, clock.arrived * 1_000_000 + 999_999))
        return self._advance()

    def pass_time(self, now: int) -> list[Finding]:
        """Let time pass without events, so that silent lanes hold nobody up; return what is certain now.

        Args:
            now: the present, seconds since 1970.
        """
        self._arrived = max(self._arrived, now)
        return self._advance()

    def finish(self) -> list[Finding]:
        """Return what is left: nothing more comes. Absence is only certain up to the newest event time."""
        latest = max((lane.latest for lane in self._lanes.values()), default=0)
        for held in self._waiting.values():
            latest = max(latest, max((item[0] for item in held), default=0))
        return self._advance(until=latest + 1)

    # -- time --------------------------------------------------------------------------------------------------

    def _lane(self, name: str, agency: str) -> _Lane:
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane(agency, -_FOREVER, self._arrived)
            self._scopes.setdefault(agency, {})[name] = lane
            if len(self._lanes) > MAX_LANES:
                self._forget_lanes()
        return lane

    def _forget_lanes(self) -> None:
        """Forget a tenth of the lanes: those that told nothing for the longest time."""
        oldest = sorted(self._lanes, key=lambda name: (self._lanes[name].arrived, name))
        for name in oldest[: MAX_LANES // 10]:
            agency = self._lanes.pop(name).agency
            self._scopes.get(agency, {}).pop(name, None)
            self._keep(f"l{name}", None)

    def _watermark(self, scope: str) -> int:
        """Return the time before which a scope's events are all there."""
        lanes = self._scopes.get(scope, {}).values()
        awake = [lane.latest for lane in lanes if self._arrived - lane.arrived < self._idle_seconds]
        if awake:
            return min(awake) - self._lateness
        if not lanes:
            return -_FOREVER
        silence = self._arrived - max(lane.arrived for lane in lanes)
        return max(lane.latest for lane in lanes) + int(silence * 1_000_000) - self._lateness

    # -- matches that wait -------------------------------------------------------------------------------------

    def _hold(self, matches: Iterable[Match]) -> None:
        correlations, numbers, waiting = self._correlations, self._numbers, self._waiting
        lateness = self._lateness
        newest = self._arrived * 1_000_000 + 999_999 if self._arrived else _FOREVER
        name, lane = "", None
        for correlation, slot, time, event, agency, group, shown, value, came_along in matches:
            number = numbers.get(correlation)
            if number is None:  # a worker began with other rules
                self.counts["unknown"] += 1
                continue
            if lane is None or came_along != name:
                name, lane = came_along, self._lane(came_along, agency)
            if time < lane.latest - lateness:
                self.counts["late"] += 1
                continue
            if time > lane.latest:
                lane.latest = min(time, newest)
            one = correlations[number]
            scope = CITY if one.plan["across_agencies"] else agency
            held = (time, event, number, 0 if one.single else slot, (scope, *group), value, shown)
            place = (one.level, scope)
            try:
                waiting[place].append(held)
            except KeyError:
                waiting[place] = [held]
            self._waiting_count += 1
            if self._saves:
                self._held.append(held)

    def _advance(self, until: int | None = None) -> list[Finding]:
        """Put to their keys what the watermarks have passed, level by level; return the findings."""
        emissions: list[_Emission] = []
        marks: dict[str, int] = {}
        for level in self._levels:
            for scope in sorted({scope for at, scope in (*self._waiting, *self._due) if at == level}):
                mark = marks.get(scope)
                if mark is None:
                    mark = marks[scope] = self._watermark(scope) if until is None else until
                emissions += self._release(level, scope, mark)
        if self._waiting_count > MAX_WAITING:
            emissions += self._force()
        for scope, mark in marks.items():
            self._passed[scope] = max(mark, self._passed.get(scope, -_FOREVER))
        self._sweep(marks)
        emissions.sort()  # by time, correlation and key, of which there is one each
        correlations = self._correlations
        return [e.finding for e in emissions if not correlations[e.number].plan["quiet"]]

    def _force(self) -> list[_Emission]:
        """Release the older half of what waits: better too early than without end."""
        emissions: list[_Emission] = []
        for level, scope in sorted(self._waiting):
            held = self._waiting.get((level, scope))
            if held:
                held.sort()
                before = self._waiting_count
                emissions += self._release(level, scope, held[len(held) // 2][0] + 1)
                self.counts["forced"] += before - self._waiting_count
        return emissions

    def _release(self, level: int, scope: str, mark: int) -> list[_Emission]:
        held = self._waiting.get((level, scope))
        groups: dict[tuple[int, _Key], list[_Held]] = {}
        if held:
            held.sort()
            place = bisect.bisect_left(held, (mark,))
            for item in held[:place]:
                try:
                    groups[item[2], item[4]].append(item)
                except KeyError:
                    groups[item[2], item[4]] = [item]
            if self._saves:
                self._let_go += held[:place]
            del held[:place]
            self._waiting_count -= place
            if not held:
                del self._waiting[level, scope]
        emissions: list[_Emission] = []
        decided = max(mark, self._passed.get(scope, -_FOREVER))
        for (number, key), items in groups.items():
            emissions += self._put(self._correlations[number], key, items, decided)
        emissions += self._deadlines(level, scope, mark)
        # A window that ends and an absence that is certain may fall on the same moment: one of them is enough.
        if self._absences:
            emissions = list({(e.time, e.number, e.key): e for e in reversed(emissions)}.values())[::-1]
        if emissions:
            self._hand_up(emissions)
        return emissions

    # -- keys --------------------------------------------------------------------------------------------------

    def _put(self, one: _Correlation, key: _Key, items: Sequence[_Held], mark: int) -> list[_Emission]:
        """Let a key's matches in, in order; return what qualifies.

        Args:
            one: the correlation.
            key: the key.
            items: its matches, in order.
            mark: absences are decided whose deadline lies before it.
        """
        state = one.keys.get(key)
        if state is None:
            # A group is shown as its first event writes it: the same, however matches are cut into batches.
            state = one.keys[key] = _State(items[0][6], self._arrived)
            self._count += 1
            if self._count > self._max_keys:
                self._evict()
        state.touched = self._arrived
        if state.entries and items[0][0] <= state.entries[-1][0]:
            hits = _put_behind(one.windows, state, items, mark)
            since = mark - one.windows.span
        else:
            hits = _put_in_order(one.windows, state, items, mark)
            since = max(mark - one.windows.span, items[0][0])
        emissions = self._emissions(one, key, state, hits) if hits else []
        if one.windows.absences:
            self._note_deadlines(one, key, state.entries, since)
        front = items[-1][0] - one.windows.span
        if one.windows.absences:  # what is not decided yet must stay
            front = min(front, self._passed.get(key[0], -_FOREVER))
        self._prune(one, state, front)
        if self._saves:
            self._changed.add((one.number, key))
        return emissions

    def _note_deadlines(self, one: _Correlation, key: _Key, entries: Sequence[Entry], since: int) -> None:
        slots = {slot for pos, _neg in one.windows.absences for slot in pos}
        heap = self._due.setdefault((one.level, key[0]), [])
        for place in range(bisect.bisect_left(entries, (since,)), len(entries)):
            if entries[place][2] in slots:
                heapq.heappush(heap, (entries[place][0] + one.windows.span, one.number, key))

    def _deadlines(self, level: int, scope: str, mark: int) -> list[_Emission]:
        """Decide the absences whose deadline lies before a watermark."""
        heap = self._due.get((level, scope))
        if not heap:
            return []
        due: set[tuple[int, int, _Key]] = set()
        while heap and heap[0][0] < mark:
            due.add(heapq.heappop(heap))
        if not heap:
            del self._due[level, scope]
        emissions = []
        for deadline, number, key in sorted(due):
            one = self._correlations[number]
            anchor = deadline - one.windows.span
            if (state := one.keys.get(key)) is not None:
                hits = one.windows.absent(state.entries, anchor, anchor)
                emissions += self._emissions(one, key, state, hits)
        return emissions

    def _prune(self, one: _Correlation, state: _State, front: int) -> None:
        """Forget the entries that no window can reach, even of matches that come behind by one span.

        Args:
            one: the correlation.
            state: the key's state.
            front: where windows begin now: a file that is read late goes through its own past.
        """
        entries = state.entries
        gone = 0
        if len(entries) > self._max_events:
            gone = len(entries) - self._max_events * 3 // 4
            old = bisect.bisect_left(entries, (entries[-1][0] - one.windows.span,))
            self.counts["truncated"] += max(gone - old, 0)
        oldest = front - one.windows.span
        if entries[0][0] < oldest:
            gone = max(gone, bisect.bisect_left(entries, (oldest,)))
        if gone:
            if gone > state.low:
                state.measure, state.low = None, 0
            else:
                state.low -= gone
            del entries[:gone]

    def _evict(self) -> None:
        """Give up a twentieth of the keys: those whose last event is oldest."""
        number = max(self._max_keys // 20, 1)
        keys = (
            (state.entries[-1][0], one.number, key)
            for one in self._correlations
            for key, state in one.keys.items()
            if state.entries
        )
        for _time, place, key in heapq.nsmallest(number, keys):
            self._drop(place, key)
            self.counts["evicted"] += 1

    def _drop(self, number: int, key: _Key) -> None:
        del self._correlations[number].keys[key]
        self._count -= 1
        if self._saves:
            self._changed.add((number, key))

    def _sweep(self, marks: Mapping[str, int]) -> None:
        """Drop, once a minute, the keys whose windows have passed and that nothing touched for a while."""
        if self._arrived - self._swept < _SWEEP_SECONDS:
            return
        self._swept = self._arrived
        known = dict(marks)
        limit = self._arrived - _KEEP_SECONDS
        for one in self._correlations:
            reach = 2 * one.windows.span
            gone = []
            for key, state in one.keys.items():
                if state.touched >= limit:
                    continue
                mark = known.get(key[0])
                if mark is None:
                    mark = known[key[0]] = self._watermark(key[0])
                if not state.entries or state.entries[-1][0] + reach < mark:
                    gone.append(key)
            for key in gone:
                self._drop(one.number, key)
        self._sweep_lanes()

    def _sweep_lanes(self) -> None:
        """Forget lanes that told nothing for days, but for the last one of each agency, which is its time."""
        limit = self._arrived - _LANE_SECONDS
        for scope, lanes in self._scopes.items():
            if scope == CITY:
                continue
            old = sorted((lane.arrived, name) for name, lane in lanes.items() if lane.arrived < limit)
            for _arrived, name in old[: len(lanes) - 1]:
                del lanes[name], self._lanes[name]
                self._keep(f"l{name}", None)

    # -- findings ----------------------------------------------------------------------------------------------

    def _emissions(self, one: _Correlation, key: _Key, state: _State, hits: Sequence[Hit]) -> list[_Emission]:
        """Return windows that qualify as findings."""
        plan, entries, kind = one.plan, state.entries, one.windows.kind
        names = plan["group_by"]
        group = dict(zip(names, state.shown, strict=True))
        entity = plan["entity"] if plan["entity"] in group else next((n for n in names if n in _KINDS), "")
        about = f"{_KINDS.get(entity, entity)}:{group[entity]}" if entity else ""
        agency = UNKNOWN_AGENCY if key[0] == CITY and plan["across_agencies"] else key[0]
        title, level, tags = plan["title"], plan["level"], tuple(plan["tags"])
        counted = "+".join(plan["fields"]) if kind == "value_count" else ""
        found = []
        for time, low, high, metric in hits:
            window = entries[max(low, high - _SAMPLE) : high]
            events = [entry[1].partition("#")[0] if one.chained else entry[1] for entry in window]
            whole = int(metric)
            matched: dict[str, Any] = {**group, kind: whole if whole == metric else metric}
            if counted:
                matched[counted] = sorted({"/".join(map(str, entry[3])) for entry in window if entry[3]})
            matched["citysoc.events"] = events
            finding = Finding(
                *(plan["id"], title, level, agency, events[-1], _moment(time), matched, tags, group),
                plan["window_seconds"],
                about,
                title_vi=plan["title_vi"],
            )
            found.append(_Emission(time, one.number, key, events[-1], finding, metric))
        return found

    def _hand_up(self, emissions: Sequence[_Emission]) -> None:
        """Let emissions wait as matches of the correlations that build upon theirs."""
        for emission in emissions:
            for parent, slot, takes, places in self._correlations[emission.number].parents:
                above = self._correlations[parent]
                scope = CITY if above.plan["across_agencies"] else emission.key[0]
                group = tuple(emission.key[1 + place] for place in places)
                written = tuple(emission.finding.group.values())
                value = _taken(takes, emission, group=emission.key[1:], kind=above.plan["type"])
                name = f"{emission.event}#{emission.number}.{emission.time}.{'/'.join(emission.key)}"
                shown = tuple(str(written[place]) for place in places)
                held = (
                    emission.time,
                    name,
                    parent,
                    0 if above.single else slot,
                    (scope, *group),
                    value,
                    shown,
                )
                self._waiting.setdefault((above.level, scope), []).append(held)
                self._waiting_count += 1
                if self._saves:
                    self._held.append(held)

    # -- state -------------------------------------------------------------------------------------------------

    def delta(self) -> dict[str, bytes | None]:
        """Return what of the state changed since the last call: name to content, None for what is gone."""
        for number, key in self._changed:
            one = self._correlations[number]
            state = one.keys.get(key)
            name = _name("k", one.plan["fingerprint"], *key)
            self._delta[name] = (
                None if state is None else orjson.dumps([state.touched, state.shown, state.entries])
            )
        self._changed.clear()
        for lane_name, lane in self._lanes.items():
            self._keep(f"l{lane_name}", orjson.dumps([lane.agency, lane.latest, lane.arrived]))
        self._keep_waiting()
        general = {"arrived": self._arrived, "swept": self._swept, "counts": dict(self.counts)}
        self._keep("g", orjson.dumps([general, self._passed]))
        changed, self._delta = self._delta, {}
        return changed

    def _keep_waiting(self) -> None:
        """Note the matches that came to wait, and those that wait no longer."""
        held = {self._waiting_name(item): orjson.dumps([item[5], item[6]]) for item in self._held}
        for item in self._let_go:
            name = self._waiting_name(item)
            if held.pop(name, None) is None:
                self._delta[name] = None
        self._delta.update(held)
        self._held.clear()
        self._let_go.clear()

    def _waiting_name(self, held: _Held) -> str:
        one = self._correlations[held[2]]
        return _name("w", one.level, one.plan["fingerprint"], held[0], held[1], held[3], *held[4])

    def _keep(self, name: str, content: bytes | None) -> None:
        """Note a small row that is made again and again, but only if it differs."""
        if content is None:
            self._kept.pop(name, None)
        elif self._kept.get(name) == content:
            return
        else:
            self._kept[name] = content
        self._delta[name] = content

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Go on from a state that ``delta`` gave, piece by piece; what belongs to other rules is left out."""
        by_print = {str(one.plan["fingerprint"]): one for one in self._correlations}
        # Keys come last: their deadlines depend on how far time had come.
        for name, content in sorted(state.items(), key=lambda item: item[0][0] == "k"):
            kind, value = name[0], orjson.loads(content)
            if kind == "l":
                agency, latest, arrived = value
                lane = self._lanes[name[1:]] = _Lane(agency, latest, arrived)
                self._scopes.setdefault(agency, {})[name[1:]] = lane
            elif kind == "g":
                general, self._passed = value
                self._arrived, self._swept = general["arrived"], general["swept"]
                self.counts = Counter(general["counts"])
                self.reported = Counter(self.counts)
            elif kind == "k":
                self._restore_key(name, value, by_print)
            else:
                self._restore_waiting(name, value, by_print)
            if kind in "lg":
                self._kept[name] = content

    def _restore_key(self, name: str, value: Any, by_print: Mapping[str, _Correlation]) -> None:
        fingerprint, *key = orjson.loads(name[1:])
        one = by_print.get(fingerprint)
        if one is None:
            self._delta[name] = None
            return
        touched, shown, entries = value
        state = one.keys[tuple(key)] = _State(tuple(shown), touched)
        state.entries = [(time, event, slot, tuple(taken)) for time, event, slot, taken in entries]
        self._count += 1
        if one.windows.absences and state.entries:
            passed = self._passed.get(key[0], -_FOREVER)
            self._note_deadlines(one, tuple(key), state.entries, passed - one.windows.span)

    def _restore_waiting(self, name: str, value: Any, by_print: Mapping[str, _Correlation]) -> None:
        level, fingerprint, time, event, slot, *key = orjson.loads(name[1:])
        one = by_print.get(fingerprint)
        if one is None or one.level != level:
            self._delta[name] = None
            return
        taken, shown = value
        held = (time, event, one.number, slot, tuple(key), tuple(taken), tuple(shown))
        self._waiting.setdefault((level, key[0]), []).append(held)
        self._waiting_count += 1


def _put_in_order(windows: Windows, state: _State, items: Sequence[_Held], mark: int) -> list[Hit]:
    """Let matches in that come after all others of their key; return what qualifies."""
    entries = state.entries
    first = len(entries)
    last: Entry | None = None
    for time, event, _number, slot, _key, value, _shown in items:
        entry = (time, event, slot, value)
        if entry != last:
            entries.append(entry)
            last = entry
    hits: list[Hit] = []
    if windows.looks_back:
        measure, low = state.measure, state.low
        if measure is None:
            measure, low = windows.fresh(entries, first)
        hits, state.low = windows.slide(entries, first, measure, low)
        state.measure = measure if len(entries) > 1 or measure is COUNTED else None
    if windows.absences:
        hits += windows.absent(entries, entries[first][0], mark - 1 - windows.span)
    return hits


def _put_behind(windows: Windows, state: _State, items: Sequence[_Held], mark: int) -> list[Hit]:
    """Let matches in that lie before others of their key: what they change is looked at again."""
    entries = state.entries
    since, until = items[0][0], items[-1][0] + windows.span
    new = {(item[0], item[1], item[3], item[5]) for item in items}.difference(entries)
    if not new:
        return []
    decided = mark - 1 - windows.span
    before = {hit.time for hit in windows.hits(entries, since, until)}
    before |= {hit.time for hit in windows.absent(entries, since - windows.span, decided)}
    entries.extend(new)
    entries.sort()
    state.measure, state.low = None, 0
    after = windows.hits(entries, since, until)
    after += windows.absent(entries, since - windows.span, decided)
    return [hit for hit in after if hit.time not in before]


def _arranged(plans: Sequence[Mapping[str, Any]]) -> list[_Correlation]:
    """Return the correlations with their levels and the ties between them; they are ordered by id."""
    ordered = sorted(plans, key=lambda plan: str(plan["id"]))
    numbers = {str(plan["id"]): number for number, plan in enumerate(ordered)}
    levels: dict[str, int] = {}

    def level(plan: Mapping[str, Any]) -> int:
        name = str(plan["id"])
        if name not in levels:
            below = [ordered[numbers[c["correlation"]]] for c in plan["children"]]
            levels[name] = 1 + max((level(child) for child in below), default=-1)
        return levels[name]

    found = [
        _Correlation(
            number=number,
            plan=plan,
            windows=Windows(plan),
            level=level(plan),
            single=not str(plan["type"]).startswith("temporal"),
            chained=bool(plan["children"]),
            parents=[],
            keys={},
        )
        for number, plan in enumerate(ordered)
    ]
    for one in found:
        for child in one.plan["children"]:
            below = found[numbers[child["correlation"]]]
            below.parents.append((one.number, child["slot"], child["takes"], tuple(child["places"])))
    return found


def _taken(takes: str, emission: _Emission, *, group: Sequence[str], kind: str) -> Value:
    """Return the value that a correlation takes from one below it: its measure, or values of its group."""
    if takes == "metric":
        if kind == "value_count":
            return (str(emission.metric),)
        return (emission.metric,)
    return tuple(group[int(place)] for place in takes.split(",")) if takes else ()


def _moment(time: int) -> dt.datetime:
    try:
        return _EPOCH + dt.timedelta(microseconds=time)
    except OverflowError:
        return _LAST


def _name(kind: str, *parts: Any) -> str:
    return kind + orjson.dumps(parts).decode()
