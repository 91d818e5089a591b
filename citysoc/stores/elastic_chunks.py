"""The documents of one request, as they lie in Arrow's memory: what is sent is a copy of one stretch of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc.stores.elastic_document import Document, document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Chunk:
    """Documents that go in one request.

    Args:
        lines: for each of them its two lines.
    """

    lines: pa.StringArray

    def __len__(self) -> int:
        """Return how many documents there are."""
        return len(self.lines)

    @property
    def body(self) -> bytes:
        """What is sent."""
        edges = _edges(self.lines)
        return bytes(memoryview(self.lines.buffers()[2])[int(edges[0]) : int(edges[-1])])

    def document(self, number: int) -> Document:
        """Return one of the documents."""
        return document(self.lines[number].as_py().encode())

    def halves(self) -> tuple[Chunk, Chunk]:
        """Return two chunks with half of the documents each."""
        middle = len(self) // 2
        return Chunk(self.lines[:middle]), Chunk(self.lines[middle:])

    def only(self, numbers: Sequence[int]) -> Chunk:
        """Return a chunk with some of the documents."""
        import pyarrow as pa

        return Chunk(self.lines.take(pa.array(numbers, pa.int64())))

    def none(self) -> Chunk:
        """Return a chunk without documents."""
        return Chunk(self.lines[:0])

    def joined(self, other: Chunk) -> Chunk:
        """Return a chunk with the documents of both."""
        import pyarrow as pa

        return Chunk(pa.concat_arrays([self.lines, other.lines]))


def chunks(encoded: Iterable[pa.StringArray], max_bytes: int) -> Iterator[Chunk]:
    """Yield documents in requests of about one size, none larger than ``max_bytes`` but for single documents."""
    gathered: list[pa.StringArray] = []
    size = 0
    for lines in encoded:
        gathered.append(lines)
        size += _bytes(lines)
        if size >= max_bytes:
            yield from _cut(gathered, size, max_bytes)
            gathered, size = [], 0
    if size:
        yield from _cut(gathered, size, max_bytes)


def _cut(gathered: list[pa.StringArray], size: int, max_bytes: int) -> Iterator[Chunk]:
    import numpy as np
    import pyarrow as pa

    lines = gathered[0] if len(gathered) == 1 else pa.concat_arrays(gathered)
    edges = _edges(lines)
    wanted = size / -(-size // max_bytes)  # so many requests are needed; none of them need be a small rest
    start = 0
    while start < len(lines):
        end = int(np.searchsorted(edges, edges[start] + wanted, side="left"))
        if edges[min(end, len(lines))] - edges[start] > max_bytes:
            end -= 1
        end = min(max(end, start + 1), len(lines))
        yield Chunk(lines[start:end])
        start = end


def as_lines(documents: Iterable[bytes]) -> pa.StringArray:
    """Return the lines of documents as an array."""
    import pyarrow as pa

    return pa.array(list(documents), pa.binary()).cast(pa.string())


def _edges(lines: pa.StringArray) -> Any:
    """Return where each document begins in memory, and where the last one ends."""
    import numpy as np

    return np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1].astype(
        np.int64
    )


def _bytes(lines: pa.StringArray) -> int:
    edges = _edges(lines)
    return int(edges[-1] - edges[0])
