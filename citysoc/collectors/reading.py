"""Read open files and packed streams: the pieces that following a file is made of."""

from __future__ import annotations

import hashlib
import io
import os
from collections import deque
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from citysoc.collectors.checkpoints import MARK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from citysoc.collectors.found import Found
    from citysoc.framing.unpack import Member

T = TypeVar("T")


class opened:  # noqa: N801  reads as a verb where it is used
    """An open descriptor of a file, closed at the end; a pipe put in its place does not block."""

    def __init__(self, file: Found) -> None:
        self._path = file.path

    def __enter__(self) -> int:
        self._descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


class Window(io.RawIOBase):
    """Reads on and keeps the last bytes, so that what lies before the end of a run is at hand."""

    def __init__(self, stream: BinaryIO, keep: int) -> None:
        self._stream = stream
        self._keep = keep
        self._parts: deque[tuple[int, bytes]] = deque()

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether it can be moved: forward only."""
        return True

    def tell(self) -> int:
        """Return the place in the content."""
        return self._stream.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move forward by reading."""
        while (left := offset - self.tell()) > 0 and whence == os.SEEK_SET:
            if not self.read(min(left, 1 << 20)):
                break
        return self._stream.seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to so many bytes."""
        at = self._stream.tell()
        data = self._stream.read(-1 if size is None else size)
        if data:
            self._parts.append((at, data))
            while self._parts[0][0] + len(self._parts[0][1]) < at + len(data) - self._keep:
                self._parts.popleft()
        return data

    def before(self, end: int) -> bytes:
        """Return the ``MARK_BYTES`` before a place, fewer when they are no longer at hand."""
        begin = max(0, end - MARK_BYTES)
        pieces = [
            data[max(0, begin - at) : end - at]
            for at, data in self._parts
            if at < end and begin < at + len(data)
        ]
        return b"".join(pieces)


def before_in_file(descriptor: int, end: int) -> bytes:
    """Return the ``MARK_BYTES`` before a place of an open file."""
    size = min(MARK_BYTES, end)
    return os.pread(descriptor, size, end - size)


def before_in_stream(stream: BinaryIO, ends: Sequence[int]) -> Iterator[bytes]:
    """Yield the bytes before each place of a stream that only moves forward."""
    held = b""
    for end in ends:
        begin = max(0, end - MARK_BYTES)
        if begin > stream.tell():
            stream.seek(begin)
            held = b""
        held += read_up_to(stream, end - stream.tell())
        at = stream.tell()
        yield held[len(held) - (at - begin) :] if at == end else b""
        held = held[-MARK_BYTES:]


def read_up_to(stream: BinaryIO, size: int) -> bytes:
    """Return so many bytes, fewer only at the end."""
    parts = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def content_hash(member: Member, most: int) -> str:
    """Return the hash of a content, of about its first ``most`` bytes where it is longer."""
    state = hashlib.blake2b(digest_size=16)
    with member.open() as stream:
        while most > 0 and (part := stream.read(1 << 20)):
            state.update(part)
            most -= len(part)
    return state.hexdigest()


def with_last(items: Iterable[T]) -> Iterator[tuple[T, bool]]:
    """Yield each item with whether it is the last."""
    before: list[T] = []
    for item in items:
        if before:
            yield before.pop(), False
        before.append(item)
    if before:
        yield before.pop(), True
