"""Open a file as the contents it holds: itself, or the members of a .gz, .zst or .zip.

What a file is is told by its first bytes, not by its name. Everything is streamed and bounded: an
archive that unpacks to too much, is damaged, encrypted or nested ends early with a ``Refused`` that
says so, and what was readable before stays. Names inside archives are labels, never paths.
"""

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
    from collections.abc import Callable, Iterator

    from citysoc.framing.base import Limits

_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", (b"PK\x03\x04", b"PK\x05\x06")
_UNSUPPORTED = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!\x1a\x07": "RAR",
    b"\x04\x22\x4d\x18": "LZ4",
}
_OFFICE = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"xl/", b"word/", b"ppt/", b"mimetype")
"""What the first entry of an Office or OpenDocument file is called; those are documents, not archives."""

_READ = 64 << 10
_ZSTD_PIECE = 512
"""Packed bytes handed to zstd at once: even a bomb makes no more than 22 MB of them (128 KiB a block)."""
_ZSTD_WINDOW = 128 << 20
_FREE = 1 << 20
"""So much may come out of an archive whatever its ratio."""
_MAX_MEMBERS = 10_000
_MAX_DIRECTORY = 16 << 20
_MAX_LABEL = 300
_HEAD = 512

_BROKEN = (
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


class _Source(Protocol):
    """Gives unpacked bytes piece by piece and knows how much it took to make them."""

    consumed: int

    def piece(self) -> bytes:
        """Return some more bytes, at most a few MB; empty at the end."""


class _Cursor(io.RawIOBase):
    """Reads an open file at a place of its own, so that many can read one descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: 0}[whence]
        if whence == os.SEEK_END:
            base = os.fstat(self._descriptor).st_size
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = max(0, os.fstat(self._descriptor).st_size - self._at)
        data = os.pread(self._descriptor, size, self._at)
        self._at += len(data)
        return data

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]  # typeshed has no public name for buffers
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


class _Gunzip:
    """Unpacks concatenated gzip members (RFC 1952); zeros after the last are padding."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._engine = zlib.decompressobj(wbits=31)
        self._rest = b""
        self._between = False
        self.consumed = 0

    def piece(self) -> bytes:
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
            self._rest = self._packed.read(_READ)
            self.consumed += len(self._rest)
            if not self._rest:
                return not self._between


class _Unzstd:
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
            self._read, self._at = self._packed.read(_READ), 0
        packed = self._read[self._at : self._at + _ZSTD_PIECE]
        self._at += len(packed)
        self.consumed += len(packed)
        return packed

    def piece(self) -> bytes:
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


class _Unzip:
    """Unpacks one member of a zip."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._archive = archive
        self._info = info
        self._member: BinaryIO | None = None
        self._made = 0
        self.consumed = 0

    def piece(self) -> bytes:
        if self._member is None:
            self._member = cast("BinaryIO", self._archive.open(self._info))
        data = self._member.read(_FREE)
        self._made += len(data)
        self.consumed = self._info.compress_size
        if not data and self._made < self._info.file_size:
            raise EOFError("it ends in the middle")
        return data


@dataclass(slots=True)
class _Account:
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


class Unpacked(io.RawIOBase):
    """The bytes of one member: reads forward, never raises on hostile bytes.

    Args:
        source: where they come from.
        account: how much may still come out of the archive.
        member: the member's number in it.
    """

    def __init__(self, source: _Source, account: _Account, member: int) -> None:
        self.refused: Refused | None = None
        self._source = source
        self._account = account
        self._member = member
        self._left: memoryview = memoryview(b"")
        self._made = 0
        self._at = 0

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether it can be moved: forward only."""
        return True

    def tell(self) -> int:
        """Return the place in the unpacked bytes."""
        return self._at

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

    def readinto(self, buffer: object, /) -> int:
        """Fill a buffer; return how many bytes were put in."""
        view = memoryview(buffer)  # type: ignore[arg-type]  # typeshed has no public name for buffers
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _fill(self) -> bool:
        if self.refused:
            return False
        try:
            piece = self._source.piece()
        except (*_BROKEN, MemoryError) as error:
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


@dataclass(frozen=True, slots=True)
class Member:
    """One content of a file.

    Args:
        label: ``path``, or ``path!name`` for a member of a zip.
        name: the name inside the zip, cleaned; empty for others.
        packed: whether it comes out of an archive.
        open: opens it at its first byte, any number of times.
        refused: why it cannot be opened at all; ``open`` then gives an empty stream.
    """

    label: str
    name: str
    packed: bool
    open: Callable[[], BinaryIO]
    refused: Refused | None = None


def refusal(stream: BinaryIO) -> Refused | None:
    """Return why a member's stream ended early; None if it did not."""
    return stream.refused if isinstance(stream, Unpacked) else None


def members(descriptor: int, label: str, limits: Limits) -> Iterator[Member]:
    """Yield the contents of an open file.

    Args:
        descriptor: of a regular file, which stays the caller's and must stay open while members are used.
        label: the file's path, for labels only.
        limits: the bounds.
    """
    head = os.pread(descriptor, _HEAD, 0)
    if _is_zip(head):
        yield from _zip_members(descriptor, label, limits)
        return
    refused = _unsupported(head)
    if refused:
        yield Member(label, "", packed=True, open=_empty, refused=refused)
    elif head.startswith(_GZIP):
        yield _stream_member(descriptor, label, limits, _Gunzip)
    elif head.startswith(_ZSTD):
        yield _stream_member(descriptor, label, limits, _Unzstd)
    else:
        yield Member(label, "", packed=False, open=lambda: cast("BinaryIO", _Cursor(descriptor)))


def is_packed(head: bytes) -> bool:
    """Whether a file that begins so is an archive, readable or not."""
    return _is_zip(head) or head.startswith((_GZIP, _ZSTD)) or _unsupported(head) is not None


def _empty() -> BinaryIO:
    return io.BytesIO()


def _is_zip(head: bytes) -> bool:
    # A local file header has its file name from byte 30 on (APPNOTE 4.3.7).
    return head.startswith(_ZIP) and not head[30:].startswith(_OFFICE)


def _unsupported(head: bytes) -> Refused | None:
    kind = next((kind for magic, kind in _UNSUPPORTED.items() if head.startswith(magic)), None)
    if kind is None and head[257:262] == b"ustar":
        kind = "tar"
    if kind is None:
        return None
    return Refused("archive.unsupported", f"Archives of the kind {kind} are not unpacked.", sample=head[:64])


def _stream_member(
    descriptor: int, label: str, limits: Limits, source: Callable[[BinaryIO], _Source]
) -> Member:
    account = _Account(limits)

    def reopen() -> BinaryIO:
        packed = cast("BinaryIO", _Cursor(descriptor))
        return cast("BinaryIO", Unpacked(source(packed), account, 0))

    return _unless_nested(Member(label, "", packed=True, open=reopen))


def _unless_nested(member: Member) -> Member:
    if not is_packed(member.open().read(_HEAD)):
        return member
    refused = Refused("archive.nested", "An archive inside an archive is not unpacked.")
    return Member(member.label, member.name, packed=True, open=_empty, refused=refused)


def _zip_members(descriptor: int, label: str, limits: Limits) -> Iterator[Member]:
    try:
        if refused := _oversized_directory(descriptor):
            yield Member(label, "", packed=True, open=_empty, refused=refused)
            return
        archive = zipfile.ZipFile(io.BufferedReader(_Cursor(descriptor), _READ))
    except _BROKEN as error:
        refused = Refused("archive.damaged", f"The zip cannot be read: {error}"[:200])
        yield Member(label, "", packed=True, open=_empty, refused=refused)
        return
    account = _Account(limits)
    for number, info in enumerate(archive.infolist()):
        if not info.is_dir():
            yield _zip_member(archive, info, number, label, account)


def _zip_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, number: int, label: str, account: _Account
) -> Member:
    name = _clean(info.filename) or f"#{number}"
    full = f"{label}!{name}"
    refused = None
    if info.flag_bits & 0x41:  # bit 0: encrypted; bit 6: strongly encrypted (APPNOTE 4.4.4)
        refused = Refused("archive.encrypted", "The member is encrypted.")
    elif info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        # Other methods cannot be unpacked within bounded memory by the standard library.
        detail = f"The member is packed with method {info.compress_type}, which is not unpacked."
        refused = Refused("archive.unsupported", detail)
    if refused:
        return Member(full, name, packed=True, open=_empty, refused=refused)

    def reopen() -> BinaryIO:
        return cast("BinaryIO", Unpacked(_Unzip(archive, info), account, number))

    return _unless_nested(Member(full, name, packed=True, open=reopen))


def _clean(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name[:_MAX_LABEL])


def _oversized_directory(descriptor: int) -> Refused | None:
    """Refuse a zip whose directory alone would fill the memory, before it is read.

    The end record holds the number of entries and the directory's size (APPNOTE 4.3.16), with zip64 in
    a second record 20 bytes and more before it (4.3.14).
    """
    size = os.fstat(descriptor).st_size
    begin = max(0, size - (64 << 10) - 22 - 76)
    tail = os.pread(descriptor, size - begin, begin)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        raise zipfile.BadZipFile("it has no directory")
    entries, length = struct.unpack_from("<HI", tail, at + 10)
    large = tail.rfind(b"PK\x06\x06", 0, at)
    if large >= 0 and at - large >= 56:
        entries, length = max((entries, length), struct.unpack_from("<QQ", tail, large + 32))
    if entries <= _MAX_MEMBERS and length <= _MAX_DIRECTORY:
        return None
    return Refused("archive.bomb", f"The zip holds {entries} members, more than {_MAX_MEMBERS}.")
