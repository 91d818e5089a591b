"""Keep what was read once in a file for the passes that follow: memory holds one piece at a time."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa

PIECE_ROWS = 100_000


@contextmanager
def spooled(tables: Iterable[pa.Table], folder: Path) -> Iterator[Callable[[], Iterator[pa.Table]]]:
    """Give what yields the tables again, each time it is called, in pieces of ``PIECE_ROWS``.

    Args:
        tables: of one schema; read once.
        folder: where a file may be for as long as the context lasts.
    """
    import pyarrow as pa
    from pyarrow import ipc

    with tempfile.TemporaryDirectory(prefix="learning.", dir=folder) as home:
        path = Path(home) / "rows.arrow"
        writer = None
        for table in tables:
            if writer is None:
                writer = ipc.new_file(path, table.schema, options=ipc.IpcWriteOptions(compression="lz4"))
            writer.write_table(table, max_chunksize=PIECE_ROWS)
        if writer is not None:
            writer.close()

        def again() -> Iterator[pa.Table]:
            if not path.exists():
                return
            with ipc.open_file(path) as reader:
                for n in range(reader.num_record_batches):
                    yield pa.Table.from_batches([reader.get_batch(n)])

        yield again
