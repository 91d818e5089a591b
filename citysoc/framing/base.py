"""What a framer is: it turns the bytes of one file into runs of records.

A framer is a function. It reads forward from ``start``, never holds more than its limits allow,
and never raises on hostile bytes: what it cannot take becomes a ``Refused`` with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citysoc.flow import Refused, Unread


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one file.

    Args:
        max_record_bytes: a longer record is refused, its start kept as a sample.
        max_document_bytes: a larger document (sheet, XML, event log) is refused whole.
        max_unpacked_bytes: an archive that unpacks to more is cut off there.
        max_unpack_ratio: an archive member that unpacks to more than this times its packed size,
            beyond the first MiB, is cut off.
        batch_records: at most so many records in one run.
        batch_bytes: at most about so many bytes of records in one run.
    """

    max_record_bytes: int = 1 << 20
    max_document_bytes: int = 128 << 20
    max_unpacked_bytes: int = 8 << 30
    max_unpack_ratio: int = 200
    batch_records: int = 4000
    batch_bytes: int = 4 << 20


@dataclass(frozen=True, slots=True)
class Frames:
    """A run of records cut from one file.

    Args:
        records: the raw bytes of each record, without line ends.
        offsets: for each record its byte offset in the file, or its number (from 0).
        end: where to go on: the byte offset, or number, after the last record consumed.
        header: the bytes that explain these records; the same for the whole run.
        refused: what could not be taken.
        unread: the lines, where they were not cut into records.
    """

    records: tuple[bytes, ...]
    offsets: tuple[int, ...]
    end: int
    header: bytes = b""
    refused: tuple[Refused, ...] = ()
    unread: Unread | None = None


class Framer(Protocol):
    """Cuts one file into runs of records."""

    def __call__(
        self, stream: BinaryIO, *, start: int, header: bytes, final: bool, limits: Limits
    ) -> Iterator[Frames]:
        """Yield runs of records from ``start`` on.

        Args:
            stream: the file's bytes, unpacked, positioned at 0 and seekable forward by reading.
                Line framers seek to ``start``; framers of documents read from 0 and skip
                ``start`` records.
            start: the byte offset (line framers) or record number (documents) to begin with.
            header: the header in force at ``start``, from the earlier run; empty at the start.
            final: whether the file is complete; if not, a half-written last line waits.
            limits: the bounds.
        """
