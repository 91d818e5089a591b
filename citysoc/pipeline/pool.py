"""One worker a core, each in a process of its own."""

from __future__ import annotations

import concurrent.futures as cf
import multiprocessing
import os
from typing import TYPE_CHECKING

from citysoc.children import follow_parent
from citysoc.pipeline.work import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from citysoc.detectors.correlate import Match
    from citysoc.flow import Batch, Finding
    from citysoc.pipeline.work import Processed, Work

_worker: Worker | None = None


def size(workers: int | None) -> int:
    """Return how many workers a setting means: 0 is one a core, None is the calling thread alone."""
    return 1 if workers is None else workers or os.cpu_count() or 1


def executor(work: Work, workers: int | None) -> tuple[cf.Executor, Callable[[list[Batch]], Processed]]:
    """Return where to submit groups of batches, and the task to submit.

    Args:
        work: what the workers need.
        workers: processes, 0 for one a core; None means one thread of this process.
    """
    if workers is None:
        return cf.ThreadPoolExecutor(max_workers=1, thread_name_prefix="work"), Worker(work).process
    return open_pool(work, workers), process


def open_pool(work: Work, workers: int) -> cf.Executor:
    """Return an executor whose workers are ready for ``process``.

    Args:
        work: what they need.
        workers: how many; 0 means one a core.
    """
    return cf.ProcessPoolExecutor(
        max_workers=size(workers),
        # A fresh interpreter: no thread, lock or open database of ours is copied into it.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(work,),
    )


def process(batches: list[Batch]) -> Processed:
    """Do the work of a group of batches inside a worker process."""
    return _ready().process(batches)


def judged(batch: Batch) -> tuple[list[Finding], list[Match]]:
    """Return the findings of one batch, and what correlations need of it, inside a worker process."""
    return _ready().judged(batch)


def _ready() -> Worker:
    if _worker is None:
        raise AssertionError("a worker process begins with _begin")
    return _worker


def _begin(work: Work) -> None:
    global _worker  # noqa: PLW0603  one worker a process: the executor offers no other place
    follow_parent()
    _worker = Worker(work)
