"""Compaction and retention of the local store: partitions written anew, rows counted before the swap."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from citysoc.clock import iso
from citysoc.errors import StoreError
from citysoc.i18n import _
from citysoc.stores.local_sql import literal, source
from citysoc.stores.query_sql import Parameters, quote

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import duckdb

    from citysoc.stores.local_table import DataFile, Table

    Cursor = Callable[[], duckdb.DuckDBPyConnection]

TARGET_BYTES = 128 << 20
"""A compacted file is about as large; a file of half of it is left alone."""


def compact(table: Table, cursor: Cursor) -> int:
    """Rewrite the small files of each partition into larger ones; return how many files were removed.

    Queries that have begun still find the old files; those are deleted a day later.

    Raises:
        StoreError: a file cannot be read, or another process changed the same files.
    """
    removed = 0
    for files in _bins(table.snapshot().files):
        new = _rewrite(table, cursor, files, None)
        table.replace(files, [new], data_change=False)
        removed += len(files) - 1
    table.vacuum()
    return removed


def retain(table: Table, cursor: Cursor, before: dt.datetime) -> int:
    """Remove rows whose event time is before a moment; return how many.

    Raises:
        StoreError: a file cannot be read, or another process changed the same files.
    """
    files = [file for file in table.snapshot().files if file.first < before]
    old = [file for file in files if file.ends_before(before)]
    if old:
        table.replace(old, [], data_change=True)
    rows = sum(file.rows for file in old)
    for file in files:
        if file.ends_before(before):
            continue
        kept = _rewrite(table, cursor, [file], before)
        table.replace([file], [kept] if kept else [], data_change=True)
        rows += file.rows - (kept.rows if kept else 0)
    table.vacuum()
    return rows


def _bins(files: Iterable[DataFile]) -> Iterator[list[DataFile]]:
    """Yield the files that should become one: small ones of one partition, neighbours in time."""
    ordered = sorted(
        (f for f in files if f.bytes < TARGET_BYTES // 2), key=lambda f: (f.day, f.first, f.name)
    )
    for _day, group in itertools.groupby(ordered, key=lambda f: f.day):
        gathered: list[DataFile] = []
        for file in group:
            gathered.append(file)
            if sum(f.bytes for f in gathered) >= TARGET_BYTES:
                yield gathered
                gathered = []
        if len(gathered) > 1:
            yield gathered


def _rewrite(table: Table, cursor: Cursor, files: Sequence[DataFile], since: dt.datetime | None) -> Any:
    """Write the rows of files, from ``since`` on, into one new file; return it, None where no row is left."""
    import duckdb

    day = files[0].day
    path = table.new_path(day)
    names = _names(files)
    bind = Parameters()
    rows = source([file.path for file in files], names, bind)
    where = f'WHERE "@timestamp" >= {bind(iso(since))}::TIMESTAMPTZ' if since else ""
    statement = (
        f"COPY (SELECT {', '.join(map(quote, names))} FROM {rows} {where}"  # noqa: S608  names are quoted, values bound
        f' ORDER BY "@timestamp", "event.id") TO {literal(str(path))}'
        " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3, ROW_GROUP_SIZE 122880)"
    )
    try:
        connection = cursor()
        connection.execute(statement, bind.values)
        unparsed = '"citysoc.unparsed"' if "citysoc.unparsed" in names else "NULL"
        facts = connection.execute(
            f'SELECT count(*), count({unparsed}), epoch_us(min("@timestamp")), epoch_us(max("@timestamp"))'  # noqa: S608  one of two fixed texts
            " FROM read_parquet(?, hive_partitioning = false)",
            [str(path)],
        ).fetchone()
    except duckdb.Error as error:
        path.unlink(missing_ok=True)
        raise StoreError(
            _("Files of the store cannot be rewritten: {error}.").format(error=error), where=str(path.parent)
        ) from error
    if not facts or not facts[0]:
        path.unlink()
        return None
    if since is None and facts[0] != sum(file.rows for file in files):
        path.unlink()
        raise StoreError(_("A file of the store holds fewer rows than it should."), where=str(path.parent))
    return table.adopt(path, day, facts[0], facts[1], (facts[2], facts[3]))


def _names(files: Sequence[DataFile]) -> list[str]:
    """Return the columns that at least one of the files has, in the order of the schema."""
    import pyarrow.parquet as pq

    from citysoc.ecs.schema import schema

    present = {name for file in files for name in pq.read_schema(file.path).names}
    return [name for name in schema().names if name in present]
