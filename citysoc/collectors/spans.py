"""Spans of lines: a file is divided at line ends, and who judges the lines cuts them apart.

Dividing costs a look at some KiB for each span, so that one process can keep many others busy.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from citysoc.errors import SourceError
from citysoc.flow import Unread
from citysoc.framing.base import Frames, Limits
from citysoc.framing.block import SPARE, Block
from citysoc.framing.codes import leading_nuls
from citysoc.framing.lines import begin_of, frame_span
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citysoc.collectors.found import Found
    from citysoc.flow import Batch

__all__ = ["begin_of", "block_of", "cut", "of_file", "of_stream"]

_CHUNK = 1 << 20
_LOOK = 16 << 10
_LINE_FEED = ord("\n")
_MOST_AT_ONCE = 4
"""So many whole spans may be held at once."""
_MOST_LINES = 1 << 16
"""More lines, which then are short ones, are not held at once: each is many times its bytes when it is judged."""
_TAIL = 4
"""So many whole spans before the end of a file they begin to become smaller: each is that part of what is left."""
_SMALLEST = 8
"""The smallest is that part of a whole one: small ones cost more for each line."""


def of_file(file: Found, descriptor: int, *, start: int, limits: Limits) -> Iterator[Frames]:
    """Yield the spans of an open file, from ``start`` to where it ends now.

    The last ones of a large file become smaller and smaller, so that those who share them are done at the same time.

    Args:
        file: the file.
        descriptor: where it is open.
        start: where a line begins.
        limits: its batch size is that of a span.
    """
    size = os.fstat(descriptor).st_size
    tail = size - _TAIL * limits.batch_bytes if size - start > _TAIL * limits.batch_bytes else size
    while start < size:
        step = limits.batch_bytes
        if start > tail:
            step = max((size - start) // _TAIL, step // _SMALLEST)
        end = _line_end(descriptor, start + step, size)
        yield Frames((), (), end, unread=Unread(start, end, path=file.path, inode=file.inode))
        start = end


def of_stream(stream: BinaryIO, *, start: int, limits: Limits) -> Iterator[Frames]:
    """Yield the spans of an unpacked stream with their bytes, from ``start`` to its end.

    Args:
        stream: what moves forward only.
        start: where a line begins.
        limits: the bounds; of a line that is longer than a record may be only as much is kept as shows that.
    """
    stream.seek(start)
    begin, left, inside = start, b"", False
    while chunk := stream.read(_CHUNK):
        if inside:  # a line whose beginning was handed on to be refused
            after = chunk.find(b"\n") + 1
            begin += after or len(chunk)
            if not after:
                continue
            chunk, inside = chunk[after:], False
        left += chunk
        if len(left) < limits.batch_bytes:
            continue
        whole = left.rfind(b"\n") + 1
        if whole:
            yield _bytes(left[:whole], begin)
            begin, left = begin + whole, left[whole:]
        elif nuls := leading_nuls(left):  # allocated and never written
            begin, left = begin + nuls, left[nuls:]
        elif len(left) > limits.max_record_bytes:
            yield _bytes(left[: limits.max_record_bytes + 1], begin, len(left))
            begin, left, inside = begin + len(left), b"", True
    if left:
        yield _bytes(left, begin)


def cut(batch: Batch, limits: Limits | None = None) -> Iterator[Batch]:
    """Yield a batch as batches of records, their lines cut apart.

    Args:
        batch: one whose lines are unread.
        limits: the bounds.

    Raises:
        SourceError: the file cannot be read, or another is in its place.
    """
    unread = batch.unread
    if unread is None:
        yield batch
        return
    chunks = _chunks(unread) if unread.data is None else iter([unread.data])
    refused = batch.refused
    for frames in frame_span(chunks, begin=unread.begin, limits=limits or Limits()):
        refused += frames.refused
        yield replace(batch, records=frames.records, offsets=frames.offsets, refused=refused, unread=None)
        refused = ()
    if refused:
        yield replace(batch, refused=refused, unread=None)


def block_of(batch: Batch, limits: Limits | None = None) -> Block | None:
    """Return the lines of a batch uncut; None where they must be cut to be known, or are too many to be held at once.

    Args:
        batch: one whose lines are unread.
        limits: the bounds.

    Raises:
        SourceError: the file cannot be read, or another is in its place.
    """
    unread = batch.unread
    most = _MOST_AT_ONCE * (limits or Limits()).batch_bytes
    if unread is None or unread.end - unread.begin > most:
        return None
    data = _whole(unread)
    size = len(data) - SPARE
    if not size or data.count(b"\n", 0, size) > _MOST_LINES or data.find(b"\0", 0, size) >= 0:
        return None  # a NUL may belong to a line or stand around it
    if data[size - 1] != _LINE_FEED:
        data += b"\n"
        size += 1
    return Block(data, size, unread.begin)


def _bytes(data: bytes, begin: int, size: int = 0) -> Frames:
    end = begin + (size or len(data))
    return Frames((), (), end, unread=Unread(begin, end, data))


def _chunks(unread: Unread) -> Iterator[bytes]:
    """Yield the bytes of a span, so many at once that little is held twice."""
    with _opened(unread) as descriptor:
        place = unread.begin
        while place < unread.end:
            data = os.pread(descriptor, min(_CHUNK, unread.end - place), place)
            if not data:  # it became shorter
                return
            yield data
            place += len(data)


def _whole(unread: Unread) -> bytearray:
    """Return the bytes of a span, with ``SPARE`` line feeds behind them."""
    after = b"\n" * SPARE
    if unread.data is not None:
        return bytearray().join((unread.data, after))
    data = bytearray(unread.end - unread.begin + SPARE)
    view = memoryview(data)
    size = 0
    with _opened(unread) as descriptor:
        while size < len(data) - SPARE:
            read = os.preadv(descriptor, [view[size:-SPARE]], unread.begin + size)
            if not read:  # it became shorter
                break
            size += read
    view[size : size + SPARE] = after
    view.release()
    del data[size + SPARE :]
    return data


@contextlib.contextmanager
def _opened(unread: Unread) -> Iterator[int]:
    """Open the file of a span, if it still is that file."""
    try:
        descriptor = os.open(unread.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            status = os.fstat(descriptor)
            if (status.st_dev, status.st_ino) != unread.inode:
                raise SourceError(
                    _("Another file took its place while it was read."), where=unread.path, transient=True
                )
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SourceError(
            _("The file cannot be read: {error}.").format(error=error.strerror or type(error).__name__),
            where=unread.path,
        ) from error


def _line_end(descriptor: int, place: int, size: int) -> int:
    """Return where the first line ends that ends at or after a place; the end of the file where none does."""
    while place < size and (data := os.pread(descriptor, _LOOK, place)):
        if found := data.find(b"\n") + 1:
            return min(place + found, size)
        place += len(data)
    return size
