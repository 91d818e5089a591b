"""The store on Elasticsearch: one index a day of event time behind an alias, commits through a local spool.

A commit is durable once it lies in the spool on this machine's disk; from there it goes to the cluster, in order
and at once where the cluster is well. While the cluster is away commits wait there, and a full spool makes the
line wait. Ids and indices follow from the rows, so that nothing is there twice however often it is sent.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import time
from typing import TYPE_CHECKING, Any

from citysoc import clock, telemetry
from citysoc.ecs.schema import to_table
from citysoc.errors import StoreError, UsageError
from citysoc.i18n import _
from citysoc.stores import elastic_copies, elastic_mapping, elastic_retention, order_elastic
from citysoc.stores.base import Metric, News, Question, Status
from citysoc.stores.buffered import Outside, Refusal
from citysoc.stores.days import with_times
from citysoc.stores.elastic_client import Cluster, connect
from citysoc.stores.elastic_document import to_event
from citysoc.stores.elastic_encode import document_id
from citysoc.stores.elastic_groups import aggregate
from citysoc.stores.elastic_query import Translation
from citysoc.stores.elastic_scan import behind, by_time, read
from citysoc.stores.elastic_sender import Sender
from citysoc.stores.elastic_spool import Spool
from citysoc.stores.local_groups import groups
from citysoc.stores.query_fields import check_field
from citysoc.stores.query_parse import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from zoneinfo import ZoneInfo

    import pyarrow as pa

    from citysoc.config.stores import Elastic
    from citysoc.flow import Event
    from citysoc.stores.elastic_bulk import Fate
    from citysoc.stores.order import Sort

_log = telemetry.logger("stores.elastic")

_ROOM_SECONDS = 300.0
_AHEAD = 2
"""So many commits may be on their way to a cluster that is well when the next one is asked for."""

_APPEND_SECONDS = 5.0
"""A commit that comes in waits no longer for those before it; the spool has room."""

_SCAN_ROWS = 2000


class ElasticStore:
    """Events in a cluster.

    Args:
        settings: what the configuration says of the cluster.
        root: what relative paths in it are relative to.
        spool: the directory where commits wait.
        timezone: the zone of times in queries that name none.
        retention_days: for the cluster's own lifecycle, where it has one; None leaves it alone.
        room_seconds: how long a commit waits for room in a full spool before it fails.
    """

    def __init__(
        self,
        settings: Elastic,
        *,
        root: Path,
        spool: Path,
        timezone: ZoneInfo = clock.HUE,
        retention_days: int | None = None,
        room_seconds: float = _ROOM_SECONDS,
    ) -> None:
        self._settings = settings
        self._root = root
        self._zone = timezone
        self._retention_days = retention_days
        self._room_seconds = room_seconds
        self._spool = Spool(spool, settings.spool_bytes)
        self._connecting = threading.Lock()
        self._writing = threading.Lock()
        self._cluster: Cluster | None = None
        self._ready = False
        self._sender = Sender(self._spool, settings, self._prepared)

    @property
    def indices(self) -> str:
        """The indices of the events, as a pattern: it may match none."""
        return f"{self._settings.prefix}-events-*"

    @property
    def place(self) -> str:
        """Where the events lie, for people."""
        return f"{', '.join(self._settings.urls)} {self._settings.prefix}-events"

    @property
    def cluster(self) -> Cluster:
        """The connection, made when first needed."""
        with self._connecting:
            if self._cluster is None:
                self._cluster = connect(self._settings, self._root)
            return self._cluster

    def begin(self) -> None:
        """Look whether the cluster can be written to, before anything is taken in.

        Raises:
            StoreError: it refuses us, or was never reached: then the configuration is wrong more likely than the
                network. A cluster that was there before may be away; events wait for it.
        """
        self._spool.clean()
        try:
            self._prepare()
        except StoreError as error:
            if not error.transient or not self._spool.noted().get("known"):
                raise
            self._sender.gone(error)
            return
        self.drain()

    def finish(self) -> None:
        """Send what waits, once, and let it be found at once."""
        if self._sender.drain(now=True) == 0 and self._ready:
            with contextlib.suppress(StoreError):  # what is stored is stored; it is found a little later then
                self.refresh()

    def append(self, table: pa.Table, commit: int) -> None:
        """Make the rows of a batch durable under the commit's number; see the module.

        Raises:
            StoreError: nothing of the batch was stored.
        """
        with self._writing:
            if commit <= (last := self.last_commit()):
                raise StoreError(
                    _("Commit {commit} comes after {last}, which is stored already.").format(
                        commit=commit, last=last
                    ),
                    where=str(self._spool.path),
                    hint=_("Another process writes to this store; only one may."),
                )
            self._wait_for_room()
            self._spool.write(commit, with_times(table))
        self._sender.wake()
        self._sender.keep_up(_AHEAD, _APPEND_SECONDS)

    def settle(self) -> None:
        """Wait until what waits now was sent to the cluster, or could not be."""
        self._sender.settle()

    def last_commit(self) -> int:
        """Return the number of the last commit that is durable, 0 where there is none."""
        return self._spool.last()

    def drain(self) -> int:
        """Send the commits that wait, oldest first; return how many are left.

        After a failure the next try comes a little later each time; until then nothing is sent.
        """
        return self._sender.drain()

    def outside(self) -> Outside:
        """Return what waits for the cluster, and since when the cluster is away."""
        waiting = self._spool.waiting()
        noted = self._spool.noted()
        since = noted.get("away_since")
        return Outside(
            commits=len(waiting),
            rows=sum(one.rows for one in waiting),
            bytes=sum(one.bytes for one in waiting),
            away_since=dt.datetime.fromisoformat(since) if since else None,
            reason=noted.get("reason", ""),
        )

    def refusals(self) -> list[Refusal]:
        """Return what the cluster refused and nobody has counted yet."""
        return self._spool.refusals()

    def forget(self, refusal: Refusal) -> None:
        """Take a refusal for counted."""
        self._spool.forget(refusal)

    def search(
        self,
        question: Question,
        *,
        fields: Sequence[str] = (),
        newest_first: bool = True,
        limit: int | None = None,
        after: tuple[dt.datetime, str] | None = None,
    ) -> Iterator[Event]:
        """Yield matching events ordered by ``@timestamp``, then ``event.id``; newest first both downwards.

        Raises:
            UsageError: the query cannot be understood; names the column.
            StoreError: the cluster does not answer.
        """
        for name in fields:
            check_field(name)
        query, runtime = self._translated(question)
        if after is not None:
            query = {"bool": {"filter": [query, behind(after, newest_first=newest_first)]}}
        order = by_time(newest_first=newest_first)
        return read(self.cluster, self.indices, query, runtime, fields=fields, sort=order, limit=limit)

    def ordered(
        self,
        question: Question,
        sorts: Sequence[Sort],
        *,
        fields: Sequence[str] = (),
        limit: int | None = None,
        after: Sequence[Any] | None = None,
    ) -> Iterator[Event]:
        """Yield matching events in a total order by fields; see ``EventStore.ordered``."""
        for name in fields:
            check_field(name)
        query, runtime = self._translated(question)
        order = order_elastic.sorting(sorts, runtime)
        if after is not None:
            query = {"bool": {"filter": [query, order_elastic.behind(sorts, after, runtime)]}}
        return read(self.cluster, self.indices, query, runtime, fields=fields, sort=order, limit=limit)

    def scan(self, question: Question, *, fields: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
        """Yield matching events as Arrow batches in the order of their time; columns of ``ecs.schema``."""
        rows: list[Event] = []
        for event in self.search(question, fields=fields, newest_first=False):
            rows.append(event)
            if len(rows) == _SCAN_ROWS:
                yield from to_table(rows).to_batches()
                rows = []
        if rows:
            yield from to_table(rows).to_batches()

    def count(self, question: Question) -> int:
        """Return how many events match."""
        return int(self.aggregate(question, by=())[0]["count"])

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
        """Return one row a group: the ``by`` fields, then the metrics; see ``EventStore.aggregate``."""
        grouping = groups(by, metrics, interval_seconds, timezone)
        query, runtime = self._translated(question)
        return aggregate(self.cluster, self.indices, query, runtime, grouping, limit=limit)

    def get(self, event_id: str) -> Event | None:
        """Return one event or quarantined record by ``event.id``."""
        body = {"size": 1, "query": {"ids": {"values": [document_id(event_id)]}}}
        answer = self.cluster.ask("POST", f"/{self.indices}/_search", body, ignore_unavailable="true")
        for hit in answer["hits"]["hits"]:
            return to_event(hit["_source"])
        return None

    def status(self) -> Status:
        """Return the store's size; ``files`` are the segments of its indices."""
        body = {
            "size": 0,
            "track_total_hits": True,
            "aggs": {
                "quarantined": {"filter": {"exists": {"field": "citysoc.unparsed"}}},
                "time": {"stats": {"field": elastic_mapping.TIME}},
            },
        }
        answer = self.cluster.ask("POST", f"/{self.indices}/_search", body, ignore_unavailable="true")
        sizes = self.cluster.ask("GET", f"/{self.indices}/_stats/store,segments", ignore_unavailable="true")
        total = answer["hits"]["total"]["value"]
        found = answer.get("aggregations") or {"quarantined": {"doc_count": 0}, "time": {"count": 0}}
        sizes = sizes["_all"]["primaries"]
        times = found["time"]
        return Status(
            events=total - found["quarantined"]["doc_count"],
            quarantined=found["quarantined"]["doc_count"],
            files=sizes.get("segments", {}).get("count", 0),
            bytes=sizes.get("store", {}).get("size_in_bytes", 0),
            first=_moment(times["min"]) if times["count"] else None,
            last=_moment(times["max"]) if times["count"] else None,
        )

    def compact(self) -> int:
        """Merge the segments of indices that no event came into for a day; return how many are gone."""
        before = self.status().files
        edge = f"{self._settings.prefix}-events-{clock.now() - dt.timedelta(days=2):%Y.%m.%d}"
        names = self.cluster.ask(
            "GET", f"/{self.indices}/_settings", missing={}, filter_path="*.settings.index.uuid"
        )
        for name in sorted(name for name in names if name < edge):
            self.cluster.ask("POST", f"/{name}/_forcemerge", seconds=3600, max_num_segments=1)
        return max(0, before - self.status().files)

    def verify(self) -> list[str]:
        """Return what is wrong with the store, one sentence each: shards that are missing, ids that are twice.

        Damaged files of the spool, too: what they held did not arrive.
        """
        problems = [f"{one.path}: damaged, {one.rows} rows did not arrive" for one in self._spool.damaged()]
        health = self.cluster.ask("GET", f"/_cluster/health/{self.indices}", level="indices")
        for name, facts in sorted(health["indices"].items()):
            if facts["status"] == "red":
                problems.append(
                    f"{name}: {facts['unassigned_shards']} of {facts['number_of_shards']} shards are missing"
                )
        if not len(health["indices"]) or any(one["status"] == "red" for one in health["indices"].values()):
            return problems
        self.refresh()
        question = {"bool": {"filter": [{"exists": {"field": "event.id"}}]}}
        doubled = {
            "size": 0,
            "query": question,
            "aggs": {"ids": {"terms": {"field": "event.id", "size": 10, "min_doc_count": 2}}},
        }
        answer = self.cluster.ask("POST", f"/{self.indices}/_search", doubled, seconds=600)
        found = answer["aggregations"]["ids"]["buckets"]
        problems += [f"event.id {one['key']}: stored {one['doc_count']} times" for one in found]
        return problems

    def retain(self, before: dt.datetime, query: str = "") -> int:
        """Remove events older than ``before`` that match a query, all by default; return how many."""
        matching = None
        if query:
            condition, runtime = self._translated(Question(query))
            matching = {"query": condition, "runtime_mappings": runtime}
        return elastic_retention.retain(self.cluster, self._settings.prefix, before, matching)

    def fitting(self, max_bytes: int) -> dt.datetime | None:
        """Return from when on events may stay so that the store fits into so many bytes; None where it fits."""
        return elastic_retention.fitting(self.cluster, self._settings.prefix, max_bytes)

    def news(self, question: Question, *, since: str | None, fields: Sequence[str] = ()) -> News:
        """Return matching events of the commits that the cluster acknowledged after a mark; see ``EventStore``.

        Raises:
            UsageError: the query cannot be understood, or the mark is none of ours.
        """
        for name in fields:
            check_field(name)
        query, runtime = self._translated(question)
        self._sender.settle()
        newest = self._spool.sent()
        if since is None:
            return News([], str(newest))
        if not since.isdecimal():
            raise UsageError(_("The store does not know this mark."))
        if int(since) >= newest:
            return News([], since)
        self.refresh()
        span = {"range": {elastic_mapping.COMMIT: {"gt": int(since), "lte": newest}}}
        both = {"bool": {"filter": [query, span]}}
        order = by_time(newest_first=False)
        found = read(self.cluster, self.indices, both, runtime, fields=fields, sort=order, limit=None)
        return News(list(found), str(newest))

    def left_out(self) -> list[str]:
        """Return what this object's answers so far had to leave out, one sentence each: shards that did not answer."""
        return list(self.cluster.left_out)

    def destroy(self) -> None:
        """Remove all indices of the prefix and our templates; for stores that are thrown away."""
        prefix = self._settings.prefix
        known = self.cluster.ask(
            "GET", f"/{prefix}-*/_settings", missing={}, filter_path="*.settings.index.uuid"
        )
        for name in sorted(known):  # a pattern may be forbidden to delete by
            self.cluster.ask("DELETE", f"/{name}", missing={})
        for name in ("events", "mirror"):
            self.cluster.ask("DELETE", f"/_index_template/{prefix}-{name}", missing={})

    def close(self) -> None:
        """Close the connections."""
        self._sender.close()
        with self._connecting:
            if self._cluster is not None:
                self._cluster.client.close()
                self._cluster = None

    def refresh(self) -> None:
        """Let everything that was sent be found."""
        self._sender.settle()
        self.cluster.ask("POST", f"/{self.indices}/_refresh", ignore_unavailable="true")

    def _translated(self, question: Question) -> tuple[dict[str, Any], dict[str, Any]]:
        translation = Translation()
        query = translation.question(question, parse(question.query, timezone=self._zone))
        return query, translation.runtime

    def _prepared(self) -> Cluster:
        self._prepare()
        return self.cluster

    def _prepare(self) -> None:
        """Make sure of the cluster and of our templates, once a process."""
        if self._ready:
            return
        cluster, settings = self.cluster, self._settings
        abilities = elastic_retention.probe(cluster)
        policy = None
        if abilities.lifecycles and self._retention_days:
            policy = f"{settings.prefix}-events"
            # A day's index may be made up to two days before its day, and is filled for some days after it.
            elastic_retention.lifecycle(cluster, policy, self._retention_days + 7)
        own = elastic_mapping.settings(
            shards=settings.shards, replicas=settings.replicas, refresh_seconds=settings.refresh_seconds
        )
        template = elastic_mapping.events_template(settings.prefix, own, policy=policy)
        cluster.ask("PUT", f"/_index_template/{settings.prefix}-events", template)
        copies = elastic_copies.template(settings.prefix, own)
        cluster.ask("PUT", f"/_index_template/{settings.prefix}-mirror", copies)
        self._ready = True
        if not self._spool.noted().get("known"):
            self._spool.note(known=abilities.version)

    def copy(self, kind: str, copies: Sequence[elastic_copies.Copy]) -> int:
        """Store copies of alerts, incidents or the audit trail; return how many were not older than what is there.

        Raises:
            StoreError: the cluster does not take them.
        """
        self._prepare()
        return elastic_copies.send(self.cluster, self._settings.prefix, kind, copies)

    def marks(self) -> dict[str, str]:
        """Return up to where copies were sent, by kind."""
        return {str(kind): str(mark) for kind, mark in self._spool.noted().get("marks", {}).items()}

    def mark(self, marks: Mapping[str, str]) -> None:
        """Write down up to where copies were sent."""
        self._spool.note(marks=dict(marks))

    def take(self, table: pa.Table) -> Fate:
        """Store rows that come from another store and belong to no commit; return what became of them.

        Raises:
            StoreError: the cluster did not take all of them; the same may be given again.
        """
        return self._sender.put(with_times(table))

    def go_on_from(self, number: int) -> None:
        """Count commits from a number on: what came before lies here already."""
        with self._writing:
            if number > self.last_commit():
                self._spool.skip_to(number)

    def _wait_for_room(self) -> None:
        """Hold the line while the spool is full: what feeds it waits in turn.

        Raises:
            StoreError: there was no room for too long.
        """
        ends = time.monotonic() + self._room_seconds
        while not self._spool.has_room():
            if self.drain() == 0:
                return
            if time.monotonic() > ends:
                raise StoreError(
                    _("The cluster is away and the spool is full."),
                    where=str(self._spool.path),
                    hint=_("Bring the cluster back, or give store.elasticsearch.spool_bytes more room."),
                    transient=True,
                )
            time.sleep(0.2)


def _moment(microseconds: float) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=int(microseconds))
