"""Whether the local store's files are what its log and their names say."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from citysoc.stores.local_files import digest_in, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import duckdb

    from citysoc.stores.local_files import DataFile
    from citysoc.stores.local_place import Place

_SHOWN = 10
_MAGIC = b"PAR1"


def damaged(files: Iterable[DataFile], place: Place) -> Iterator[tuple[DataFile, str]]:
    """Yield the files that are not what they should be, each with what is wrong; reads every byte."""
    for file in files:
        (path,) = place.local([file.name])
        # What is wrong with a copy may be right where it came from.
        if _broken(file, path) and (problem := _broken(file, place.fresh(file.name))):
            yield file, problem


def doubled(paths: Sequence[str], connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Yield a sentence for each id that is stored more than once."""
    found = connection.sql(
        'SELECT "event.id" AS id, count(*) AS times FROM read_parquet($1, hive_partitioning = false)'
        ' WHERE "event.id" IS NOT NULL GROUP BY 1 HAVING count(*) > 1 ORDER BY 2 DESC, 1 LIMIT $2',
        params=[list(paths), _SHOWN],
    )
    for row in found.to_arrow_table().to_pylist():
        yield f"event.id {row['id']}: stored {row['times']} times"


def cut_short(file: DataFile, path: str) -> str | None:
    """Return what is wrong with a file at a glance: missing, half-written; None where nothing is seen."""
    try:
        with Path(path).open("rb") as opened:
            head = opened.read(4)
            size = opened.seek(0, 2)
            opened.seek(max(size - 4, 0))
            tail = opened.read(4)
    except OSError:
        return "the file is missing"
    if size != file.bytes:
        return f"{size:,} bytes, not {file.bytes:,}"
    return None if head == tail == _MAGIC else "it is no Parquet file"


def _broken(file: DataFile, path: str) -> str | None:
    if problem := cut_short(file, path):
        return problem
    digest = digest_in(file.name)
    if digest is not None and digest_of(path) != digest:
        return "its content is not what was written"
    return _miscounted(file, path, whole=digest is None)


def _miscounted(file: DataFile, path: str, *, whole: bool) -> str | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with contextlib.closing(pq.ParquetFile(path)) as parquet:
            rows = parquet.metadata.num_rows
            if whole:  # of an older version: no digest tells, so it is unpacked
                rows = sum(batch.num_rows for batch in parquet.iter_batches(batch_size=8192))
    except (pa.ArrowException, OSError) as error:
        return f"it cannot be read: {error}"
    return None if rows == file.rows else f"{rows:,} rows, not {file.rows:,}"
