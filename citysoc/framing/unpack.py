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
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from citysoc.flow import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from citysoc.framing.base import Limits

from citysoc.framing.packed import BROKEN, READ, Account, Cursor, Gunzip, Source, Unpacked, Unzip, Unzstd

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
_MAX_MEMBERS = 10_000
_MAX_DIRECTORY = 16 << 20
_MAX_LABEL = 300
_HEAD = 512


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
        yield _stream_member(descriptor, label, limits, Gunzip)
    elif head.startswith(_ZSTD):
        yield _stream_member(descriptor, label, limits, Unzstd)
    else:
        yield Member(label, "", packed=False, open=lambda: cast("BinaryIO", Cursor(descriptor)))


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
    descriptor: int, label: str, limits: Limits, source: Callable[[BinaryIO], Source]
) -> Member:
    account = Account(limits)

    def reopen() -> BinaryIO:
        packed = cast("BinaryIO", Cursor(descriptor))
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
        archive = zipfile.ZipFile(io.BufferedReader(Cursor(descriptor), READ))
    except BROKEN as error:
        refused = Refused("archive.damaged", f"The zip cannot be read: {error}"[:200])
        yield Member(label, "", packed=True, open=_empty, refused=refused)
        return
    account = Account(limits)
    for number, info in enumerate(archive.infolist()):
        if not info.is_dir():
            yield _zip_member(archive, info, number, label, account)


def _zip_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, number: int, label: str, account: Account
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
        return cast("BinaryIO", Unpacked(Unzip(archive, info), account, number))

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
