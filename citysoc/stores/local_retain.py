"""Retention in the local store: old files go whole, files at the edge or of several classes are written anew."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from citysoc.clock import iso
from citysoc.errors import StoreError
from citysoc.i18n import _
from citysoc.stores.local_compact import rewritten
from citysoc.stores.local_sql import source
from citysoc.stores.query import Everything, columns
from citysoc.stores.query_sql import Parameters, wanted

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable

    import duckdb
    import pyarrow as pa

    from citysoc.stores.local_files import DataFile, Tier
    from citysoc.stores.local_table import Table
    from citysoc.stores.query import Node

    Cursor = Callable[[], duckdb.DuckDBPyConnection]


def retain(table: Table, cursor: Cursor, before: dt.datetime, node: Node) -> int:
    """Remove rows whose event time is before a moment and which match; return how many.

    Args:
        table: the table.
        cursor: gives a connection.
        before: rows of this moment and later stay.
        node: which rows; ``Everything`` means quarantined records too.

    Raises:
        StoreError: a file cannot be read, or another process changed the same files.
    """
    everything = isinstance(node, Everything)
    removed = 0
    old = [file for file in table.snapshot().files if file.first < before]
    if whole := [file for file in old if everything and file.ends_before(before)]:
        table.replace(whole, [], data_change=True)
        removed = sum(file.rows for file in whole)
    for file in old:
        if everything and file.ends_before(before):
            continue
        gone = _matching(table, cursor, file, before, node)
        if len(gone):
            removed += len(gone)
            tier: Tier = "s" if file.sealed else "m"
            kept = rewritten(table, [file], tier, functools.partial(_without, gone))
            table.replace([file], [kept] if kept else [], data_change=True)
    table.vacuum()
    return removed


def fitting(files: Iterable[DataFile], max_bytes: int) -> dt.datetime | None:
    """Return the beginning of the oldest day that may stay so that all files fit into so many bytes.

    None where they fit already. The newest day always stays.
    """
    import datetime as dt

    days: dict[dt.date, int] = {}
    for file in files:
        days[file.day] = days.get(file.day, 0) + file.bytes
    left = max_bytes
    newest_first = sorted(days, reverse=True)
    for place, day in enumerate(newest_first):
        left -= days[day]
        if left < 0 and place:
            last = newest_first[place - 1]
            return dt.datetime(last.year, last.month, last.day, tzinfo=dt.UTC)
    return None


def _matching(
    table: Table, cursor: Cursor, file: DataFile, before: dt.datetime, node: Node
) -> pa.ChunkedArray:
    """Return the numbers of the rows of a file that are to go."""
    import duckdb

    bind = Parameters()
    needed = columns(node) | {"@timestamp", "citysoc.unparsed"}
    paths = table.place.local([file.name])
    rows = source(paths, needed, bind)
    test = f'"@timestamp" < {bind(iso(before))}::TIMESTAMPTZ'
    if not isinstance(node, Everything):
        test += f' AND "citysoc.unparsed" IS NULL AND {wanted(node, bind)}'
    statement = f"SELECT file_row_number AS n FROM {rows} WHERE {test}"  # noqa: S608  names are quoted, values bound
    try:
        return cursor().sql(statement, params=bind.values).to_arrow_table()["n"]
    except duckdb.Error as error:
        raise StoreError(
            _("A file of the store cannot be read: {error}.").format(error=error),
            where=paths[0],
            hint=_("`citysoc store verify` names every damaged file."),
        ) from error


def _without(gone: pa.ChunkedArray, rows: pa.Table) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    stays = np.ones(len(rows), dtype=bool)
    stays[gone.to_numpy()] = False
    return rows.filter(pa.array(stays))
