"""Whether the local store's files are what its log says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import duckdb

    from citysoc.stores.local_table import DataFile

_SHOWN = 10


def verify(files: Sequence[DataFile], cursor: Callable[[], duckdb.DuckDBPyConnection]) -> list[str]:
    """Return what is wrong, one sentence each, with the file it is wrong with."""
    problems = []
    sound = []
    for file in files:
        if problem := _wrong(file):
            problems.append(f"{file.name}: {problem}")
        else:
            sound.append(file.path)
    if sound:
        problems += _doubled(sound, cursor())
    return problems


def _wrong(file: DataFile) -> str | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(file.path)
    if not path.is_file():
        return "the file is missing"
    if (size := path.stat().st_size) != file.bytes:
        return f"{size:,} bytes, not {file.bytes:,}"
    try:
        with pq.ParquetFile(path) as parquet:
            rows = sum(batch.num_rows for batch in parquet.iter_batches(batch_size=8192))
    except (pa.ArrowException, OSError) as error:
        return f"it cannot be read: {error}"
    return None if rows == file.rows else f"{rows:,} rows, not {file.rows:,}"


def _doubled(paths: Sequence[str], connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    found = connection.sql(
        'SELECT "event.id" AS id, count(*) AS times FROM read_parquet($1, hive_partitioning = false)'
        ' WHERE "event.id" IS NOT NULL GROUP BY 1 HAVING count(*) > 1 ORDER BY 2 DESC, 1 LIMIT $2',
        params=[list(paths), _SHOWN],
    )
    for row in found.to_arrow_table().to_pylist():
        yield f"event.id {row['id']}: stored {row['times']} times"
