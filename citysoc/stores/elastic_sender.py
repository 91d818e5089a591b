"""From the spool to the cluster, in order: a thread of its own sends while the next commit is being made.

The next commit's documents are put together while the last requests of the one before are under way, so that the
cluster never waits for us. A commit is taken off the spool when all of its documents are acknowledged, and never
before an earlier one. After a failure what was not acknowledged is sent again, and what is there is a duplicate.
"""

from __future__ import annotations

import concurrent.futures as cf
import random
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from citysoc import clock, telemetry
from citysoc.errors import StoreError
from citysoc.stores.buffered import Refusal
from citysoc.stores.elastic_bulk import Fate, Requests, quarantine
from citysoc.stores.elastic_document import arrival
from citysoc.stores.elastic_encode import encoded
from citysoc.stores.elastic_spool import DamagedError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from citysoc.config.stores import Elastic
    from citysoc.stores.elastic_client import Cluster
    from citysoc.stores.elastic_spool import Spool, Waiting

_log = telemetry.logger("stores.elastic")

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_LOOK_SECONDS = 0.5
"""So long nobody waits without a look of his own, should a word have been missed."""


@dataclass(frozen=True, slots=True)
class _Given:
    """A commit of which all requests are made, but not all answered; none of one whose file is damaged."""

    commit: Waiting
    fates: list[cf.Future[Fate]]
    damage: str = ""


class Sender:
    """Sends what waits.

    Args:
        spool: where it waits.
        settings: what the configuration says of the cluster.
        ready: returns the cluster, prepared for our documents.
    """

    def __init__(self, spool: Spool, settings: Elastic, ready: Callable[[], Cluster]) -> None:
        self._spool = spool
        self._settings = settings
        self._cluster = ready
        self._sending = threading.Lock()
        self._waking = threading.Lock()
        self._news = threading.Event()  # for the thread: a commit came, a request was answered
        self._moved = threading.Condition()  # for those who wait for the thread
        self._thread = _thread()
        self._work: cf.Future[None] | None = None
        self._more = False
        self._away = False
        self._pause = 0.0
        self._next_try = 0.0

    def wake(self) -> None:
        """Let what waits be sent; returns at once."""
        with self._waking:
            self._more = True
            if self._work is not None and self._work.done():
                ended, self._work = self._work, None
                ended.result()  # a mistake of ours is not kept quiet
            if self._work is None:
                self._work = self._thread.submit(self._run)
                self._work.add_done_callback(lambda _work: self._tell())
        self._news.set()

    def keep_up(self, commits: int, seconds: float) -> None:
        """Wait until no more than so many commits wait, the cluster turns out to be away, or the time is over."""
        self._wait(lambda: len(self._spool.waiting()) <= commits, seconds)

    def settle(self) -> None:
        """Wait until what waits now was sent, or could not be."""
        last = self._spool.last()
        self._wait(lambda: self._spool.sent() >= last, None)

    def _wait(self, enough: Callable[[], bool], seconds: float | None) -> None:
        """Wait for the thread until it did enough, it ends, or the time is over."""
        ends = None if seconds is None else time.monotonic() + seconds
        with self._moved:
            while (work := self._work) is not None and not work.done() and not enough():
                left = _LOOK_SECONDS if ends is None else min(_LOOK_SECONDS, ends - time.monotonic())
                if left <= 0:
                    return
                self._moved.wait(left)

    def _tell(self) -> None:
        with self._moved:
            self._moved.notify_all()

    def drain(self, *, now: bool = False) -> int:
        """Send the commits that wait, oldest first; return how many are left.

        After a failure the next try comes a little later each time; until then nothing is sent. Where the
        thread is sending already it goes on alone.

        Args:
            now: wait for the thread, and try at once.
        """
        if self._sending.acquire(blocking=now):
            try:
                if now:
                    self._next_try = 0.0
                self._drain()
            finally:
                self._sending.release()
        return len(self._spool.waiting())

    def send(self, one: Waiting) -> Fate:
        """Send one commit; return what became of its documents."""
        with self._requests(self._cluster()) as requests:
            return self._finish(self._given(requests, one))

    def put(self, rows: pa.Table) -> Fate:
        """Send rows that belong to no commit; return what became of them.

        Raises:
            StoreError: the cluster did not take all of them.
        """
        cluster = self._cluster()
        with self._requests(cluster) as requests:
            return self._fate(cluster, requests.give(encoded(rows, self._settings.prefix)), 0)

    def close(self) -> None:
        """End the thread; the next commit begins another."""
        self._thread.shutdown()
        self._thread = _thread()

    def gone(self, error: StoreError) -> None:
        """Take note that the cluster is away, and wait a little longer each time before the next try."""
        self._pause = min(_LONGEST_PAUSE_SECONDS, max(_FIRST_PAUSE_SECONDS, self._pause * 2))
        self._next_try = time.monotonic() + self._pause * random.uniform(0.5, 1.0)  # noqa: S311  no secret
        if not self._away:
            self._away = True
            _log.warning("store.away", reason=str(error))
        since = self._spool.noted().get("away_since") or clock.iso(clock.now())
        self._spool.note(away_since=since, reason=str(error))

    def _run(self) -> None:
        while self._wanted():
            with self._sending:
                self._drain()

    def _wanted(self) -> bool:
        with self._waking:
            wanted, self._more = self._more, False
            if not wanted:
                self._work = None
            return wanted

    def _drain(self) -> None:
        if time.monotonic() < self._next_try or not (self._spool.waiting() or self._is_away()):
            return
        try:
            cluster = self._cluster()
            if not self._spool.waiting():
                cluster.ask("GET", "/")
                self.back()
            with self._requests(cluster) as requests:
                self._send_all(requests)
        except StoreError as error:
            self.gone(error)

    def _send_all(self, requests: Requests) -> None:
        """Send what waits and what comes meanwhile, until nothing does."""
        given: deque[_Given] = deque()
        last = 0
        while True:
            self._news.clear()
            fresh = next((one for one in self._spool.waiting() if one.number > last), None)
            if fresh is not None:
                given.append(self._given(requests, fresh))
                last = fresh.number
            elif not given:
                return
            elif not all(fate.done() for fate in given[0].fates):
                self._news.wait(_LOOK_SECONDS)
            while given and all(fate.done() for fate in given[0].fates):
                self._finish(given.popleft())
                self.back()

    def _requests(self, cluster: Cluster) -> Requests:
        return Requests(cluster, max_bytes=self._settings.bulk_bytes, parallel=self._settings.bulk_parallel)

    def _given(self, requests: Requests, one: Waiting) -> _Given:
        try:
            rows = self._spool.read(one)
        except DamagedError as error:
            return _Given(one, [], str(error))
        lines = encoded(rows, self._settings.prefix, one.number)
        fates = requests.give(lines)
        for fate in fates:
            fate.add_done_callback(lambda _fate: self._news.set())
        return _Given(one, fates)

    def _finish(self, given: _Given) -> Fate:
        fate = self._fate(self._cluster(), given.fates, given.commit.number)
        if given.damage:
            _log.error("spool.damaged", reason=given.damage, rows=given.commit.rows)
            self._spool.isolate(given.commit)
        else:
            self._spool.done(given.commit)
        self._tell()
        return fate

    def _fate(self, cluster: Cluster, fates: list[cf.Future[Fate]], commit: int) -> Fate:
        whole = Fate()
        for one in fates:
            whole.add(one.result())
        if whole.refused:
            _log.warning("documents.refused", count=len(whole.refused), reason=whole.refused[0][1])
            # Written down before they are sent: afterwards they are there, and nobody would count them.
            self._refuse(commit, "refused", whole)
            quarantine(cluster, whole, self._spool.bury)
            self._refuse(commit, "buried", whole)
        if whole.duplicates:
            _log.info("documents.duplicate", count=whole.duplicates, commit=commit)
        return whole

    def _refuse(self, commit: int, became: str, fate: Fate) -> None:
        """Write down what the cluster refused of a commit; what comes from another store was counted there."""
        buried = became == "buried"
        found_at = (arrival(document, quarantined=buried) for document, _reason in fate.refused)
        counts = Counter(place for place in found_at if place is not None)
        if commit and counts:
            found = tuple((stream, hour, number) for (stream, hour), number in sorted(counts.items()))
            self._spool.refuse(Refusal(commit, became, found, fate.refused[0][1]))

    def _is_away(self) -> bool:
        return self._away or "away_since" in self._spool.noted()

    def back(self) -> None:
        """Take note that the cluster answers."""
        if not self._is_away():
            return
        _log.warning("store.back", waiting=len(self._spool.waiting()))
        self._away, self._pause, self._next_try = False, 0.0, 0.0
        self._spool.note(away_since=None, reason=None)


def _thread() -> cf.ThreadPoolExecutor:
    return cf.ThreadPoolExecutor(1, thread_name_prefix="sender")
