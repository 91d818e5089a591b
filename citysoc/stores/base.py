"""What an event store is. Two stores answer the same question alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from citysoc.flow import Event
    from citysoc.stores.order import Sort


@dataclass(frozen=True, slots=True)
class Question:
    """Which events: a query and a half-open span of event time.

    Args:
        query: Lucene syntax over ECS names; empty means all.
        since: first moment that counts, UTC; None for the beginning.
        until: first moment that no longer counts, UTC; None for no end.
        agency: only this agency's events.
        quarantine: ask the quarantined records instead of the events.
    """

    query: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    agency: str | None = None
    quarantine: bool = False


@dataclass(frozen=True, slots=True)
class Metric:
    """What to compute for each group.

    Args:
        kind: count, cardinality, sum, min, max, avg, or a percentile by the nearest rank: p95 is the
            smallest value that at least 95 of 100 values do not exceed.
        field: of which field; none for count.
    """

    kind: Literal["count", "cardinality", "sum", "min", "max", "avg", "p50", "p90", "p95", "p99"] = "count"
    field: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """The store's size: events, quarantined records, files, bytes, first and last event time."""

    events: int
    quarantined: int
    files: int
    bytes: int
    first: dt.datetime | None
    last: dt.datetime | None


@dataclass(frozen=True, slots=True)
class News:
    """What was stored after a mark.

    Args:
        events: matching events, oldest first by their own time.
        mark: give it to the next call; opaque.
    """

    events: list[Event]
    mark: str


class Answers(Protocol):
    """The answers of an event store that figures are computed from."""

    def count(self, question: Question) -> int:
        """Return how many events match."""

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
        """Return one row a group: the ``by`` fields, then the metrics.

        With an interval each row also has ``time``, the start of its interval in ``timezone``. A metric
        is named ``count`` or ``kind:field``. A list field counts once for each of its values, an event
        without a ``by`` field in the group None. Rows are ordered by the first metric downwards, then
        by the group; by time first, with an interval.
        """

    def search(
        self, question: Question, *, fields: Sequence[str] = (), newest_first: bool = True
    ) -> Iterator[Event]:
        """Yield matching events ordered by ``@timestamp``, then ``event.id``."""

    def scan(self, question: Question, *, fields: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
        """Yield matching events as Arrow batches in the order of their time, for work on many events."""


class EventStore(Answers, Protocol):
    """Events, append-only.

    Who writes goes through three doors, in this order, and they mean the same for every store:

    1. ``append`` returns once the batch is *durable*: on a disk, synchronised, under its number. A kill or a power
       failure from then on loses nothing of it, and nothing of it can come twice, because ``last_commit`` tells the
       next start that it is there. Only afterwards may progress take effect: positions move, counters count,
       senders get their acknowledgement. Where ``append`` raises, ``last_commit`` decides.
    2. ``settle`` waits until what is durable also lies where it is asked for, or the store turns out to be away.
       Nothing has to wait for it: what has not arrived yet goes on by itself, in order, also after a restart.
    3. ``finish`` does all that can be done at once: what waits is sent, and everything is found from now on.

    In the local store durable, settled and found are one: the transaction of the table. The store on Elasticsearch
    is durable with a file of its spool, which goes only after the cluster has acknowledged every row in it, and
    settled with that acknowledgement.
    """

    def append(self, table: pa.Table, commit: int) -> None:
        """Make the rows of a batch (columns of ``ecs.schema``) durable, all or none; see the class.

        Args:
            table: events and quarantined records.
            commit: the commit's number, larger than every earlier one.

        Raises:
            StoreError: nothing of the batch was stored.
        """

    def last_commit(self) -> int:
        """Return the number of the last commit that was stored, 0 where there is none."""

    def settle(self) -> None:
        """Wait until what is durable now lies where it is asked for, or the store turns out to be away."""

    def finish(self) -> None:
        """Settle, trying at once where the store was away, and let all of it be found."""

    def search(
        self,
        question: Question,
        *,
        fields: Sequence[str] = (),
        newest_first: bool = True,
        limit: int | None = None,
        after: tuple[dt.datetime, str] | None = None,
    ) -> Iterator[Event]:
        """Yield matching events ordered by ``@timestamp``, then ``event.id``.

        With ``after``, the time and the id of an event, the answer begins behind that event.

        Raises:
            UsageError: the query cannot be understood; names the column.
        """

    def ordered(
        self,
        question: Question,
        sorts: Sequence[Sort],
        *,
        fields: Sequence[str] = (),
        limit: int | None = None,
        after: Sequence[Any] | None = None,
    ) -> Iterator[Event]:
        """Yield matching events in a total order by fields; see ``stores.order``.

        With ``after``, the values of an event in that order, the answer begins behind that event.

        Raises:
            UsageError: the query cannot be understood; names the column.
        """

    def get(self, event_id: str) -> Event | None:
        """Return one event or quarantined record by ``event.id``."""

    def news(self, question: Question, *, since: str | None, fields: Sequence[str] = ()) -> News:
        """Return matching events that were stored after a mark, and the next mark.

        Args:
            question: which events.
            since: the mark of the call before; None begins now, with no events.
            fields: only these.

        Raises:
            UsageError: the query cannot be understood, or the store no longer knows the mark.
        """

    def left_out(self) -> list[str]:
        """Return what this object's answers so far had to leave out, one sentence each: damaged files, absent shards."""

    def status(self) -> Status:
        """Return the store's size."""

    def compact(self) -> int:
        """Rewrite small files into larger ones; return how many were removed."""

    def verify(self) -> list[str]:
        """Return what is wrong with the store, one sentence each; an empty list when all is well."""

    def retain(self, before: dt.datetime, query: str = "") -> int:
        """Remove events older than ``before`` that match a query, all by default; return how many.

        Quarantined records go with all, and with no query.
        """

    def fitting(self, max_bytes: int) -> dt.datetime | None:
        """Return from when on events may stay so that the store fits into so many bytes; None where it fits."""
