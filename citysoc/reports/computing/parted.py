"""An event store whose answers about one agency come from one question about all of them.

The reports of 483 agencies ask the same 30 questions. Asked one by one, each goes over the month's files
again; asked once with the agency as first group, all of them take the time of one report.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from citysoc.stores.base import Metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from citysoc.flow import Event
    from citysoc.stores.base import Answers, Question

AGENCY = "agency.id"


@dataclass(slots=True)
class Parted:
    """Answers the questions of reports; questions about no agency go to the store as they are.

    Args:
        store: the events.
    """

    store: Answers
    _groups: dict[Any, dict[str, list[Mapping[str, Any]]]] = field(default_factory=dict)
    _rows: dict[Any, dict[str, pa.Table]] = field(default_factory=dict)

    def count(self, question: Question) -> int:
        """Return how many events match."""
        if question.agency is None:
            return self.store.count(question)
        return sum(row["count"] for row in self.aggregate(question, by=[]))

    def aggregate(
        self,
        question: Question,
        *,
        by: Sequence[str],
        metrics: Sequence[Metric] = (Metric(),),
        interval_seconds: int | None = None,
        timezone: str = "UTC",
        limit: int | None = None,
    ) -> list[Mapping[str, Any]]:
        """Return what ``EventStore.aggregate`` returns, at most ``limit`` rows of the agency."""
        options: dict[str, Any] = {
            "metrics": tuple(metrics),
            "interval_seconds": interval_seconds,
            "timezone": timezone,
        }
        if question.agency is None:
            return self.store.aggregate(question, by=by, limit=limit, **options)
        city = replace(question, agency=None)
        key = (city, tuple(by), limit, *options.values())
        if key not in self._groups:
            self._groups[key] = self._parted(city, by, limit, options)
        return self._groups[key].get(question.agency, [])

    def _parted(
        self, city: Question, by: Sequence[str], limit: int | None, options: dict[str, Any]
    ) -> dict[str, list[Mapping[str, Any]]]:
        """Return the rows of each agency, in the order of the store, cut at the limit."""
        fields = list(by) if AGENCY in by else [AGENCY, *by]
        found: dict[str, list[Mapping[str, Any]]] = {}
        for row in self.store.aggregate(city, by=fields, **options):
            rows = found.setdefault(str(row[AGENCY]), [])
            if limit is None or len(rows) < limit:
                rows.append(row)
        return found

    def search(
        self, question: Question, *, fields: Sequence[str] = (), newest_first: bool = True
    ) -> Iterator[Event]:
        """Yield what ``EventStore.search`` yields."""
        return self.store.search(question, fields=fields, newest_first=newest_first)

    def scan(self, question: Question, *, fields: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
        """Yield what ``EventStore.scan`` yields, with the agency as a further column."""
        if question.agency is None:
            yield from self.store.scan(question, fields=fields)
            return
        city = replace(question, agency=None)
        key = (city, tuple(fields))
        if key not in self._rows:
            self._rows[key] = _by_agency(self.store.scan(city, fields=[*fields, AGENCY]))
        if (rows := self._rows[key].get(question.agency)) is not None:
            yield from rows.to_batches()


def _by_agency(batches: Iterator[pa.RecordBatch]) -> dict[str, pa.Table]:
    """Return the rows of each agency in the order they have; texts that repeat are held once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    held = list(batches)
    if not held:
        return {}
    rows = pa.Table.from_batches(held)
    agencies = pc.fill_null(rows[AGENCY], "").combine_chunks()
    order = pc.array_sort_indices(agencies)  # stable
    rows, agencies = rows.take(order), agencies.take(order)
    runs = pc.run_end_encode(agencies)
    starts = [0, *runs.run_ends.to_pylist()]
    return {
        name: rows.slice(start, end - start)
        for name, start, end in zip(runs.values.to_pylist(), starts, starts[1:], strict=False)
    }
