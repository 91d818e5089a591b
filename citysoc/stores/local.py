"""The local store: a Delta Lake table in a directory or a bucket, asked with DuckDB. No server.

One process writes (``append``, ``compact``, ``retain``), any number may read meanwhile; a query sees one
version of the table from its first row to its last.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citysoc import clock
from citysoc.errors import StoreError, UsageError
from citysoc.i18n import _
from citysoc.stores import local_compact, local_retain, local_verify, order_local
from citysoc.stores.base import Metric, News, Question, Status
from citysoc.stores.days import with_times
from citysoc.stores.local_files import present, row_bytes
from citysoc.stores.local_groups import groups
from citysoc.stores.local_place import Folder
from citysoc.stores.local_read import (
    BATCH_ROWS,
    Asked,
    DamagedError,
    events,
    padded,
    read,
    stored_columns,
    where,
)
from citysoc.stores.local_sql import ask, connect, source
from citysoc.stores.local_table import Table
from citysoc.stores.query import Node, columns
from citysoc.stores.query_fields import check_field
from citysoc.stores.query_parse import parse
from citysoc.stores.query_sql import Parameters

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    import duckdb
    import pyarrow as pa

    from citysoc.flow import Event
    from citysoc.stores.local_files import DataFile
    from citysoc.stores.local_place import Place
    from citysoc.stores.order import Sort


_FILES_AT_ONCE = 64
"""An id is looked for in so many files together, the newest first."""


class LocalStore:
    """Events in a directory or a bucket.

    Args:
        place: where; a path is a directory, made when something is first written.
        timezone: the zone of times in queries that name none.
        memory_bytes: what DuckDB may use before it spills to the disk.
        threads: what DuckDB may use; None for one a core.
    """

    def __init__(
        self,
        place: Path | Place,
        *,
        timezone: ZoneInfo = clock.HUE,
        memory_bytes: int = 512 << 20,
        threads: int | None = None,
    ) -> None:
        self.place: Place = Folder(place) if isinstance(place, Path) else place
        self._zone = timezone
        self._memory_bytes = memory_bytes
        self._threads = threads
        self._table = Table(self.place)
        self._lock = threading.Lock()
        self._database: duckdb.DuckDBPyConnection | None = None
        self._damaged: dict[str, str] = {}

    def append(self, table: pa.Table, commit: int) -> None:
        """Store the rows of a batch and the commit's number in one Delta transaction.

        Raises:
            StoreError: nothing of the batch was stored.
        """
        self._table.append(with_times(table), commit)

    def last_commit(self) -> int:
        """Return the number of the last commit that was stored, 0 where there is none."""
        return self._table.last_commit()

    def settle(self) -> None:
        """Do nothing: what was appended is where it is asked for."""

    def finish(self) -> None:
        """Do nothing: what was appended is found."""

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

        Args:
            question: which events.
            fields: only these; ``@timestamp`` and ``event.id`` always. Reading few is much faster.
            newest_first: the order.
            limit: at most so many.
            after: time and id of an event behind which the answer begins.

        Raises:
            UsageError: the query cannot be understood; names the column.
        """
        node = self._parse(question)
        for name in fields:
            check_field(name)
        asked = self._asked(question, node, fields, newest_first=newest_first, after=after)
        return events(self._read(asked, limit), fields)

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
        asked = self._asked(question, self._parse(question), fields, newest_first=True)
        files = self._table.snapshot().between(question.since, question.until)
        return order_local.ordered(asked, files, self, sorts, fields=fields, limit=limit, after=after)

    def scan(self, question: Question, *, fields: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
        """Yield matching events as Arrow batches in the order of their time.

        For work on many events. The columns are those of ``ecs.schema``; fields outside the dictionary
        stay in ``citysoc.extra``.
        """
        asked = self._asked(question, self._parse(question), fields, newest_first=False)
        return (padded(batch, asked.shown) for batch in self._read(asked, None))

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
        """Return one row a group: the ``by`` fields, then the metrics; see ``EventStore.aggregate``.

        An event without a ``by`` field counts in the group None. Without ``by`` and interval there is
        exactly one row.
        """
        node = self._parse(question)
        grouping = groups(by, metrics, interval_seconds, timezone)
        files = self._table.snapshot().between(question.since, question.until)
        needed = columns(node) | grouping.columns | {"@timestamp", "citysoc.unparsed", "agency.id"}
        while paths := self.paths(files):
            bind = Parameters()
            rows = source(paths, needed, bind)
            statement = grouping.statement(rows, where(question, node, bind), bind, limit)
            try:
                return grouping.rows(list(self.run(statement, bind, paths)))
            except DamagedError:  # without the files that are now known
                continue
        return grouping.empty()

    def get(self, event_id: str) -> Event | None:
        """Return one event or quarantined record by ``event.id``.

        Bloom filters tell in which files it cannot be; small files, which have none, are read.
        """
        newest_first = sorted(self._table.snapshot().files, key=lambda f: (f.last, f.name), reverse=True)
        for start in range(0, len(newest_first), _FILES_AT_ONCE):
            if (event := self._get(event_id, newest_first[start : start + _FILES_AT_ONCE])) is not None:
                return event
        return None

    def _get(self, event_id: str, files: Sequence[DataFile]) -> Event | None:
        while paths := self.paths(files):
            bind = Parameters()
            # First where, then what: that one row is then read with all its columns.
            rows = source(paths, {"event.id"}, bind)
            statement = (
                f'SELECT filename AS f FROM {rows} WHERE "event.id" = {bind(event_id)}::VARCHAR LIMIT 1'  # noqa: S608  values are bound
            )
            try:
                found = [row["f"] for batch in self.run(statement, bind, paths) for row in batch.to_pylist()]
                return self._one(found[0], event_id) if found else None
            except DamagedError:
                continue
        return None

    def news(self, question: Question, *, since: str | None, fields: Sequence[str] = ()) -> News:
        """Return matching events that were stored after a mark, oldest first, and the next mark."""
        node = self._parse(question)
        snapshot = self._table.snapshot()
        mark = str(snapshot.version)
        if since is None or since == mark:
            return News([], mark)
        files = self._table.added(int(since), snapshot.version)
        if files is None:
            raise UsageError(
                _("This mark is too old."), hint=_("Ask with --since for what was stored before.")
            )
        files = [file for file in files if file.overlaps(question.since, question.until)]
        asked = self._asked(question, node, fields, newest_first=False)
        return News(list(events(read(asked, files, self, None), fields)), mark)

    def status(self) -> Status:
        """Return the store's size."""
        files = self._table.snapshot().files
        rows = sum(file.rows for file in files)
        quarantined = sum(file.quarantined for file in files)
        return Status(
            events=rows - quarantined,
            quarantined=quarantined,
            files=len(files),
            bytes=sum(file.bytes for file in files),
            first=min((file.first for file in files), default=None),
            last=max((file.last for file in files), default=None),
        )

    def begun(self) -> bool:
        """Return whether there is a table, be it empty."""
        return self._table.snapshot().version >= 0

    def files_until(self, commit: int) -> tuple[tuple[DataFile, ...], int]:
        """Return the files of the newest version without a commit after this one, and the number of its last."""
        snapshot, last = self._table.snapshot_until(commit)
        return snapshot.files, last

    def adopt(self, files: Sequence[DataFile], commit: int) -> None:
        """Make the store of files that are in their places, with the number of their last commit.

        Raises:
            StoreError: there is a store already.
        """
        self._table.adopt(files, commit)

    def left_out(self) -> list[str]:
        """Return what answers had to leave out so far, one sentence a damaged file."""
        return [f"{name}: {problem}" for name, problem in sorted(self._damaged.items())]

    def compact(self, *, stopped: Callable[[], bool] = lambda: False) -> int:
        """Merge small files into larger ones; return how many fewer there are."""
        return local_compact.compact(self._table, stopped=stopped)

    def retain(self, before: dt.datetime, query: str = "") -> int:
        """Remove events older than ``before`` that match; return how many."""
        node = self._parse(Question(query))
        return local_retain.retain(self._table, self._cursor, before, node)

    def fitting(self, max_bytes: int) -> dt.datetime | None:
        """Return from when on events may stay so that the store fits into so many bytes; None where it fits."""
        return local_retain.fitting(self._table.snapshot().files, max_bytes)

    def sql(
        self, statement: str, *, timeout_seconds: float = 300
    ) -> tuple[list[str], Iterator[dict[str, Any]]]:
        """Return the columns and rows of a SELECT over the views ``events`` and ``quarantine``.

        The statement can read the store and nothing else: no other file, no network, no change.

        Raises:
            UsageError: it is not one SELECT, or not valid SQL, or takes too long.
        """
        paths = self.paths(self._table.snapshot().files)
        connection = connect(self.place.folder, self._memory_bytes, self._threads, paths)
        return ask(connection, statement, timeout_seconds)

    def verify(self, *, isolate: bool = False) -> list[str]:
        """Return what is wrong with the store, one sentence each; an empty list when all is well.

        Reads every file whole: sizes, digests and counts against the log, and that no id is there twice.

        Args:
            isolate: take damaged files out of the table, so that the rest answers without complaint.
        """
        files = self._table.snapshot().files
        bad = list(local_verify.damaged(files, self.place))
        names = {file.name for file, _problem in bad}
        problems = [f"{file.name}: {problem}" for file, problem in bad]
        if sound := self.place.local([file.name for file in files if file.name not in names]):
            problems += local_verify.doubled(sound, self._cursor())
        if isolate and bad:
            self._table.replace([file for file, _problem in bad], [], data_change=True)
            for file, _problem in bad:
                self.place.isolate(file.name)
        return problems

    def _parse(self, question: Question) -> Node:
        return parse(question.query, timezone=self._zone)

    def _asked(
        self,
        question: Question,
        node: Node,
        fields: Sequence[str],
        *,
        newest_first: bool,
        after: tuple[dt.datetime, str] | None = None,
    ) -> Asked:
        shown = stored_columns(fields)
        needed = columns(node) | {"citysoc.unparsed", "agency.id", "@timestamp", "event.id"}
        return Asked(question, node, frozenset(needed), shown, newest_first, after)

    def _read(self, asked: Asked, limit: int | None) -> Iterator[pa.RecordBatch]:
        question = asked.question
        since, until = question.since, question.until
        if asked.after is not None and not asked.newest_first:
            since = max(since, asked.after[0]) if since else asked.after[0]
        files = self._table.snapshot().between(since, until)
        return read(asked, files, self, limit)

    def _one(self, path: str, event_id: str) -> Event | None:
        bind = Parameters()
        rows = source([path], self.columns([path]), bind)
        statement = f'SELECT * FROM {rows} WHERE "event.id" = {bind(event_id)}::VARCHAR LIMIT 1'  # noqa: S608  values are bound
        return next(events(self.run(statement, bind, [path]), ()), None)

    def paths(self, files: Sequence[DataFile]) -> list[str]:
        """Return where the sound ones of the files can be read; the others are left out, and that is told."""
        known = [file for file in files if file.name not in self._damaged]
        paths = []
        for file, path in zip(known, self.place.local([file.name for file in known]), strict=True):
            problem = local_verify.cut_short(file, path)
            if problem and (problem := local_verify.cut_short(file, self.place.fresh(file.name))):
                self._damaged[file.name] = problem
            else:
                paths.append(path)
        return paths

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._database is None:
                self._database = connect(self.place.folder, self._memory_bytes, self._threads)
            return self._database.cursor()

    def run(self, statement: str, bind: Parameters, paths: list[str]) -> Iterator[pa.RecordBatch]:
        """Yield what a statement over files gives.

        Raises:
            DamagedError: some of the files are damaged, and now known.
            StoreError: it cannot be answered for another reason.
        """
        with self._reading(paths):
            yield from self._cursor().sql(statement, params=bind.values).to_arrow_reader(BATCH_ROWS)

    def columns(self, paths: list[str]) -> list[str]:
        """Return the columns that at least one of the files has."""
        with self._reading(paths):
            return present(paths)

    def row_bytes(self, paths: list[str]) -> float:
        """Return how long the rows of the file with the longest are on average, unpacked."""
        with self._reading(paths):
            return max(map(row_bytes, paths), default=0)

    @contextlib.contextmanager
    def _reading(self, paths: Sequence[str]) -> Iterator[None]:
        """Turn what the libraries raise on reading files inside the block into our own errors."""
        import duckdb
        import pyarrow as pa

        try:
            yield
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            if self._blame(paths):
                raise DamagedError(_("Files of the store are damaged."), where=self.place.uri) from error
            raise StoreError(
                _("The store cannot answer: {error}.").format(error=error), where=self.place.uri
            ) from error

    def _blame(self, paths: Sequence[str]) -> bool:
        """Find damaged ones among the files; return whether there are any."""
        asked = set(paths)
        evicted = not all(map(os.path.exists, paths))  # from a cache, by another process
        files = [f for f in self._table.snapshot().files if f.name not in self._damaged]
        local = self.place.local([file.name for file in files])
        suspects = [file for file, path in zip(files, local, strict=True) if path in asked]
        found = {file.name: problem for file, problem in local_verify.damaged(suspects, self.place)}
        self._damaged |= found
        return evicted or bool(found)
