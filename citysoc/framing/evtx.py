"""Records of a Windows event log (.evtx): each is one event as compact JSON, its offset the record number.

The file is read by a process of its own (``evtx_reader``): damage can keep any reader of this format busy
for ever, and the line must go on.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from citysoc.flow import Refused
from citysoc.framing.base import Frames
from citysoc.framing.child import child
from citysoc.framing.documents import SAMPLE_BYTES, read_document

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Generator, Iterator

    from citysoc.framing.base import Limits

READER_MEMORY_BYTES = 2 << 30
READER_CPU_SECONDS = 60
_CHUNK = b"ElfChnk\0"
_HEADER_BYTES = 4096
_REPEATED = 1 << 48
"""Where the numbers begin of records whose own number another record of the file has already."""


def frame_evtx(
    stream: BinaryIO,
    *,
    start: int,
    header: bytes,  # noqa: ARG001  records of an event log need none
    final: bool,  # noqa: ARG001  an event log is read as far as it is whole
    limits: Limits,
) -> Iterator[Frames]:
    """Yield the events of a log; see ``framing.base.Framer``.

    The offset of a record is its ``EventRecordID``; ``start`` and ``end`` count records, read or refused.
    Refuses a document over the limit (``too_large``), one that is no event log (``evtx.unreadable``), a
    damaged record or chunk (``evtx.damaged``), and what remains when the reader exceeds its bounds
    (``evtx.unreadable``).
    """
    data = read_document(stream, limits)
    if isinstance(data, Refused):
        if start == 0:
            yield Frames((), (), 1, refused=(data,))
        return
    run = _Run(start)
    with contextlib.closing(_items(data, limits)) as items:
        for number, item in enumerate(items):
            if run.add(number, item, limits):
                yield run.take(number + 1)
    if run.records or run.refused:
        yield run.take(run.seen)


class _Run:
    """Records that will leave together, and the numbers already given in this file."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.seen = 0
        self.records: list[bytes] = []
        self.offsets: list[int] = []
        self.refused: list[Refused] = []
        self.bytes = 0
        self._taken: set[int] = set()

    def add(self, number: int, item: tuple[int, bytes] | Refused, limits: Limits) -> bool:
        """Take one item; return whether the run is full."""
        self.seen = number + 1
        if isinstance(item, Refused):
            if number >= self.start:
                self.refused.append(replace(item, offset=number))
        else:
            offset, record = item
            if offset in self._taken:
                offset = _REPEATED + number
            self._taken.add(offset)
            if number < self.start:
                return False
            if len(record) > limits.max_record_bytes:
                detail = f"The record is longer than {limits.max_record_bytes} bytes."
                self.refused.append(Refused("too_long", detail, offset, record[:SAMPLE_BYTES]))
            else:
                self.records.append(record)
                self.offsets.append(offset)
                self.bytes += len(record)
        size = len(self.records) + len(self.refused)
        return size >= limits.batch_records or self.bytes >= limits.batch_bytes

    def take(self, end: int) -> Frames:
        """Return what was gathered and start anew."""
        frames = Frames(tuple(self.records), tuple(self.offsets), end, refused=tuple(self.refused))
        self.records, self.offsets, self.refused, self.bytes = [], [], [], 0
        return frames


def _items(data: bytes, limits: Limits) -> Generator[tuple[int, bytes] | Refused, None, None]:
    """Yield each record with its number, and the refusal of what could not be read."""
    bounds = (READER_MEMORY_BYTES, READER_CPU_SECONDS)
    with child("evtx_reader.py", bounds, data, READER_CPU_SECONDS * 2) as reader:
        empty = True
        for line in _lines(reader, limits):
            empty = False
            yield line
        if empty and data.find(_CHUNK) < 0 and len(data) > _HEADER_BYTES and not reader.wait():
            detail = "The event log holds nothing that begins like a chunk of records."
            yield Refused("evtx.damaged", detail, sample=data[:SAMPLE_BYTES])
        if reader.wait():
            detail = "The event log cannot be read to its end within the bounds."
            yield Refused("evtx.unreadable", detail, sample=data[:SAMPLE_BYTES])


def _lines(reader: subprocess.Popen[bytes], limits: Limits) -> Iterator[tuple[int, bytes] | Refused]:
    if reader.stdout is None:
        return
    longest = limits.max_record_bytes * 2
    while line := reader.stdout.readline(longest):
        while not line.endswith(b"\n") and (rest := reader.stdout.readline(longest)):
            line = line[:longest] + rest[-1:]  # too long: only its start is kept
        if not line.endswith(b"\n"):
            return  # the reader died in the middle of a line
        number, _, text = line[:-1].partition(b"\t")
        if not number:
            yield Refused("evtx.damaged", text.decode("utf-8", "replace"))
        else:
            yield _record_number(text, int(number)), text


def _record_number(text: bytes, default: int) -> int:
    """Return the ``EventRecordID`` of an event; the file's own number where it has none.

    An exported log numbers its records anew in their frames; the event keeps the number it had.
    """
    marker = text.find(b'"EventRecordID":')
    if marker >= 0:
        digits = text[marker + 16 : marker + 40].lstrip(b' "')
        end = 0
        while end < len(digits) and digits[end : end + 1].isdigit():
            end += 1
        if 0 < end < 19:
            return int(digits[:end])
    return default
