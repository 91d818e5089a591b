"""What the framers of whole documents share: reading within the bound, rows as lines, runs of records."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from citysoc.flow import Refused
from citysoc.framing.base import Frames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from citysoc.framing.base import Limits

SAMPLE_BYTES = 4096
"""So much of what is refused is kept for a person to look at."""


def read_document(stream: BinaryIO, limits: Limits) -> bytes | Refused:
    """Return the whole document, or its refusal when it is larger than the limit."""
    parts: list[bytes] = []
    left = limits.max_document_bytes + 1
    while left > 0 and (part := stream.read(min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    data = b"".join(parts)
    if left > 0:
        return data
    return Refused(
        "too_large",
        f"The document is larger than {limits.max_document_bytes} bytes.",
        sample=data[:SAMPLE_BYTES],
    )


def csv_line(cells: Sequence[str]) -> bytes:
    """Return cells as one canonical line: commas, RFC 4180 quotes where needed, UTF-8, no line end."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\r\n").writerow(cells)  # it quotes what its line end contains
    return line.getvalue().removesuffix("\r\n").encode("utf-8", "replace")


def runs(items: Iterable[tuple[bytes, bytes | Refused]], *, start: int, limits: Limits) -> Iterator[Frames]:
    """Gather numbered records into runs of one header within the batch limits.

    Args:
        items: each record, or refusal, behind the header that explains it.
        start: records with a smaller number were consumed earlier and are skipped.
        limits: the bounds.
    """
    run = _Run(b"")
    number = 0
    for header, item in items:
        if number >= start:
            if run.is_full(limits) or (run.size and header != run.header):
                yield run.frames(number)
                run = _Run(header)
            run.header = header
            run.add(number, item, limits)
        number += 1
    if run.size:
        yield run.frames(number)


class _Run:
    """Records that will leave together."""

    __slots__ = ("bytes", "header", "offsets", "records", "refused")

    def __init__(self, header: bytes) -> None:
        self.header = header
        self.records: list[bytes] = []
        self.offsets: list[int] = []
        self.refused: list[Refused] = []
        self.bytes = 0

    @property
    def size(self) -> int:
        return len(self.records) + len(self.refused)

    def is_full(self, limits: Limits) -> bool:
        return self.size >= limits.batch_records or self.bytes >= limits.batch_bytes

    def add(self, number: int, item: bytes | Refused, limits: Limits) -> None:
        if isinstance(item, Refused):
            self.refused.append(replace(item, offset=item.offset or number))
        elif len(item) > limits.max_record_bytes:
            detail = f"The record is longer than {limits.max_record_bytes} bytes."
            self.refused.append(Refused("too_long", detail, number, item[:SAMPLE_BYTES]))
        else:
            self.records.append(item)
            self.offsets.append(number)
            self.bytes += len(item)

    def frames(self, end: int) -> Frames:
        return Frames(tuple(self.records), tuple(self.offsets), end, self.header, tuple(self.refused))
