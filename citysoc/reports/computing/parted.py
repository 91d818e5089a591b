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

    from citysoc.flow import Event
    from citysoc.stores.base import EventStore, Question

AGENCY = "agency.id"


@dataclass(slots=True)
class Parted:
    """Answers the questions of reports; questions about no agency go to the store as they are.

    Args:
        store: the events.
    """

    store: EventStore
    _groups: dict[Any, dict[str, list[Mapping[str, Any]]]] = field(default_factory=dict)
    _events: dict[Any, dict[str, list[Event]]] = field(default_factory=dict)

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
        self,
        question: Question,
        *,
        fields: Sequence[str] = (),
        newest_first: bool = True,
        limit: int | None = None,
    ) -> Iterator[Event]:
        """Yield what ``EventStore.search`` yields."""
        if question.agency is None or limit is not None:
            yield from self.store.search(question, fields=fields, newest_first=newest_first, limit=limit)
            return
        city = replace(question, agency=None)
        key = (city, tuple(fields), newest_first)
        if key not in self._events:
            found: dict[str, list[Event]] = {}
            for event in self.store.search(city, fields=[*fields, AGENCY], newest_first=newest_first):
                found.setdefault(str(event.get(AGENCY)), []).append(event)
            self._events[key] = found
        yield from self._events[key].get(question.agency, [])
