"""How far event time has come: lanes, and the watermark of each scope.

A *lane* is a file or a listener of a stream; within it, events come in order but for their lateness. The watermark of a
lane is the newest event time it told of, less the lateness of its source; the watermark of a scope (an agency, or the
whole city for correlations across agencies) is the earliest of its lanes, but for those that fell silent for as long as
an event of theirs may be late.

What comes along ``APART`` belongs to no file or listener: anomalies, which are known an hour and more after the events
that they are about. It is never late and holds nobody up.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from citysoc.detectors.correlate.arranged import CITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_LANES = 20_000
FOREVER = 1 << 62
LATENESS_SECONDS = 600
_LANE_SECONDS = 2 * 86_400
APART = "*anomalies|"
"""The lane of anomalies: no stream is called so."""


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


class Lane:
    """One lane.

    Args:
        name: ``<agency>/<source>|<path>``.
        agency: whose it is.
        arrived: when it was last heard of, seconds since 1970.
        lateness_seconds: how late its events may be; None: however late.
    """

    __slots__ = ("agency", "arrived", "idle_seconds", "lateness", "latest", "name")

    def __init__(self, name: str, agency: str, arrived: int, lateness_seconds: float | None) -> None:
        self.name = name
        self.agency = agency
        self.arrived = arrived
        self.latest = -FOREVER
        """The newest event time it told of, microseconds since 1970."""
        self.lateness = FOREVER if lateness_seconds is None else int(lateness_seconds * 1_000_000)
        self.idle_seconds = math.inf if lateness_seconds is None else max(lateness_seconds, 1)

    @property
    def stream(self) -> str:
        """The stream it belongs to."""
        return self.name.partition("|")[0]


class Lanes:
    """All lanes, by scope.

    Args:
        lateness_seconds: an event may come so long after a later one of its lane; None: however late.
        by_source: the same for sources that differ, by the source's id.
    """

    def __init__(self, lateness_seconds: float | None, by_source: Mapping[str, float]) -> None:
        self._lateness = lateness_seconds
        self._by_source = by_source
        self._lanes: dict[str, Lane] = {}
        self._scopes: dict[str, dict[str, Lane]] = {CITY: self._lanes}
        self._changed: set[str] = set()
        self._apart = Lane(APART, "", 0, None)
        self.arrived = 0
        """The present, as far as anything told of it: seconds since 1970."""

    @property
    def latest(self) -> int:
        """The newest event time of all."""
        return max((lane.latest for lane in self._lanes.values()), default=0)

    def get(self, name: str, agency: str) -> Lane:
        """Return a lane that is about to change, a new one where it is not known."""
        if name == APART:
            return self._apart
        self._changed.add(name)
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._add(name, agency, self.arrived)
            if len(self._lanes) > MAX_LANES:
                self._forget_oldest()
        return lane

    def hear(self, clock: Clock) -> None:
        """Take note of how far a batch has come."""
        lane = self.get(clock.lane, clock.agency)
        lane.arrived = max(lane.arrived, clock.arrived)
        lane.latest = max(lane.latest, min(clock.event, clock.arrived * 1_000_000 + 999_999))

    def watermark(self, scope: str) -> int:
        """Return the time before which a scope's events are all there."""
        now = self.arrived
        lanes = self._scopes.get(scope, {}).values()
        if not lanes and scope != CITY:  # only what comes apart told of it: its time is the city's
            return self.watermark(CITY)
        if not lanes:
            lateness = self._lateness
            return -FOREVER if lateness is None or not now else int((now - lateness) * 1_000_000)
        awake = [lane.latest - lane.lateness for lane in lanes if now - lane.arrived < lane.idle_seconds]
        if awake:
            return min(awake)
        silence = now - max(lane.arrived for lane in lanes)
        return max(lane.latest - lane.lateness for lane in lanes) + silence * 1_000_000

    def forget_old(self) -> None:
        """Forget lanes that told nothing for days, but for the last one of each agency, which is its time."""
        limit = self.arrived - _LANE_SECONDS
        for scope, lanes in self._scopes.items():
            if scope == CITY:
                continue
            old = sorted((lane.arrived, name) for name, lane in lanes.items() if lane.arrived < limit)
            for _arrived, name in old[: len(lanes) - 1]:
                self._forget(name)

    def _forget_oldest(self) -> None:
        """Forget a tenth of the lanes: those that told nothing for the longest time."""
        oldest = sorted(self._lanes, key=lambda name: (self._lanes[name].arrived, name))
        for name in oldest[: MAX_LANES // 10]:
            self._forget(name)

    def _forget(self, name: str) -> None:
        self._scopes[self._lanes.pop(name).agency].pop(name, None)
        self._changed.add(name)

    def _add(self, name: str, agency: str, arrived: int) -> Lane:
        source = name.partition("|")[0].rpartition("/")[2]
        lateness = self._lateness
        if lateness is not None:
            lateness = self._by_source.get(source, lateness)
        lane = self._lanes[name] = Lane(name, agency, arrived, lateness)
        self._scopes.setdefault(agency, {})[name] = lane
        return lane

    def changes(self) -> Iterator[tuple[str, bytes | None]]:
        """Yield the lanes that changed since the last call: name and content, None for what is forgotten."""
        for name in self._changed:
            lane = self._lanes.get(name)
            yield name, None if lane is None else orjson.dumps([lane.agency, lane.latest, lane.arrived])
        self._changed.clear()

    def restore(self, name: str, content: Any) -> None:
        """Put a lane back, from what ``changes`` gave."""
        agency, latest, arrived = content
        self._add(name, agency, arrived).latest = latest
