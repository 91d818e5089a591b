"""The reports of all agencies in one run: every question is asked once for the city and parted by agency.

Figures are computed here, one agency after the other; documents are set by processes, one a core.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections import deque
from typing import TYPE_CHECKING

from citysoc.children import follow_parent
from citysoc.reports.build import told, written
from citysoc.reports.computing import compute
from citysoc.reports.computing.parted import Parted

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor, Future

    from citysoc.config.load import Config
    from citysoc.reports.build import Built
    from citysoc.reports.figures import Figures, Period
    from citysoc.state import State
    from citysoc.stores.base import EventStore

    Write = Callable[[Figures, str], Built]

ALONE = 12
"""For so few agencies no processes are started."""
MAX_PROCESSES = 8
_AHEAD = 3
"""So many reports a process are under way, so that figures do not pile up."""

_write: Write | None = None


def build_each(
    config: Config,
    state: State,
    store: EventStore,
    period: Period,
    *,
    languages: Sequence[str],
    now: dt.datetime,
    formats: Sequence[str] | None = None,
    processes: int | None = None,
) -> Iterator[Built]:
    """Yield the report of each agency of the registry as it is written; see ``reports.build.build``.

    Args:
        config: the registry, and what reports look like.
        state: alerts, incidents, streams.
        store: events.
        period: of which time.
        languages: vi, en.
        now: the moment for which streams are judged.
        formats: which documents; None for those of the configuration.
        processes: how many set documents; None for one a core, 0 for this process alone.
    """
    parted = Parted(store)
    agencies = [agency.id for agency in config.registry]
    computed = (
        (compute(config, state, parted, period, now=now, agency=agency), agency) for agency in agencies
    )
    chosen = min(os.cpu_count() or 1, MAX_PROCESSES) if processes is None else processes
    if processes is None and len(agencies) <= ALONE:
        chosen = 0
    if chosen:
        found = _spread(computed, _pool(config, languages, formats, chosen), chosen * _AHEAD)
    else:
        write = _writer(config, languages, formats)
        found = (write(figures, agency) for figures, agency in computed)
    for built in found:
        told(built)
        yield built


def _writer(config: Config, languages: Sequence[str], formats: Sequence[str] | None) -> Write:
    def write(figures: Figures, agency: str) -> Built:
        return written(config, figures, languages=languages, formats=formats, agency=agency)

    return write


def _pool(
    config: Config, languages: Sequence[str], formats: Sequence[str] | None, processes: int
) -> Executor:
    from concurrent.futures import ProcessPoolExecutor

    return ProcessPoolExecutor(
        max_workers=processes,
        # A fresh interpreter: no thread, lock or open database of ours is copied into it.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(config, languages, formats),
    )


def _spread(computed: Iterator[tuple[Figures, str]], pool: Executor, ahead: int) -> Iterator[Built]:
    """Yield what processes write, in order; when reading ends early, what has not begun is not written."""
    waiting: deque[Future[Built]] = deque()
    try:
        for figures, agency in itertools.islice(computed, ahead):
            waiting.append(pool.submit(_task, figures, agency))
        while waiting:
            yield waiting.popleft().result()
            for figures, agency in itertools.islice(computed, 1):
                waiting.append(pool.submit(_task, figures, agency))
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(config: Config, languages: Sequence[str], formats: Sequence[str] | None) -> None:
    global _write  # noqa: PLW0603  one writer a process: the executor offers no other place
    follow_parent()
    _write = _writer(config, languages, formats)


def _task(figures: Figures, agency: str) -> Built:
    if _write is None:
        raise AssertionError("a process begins with _begin")
    return _write(figures, agency)
