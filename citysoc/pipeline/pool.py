"""One worker a core, each in a process of its own."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from citysoc import compiled
from citysoc.pipeline.loaded import settle
from citysoc.pipeline.worker import Worker

if TYPE_CHECKING:
    import concurrent.futures as cf
    from collections.abc import Callable, Sequence

    from citysoc.detectors.correlate import Match
    from citysoc.detectors.sigma import Loaded
    from citysoc.detectors.sigma.hit import Hit
    from citysoc.flow import Batch, Finding
    from citysoc.pipeline.work import Processed, Work

T = TypeVar("T")

_PIPE_BYTES = 1 << 20

_worker: Worker | None = None


def size(workers: int | None) -> int:
    """Return how many workers a setting means: 0 is one a core, None is the calling thread alone."""
    return 1 if workers is None else workers or os.cpu_count() or 1


def executor(
    work: Work, workers: int | None, loaded: Loaded | None = None
) -> tuple[cf.Executor, Callable[[list[Batch]], Processed]]:
    """Return where to submit groups of batches, and the task to submit.

    Args:
        work: what the workers need.
        workers: processes, 0 for one a core; None means one thread of this process.
        loaded: its rules, where they are loaded already.
    """
    import concurrent.futures as cf

    if workers is None:
        return cf.ThreadPoolExecutor(max_workers=1, thread_name_prefix="work"), Worker(work, loaded).process
    return open_pool(work, workers, loaded), process


def is_ready() -> bool:
    """Return, inside a worker, that it is there: it began."""
    return True


def open_pool(work: Work, workers: int, loaded: Loaded | None = None) -> cf.Executor:
    """Return an executor whose workers are ready for ``process``.

    Args:
        work: what they need.
        workers: how many; 0 means one a core.
        loaded: its rules, where they are loaded already: what a worker needs of them travels to it.
    """
    import concurrent.futures as cf
    import multiprocessing

    return cf.ProcessPoolExecutor(
        max_workers=size(workers),
        # A fresh interpreter: no thread, lock or open database of ours is copied into it.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(work, loaded and replace(loaded, checks=(), plans=(), problems=())),
    )


def open_copies(work: Work, workers: int, loaded: Loaded) -> cf.Executor:
    """Return an executor whose workers are ready for ``judged``, where they can be as copies of this process.

    Copies share the rules with it, and begin at once. No thread may run here, whose locks and doings would be copied
    half; where one does, workers begin from nothing.

    Args:
        work: what they need.
        workers: how many; 0 means one a core.
        loaded: its rules.
    """
    import concurrent.futures as cf
    import multiprocessing

    if work.much:
        compiled.ready(work.cache_dir)  # or each copy would compile it for itself
    if not _is_alone():
        return open_pool(work, workers)
    settle()
    for stream in (sys.stdout, sys.stderr):  # or each copy would write out what waits there
        stream.flush()
    executor = cf.ProcessPoolExecutor(
        max_workers=size(workers),
        mp_context=multiprocessing.get_context("fork"),
        initializer=_begin,
        initargs=(work, loaded),
    )
    _widen(executor)
    executor.submit(size, workers)  # whatever it is: with the first task all copies are made, and that is now
    return executor


def _widen(executor: cf.ProcessPoolExecutor) -> None:
    """Let workers hand back a whole span's findings at once: they wait while a pipe of the usual 64 KiB is emptied."""
    import fcntl

    results = getattr(executor, "_result_queue", None)  # the executor offers no other way
    pipe = getattr(results, "_writer", None)
    if pipe is not None and hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # a user has so much for pipes, and no more
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _is_alone() -> bool:
    """Return whether this process has one thread, also counting those that Python does not know."""
    try:
        return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208  a name is enough
    except OSError:  # another system than Linux
        return False


def process(batches: list[Batch]) -> Processed:
    """Do the work of a group of batches inside a worker process."""
    return _ready().process(batches)


def judged(tell: Callable[[Sequence[Hit | Finding]], T], batch: Batch) -> tuple[T, list[Match]]:
    """Return what to tell of what is found in one batch, and what correlations need of it, inside a worker process."""
    found, matches = _ready().found(batch)
    return tell(found), matches


def _ready() -> Worker:
    if _worker is None:
        raise AssertionError("a worker process begins with _begin")
    return _worker


def _begin(work: Work, loaded: Loaded | None = None) -> None:
    global _worker  # noqa: PLW0603  one worker a process: the executor offers no other place
    from citysoc.children import follow_parent

    follow_parent()
    _worker = Worker(work, loaded)
