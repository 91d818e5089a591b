"""Unpacked bytes as streams: gzip, zstd and members of a zip, forward only, bounded, never raising on hostile bytes."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from citysoc.flow import Refused

if TYPE_CHECKING:
    from citysoc.framing.base import Limits

READ = 64 << 10
_ZSTD_PIECE = 512
"""Packed bytes handed to zstd at once: even a bomb makes no more than 22 MB of them (128 KiB a block)."""
_ZSTD_WINDOW = 128 << 20
_FREE = 1 << 20
"""So much may come out of an archive whatever its ratio."""
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    struct.error,
    KeyError,
    OverflowError,
)
"""What the archive libraries raise on hostile bytes."""


class Source(Protocol):
    """Gives unpacked bytes piece by piece and knows how much it took to make them."""

    consumed: int

    def piece(self) -> bytes:
        """Return some more bytes, at most a few MB; empty at the end."""


class _Placed(io.RawIOBase):
    """What streams share that know their place and only say how to read and move."""

    _at = 0

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether it can be moved: as far as ``seek`` allows."""
        return True

    def tell(self) -> int:
        """Return the place in the stream's bytes."""
        return self._at

    def readinto(self, buffer: object, /) -> int:
        """Fill a buffer; return how many bytes were put in."""
        view = memoryview(buffer)  # type: ignore[arg-type]  # typeshed has no public name for buffers
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


class Cursor(_Placed):
    """Reads an open file at a place of its own, so that many can read one descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place; return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: 0}[whence]
        if whence == os.SEEK_END:
            base = os.fstat(self._descriptor).st_size
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to ``size`` bytes, all that are left without it."""
        if size is None or size < 0:
            size = max(0, os.fstat(self._descriptor).st_size - self._at)
        data = os.pread(self._descriptor, size, self._at)
        self._at += len(data)
        return data


class Gunzip:
    """Unpacks concatenated gzip members (RFC 1952); zeros after the last are padding."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._engine = zlib.decompressobj(wbits=31)
        self._rest = b""
        self._between = False
        self.consumed = 0

    def piece(self) -> bytes:
        """Return some more bytes; empty at the end."""
        while self._more():
            # With nothing left to put in, what the engine still holds back comes out.
            data = self._engine.decompress(self._rest, _FREE)
            ended = not self._rest and not data
            self._rest = self._engine.unconsumed_tail
            if self._engine.eof:
                self._rest = self._engine.unused_data
                self._engine = zlib.decompressobj(wbits=31)
                self._between = True
            elif ended:
                raise EOFError("it ends in the middle")
            if data:
                return data
        return b""

    def _more(self) -> bool:
        """Read on when nothing is left; return whether another member begins or goes on."""
        while True:
            if self._between:
                self._rest = self._rest.lstrip(b"\0")
            if self._rest:
                self._between = False
                return True
            self._rest = self._packed.read(READ)
            self.consumed += len(self._rest)
            if not self._rest:
                return not self._between


class Unzstd:
    """Unpacks concatenated zstd frames (RFC 8878)."""

    def __init__(self, packed: BinaryIO) -> None:
        import zstandard

        self._error = zstandard.ZstdError
        self._packed = packed
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._engine = self._decompressor.decompressobj()
        self._read = b""
        self._at = 0
        self._started = False
        self.consumed = 0

    def _next(self) -> bytes:
        if self._at >= len(self._read):
            self._read, self._at = self._packed.read(READ), 0
        packed = self._read[self._at : self._at + _ZSTD_PIECE]
        self._at += len(packed)
        self.consumed += len(packed)
        return packed

    def piece(self) -> bytes:
        """Return some more bytes; empty at the end."""
        while packed := self._next():
            self._started = True
            try:
                data = self._engine.decompress(packed)
            except self._error as error:
                raise EOFError(str(error)) from error
            if self._engine.eof:
                unused = len(self._engine.unused_data)
                self._at -= unused
                self.consumed -= unused
                self._engine = self._decompressor.decompressobj()
                self._started = False
            if data:
                return data
        if self._started:
            raise EOFError("it ends in the middle")
        return b""


class Unzip:
    """Unpacks one member of a zip."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._archive = archive
        self._info = info
        self._member: BinaryIO | None = None
        self._made = 0
        self.consumed = 0

    def piece(self) -> bytes:
        """Return some more bytes; empty at the end."""
        if self._member is None:
            self._member = cast("BinaryIO", self._archive.open(self._info))
        data = self._member.read(_FREE)
        self._made += len(data)
        self.consumed = self._info.compress_size
        if not data and self._made < self._info.file_size:
            raise EOFError("it ends in the middle")
        return data


@dataclass(slots=True)
class Account:
    """How much has come out of one archive; reading a member again does not count again."""

    limits: Limits
    spent: dict[int, int] = field(default_factory=dict)
    total: int = 0

    def too_much(self, member: int, made: int, consumed: int) -> bool:
        """Whether a member that made so many bytes of so many goes beyond the bounds."""
        before = self.spent.get(member, 0)
        if made > before:
            self.total += made - before
            self.spent[member] = made
        ratio = self.limits.max_unpack_ratio
        return self.total > self.limits.max_unpacked_bytes or made > max(_FREE, consumed * ratio)


class Unpacked(_Placed):
    """The bytes of one member: reads forward, never raises on hostile bytes.

    Args:
        source: where they come from.
        account: how much may still come out of the archive.
        member: the member's number in it.
    """

    def __init__(self, source: Source, account: Account, member: int) -> None:
        self.refused: Refused | None = None
        self._source = source
        self._account = account
        self._member = member
        self._left: memoryview = memoryview(b"")
        self._made = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move forward by reading.

        Raises:
            OSError: the place lies behind, or is counted from the end.
        """
        target = offset + (self._at if whence == os.SEEK_CUR else 0)
        if whence == os.SEEK_END or target < self._at:
            raise io.UnsupportedOperation("an unpacked stream only moves forward")
        while self._at < target and self.read(min(target - self._at, _FREE)):
            pass
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to ``size`` bytes, fewer only at the end."""
        if size is None or size < 0:
            size = self._account.limits.max_unpacked_bytes
        parts = []
        while size > 0 and (self._left or self._fill()):
            part = bytes(self._left[:size])
            self._left = self._left[len(part) :]
            size -= len(part)
            parts.append(part)
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self._at += len(data)
        return data

    def _fill(self) -> bool:
        if self.refused:
            return False
        try:
            piece = self._source.piece()
        except (*BROKEN, MemoryError) as error:
            detail = f"The archive is damaged: {str(error) or type(error).__name__}"[:200].rstrip(".") + "."
            self.refused = Refused("archive.damaged", detail, self._made)
            return False
        self._made += len(piece)
        if self._account.too_much(self._member, self._made, self._source.consumed):
            detail = f"The archive unpacks to too much: reading stopped after {self._made} bytes."
            self.refused = Refused("archive.bomb", detail, self._made)
            return False
        self._left = memoryview(piece)
        return bool(piece)
