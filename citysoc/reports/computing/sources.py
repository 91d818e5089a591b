"""Where figures come from: the store and the state, asked for one period and for the city or one agency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc.reports.figures import Compared, Ranked
from citysoc.state.values import stamp
from citysoc.stores.base import Metric, Question

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from citysoc.config.agencies import Agency
    from citysoc.config.load import Config
    from citysoc.reports.figures import Period
    from citysoc.state import State
    from citysoc.stores.base import Answers

TOP = 10
CASES = "_exists_:citysoc.threat"
ATTACKS = f"{CASES} AND citysoc.threat:attack"
DETECTIONS = "_exists_:threat.software.name AND event.dataset:antivirus.detection"
"""What is there is asked first: it leaves a thirtieth of the events to be compared."""


Earlier = tuple["Period | None", ...]
"""The periods to compare with; None for one without any data."""


@dataclass(frozen=True, slots=True)
class Sources:
    """A period's data.

    Args:
        config: the registry.
        state: the state.
        store: the events.
        period: of event time.
        judged_at: the moment for which streams are judged.
        agency: only this agency's data.
    """

    config: Config
    state: State
    store: Answers
    period: Period
    judged_at: dt.datetime
    agency: str | None = None

    def question(self, query: str, period: Period | None = None) -> Question:
        """Return a query as a question about the period, or another."""
        period = period or self.period
        return Question(query, period.since, period.until, self.agency)

    def count(self, query: str, period: Period | None = None) -> int:
        """Return how many events match."""
        return self.store.count(self.question(query, period))

    def groups(
        self, query: str, by: Sequence[str], *, period: Period | None = None, **options: Any
    ) -> list[Mapping[str, Any]]:
        """Return ``EventStore.aggregate`` of the matching events."""
        return self.store.aggregate(self.question(query, period), by=by, **options)

    def top(
        self, query: str, by: str, *, metric: Metric | None = None, limit: int | None = TOP
    ) -> tuple[Ranked, ...]:
        """Return the values of a field with most events, or with most of another metric."""
        metric = metric or Metric()
        name = "count" if metric.kind == "count" else f"{metric.kind}:{metric.field}"
        # One more than wanted: the group of events without the field is left out below.
        rows = self.groups(query, [by], metrics=[metric], limit=None if limit is None else limit + 1)
        ranked = [Ranked(str(row[by]), str(row[by]), row[name]) for row in rows if row[by] not in {None, ""}]
        return tuple(ranked[:limit])

    def agencies(self) -> list[Agency]:
        """Return the agencies of the registry that the figures are about."""
        return [agency for agency in self.config.registry if self.agency in {None, agency.id}]

    def agency_name(self, agency_id: str) -> str:
        """Return an agency's name, or its id where the registry no longer has it."""
        agency = self.config.registry.by_id(agency_id)
        return agency.name if agency else agency_id

    def named(self, ranked: tuple[Ranked, ...]) -> tuple[Ranked, ...]:
        """Return a ranking of agency ids with their names."""
        return tuple(Ranked(row.key, self.agency_name(row.key), row.count, row.more) for row in ranked)

    def span(self, period: Period | None = None) -> tuple[str, str]:
        """Return the ends of the period as the state writes times."""
        period = period or self.period
        return stamp(period.since), stamp(period.until)

    def compared(self, count: Callable[[Period], int], earlier: Earlier) -> Compared:
        """Return a count of the period beside those of earlier periods."""
        before, year_before = (count(period) if period else None for period in earlier)
        return Compared(count(self.period), before, year_before)
