"""Correlations in the line: one correlator, fed in the order of commits, its state kept with the checkpoints.

Anomalies are found by another process, which hands them in through the state (``state.handed``): they are taken in with the
next commit, or while nothing comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc import clock, telemetry
from citysoc.detectors.correlate import Correlator
from citysoc.pipeline import counting
from citysoc.pipeline.anomalies import Watcher
from citysoc.pipeline.loaded import loaded_of
from citysoc.state import handed, progress
from citysoc.state.values import stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from citysoc.detectors.correlate import Clock, Loss, Match
    from citysoc.detectors.sigma import Loaded
    from citysoc.flow import Finding
    from citysoc.pipeline.work import Work
    from citysoc.state import State
    from citysoc.state.progress import Changes

_log = telemetry.logger("pipeline.correlating")

MAX_GROUPS = 300_000
"""So many groups are remembered: about 300 MiB, which leaves the service below a GiB."""


class Correlating:
    """Feeds the correlator and writes what it finds and remembers into the changes of a commit.

    The correlator is made, from what the state remembers, when it is first needed; after a commit that did not
    take effect it is given up, so that the next one begins from the state again.

    Args:
        state: the state database.
        work: says which rules there are.
        lateness_by_source: how many seconds an event may be late, for each source.
    """

    def __init__(
        self, state: State, work: Work, *, lateness_by_source: Mapping[str, float] | None = None
    ) -> None:
        self._state = state
        self._work = work
        self._plans: Sequence[Mapping[str, Any]] | None = None
        self._watcher = Watcher()
        self._lateness = dict(lateness_by_source or {})
        self._correlator: Correlator | None = None

    def take(self, matches: Iterable[Match], clocks: Iterable[Clock], changes: Changes) -> None:
        """Feed what the workers handed back; what is certain now goes into ``changes``."""
        correlator = self._ready()
        fresh = self._anomalies(changes)
        self._note(correlator.feed([*matches, *fresh] if fresh else matches, clocks), changes)

    def pass_time(self, changes: Changes, *, ended: bool = False) -> None:
        """Let time pass without events.

        Args:
            changes: where to write what became certain.
            ended: nothing more comes: windows end where the newest event is.
        """
        correlator = self._ready()
        if fresh := self._anomalies(changes):
            self._note(correlator.feed(fresh), changes)
        if correlator.is_waiting:
            now = int(clock.now().timestamp())
            self._note(correlator.finish() if ended else correlator.pass_time(now), changes)

    def use(self, work: Work, loaded: Loaded) -> None:
        """Go on with the correlations of other rules; those that are the same go on from what they remember.

        Args:
            work: says which rules there are.
            loaded: those rules.
        """
        self._work = work
        self._keep(loaded)
        self._correlator = None

    def _keep(self, loaded: Loaded) -> Sequence[Mapping[str, Any]]:
        """Keep what is needed of rules: what lies in the files may be something else soon."""
        self._plans = loaded.correlations
        self._watcher = Watcher(loaded.of_anomalies, loaded.correlations)
        return self._plans

    def give_up(self) -> None:
        """Forget the correlator: what it was fed last did not take effect."""
        self._correlator = None

    def _ready(self) -> Correlator:
        if self._correlator is None:
            plans = self._keep(loaded_of(self._work)) if self._plans is None else self._plans
            correlator = Correlator(
                plans,
                lateness_by_source=self._lateness,
                max_groups=MAX_GROUPS,
                saves=True,
            )
            correlator.restore(progress.remembered(self._state))
            self._correlator = correlator
            _log.info("correlator.ready", keys=len(correlator), waiting=correlator.waiting)
        return self._correlator

    def _anomalies(self, changes: Changes) -> list[Match]:
        """Return the matches of anomalies that were handed in since; they are gone once ``changes`` take effect."""
        waiting = handed.waiting(self._state)
        if not waiting:
            return []
        changes.remembered.update(dict.fromkeys(waiting))
        seen = self._watcher.seen(waiting.values())
        changes.findings += seen.findings
        counting.silent(changes, seen.silent, now=clock.now())
        return seen.matches

    def _note(self, findings: list[Finding], changes: Changes) -> None:
        correlator = self._ready()
        if lost := correlator.report():
            _log.warning("correlator.gave_up", **_by_what(lost))
            hour = stamp(clock.now().replace(minute=0, second=0, microsecond=0))
            for (what, rule, stream), number in lost.items():
                key = (hour, what, rule, stream)
                changes.losses[key] = changes.losses.get(key, 0) + number
        changes.findings += findings
        changes.remembered.update(correlator.delta())


def _by_what(lost: Mapping[Loss, int]) -> dict[str, int]:
    """Return what was left out of rules, by what it is."""
    found: dict[str, int] = {}
    for loss, number in lost.items():
        if loss.rule:
            found[loss.what] = found.get(loss.what, 0) + number
    return found
