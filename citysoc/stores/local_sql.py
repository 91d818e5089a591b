"""DuckDB for the local store: the connection, and the store's files as a table of SQL."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from citysoc.ecs.schema import schema
from citysoc.errors import UsageError
from citysoc.i18n import _
from citysoc.stores.query_sql import Parameters, quote, sql_type

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    import duckdb
    import pyarrow as pa


_SPILLED_BYTES = 20 << 30
"""One query may put so much on the disk that does not fit into memory."""


def connect(
    path: Path, memory_bytes: int, threads: int | None, views_of: Sequence[str] | None = None
) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB that reads and writes below ``path`` and nowhere else: no network, no extensions.

    Args:
        path: the store.
        memory_bytes: what it may use before it spills to the disk.
        threads: how many; None for one a core.
        views_of: files to show as the views ``events`` and ``quarantine``.
    """
    import duckdb

    settings: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": f"{memory_bytes}B",
        "preserve_insertion_order": "false",
        "temp_directory": str(path.absolute() / "_spill"),
        "max_temp_directory_size": f"{_SPILLED_BYTES}B",
    }
    if threads is not None:
        settings["threads"] = str(threads)
    connection = duckdb.connect(config=settings)
    for statement in (
        "SET TimeZone = 'UTC'",
        "SET GLOBAL parquet_metadata_cache = true",  # files never change
        f"SET allowed_directories = [{literal(f'{path.absolute()}/')}]",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ):
        connection.execute(statement)
    if views_of is not None:
        _show(connection, views_of)
    return connection


def ask(
    connection: duckdb.DuckDBPyConnection, statement: str, timeout_seconds: float
) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """Return the columns and rows of one SELECT that a person wrote.

    Args:
        connection: a connection of its own.
        statement: the SELECT.
        timeout_seconds: work on it may take so long.

    Raises:
        UsageError: it is something else, or wrong, or takes too long.
    """
    import duckdb

    deadline = _Deadline(connection, timeout_seconds)
    try:
        statements = connection.extract_statements(statement)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise UsageError(
                _("Only one SELECT can be asked."), hint=_("The views are named events and quarantine.")
            )
        with deadline.running():
            reader = connection.sql(statement).to_arrow_reader(2048)
    except duckdb.Error as error:
        raise deadline.refusal(error) from error
    names = _distinct(reader.schema.names)
    return names, _rows(reader, names, deadline)


class _Deadline:
    """Stops a connection's work when its time is over; the time in which rows are looked at does not count."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, seconds: float) -> None:
        self._connection = connection
        self._seconds = self._left = seconds

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        started = time.monotonic()
        timer = threading.Timer(max(self._left, 0), self._connection.interrupt)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()  # a thread that ends with the process holds the connection, and its library complains
            self._left -= time.monotonic() - started

    def refusal(self, error: Exception) -> UsageError:
        if self._left <= 0:
            return UsageError(
                _("The SQL took longer than {seconds} seconds.").format(seconds=round(self._seconds)),
                hint=_("Ask for less, or give it more time with --timeout."),
            )
        told = " ".join(str(error).split())
        return UsageError(_("The SQL cannot be answered: {error}").format(error=told))


def _rows(reader: pa.RecordBatchReader, names: list[str], deadline: _Deadline) -> Iterator[dict[str, Any]]:
    import duckdb
    import pyarrow as pa

    try:
        while True:
            with deadline.running():
                batch = next(reader, None)
            if batch is None:
                return
            columns = [column.to_pylist() for column in batch.columns]
            for values in zip(*columns, strict=True):
                yield dict(zip(names, values, strict=True))
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise deadline.refusal(error) from error


def _distinct(names: Sequence[str]) -> list[str]:
    """Return names of which no two are the same: SQL may give two columns one name."""
    taken: dict[str, None] = {}
    for name in names:
        number, free = 1, name
        while free in taken:
            number += 1
            free = f"{name}_{number}"
        taken[free] = None
    return list(taken)


def _show(connection: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> None:
    names = schema().names
    if paths:
        files = "[" + ", ".join(map(literal, paths)) + "]"
        rows = f"SELECT * FROM {_read(files, names)}"  # noqa: S608  paths and names are literals
    else:
        empty = ", ".join(f"NULL::{sql_type(f.type)} AS {quote(f.name)}" for f in schema())
        rows = f"SELECT {empty} LIMIT 0"
    for view, test in (("events", "IS NULL"), ("quarantine", "IS NOT NULL")):
        connection.execute(
            f'CREATE TEMP VIEW {view} AS SELECT * FROM ({rows}) WHERE "citysoc.unparsed" {test}'  # noqa: S608  fixed texts
        )


def source(paths: Sequence[str], names: Collection[str], bind: Parameters) -> str:
    """Return SQL for the rows of files, with these columns whether a file has them or not."""
    return _read(bind(list(paths)), names)


def _read(files: str, names: Collection[str]) -> str:
    columns = ", ".join(
        f"{literal(field.name)}: {{name: {literal(field.name)}, type: '{sql_type(field.type)}',"
        " default_value: NULL}"
        for field in schema()
        if field.name in names
    )
    return f"read_parquet({files}, schema = MAP {{{columns}}}, hive_partitioning = false)"


def literal(text: str) -> str:
    """Return a text as an SQL literal, for the few places that take no parameter."""
    return "'" + text.replace("'", "''") + "'"
