"""Rows of a spreadsheet (.xlsx, .xls) as the same canonical lines that ``framing.csv`` makes.

Every sheet with a row that names columns is read, each behind its own header; records are numbered
through the sheets. The file itself is read by a process of its own (``sheet_reader``), because a hostile
workbook can make any reader ask for more memory than there is.
"""

from __future__ import annotations

import contextlib
import json
import zipfile
import zlib
from io import BytesIO
from itertools import groupby
from typing import TYPE_CHECKING, BinaryIO

from citysoc.flow import Refused
from citysoc.framing.base import Frames
from citysoc.framing.child import child
from citysoc.framing.csv import table_records
from citysoc.framing.documents import SAMPLE_BYTES, read_document, runs
from citysoc.framing.sheet_reader import PASSWORD

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Generator, Iterator

    from citysoc.framing.base import Limits

READER_MEMORY_BYTES = 2 << 30
"""The reader may use so much: a sheet of 65,536 rows and 256 columns fits."""
READER_CPU_SECONDS = 60
_FREE_BYTES = 1 << 20
_UNPACKED_TIMES = 4
"""A workbook may unpack to so many times the document limit: its parts are read in memory."""
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class _UnfitError(Exception):
    """The document is not handed to the reader."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def frame_xlsx(
    stream: BinaryIO,
    *,
    start: int,
    header: bytes,  # noqa: ARG001  found anew: documents are read from their beginning
    final: bool,  # noqa: ARG001  half a workbook is none
    limits: Limits,
) -> Iterator[Frames]:
    """Yield the rows of a workbook as canonical CSV lines; see ``framing.base.Framer``.

    Refuses a document over the limit (``too_large``), one that unpacks to too much (``xlsx.bomb``),
    one with a password (``xlsx.encrypted``), one that is no workbook or cannot be read within the
    bounds (``xlsx.unreadable``), and one in which no row names columns (``xlsx.no_header``).
    """
    data = read_document(stream, limits)
    if isinstance(data, Refused):
        problem: Refused | None = data
    else:
        problem = _unfit(data, limits)
    if problem is not None or isinstance(data, Refused):
        if start == 0 and problem is not None:
            yield Frames((), (), 1, refused=(problem,))
        return
    seen = _Seen()
    yield from runs(seen.watch(_records(data, limits)), start=start, limits=limits)
    if not seen.count and start == 0:
        detail = "No row of the workbook names the columns of a table."
        refused = Refused("xlsx.no_header", detail, sample=data[:SAMPLE_BYTES])
        yield Frames((), (), 1, refused=(refused,))


class _Seen:
    """Counts what passes."""

    def __init__(self) -> None:
        self.count = 0

    def watch(
        self, items: Iterator[tuple[bytes, bytes | Refused]]
    ) -> Iterator[tuple[bytes, bytes | Refused]]:
        for item in items:
            self.count += 1
            yield item


def _unfit(data: bytes, limits: Limits) -> Refused | None:
    """Return why the document must not be handed to the reader, if it must not."""
    try:
        (_check_ole if data.startswith(_OLE) else _check_zip)(data, limits)
    except _UnfitError as error:
        return Refused(error.reason, error.detail, sample=data[:SAMPLE_BYTES])
    return None


def _check_ole(data: bytes, _limits: Limits) -> None:
    """Raise ``_UnfitError`` for a workbook behind a password; an .xls proper is bounded by its reader."""
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise _UnfitError("xlsx.encrypted", "The workbook is locked by a password.")


def _check_zip(data: bytes, limits: Limits) -> None:
    """Raise ``_UnfitError`` unless the members, really unpacked, stay within the bounds."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError) as error:
        raise _UnfitError("xlsx.unreadable", "The document is no workbook.") from error
    if "xl/workbook.xml" not in {member.filename.lower() for member in members}:
        raise _UnfitError("xlsx.unreadable", "The archive holds no workbook.")
    left = min(limits.max_unpacked_bytes, _UNPACKED_TIMES * limits.max_document_bytes)
    for member in members:
        if member.flag_bits & 1:
            raise _UnfitError("xlsx.encrypted", "The workbook is locked by a password.")
        bound = min(left, max(_FREE_BYTES, member.compress_size * limits.max_unpack_ratio))
        if member.file_size > bound or (size := _unpacked(data, member, bound)) > bound:
            raise _UnfitError("xlsx.bomb", "The workbook unpacks to more than is allowed.")
        left -= size


def _unpacked(data: bytes, member: zipfile.ZipInfo, bound: int) -> int:
    """Return how many bytes a member really unpacks to, counting no further than the bound + 1.

    The directory's own figure is a claim; so the bytes are unpacked and dropped.
    """
    place = member.header_offset
    local = data[place : place + 30]
    if len(local) < 30:
        raise _UnfitError("xlsx.unreadable", "The directory of the workbook points nowhere.")
    place += 30 + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    if member.compress_type == zipfile.ZIP_STORED:
        return member.file_size
    if member.compress_type != zipfile.ZIP_DEFLATED:
        raise _UnfitError("xlsx.unreadable", "The workbook is packed in an unusual way.")
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    packed, size = data[place : place + member.compress_size], 0
    try:
        while packed and size <= bound and not inflate.eof:
            size += len(inflate.decompress(packed, 1 << 20))
            packed = inflate.unconsumed_tail
    except zlib.error as error:
        raise _UnfitError("xlsx.unreadable", "A part of the workbook is damaged.") from error
    return size


def _records(data: bytes, limits: Limits) -> Iterator[tuple[bytes, bytes | Refused]]:
    """Yield the records of all sheets, and at the end the refusal of what could not be read."""
    reading = _Reading()
    with contextlib.closing(reading.rows(data, limits)) as rows:
        for _sheet, group in groupby(rows, key=lambda item: item[0]):
            yield from table_records(row for _number, row in group)
    if reading.problem is not None:
        yield b"", Refused(*reading.problem, sample=data[:SAMPLE_BYTES])


class _Reading:
    """One run of the reader, and how it ended."""

    def __init__(self) -> None:
        self.problem: tuple[str, str] | None = None

    def rows(self, data: bytes, limits: Limits) -> Generator[tuple[int, list[str] | Refused], None, None]:
        """Yield each row with its sheet's number."""
        bounds = (READER_MEMORY_BYTES, READER_CPU_SECONDS, limits.max_record_bytes)
        with child("sheet_reader.py", bounds, data, READER_CPU_SECONDS * 2) as reader:
            yield from self._lines(reader, limits)

    def _lines(
        self, reader: subprocess.Popen[bytes], limits: Limits
    ) -> Iterator[tuple[int, list[str] | Refused]]:
        if reader.stdout is None:
            return
        number = 0
        while line := reader.stdout.readline(limits.max_record_bytes * 8):
            number += 1
            try:
                sheet, cells = json.loads(line)
            except ValueError:
                break  # the reader died in the middle of a line
            if cells is None:
                detail = f"Row {number} is longer than a row may be."
                yield sheet, Refused("too_long", detail)
            else:
                yield sheet, cells
        code = reader.wait()
        if code == PASSWORD:
            self.problem = ("xlsx.encrypted", "The workbook is locked by a password.")
        elif code:
            self.problem = ("xlsx.unreadable", "The workbook cannot be read within the bounds.")
