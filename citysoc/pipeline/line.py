"""The line: batches in at one end, commits out at the other, in order, bounded in between."""

from __future__ import annotations

import concurrent.futures as cf
import contextlib
import queue
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from citysoc import telemetry
from citysoc.errors import StoreError
from citysoc.pipeline import pool
from citysoc.pipeline.work import Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from citysoc.flow import Batch
    from citysoc.pipeline.commit import Committer
    from citysoc.pipeline.work import Processed, Work

T = TypeVar("T")

_log = telemetry.logger("pipeline.line")

_IN_FLIGHT_PER_WORKER = 3


@dataclass(slots=True)
class _Item:
    result: cf.Future[Processed]
    committed: cf.Future[None] = field(default_factory=cf.Future)


class Line:
    """Feeds batches to workers and commits their results in the order in which they came.

    ``feed`` may be called from several threads; it waits while the line is full, which is how
    back-pressure reaches the collectors. The first failure stops the line: ``feed`` and ``close``
    raise it, and nothing after it is committed.

    Args:
        work: what the workers need.
        committer: where results go.
        workers: worker processes; 0 means one a core, None means none: the work is done in the
            calling thread, which suits small inputs.
        commit_records: commit at the latest when so many rows wait.
        commit_seconds: or when the oldest of them waited so long.
    """

    def __init__(
        self,
        work: Work,
        committer: Committer,
        *,
        workers: int | None = 0,
        commit_records: int = 50_000,
        commit_seconds: float = 2.0,
    ) -> None:
        self._committer = committer
        self._commit_records = commit_records
        self._commit_seconds = commit_seconds
        self._inline = Worker(work) if workers is None else None
        self._pool = None if workers is None else pool.open_pool(work, workers)
        size = pool.size(workers)
        self._room = threading.BoundedSemaphore(_IN_FLIGHT_PER_WORKER * size)
        self._order = threading.Lock()
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._failure: BaseException | None = None
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
            StoreError: the line has stopped.
        """
        self._room.acquire()
        with self._order:
            if self._failure:
                self._room.release()
                raise StoreError("The pipeline has stopped.", hint=str(self._failure)) from self._failure
            item = _Item(self._submit(batch))
            self._queue.put(item)
        return item.committed

    def close(self) -> None:
        """Commit what is on the line, then stop it.

        Raises:
            CitysocError: what stopped the line before its end.
        """
        self._queue.put(None)
        self._thread.join()
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
        if self._failure:
            raise self._failure

    def _submit(self, batch: Batch) -> cf.Future[Processed]:
        if self._pool:
            return self._pool.submit(pool.process, batch)
        if self._inline is None:
            raise AssertionError("a line has a pool or an inline worker")
        done: cf.Future[Processed] = cf.Future()
        done.set_result(self._inline.process(batch))
        return done

    def _run(self) -> None:
        waiting: list[tuple[_Item, Processed]] = []
        rows, oldest = 0, 0.0
        open_ = True
        while open_:
            item, open_ = self._next(oldest if waiting else None)
            if item is not None:
                processed = self._result(item)
                self._room.release()
                if processed is not None:
                    oldest = oldest if waiting else time.monotonic()
                    waiting.append((item, processed))
                    rows += processed.table.num_rows
            due = rows >= self._commit_records or time.monotonic() - oldest >= self._commit_seconds
            if waiting and (due or not open_):
                self._commit(waiting)
                waiting, rows = [], 0

    def _next(self, oldest: float | None) -> tuple[_Item | None, bool]:
        """Return the next item, or None when a commit is due; and whether the line is still open."""
        wait = None if oldest is None else max(0.0, oldest + self._commit_seconds - time.monotonic())
        with contextlib.suppress(queue.Empty):
            item = self._queue.get(timeout=wait)
            return item, item is not None
        return None, True

    def _result(self, item: _Item) -> Processed | None:
        processed = self._guarded(item.result.result)
        if self._failure:
            item.committed.set_exception(self._failure)
            return None
        return processed

    def _commit(self, waiting: list[tuple[_Item, Processed]]) -> None:
        if not self._failure:
            self._guarded(lambda: self._committer.commit([processed for _, processed in waiting]))
        for item, _ in waiting:
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
                _log.error("line.stopped", error=str(error))
                self._failure = error
        return None
