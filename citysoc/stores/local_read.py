"""Reading the local store in the order of time, with bounded memory.

The files of a span are read window by window. A question with a small limit is ordered by DuckDB, which then
keeps that many rows. For all others DuckDB orders times and ids alone, and says where to cut; the rows
between two cuts are fetched as they lie and ordered here.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from typing import TYPE_CHECKING, Any, Protocol

from citysoc import clock
from citysoc.ecs.fields import EXTRA, FIELDS
from citysoc.ecs.schema import from_row, schema
from citysoc.errors import StoreError
from citysoc.stores.days import filled
from citysoc.stores.local_sql import source
from citysoc.stores.query_sql import Parameters, quote, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from citysoc.flow import Event
    from citysoc.stores.base import Question
    from citysoc.stores.local_files import DataFile
    from citysoc.stores.query import Node

    class Reader(Protocol):
        """Reads files; raises ``DamagedError`` when some are damaged and known from then on."""

        def paths(self, files: Sequence[DataFile]) -> list[str]:
            """Return where those files that are not known to be damaged can be read."""

        def run(self, statement: str, bind: Parameters, paths: list[str]) -> Iterator[pa.RecordBatch]:
            """Yield what a statement over files gives."""

        def columns(self, paths: list[str]) -> list[str]:
            """Return the columns that at least one of the files has."""

        def row_bytes(self, paths: list[str]) -> float:
            """Return how long the rows of the file with the longest are on average."""


class DamagedError(StoreError):
    """Files of the store turned out to be damaged; they are known now, and the question can be asked again."""


BATCH_ROWS = 2048
_WINDOW_BYTES = 32 << 20
_LIMIT_ROWS = 20_000
_NARROW = {"@timestamp", "event.id"}
_PIECE_ROWS = 65_536
_PIECE_BYTES = 96 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """A question to some files.

    Args:
        question: the question; its query is ``node``.
        node: the tree of its query.
        needed: the stored columns that the conditions and the order need.
        shown: the stored columns of the answer.
        newest_first: the order of the answer.
        after: time and id of the row behind which the answer goes on; None begins at its beginning.
    """

    question: Question
    node: Node
    needed: frozenset[str]
    shown: tuple[str, ...]
    newest_first: bool
    after: tuple[dt.datetime, str] | None = None

    def tests(self, bind: Parameters) -> list[str]:
        """Return the conditions for its rows."""
        found = [where(self.question, self.node, bind)]
        if self.after is not None:
            sign = "<" if self.newest_first else ">"
            time, id_ = f"{bind(clock.iso(self.after[0]))}::TIMESTAMPTZ", f"{bind(self.after[1])}::VARCHAR"
            found.append(f'"@timestamp" {sign}= {time}')
            found.append(f'("@timestamp" {sign} {time} OR "event.id" {sign} {id_})')
        return found


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


def where(question: Question, node: Node, bind: Parameters) -> str:
    """Return the condition of a question's rows."""
    tests = [f'"citysoc.unparsed" IS {"NOT " if question.quarantine else ""}NULL']
    if question.since:
        tests.append(f'"@timestamp" >= {bind(clock.iso(question.since))}::TIMESTAMPTZ')
    if question.until:
        tests.append(f'"@timestamp" < {bind(clock.iso(question.until))}::TIMESTAMPTZ')
    if question.agency is not None:
        tests.append(f'"agency.id" = {bind(question.agency)}::VARCHAR')
    return " AND ".join([*tests, wanted(node, bind)])


def read(
    asked: Asked, files: Sequence[DataFile], reader: Reader, limit: int | None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of an answer in order, window by window, so that memory and the wait for the first are bounded.

    Args:
        asked: the question.
        files: where its rows may be.
        reader: reads them.
        limit: at most so many rows.
    """
    question = asked.question
    left = limit
    for since, until in windows(files, newest_first=asked.newest_first, growing=limit is not None):
        part = dataclasses.replace(
            question,
            since=max(since, question.since) if question.since else since,
            until=min(until, question.until) if question.until else until,
        )
        overlapping = [file for file in files if file.overlaps(since, until)]
        now = dataclasses.replace(asked, question=part)
        while inside := reader.paths(overlapping):
            try:
                for batch in _window(now, inside, reader, left):
                    yield batch
                    if left is not None:
                        left -= batch.num_rows
                    now = dataclasses.replace(now, after=_last(batch))
                break
            except DamagedError:  # the files that are sound answer, from where the answer stopped
                continue
        if left is not None and left <= 0:
            return


def _last(batch: pa.RecordBatch) -> tuple[dt.datetime, str]:
    end = batch.num_rows - 1
    return batch["@timestamp"][end].as_py(), batch["event.id"][end].as_py()


def _window(asked: Asked, paths: list[str], reader: Reader, limit: int | None) -> Iterator[pa.RecordBatch]:
    have = set(reader.columns(paths))
    shown = [name for name in asked.shown if name in have]
    if limit is not None and limit <= _LIMIT_ROWS:
        yield from _first(asked, paths, shown, reader, limit)
        return
    left = limit
    for piece in _pieces(asked, paths, reader):
        for batch in _piece(asked, piece, paths, shown, reader):
            yield batch if left is None else batch.slice(0, left)
            if left is not None:
                left -= batch.num_rows
                if left <= 0:
                    return


def _first(
    asked: Asked, paths: list[str], shown: Sequence[str], reader: Reader, limit: int
) -> Iterator[pa.RecordBatch]:
    """Yield the first rows of a window: their times and ids are found first, so that few rows are read whole."""
    order = _order(newest_first=asked.newest_first)
    narrow = set(shown) <= _NARROW
    further: list[str] = []
    bind = Parameters()
    if not narrow:
        places = ["@timestamp", "event.id", "filename"]
        statement = f"{_select(asked, paths, places, bind)} ORDER BY {order} LIMIT {bind(limit)}"
        found = [row for batch in reader.run(statement, bind, paths) for row in batch.to_pylist()]
        if not found:
            return
        bind = Parameters()
        sign = ">=" if asked.newest_first else "<="
        further = [f'"@timestamp" {sign} {bind(clock.iso(found[-1]["@timestamp"]))}::TIMESTAMPTZ']
        ids = [row["event.id"] for row in found]
        if None not in ids:
            further.append(f'"event.id" IN ({", ".join(f"{bind(each)}::VARCHAR" for each in ids)})')
        paths = sorted({row["filename"] for row in found})
        have = set(reader.columns(paths))
        shown = [name for name in shown if name in have]
    statement = f"{_select(asked, paths, shown, bind, further)} ORDER BY {order} LIMIT {bind(limit)}"
    yield from reader.run(statement, bind, paths)


def _pieces(asked: Asked, paths: list[str], reader: Reader) -> Iterator[_Piece]:
    """Yield where to cut a window so that each piece fits into memory with all its columns."""
    bind = Parameters()
    rows = source(paths, asked.needed, bind)
    order = _order(newest_first=asked.newest_first)
    statement = (
        f'SELECT "@timestamp" AS t, "event.id" AS i FROM (SELECT "@timestamp", "event.id",'  # noqa: S608  names are quoted, values bound
        f" row_number() OVER (ORDER BY {order}) AS n FROM {rows}"
        f" WHERE {' AND '.join(asked.tests(bind))}) WHERE n % {bind(_piece_rows(asked, paths, reader))} = 1 ORDER BY n"
    )
    cuts = [(row["t"], row["i"]) for batch in reader.run(statement, bind, paths) for row in batch.to_pylist()]
    for begin, end in itertools.pairwise([*cuts, None]):
        yield _Piece(begin, end)


def _piece_rows(asked: Asked, paths: list[str], reader: Reader) -> int:
    """Return how many rows a piece may have; long rows make short pieces."""
    if len(asked.shown) < len(schema().names) // 4 and not {"event.original", EXTRA} & set(asked.shown):
        return _PIECE_ROWS
    return min(_PIECE_ROWS, max(1000, int(_PIECE_BYTES / max(reader.row_bytes(paths), 1))))


def _piece(
    asked: Asked, piece: _Piece, paths: list[str], shown: Sequence[str], reader: Reader
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.compute as pc

    bind = Parameters()
    statement = _select(asked, paths, shown, bind, piece.tests(asked.newest_first, bind))
    if not (found := list(reader.run(statement, bind, paths))):
        return
    rows = pa.Table.from_batches(found)
    found.clear()
    direction = "descending" if asked.newest_first else "ascending"
    order = pc.sort_indices(
        rows.select(["@timestamp", "event.id"]),
        sort_keys=[("@timestamp", direction), ("event.id", direction)],
    )
    for start in range(0, len(order), BATCH_ROWS):
        part = rows.take(order.slice(start, BATCH_ROWS)).combine_chunks()
        yield from part.to_batches()


def _select(
    asked: Asked, paths: list[str], shown: Sequence[str], bind: Parameters, further: Sequence[str] = ()
) -> str:
    rows = source(paths, asked.needed | set(shown), bind)
    tests = [*asked.tests(bind), *further]
    return f"SELECT {', '.join(map(quote, shown))} FROM {rows} WHERE {' AND '.join(tests)}"  # noqa: S608  names are quoted, values bound


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


def stored_columns(fields: Sequence[str]) -> tuple[str, ...]:
    """Return the stored columns that hold the wanted fields; of no wish all."""
    if not fields:
        return tuple(schema().names)
    names = dict.fromkeys(["@timestamp", "event.id"])
    names.update(dict.fromkeys(field if field in FIELDS else EXTRA for field in fields))
    return tuple(names)


def padded(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """Return the rows with all of these columns, empty where no row has a value."""
    import pyarrow as pa

    have = set(batch.schema.names)
    wanted = pa.schema([schema().field(name) for name in names])
    columns = [
        batch[field.name].cast(field.type) if field.name in have else pa.nulls(batch.num_rows, field.type)
        for field in wanted
    ]
    return pa.RecordBatch.from_arrays(columns, schema=wanted)


def events(batches: Iterator[pa.RecordBatch], fields: Sequence[str]) -> Iterator[Event]:
    """Yield rows as events, with only the wanted fields if there are such."""
    import pyarrow as pa

    names = {"@timestamp", "event.id", *fields} if fields else None
    for batch in batches:
        for row in filled(pa.Table.from_batches([batch])).to_pylist():
            event: dict[str, Any] = from_row(row)
            yield event if names is None else {k: v for k, v in event.items() if k in names}
