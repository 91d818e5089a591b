"""The local store: a Delta Lake table in a directory, asked with DuckDB. No server.

One process writes (``append``, ``compact``, ``retain``), any number may read meanwhile; a query sees one
version of the table from its first row to its last.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import threading
from typing import TYPE_CHECKING, Any

from citysoc import clock
from citysoc.ecs.fields import EXTRA, FIELDS
from citysoc.ecs.schema import from_row, schema
from citysoc.errors import StoreError
from citysoc.i18n import _
from citysoc.stores import local_compact, local_verify
from citysoc.stores.base import Metric, Question, Status
from citysoc.stores.local_groups import groups
from citysoc.stores.local_sql import ask, connect, source
from citysoc.stores.local_table import DataFile, Table, filled
from citysoc.stores.query import And, Node, columns
from citysoc.stores.query_parse import check_field, parse
from citysoc.stores.query_sql import Parameters, condition, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from zoneinfo import ZoneInfo

    import duckdb
    import pyarrow as pa

    from citysoc.flow import Event

_WINDOW_BYTES = 32 << 20
_BATCH_ROWS = 2048
_PIECE_ROWS = 20_000


class LocalStore:
    """Events in a directory.

    Args:
        path: the directory, made when something is first written.
        timezone: the zone of times in queries that name none.
        memory_bytes: what DuckDB may use before it spills to the disk.
        threads: what DuckDB may use; None for one a core.
    """

    def __init__(
        self,
        path: Path,
        *,
        timezone: ZoneInfo = clock.HUE,
        memory_bytes: int = 512 << 20,
        threads: int | None = None,
    ) -> None:
        self.path = path
        self._zone = timezone
        self._memory_bytes = memory_bytes
        self._threads = threads
        self._table = Table(path)
        self._lock = threading.Lock()
        self._database: duckdb.DuckDBPyConnection | None = None

    def append(self, table: pa.Table, commit: int) -> None:
        """Store the rows of a batch and the commit's number in one Delta transaction.

        Raises:
            StoreError: nothing of the batch was stored.
        """
        if commit <= (last := self.last_commit()):
            raise StoreError(
                _("Commit {commit} comes after {last}, which is stored already.").format(
                    commit=commit, last=last
                ),
                where=str(self.path),
                hint=_("Another process writes to this store; only one may."),
            )
        self._table.append(_with_times(table), commit)

    def last_commit(self) -> int:
        """Return the number of the last commit that was stored, 0 where there is none."""
        return self._table.last_commit()

    def search(
        self,
        question: Question,
        *,
        fields: Sequence[str] = (),
        newest_first: bool = True,
        limit: int | None = None,
    ) -> Iterator[Event]:
        """Yield matching events ordered by ``@timestamp``, then ``event.id``; newest first both downwards.

        Args:
            question: which events.
            fields: only these; ``@timestamp`` and ``event.id`` always. Reading few is much faster.
            newest_first: the order.
            limit: at most so many.

        Raises:
            UsageError: the query cannot be understood; names the column.
        """
        node = self._parse(question)
        for name in fields:
            check_field(name)
        batches = self._read(question, node, fields, newest_first=newest_first, limit=limit)
        return _events(batches, fields)

    def scan(self, question: Question, *, fields: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
        """Yield matching events as Arrow batches in the order of their time.

        For work on many events. The columns are those of ``ecs.schema``; fields outside the dictionary
        stay in ``citysoc.extra``.
        """
        return self._read(question, self._parse(question), fields, newest_first=False, limit=None)

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
        if not files:
            return grouping.empty()
        bind = Parameters()
        needed = columns(node) | grouping.columns | {"@timestamp", "citysoc.unparsed", "agency.id"}
        rows = source([file.path for file in files], needed, bind)
        statement = grouping.statement(rows, self._where(question, node, bind), bind, limit)
        table = self._run(statement, bind).to_arrow_table()
        return grouping.rows(table)

    def get(self, event_id: str) -> Event | None:
        """Return one event or quarantined record by ``event.id``."""
        files = self._table.snapshot().files
        if not files:
            return None
        bind = Parameters()
        rows = source([file.path for file in files], schema().names, bind)
        statement = f'SELECT * FROM {rows} WHERE "event.id" = {bind(event_id)} LIMIT 1'  # noqa: S608  values are bound
        for event in _events(iter(self._run(statement, bind).to_arrow_reader(_BATCH_ROWS)), ()):
            return event
        return None

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

    def compact(self) -> int:
        """Rewrite small files into larger ones; return how many were removed."""
        return local_compact.compact(self._table, self._cursor)

    def retain(self, before: dt.datetime) -> int:
        """Remove events older than ``before``; return how many."""
        return local_compact.retain(self._table, self._cursor, before)

    def sql(self, statement: str) -> tuple[list[str], Iterator[dict[str, Any]]]:
        """Return the columns and rows of a SELECT over the views ``events`` and ``quarantine``.

        The statement can read the store and nothing else: no other file, no network, no change.

        Raises:
            UsageError: it is not one SELECT, or not valid SQL.
        """
        paths = [file.path for file in self._table.snapshot().files]
        return ask(connect(self.path, self._memory_bytes, self._threads, paths), statement)

    def verify(self) -> list[str]:
        """Return what is wrong with the store, one sentence each; an empty list when all is well.

        Reads every file whole: sizes and counts against the log, and that no id is there twice.
        """
        return local_verify.verify(self._table.snapshot().files, self._cursor)

    def _parse(self, question: Question) -> Node:
        return parse(question.query, timezone=self._zone)

    def _read(
        self,
        question: Question,
        node: Node,
        fields: Sequence[str],
        *,
        newest_first: bool,
        limit: int | None,
    ) -> Iterator[pa.RecordBatch]:
        """Yield matching rows window by window, so that memory and the wait for the first are bounded."""
        shown = _columns(fields)
        needed = columns(node) | set(shown) | {"citysoc.unparsed", "agency.id"}
        files = self._table.snapshot().between(question.since, question.until)
        left = limit
        for since, until in windows(files, newest_first=newest_first, growing=limit is not None):
            part = dataclasses.replace(
                question,
                since=max(since, question.since) if question.since else since,
                until=min(until, question.until) if question.until else until,
            )
            paths = [file.path for file in files if file.overlaps(since, until)]
            asked = _Asked(part, node, paths, frozenset(needed), newest_first)
            for piece in self._pieces(asked, left):
                for batch in self._piece(asked, piece, shown, left):
                    yield batch
                    if left is not None:
                        left -= batch.num_rows
                if left is not None and left <= 0:
                    return

    def _pieces(self, asked: _Asked, limit: int | None) -> Iterator[_Piece]:
        """Yield where to cut a window so that each piece has few enough rows to be ordered with all columns.

        DuckDB needs some kilobytes a row to order all columns, and for a question with a small limit it
        only keeps that many rows.
        """
        if limit is not None and limit <= _PIECE_ROWS:
            yield _Piece(None, None)
            return
        bind = Parameters()
        rows = source(asked.paths, asked.needed, bind)
        order = _order(newest_first=asked.newest_first)
        statement = (
            f'SELECT "@timestamp" AS t, "event.id" AS i FROM (SELECT "@timestamp", "event.id",'  # noqa: S608  as below
            f" row_number() OVER (ORDER BY {order}) AS n FROM {rows}"
            f" WHERE {self._where(asked.question, asked.node, bind)}) WHERE n % {bind(_PIECE_ROWS)} = 1 ORDER BY n"
        )
        cuts = [(row["t"], row["i"]) for batch in self._batches(statement, bind) for row in batch.to_pylist()]
        for begin, end in itertools.pairwise([*cuts, None]):
            yield _Piece(begin, end)

    def _piece(
        self, asked: _Asked, piece: _Piece, shown: Sequence[str], limit: int | None
    ) -> Iterator[pa.RecordBatch]:
        bind = Parameters()
        rows = source(asked.paths, asked.needed, bind)
        tests = [self._where(asked.question, asked.node, bind), *piece.tests(asked.newest_first, bind)]
        statement = (
            f"SELECT {', '.join(map(quote, shown))} FROM {rows}"  # noqa: S608  names are quoted, values bound
            f" WHERE {' AND '.join(tests)} ORDER BY {_order(newest_first=asked.newest_first)}"
        )
        if limit is not None:
            statement += f" LIMIT {bind(limit)}"
        return self._batches(statement, bind)

    def _batches(self, statement: str, bind: Parameters) -> Iterator[pa.RecordBatch]:
        import duckdb
        import pyarrow as pa

        try:
            yield from self._run(statement, bind).to_arrow_reader(_BATCH_ROWS)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise StoreError(
                _("The store cannot answer: {error}.").format(error=error), where=str(self.path)
            ) from error

    def _where(self, question: Question, node: Node, bind: Parameters) -> str:
        tests = [f'"citysoc.unparsed" IS {"NOT " if question.quarantine else ""}NULL']
        if question.since:
            tests.append(f'"@timestamp" >= {bind(clock.iso(question.since))}::TIMESTAMPTZ')
        if question.until:
            tests.append(f'"@timestamp" < {bind(clock.iso(question.until))}::TIMESTAMPTZ')
        if question.agency is not None:
            tests.append(f'"agency.id" = {bind(question.agency)}::VARCHAR')
        parts = node.parts if isinstance(node, And) else (node,)
        return " AND ".join(tests + [condition(part, bind) for part in parts])

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._database is None:
                self._database = connect(self.path, self._memory_bytes, self._threads)
            return self._database.cursor()

    def _run(self, statement: str, bind: Parameters) -> Any:
        import duckdb

        try:
            return self._cursor().sql(statement, params=bind.values)
        except duckdb.Error as error:
            raise StoreError(
                _("The store cannot answer: {error}.").format(error=error), where=str(self.path)
            ) from error


@dataclasses.dataclass(frozen=True, slots=True)
class _Asked:
    """A question to the files of one window."""

    question: Question
    node: Node
    paths: Sequence[str]
    needed: frozenset[str]
    newest_first: bool


@dataclasses.dataclass(frozen=True, slots=True)
class _Piece:
    """A run of rows in the order of the answer: from the row with one time and id to before another; None is open."""

    begin: tuple[dt.datetime, str] | None
    end: tuple[dt.datetime, str] | None

    def tests(self, newest_first: bool, bind: Parameters) -> list[str]:
        """Return the conditions for its rows; those on time alone let DuckDB leave out what is far."""
        after, before = ("<", ">") if newest_first else (">", "<")
        found = []
        if self.begin is not None:
            time, id_ = f"{bind(clock.iso(self.begin[0]))}::TIMESTAMPTZ", f"{bind(self.begin[1])}::VARCHAR"
            found.append(f'"@timestamp" {after}= {time}')
            found.append(f'("@timestamp" {after} {time} OR "event.id" {after}= {id_})')
        if self.end is not None:
            time, id_ = f"{bind(clock.iso(self.end[0]))}::TIMESTAMPTZ", f"{bind(self.end[1])}::VARCHAR"
            found.append(f'"@timestamp" {before}= {time}')
            found.append(f'("@timestamp" {before} {time} OR "event.id" {before} {id_})')
        return found


def _order(*, newest_first: bool) -> str:
    direction = "DESC" if newest_first else "ASC"
    return f'"@timestamp" {direction}, "event.id" {direction}'


def windows(
    files: Sequence[DataFile], *, newest_first: bool, growing: bool
) -> Iterator[tuple[dt.datetime, dt.datetime]]:
    """Yield half-open spans that cover all files, each with about as many bytes, in order of time.

    Args:
        files: the files.
        newest_first: the order.
        growing: each window larger than the one before, for questions that stop at a limit.
    """
    edges = sorted(
        {_midnight(f.first) for f in files} | {_midnight(f.last) + dt.timedelta(days=1) for f in files}
    )
    spans = list(itertools.pairwise(edges))
    if newest_first:
        spans.reverse()
    budget = _WINDOW_BYTES
    gathered: list[tuple[dt.datetime, dt.datetime]] = []
    size = 0
    seen: set[str] = set()
    for span in spans:
        inside = [f for f in files if f.name not in seen and f.last >= span[0] and f.first < span[1]]
        size += sum(f.bytes for f in inside)
        seen.update(f.name for f in inside)
        gathered.append(span)
        if size >= budget:
            yield min(gathered)[0], max(gathered)[1]
            gathered, size = [], 0
            seen.clear()
            budget = budget * 4 if growing else budget
    if gathered:
        yield min(gathered)[0], max(gathered)[1]


def _midnight(moment: dt.datetime) -> dt.datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _columns(fields: Sequence[str]) -> list[str]:
    """Return the stored columns that hold the wanted fields; of no wish all."""
    if not fields:
        return list(schema().names)
    names = dict.fromkeys(["@timestamp", "event.id"])
    names.update(dict.fromkeys(field if field in FIELDS else EXTRA for field in fields))
    return list(names)


def _events(batches: Iterator[pa.RecordBatch], fields: Sequence[str]) -> Iterator[Event]:
    import pyarrow as pa

    wanted = {"@timestamp", "event.id", *fields} if fields else None
    for batch in batches:
        for row in filled(pa.Table.from_batches([batch])).to_pylist():
            event = from_row(row)
            yield event if wanted is None else {k: v for k, v in event.items() if k in wanted}


def _with_times(table: pa.Table) -> pa.Table:
    """Return the rows with an event time in each: the time of arrival where the record names none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    time = table["@timestamp"]
    if not time.null_count:
        return table
    time = pc.fill_null(pc.coalesce(time, table["event.ingested"]), pa.scalar(clock.now(), time.type))
    return table.set_column(table.schema.get_field_index("@timestamp"), "@timestamp", time)
