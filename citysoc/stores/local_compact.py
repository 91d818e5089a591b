"""Compaction and retention of the local store: files written anew, rows counted before the swap.

Small files of a day are merged by size, as log-structured trees do: a file takes part once what is merged
with it is as large as half of it, so that a row is written a few times and not at every run. When a day is
over its files are sealed: written once more, packed harder.
"""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING

from citysoc import clock
from citysoc.errors import StoreError
from citysoc.i18n import _
from citysoc.stores.local_files import columns_of, repeating, unpacked_bytes
from citysoc.stores.local_verify import cut_short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow as pa

    from citysoc.stores.local_files import DataFile, NewFile, Tier
    from citysoc.stores.local_table import Table

    Keep = Callable[[pa.Table], pa.Table]

FULL_ROWS = 131_072
FULL_BYTES = 192 << 20
"""A merged file holds at most so many rows and unpacked bytes: what is merged at once must fit into memory."""
_FULL_PACKED = 8 << 20

FEWEST = 8
"""Fewer small files of a day that is not over are left alone."""

OVER = dt.timedelta(hours=12)
"""A day is over so long after its end."""


def compact(table: Table, *, stopped: Callable[[], bool] = lambda: False) -> int:
    """Merge small files, seal days that are over; return how many files there are fewer.

    Queries that have begun still find the old files; those are deleted a day later.

    Args:
        table: the table.
        stopped: asked between two transactions; True ends the work early.

    Raises:
        StoreError: a file cannot be read, or another process changed the same files.
    """
    import pyarrow as pa

    fewer = 0
    failed: StoreError | None = None
    sealed_before = clock.now() - OVER
    files = sorted(table.snapshot().files, key=lambda f: (f.day, f.first, f.name))
    for day, group in itertools.groupby(files, key=lambda f: f.day):
        over = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC) + dt.timedelta(days=1) < sealed_before
        for chunk in _chunks(table, _chosen(_sound(table, group), over=over)):
            if stopped():
                return fewer
            if len(chunk) < 2 and (not over or chunk[0].sealed):
                continue
            try:
                new = rewritten(table, chunk, "s" if over else "m")
                table.replace(chunk, [new] if new else [], data_change=False)
                fewer += len(chunk) - 1
            except StoreError as error:  # one damaged file must not keep all others small
                failed = failed or error
            pa.default_memory_pool().release_unused()
    table.vacuum()
    if failed is not None:
        raise failed
    return fewer


def _sound(table: Table, files: Iterable[DataFile]) -> list[DataFile]:
    """Return the files that are whole at a glance; the others wait for ``verify --isolate``."""
    listed = list(files)
    paths = table.place.local([file.name for file in listed])
    return [file for file, path in zip(listed, paths, strict=True) if cut_short(file, path) is None]


def _chosen(files: Sequence[DataFile], *, over: bool) -> list[DataFile]:
    """Return the files of one day that should be written anew."""
    chosen = [file for file in files if over and not file.sealed]
    gathered = sum(file.rows for file in chosen)
    small = (f for f in files if f not in chosen and f.rows < FULL_ROWS // 2 and f.bytes < _FULL_PACKED)
    for file in sorted(small, key=lambda f: f.rows):
        if chosen and file.rows > 2 * gathered:
            break
        chosen.append(file)
        gathered += file.rows
    return chosen if over or len(chosen) >= FEWEST else []


def _chunks(table: Table, files: Iterable[DataFile]) -> Iterator[list[DataFile]]:
    """Yield the files that become one, neighbours in time."""
    gathered: list[DataFile] = []
    rows = size = 0
    for file in sorted(files, key=lambda f: (f.first, f.name)):
        unpacked = _unpacked(table.place.local([file.name])[0])
        if gathered and (rows + file.rows > FULL_ROWS or size + unpacked > FULL_BYTES):
            yield gathered
            gathered, rows, size = [], 0, 0
        gathered.append(file)
        rows += file.rows
        size += unpacked
    if gathered:
        yield gathered


def _unpacked(path: str) -> int:
    import pyarrow as pa

    try:
        return unpacked_bytes(path)
    except (pa.ArrowException, OSError):
        return 0  # its rewriting will say what is wrong


def rewritten(
    table: Table, files: Sequence[DataFile], tier: Tier, keep: Keep = lambda rows: rows
) -> NewFile | None:
    """Write the rows of files of one day into one new file; return it, None where no row is left.

    Args:
        table: the table.
        files: whose rows.
        tier: what makes the file.
        keep: returns those rows of a table that stay.

    Raises:
        StoreError: a file cannot be read, or holds other rows than it should.
    """
    import pyarrow as pa

    parts = []
    for file, path in zip(files, table.place.local([f.name for f in files]), strict=True):
        rows = read(path)
        if len(rows) != file.rows:
            raise StoreError(_("A file of the store holds fewer rows than it should."), where=path)
        parts.append(keep(rows))
    # Each value once, also across files: long texts that repeat would fill the memory.
    rows = pa.concat_tables(parts, promote_options="permissive").unify_dictionaries()
    parts.clear()
    if not len(rows):
        return None
    return table.write(files[0].day, rows, tier)


def read(path: str) -> pa.Table:
    """Return the rows of a file, texts that repeat as dictionaries.

    Raises:
        StoreError: it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, partitioning=None, read_dictionary=repeating(columns_of(path)))
    except (pa.ArrowException, OSError) as error:
        raise StoreError(
            _("A file of the store cannot be read: {error}.").format(error=error),
            where=path,
            hint=_("`citysoc store verify` names every damaged file."),
        ) from error
