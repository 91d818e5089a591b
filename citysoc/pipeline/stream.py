"""Events and findings of files on the fly: the same work as in the line, without a store."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from citysoc.detectors.correlate import Correlator
from citysoc.pipeline import pool
from citysoc.pipeline.work import Worker, ruling

if TYPE_CHECKING:
    import concurrent.futures as cf
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from citysoc.detectors.correlate import Match
    from citysoc.flow import Batch, Finding
    from citysoc.pipeline.work import Work

T = TypeVar("T")

SMALL_BYTES = 16 << 20
"""Below this much input, starting worker processes costs more than they bring."""


def findings(
    batches: Iterable[Batch],
    work: Work,
    *,
    workers: int | None,
    on_refused: Callable[[Sequence[str], bool], None] = lambda _rules, _is_idle: None,
) -> Iterator[list[Finding]]:
    """Yield the findings of each batch, in the order of the batches; those of correlations at the end.

    Files come in any order of time, so what correlations need is kept until nothing more comes.

    Args:
        batches: what to judge.
        work: the rules.
        workers: processes, 0 for one a core; None works in this one.
        on_refused: is told what is wrong with rules that are not used, a line each, and whether none is left.
    """
    if workers is None:
        worker = Worker(work)
        on_refused(worker.refused, worker.is_idle)
        return _correlated((worker.judged(batch) for batch in batches), worker.correlations)
    rules = ruling(work)
    on_refused(rules.refused, rules.is_idle)
    return _correlated(_ordered(batches, work, workers, pool.judged), rules.correlations)


def _correlated(
    judged: Iterable[tuple[list[Finding], list[Match]]], correlations: Sequence[Mapping[str, Any]]
) -> Iterator[list[Finding]]:
    correlator = Correlator(correlations, lateness_seconds=None)
    for own, matches in judged:
        yield own + correlator.feed(matches)
    if rest := correlator.finish():
        yield rest


def _ordered(batches: Iterable[Batch], work: Work, workers: int, task: Callable[[Batch], T]) -> Iterator[T]:
    """Yield the results of tasks in order, with a bounded number of them under way."""
    with pool.open_pool(work, workers) as executor:
        under_way: deque[cf.Future[T]] = deque()
        for batch in batches:
            under_way.append(executor.submit(task, batch))
            if len(under_way) > 3 * pool.size(workers):
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
