"""Findings of files on the fly: the same work as in the line, without a store."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from citysoc.detectors.correlate import Correlator
from citysoc.detectors.sigma.hit import findings as made_findings
from citysoc.errors import InputError
from citysoc.i18n import _
from citysoc.pipeline import pool
from citysoc.pipeline.loaded import loaded_of, ruling_of
from citysoc.pipeline.worker import Worker

if TYPE_CHECKING:
    import concurrent.futures as cf
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from citysoc.detectors.correlate import Match
    from citysoc.detectors.sigma import Loaded
    from citysoc.detectors.sigma.hit import Hit
    from citysoc.flow import Batch, Finding
    from citysoc.pipeline.loaded import Ruling
    from citysoc.pipeline.work import Work

T = TypeVar("T")

SMALL_BYTES = 16 << 20
"""Below this much input, starting worker processes costs more than they bring."""


def findings(
    batches: Iterable[Batch],
    work: Work,
    *,
    workers: int | None,
    tell: Callable[[list[Finding]], T],
    tell_found: Callable[[Sequence[Hit | Finding]], T] | None = None,
    on_refused: Callable[[Ruling], None] = lambda _ruling: None,
) -> Iterator[T]:
    """Yield what to tell of the findings of each batch, in the order of the batches; of correlations at the end.

    Files come in any order of time, so what correlations need is kept until nothing more comes.

    Args:
        batches: what to judge; best with their lines unread, which workers then read themselves.
        work: the rules.
        workers: processes, 0 for one a core; None works in this one.
        tell: makes of findings what is wanted of them, where they are found; travels to workers.
        tell_found: makes the same of what is found, quicker, before it is made into findings.
        on_refused: is told what is to be known of the rules before anything is judged.

    Raises:
        SourceError: what is to be judged cannot be read.
        InputError: a worker died.
    """
    loaded = loaded_of(work)
    rules = ruling_of(loaded)
    on_refused(rules)
    say = tell_found or partial(_made, tell)
    if workers is None:
        judged = _alone(batches, Worker(work, loaded), say)
    else:
        judged = _ordered(batches, work, workers, loaded, say)
    correlator = Correlator(rules.correlations, lateness_seconds=None)
    for told, matches in judged:
        yield told
        if early := correlator.feed(matches):
            yield tell(early)
    if rest := correlator.finish():
        yield tell(rest)


def _made(tell: Callable[[list[Finding]], T], found: Sequence[Hit | Finding]) -> T:
    return tell(made_findings(found))


def _alone(
    batches: Iterable[Batch], worker: Worker, tell: Callable[[Sequence[Hit | Finding]], T]
) -> Iterator[tuple[T, list[Match]]]:
    for batch in batches:
        own, matches = worker.found(batch)
        yield tell(own), matches


def _ordered(
    batches: Iterable[Batch],
    work: Work,
    workers: int,
    loaded: Loaded,
    tell: Callable[[Sequence[Hit | Finding]], T],
) -> Iterator[tuple[T, list[Match]]]:
    """Yield the results of workers in order, with a bounded number of them under way."""
    import concurrent.futures as cf

    task = partial(pool.judged, tell)
    under_way: deque[cf.Future[tuple[T, list[Match]]]] = deque()
    try:
        with pool.open_copies(work, workers, loaded) as executor:
            for batch in batches:
                under_way.append(executor.submit(task, batch))
                if len(under_way) > 3 * pool.size(workers):
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
    except cf.BrokenExecutor as error:
        raise InputError(
            _("A worker process died: it was killed, or the machine has no memory left.")
        ) from error
