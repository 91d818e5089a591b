"""DuckDB for the local store: the connection, and the store's files as a table of SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.ecs.schema import schema
from citysoc.stores.query_sql import Parameters, sql_type

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import duckdb


def connect(path: Path, memory_bytes: int, threads: int | None) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB that reads and writes below ``path`` and nowhere else: no network, no extensions."""
    import duckdb

    settings: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": f"{memory_bytes}B",
        "preserve_insertion_order": "false",
        "temp_directory": str(path.absolute() / "_spill"),
    }
    if threads is not None:
        settings["threads"] = str(threads)
    connection = duckdb.connect(config=settings)
    for statement in (
        "SET TimeZone = 'UTC'",
        f"SET allowed_directories = [{literal(f'{path.absolute()}/')}]",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ):
        connection.execute(statement)
    return connection


def source(paths: Sequence[str], names: Collection[str], bind: Parameters) -> str:
    """Return SQL for the rows of files, with these columns whether a file has them or not."""
    columns = ", ".join(
        f"{literal(field.name)}: {{name: {literal(field.name)}, type: '{sql_type(field.type)}',"
        " default_value: NULL}"
        for field in schema()
        if field.name in names
    )
    return f"read_parquet({bind(list(paths))}, schema = MAP {{{columns}}}, hive_partitioning = false)"


def literal(text: str) -> str:
    """Return a text as an SQL literal, for the few places that take no parameter."""
    return "'" + text.replace("'", "''") + "'"
