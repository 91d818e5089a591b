"""The line: batches in at one end, commits out at the other, in order, bounded in between."""

from __future__ import annotations

import concurrent.futures as cf
import queue
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from citysoc import telemetry
from citysoc.errors import CitysocError, StoreError
from citysoc.i18n import _
from citysoc.pipeline import pool

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from citysoc.detectors.sigma import Loaded
    from citysoc.flow import Batch
    from citysoc.pipeline.commit import Committer
    from citysoc.pipeline.work import Processed, Work

T = TypeVar("T")

_log = telemetry.logger("pipeline.line")

GROUP_RECORDS = 4000
"""Small batches travel to a worker together, up to so many records: a trip costs about a millisecond."""

GROUP_BYTES = 8 << 20

_COMMIT_BYTES = 128 << 20
"""Rows that wait for their commit may take so much memory, however few they are."""

_IN_FLIGHT_PER_WORKER = 3
_LINGER_SECONDS = 0.1
_QUIET_SECONDS = 15.0
"""A line without input lets correlations know so often that time passes."""


@dataclass(slots=True)
class _Group:
    """Batches that travel together."""

    batches: list[Batch] = field(default_factory=list)
    records: int = 0
    bytes: int = 0
    committed: cf.Future[None] = field(default_factory=cf.Future)

    def add(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.records += batch.received
        self.bytes += sum(map(len, batch.records))

    @property
    def full(self) -> bool:
        return self.records >= GROUP_RECORDS or self.bytes >= GROUP_BYTES


@dataclass(slots=True)
class _UnderWay:
    """A group at a worker."""

    result: cf.Future[Processed]
    committed: cf.Future[None]


class _Flush:
    """Stands in the queue behind what is to be committed at once."""


_FLUSH = _Flush()


@dataclass(frozen=True, slots=True)
class _Change:
    """Stands in the queue between what was judged by some rules and what is judged by others."""

    work: Work
    loaded: Loaded


class Line:
    """Feeds batches to workers and commits their results in the order in which they came.

    ``feed`` may be called from several threads; it waits while the line is full, which is how
    back-pressure reaches the collectors. The first failure stops the line: ``feed`` and ``close``
    raise it, and nothing after it is committed. Once ``close`` was called, ``feed`` refuses as well.

    Args:
        work: what the workers need.
        committer: where results go.
        workers: worker processes; 0 means one a core, None means none: the work is done in a
            thread of this one, which suits small inputs.
        commit_records: commit at the latest when so many rows wait.
        commit_seconds: or when the oldest of them waited so long.
        on_failure: called once, from a thread of the line, when the line stops by itself.
        loaded: the rules of ``work``, where they are loaded already.
    """

    def __init__(
        self,
        work: Work,
        committer: Committer,
        *,
        workers: int | None = 0,
        commit_records: int = 20_000,
        commit_seconds: float = 2.0,
        on_failure: Callable[[], None] | None = None,
        loaded: Loaded | None = None,
    ) -> None:
        self._committer = committer if loaded is None else committer.with_rules(work, loaded)
        self._workers = workers
        self._commit_records = commit_records
        self._commit_seconds = commit_seconds
        self._executor, self._task = pool.executor(work, workers, loaded)
        self._room = threading.BoundedSemaphore(_IN_FLIGHT_PER_WORKER * pool.size(workers))
        self._order = threading.Lock()
        self._group = _Group()
        self._queue: queue.SimpleQueue[_UnderWay | _Flush | _Change | None] = queue.SimpleQueue()
        self._failure: Exception | None = None
        self._on_failure = on_failure
        self._closing = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="commits", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def feed(self, batch: Batch) -> cf.Future[None]:
        """Put a batch on the line; return a future that is done once the batch is committed.

        Raises:
            StoreError: the line has stopped, or is being closed.
        """
        with self._order:
            if self._closing:
                raise StoreError(
                    _("The pipeline is being closed."), hint=_("What was not committed is read again.")
                )
            if self._failure:
                raise StoreError(
                    _("The pipeline has stopped: {failure}").format(failure=self._failure),
                    hint=_("What was not committed is read again."),
                ) from self._failure
            committed = self._group.committed
            self._group.add(batch)
            if self._group.full:
                self._room.acquire()
                self._submit()
        return committed

    def flush(self) -> None:
        """Have what is on the line committed as soon as its work is done, without waiting for company."""
        with self._order:
            if self._closing or self._failure:
                return
            if self._group.batches:
                self._room.acquire()
                self._submit()
            self._queue.put(_FLUSH)

    def use(self, work: Work, loaded: Loaded) -> None:
        """Go on with other rules: what is on the line is finished with those it came in under.

        New workers take the place of the old ones once they are ready; until then the line goes on as it was.

        Args:
            work: what the new workers need.
            loaded: its rules.

        Raises:
            StoreError: the new workers could not begin; the old ones go on.
        """
        executor, task = pool.executor(work, self._workers, loaded)
        try:
            executor.submit(pool.is_ready).result()
        except cf.BrokenExecutor as error:
            executor.shutdown(wait=False)
            raise _told(error) from error
        with self._order:
            if self._closing or self._failure:
                executor.shutdown(wait=False)
                return
            old, self._executor, self._task = self._executor, executor, task
            self._queue.put(_Change(work, loaded))
        old.shutdown(wait=False)  # it does what it was given before

    def end(self) -> None:
        """Say that nothing more comes: once the line is closed, correlations judge what they have."""
        self._ended = True

    def close(self) -> None:
        """Commit what is on the line, then stop it.

        Raises:
            Exception: what stopped the line before its end.
        """
        self._closing = True  # before the order is ours: feeders that wait for it must not go on
        with self._order:
            if self._group.batches:
                self._room.acquire()
                self._submit()
            self._queue.put(None)
        self._thread.join()
        self._executor.shutdown(cancel_futures=True)
        if self._failure:
            raise self._failure

    def _submit(self) -> None:
        """Send the open group on its way; the caller holds the order and has made room."""
        group, self._group = self._group, _Group()
        try:
            result = self._executor.submit(self._task, group.batches)
        except cf.BrokenExecutor as error:  # a worker died: the commit thread tells every feeder
            result = cf.Future()
            result.set_exception(error)
        self._queue.put(_UnderWay(result, group.committed))

    def _submit_lingering(self) -> None:
        """Send a group that does not fill up on its way, unless a feeder or the workers are busy anyway.

        Never waits: a feeder may hold the order while it waits for room, which only this thread makes.
        """
        if not self._order.acquire(blocking=False):
            return
        try:
            if self._group.batches and self._room.acquire(blocking=False):
                self._submit()
        finally:
            self._order.release()

    def _run(self) -> None:
        """Take results in order, commit them together when it is time; the thread's whole life."""
        waiting: list[tuple[_UnderWay, Processed]] = []
        rows, size, oldest = 0, 0, 0.0
        item: _UnderWay | _Flush | _Change | None = None
        told = time.monotonic()
        while True:
            try:
                item = self._queue.get(timeout=_LINGER_SECONDS)
            except queue.Empty:
                told = self._idle(told, quiet=not waiting)
            else:
                if item is None:
                    break
                if isinstance(item, _Flush):
                    oldest = float("-inf")
                elif isinstance(item, _Change):
                    self._commit(waiting)
                    waiting, rows, size = [], 0, 0
                    self._committer = self._committer.with_rules(item.work, item.loaded)
                elif (processed := self._result(item)) is not None:
                    oldest = oldest if waiting else time.monotonic()
                    waiting.append((item, processed))
                    rows += processed.table.num_rows
                    size += processed.table.nbytes
            if waiting and (
                rows >= self._commit_records
                or size >= _COMMIT_BYTES
                or time.monotonic() - oldest >= self._commit_seconds
            ):
                self._commit(waiting)
                waiting, rows, size = [], 0, 0
        self._commit(waiting)
        if self._ended and not self._failure:
            self._guarded(lambda: self._committer.pass_time(ended=True))

    def _idle(self, told: float, *, quiet: bool) -> float:
        """Do what is to be done where nothing comes; return when correlations were last told that time passes."""
        self._submit_lingering()
        if quiet and time.monotonic() - told >= _QUIET_SECONDS:
            told = time.monotonic()
            self._guarded(self._committer.pass_time)
        return told

    def _result(self, item: _UnderWay) -> Processed | None:
        processed = self._guarded(item.result.result)
        self._room.release()
        if self._failure:
            item.committed.set_exception(self._failure)
            return None
        return processed

    def _commit(self, waiting: list[tuple[_UnderWay, Processed]]) -> None:
        if waiting and not self._failure:
            self._guarded(lambda: self._committer.commit([processed for _item, processed in waiting]))
        for item, _processed in waiting:
            if self._failure:
                item.committed.set_exception(self._failure)
            else:
                item.committed.set_result(None)

    def _guarded(self, step: Callable[[], T]) -> T | None:
        """Take one step; whatever goes wrong in it stops the line and is told to every feeder."""
        try:
            return step()
        except Exception as error:  # noqa: BLE001  a thread of its own: the failure must reach the feeders
            if not self._failure:
                self._failure = told = _told(error)
                _log.error("line.stopped", error=str(told), exc_info=not isinstance(told, CitysocError))
                if self._on_failure:
                    self._on_failure()
        return None


def _told(error: Exception) -> Exception:
    """Return an error as a person should hear it."""
    if not isinstance(error, cf.BrokenExecutor):
        return error
    told = StoreError(
        _("A worker process died: it was killed, or the machine has no memory left."),
        hint=_("What was not committed is read again; fewer `workers` need less memory."),
        transient=True,
    )
    told.__cause__ = error
    return told
