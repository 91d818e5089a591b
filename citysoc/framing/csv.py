"""Rows of a table exported as text: any encoding and delimiter of an office, as canonical CSV lines.

One record is one row, rewritten as UTF-8 with commas (RFC 4180), so that the same row has the same
bytes whichever way it was exported. The header is the row that names the columns. Titles above it,
empty rows, repeated headers and the sum below the table are no records.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, BinaryIO

from citysoc.flow import Refused
from citysoc.framing.base import Frames
from citysoc.framing.columns import HEADER_ROWS, find_header, is_total, known, running_number
from citysoc.framing.documents import SAMPLE_BYTES, csv_line, read_document, runs
from citysoc.framing.encodings import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from citysoc.framing.base import Limits

DELIMITERS = (",", ";", "\t", "|")
MAX_ROWS = 4_000_000
"""No console exports so many; a document of nothing but line ends would fill the memory."""
_HEADER_CHARS = 65_536
_PLACEHOLDER = "\0end of the document\0"
"""A last line of our own: a reader that does not hand it out alone still waits for a closing quote."""


def frame_csv(
    stream: BinaryIO,
    *,
    start: int,
    header: bytes,  # noqa: ARG001  found anew: documents are read from their beginning
    final: bool,
    limits: Limits,
) -> Iterator[Frames]:
    """Yield the rows of a text table as canonical CSV lines; see ``framing.base.Framer``.

    Refuses documents over the limit (``too_large``), rows over the limit (``too_long``) and text in
    which no row names columns (``csv.no_header``).
    """
    data = read_document(stream, limits)
    if isinstance(data, Refused):
        yield Frames((), (), 1, refused=(data,)) if start == 0 else Frames((), (), start)
        return
    text, _encoding = decode(data)
    if text.count("\n") > MAX_ROWS:
        if start == 0:
            yield Frames((), (), 1, refused=(_too_many(data),))
        return
    lines = text.splitlines(keepends=False) if "\n" not in text else text.split("\n")
    if not final and not text.endswith("\n"):
        lines = lines[:-1]
    layout = find_layout([line for line in lines[: HEADER_ROWS * 2] if len(line) < _HEADER_CHARS])
    if layout is None:
        if start == 0 and text.strip():
            detail = "No row names the columns of a table."
            yield Frames((), (), 1, refused=(Refused("csv.no_header", detail, 0, data[:SAMPLE_BYTES]),))
        return
    delimiter, _number = layout
    yield from runs(table_records(_rows(lines, delimiter, limits)), start=start, limits=limits)


def _too_many(data: bytes) -> Refused:
    return Refused("too_large", f"The table has more than {MAX_ROWS} rows.", sample=data[:SAMPLE_BYTES])


def find_layout(lines: Sequence[str]) -> tuple[str, int] | None:
    """Return the delimiter and the row number of the header, by the most columns it names."""
    best: tuple[int, int, str, int] | None = None
    for delimiter in DELIMITERS:
        rows = [row for row in _plain(lines, delimiter) if row][:HEADER_ROWS]
        number = find_header(rows)
        if number is None:
            continue
        rank = (known(rows[number]), len(rows[number]), delimiter, number)
        if best is None or rank[:2] > best[:2]:
            best = rank
    return (best[2], best[3]) if best else None


def table_records(rows: Iterable[list[str] | Refused]) -> Iterator[tuple[bytes, bytes | Refused]]:
    """Yield the records of one table behind its header; rows are as they stand, titles included."""
    waiting: list[list[str]] = []
    early: list[Refused] = []
    table: _Table | None = None
    for row in rows:
        if isinstance(row, Refused):
            if table:
                yield table.header, row
            else:
                early.append(row)
        elif table:
            yield from table.record(row)
        elif any(cell.strip() for cell in row):
            waiting.append(row)
            if len(waiting) >= HEADER_ROWS or known(row) >= 2:
                table = _Table.of(waiting)
                if table is None:
                    return
                yield from table.records([*early, *waiting[table.number + 1 :]])
    if table is None and (table := _Table.of(waiting)) is not None:
        yield from table.records([*early, *waiting[table.number + 1 :]])


class _Table:
    """The header of a table, and rows as records of it."""

    __slots__ = ("header", "names", "number", "skip")

    def __init__(self, names: list[str], number: int) -> None:
        self.number = number
        self.skip = running_number(names)
        self.names = self._without(names)
        self.header = csv_line(self.names)

    @classmethod
    def of(cls, rows: list[list[str]]) -> _Table | None:
        number = find_header(rows)
        return None if number is None else cls(_strip_end(rows[number]), number)

    def records(self, rows: Iterable[list[str] | Refused]) -> Iterator[tuple[bytes, bytes | Refused]]:
        for row in rows:
            if isinstance(row, Refused):
                yield self.header, row
            else:
                yield from self.record(row)

    def record(self, row: list[str]) -> Iterator[tuple[bytes, bytes]]:
        cells = self._without([cell.strip() for cell in row])
        cells = _strip_end(cells, keep=len(self.names))
        if any(cells) and cells != self.names and not is_total(row):
            yield self.header, csv_line(cells)

    def _without(self, row: list[str]) -> list[str]:
        return row if self.skip is None else row[: self.skip] + row[self.skip + 1 :]


def _strip_end(row: list[str], keep: int = 0) -> list[str]:
    """Return the row without the empty cells that follow its last column."""
    cells = [cell.strip() for cell in row]
    while len(cells) > keep and not cells[-1]:
        cells.pop()
    return cells


def _rows(lines: list[str], delimiter: str, limits: Limits) -> Iterator[list[str] | Refused]:
    """Yield the rows of a text; what cannot be one row becomes a refusal."""
    place = 0
    width = 0
    while place < len(lines):
        feed = _Feed(lines, place, limits.max_record_bytes)
        reader = csv.reader(feed, delimiter=delimiter)
        for row, first, after, problem in _read(reader, feed):
            if problem or (
                after - first > 1 and _is_runaway(row, lines[first : first + 2], delimiter, width)
            ):
                yield from _plain_or_refused(lines[first:after], delimiter, first, limits)
                place = after
                break
            width = width or (len(row) if known(row) >= 2 else 0)
            yield row
        else:
            return


def _read(reader: Iterator[list[str]], feed: _Feed) -> Iterator[tuple[list[str], int, int, bool]]:
    """Yield rows with the lines they span, and whether they have a problem; the last may have one."""
    while True:
        first = feed.place
        feed.begin()
        try:
            row = next(reader)
        except csv.Error:
            yield [], first, max(first + 1, min(feed.place, len(feed.lines))), True
            return
        except StopIteration:
            if feed.overrun:
                yield [], first, feed.place, True
            return
        if row == [_PLACEHOLDER]:
            return
        unclosed = feed.ended or feed.overrun
        yield row, first, min(feed.place, len(feed.lines)), unclosed


class _Feed:
    """Lines handed to a reader, with the place, stopping a row that grows beyond the limit."""

    __slots__ = ("bound", "ended", "lines", "overrun", "place", "taken")

    def __init__(self, lines: list[str], place: int, bound: int) -> None:
        self.lines = lines
        self.place = place
        self.bound = bound
        self.taken = 0
        self.ended = False
        self.overrun = False

    def begin(self) -> None:
        """A new row begins."""
        self.taken = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self.ended or self.overrun:
            raise StopIteration
        if self.place >= len(self.lines):
            self.ended = True
            return _PLACEHOLDER
        line = self.lines[self.place]
        if self.taken + len(line) > self.bound:
            self.overrun = True
            self.place += not self.taken
            raise StopIteration
        self.place += 1
        self.taken += len(line) + 1
        return line.removesuffix("\r") + "\n"


def _is_runaway(row: list[str], lines: list[str], delimiter: str, width: int) -> bool:
    """Tell whether a row of several lines is a stray quote: lines of it have all columns by themselves."""
    if width < 2 or lines[0].count(delimiter) + 1 < width:
        return False
    return len(row) != width or all(line.count(delimiter) + 1 >= width for line in lines)


def _plain_or_refused(
    lines: list[str], delimiter: str, first: int, limits: Limits
) -> Iterator[list[str] | Refused]:
    """Read lines whose quotes do not close as if quotes meant nothing."""
    for number, line in enumerate(lines):
        if len(line) > min(limits.max_record_bytes, csv.field_size_limit()):
            detail = f"Line {first + number + 1} is longer than a row may be."
            yield Refused(
                "too_long", detail, 0, line[:SAMPLE_BYTES].encode("utf-8", "replace")[:SAMPLE_BYTES]
            )
        else:
            yield [cell.strip().strip('"') for cell in line.removesuffix("\r").split(delimiter)]


def _plain(lines: Sequence[str], delimiter: str) -> Iterator[list[str]]:
    """Yield rows for a first look; the first quote that does not close ends it."""
    reader = csv.reader((line.removesuffix("\r") + "\n" for line in lines), delimiter=delimiter)
    while True:
        try:
            yield next(reader)
        except (StopIteration, csv.Error):
            return
