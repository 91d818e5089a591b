r"""Cut files into lines: logs that grow, and logs whose ``#`` lines explain the others (Zeek, W3C).

Offsets are bytes of the file. A line ends with LF or CRLF; blank lines are no records. NULs around a
line (a file allocated ahead, a writer that went on after a truncation) are dropped. UTF-16 with a byte
order mark becomes UTF-8. Nothing is looked at byte by byte in Python: chunks are split by ``bytes.split``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate, compress, count, groupby
from operator import add, methodcaller, not_
from typing import TYPE_CHECKING, BinaryIO

from citysoc.flow import Refused
from citysoc.framing.base import Frames
from citysoc.framing.codes import Bytes, Code, Utf16, code_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from citysoc.framing.base import Limits

_CHUNK = 1 << 20
_SAMPLE = 4 << 10
_MAX_HEADER = 64 << 10
"""Longer headers are cut: no ``#fields`` line of a real product comes near."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Some whole lines: the records among them, and where the next line begins."""

    records: list[bytes]
    offsets: list[int]
    end: int
    refused: tuple[Refused, ...] = ()


def _too_long(offset: int, line: bytes, limit: int) -> Refused:
    return Refused("too_long", f"The line is longer than {limit} bytes.", offset, line[: min(limit, _SAMPLE)])


def _block(data: bytes, begin: int, code: Code, limit: int) -> _Block:
    """Cut ``data``, whole lines of which the last has lost its line end, into records."""
    lines = code.split(data)
    width = len(code.newline)
    offsets = list(map(add, accumulate(map(len, lines[:-1]), initial=begin), count(0, width)))
    end = begin + len(data) + width
    if isinstance(code, Utf16) or b"\0" in data:
        nuls = list(map(code.leading_nuls, lines))
        offsets = list(map(add, offsets, nuls))
        lines = [line[skip:] for line, skip in zip(lines, nuls, strict=True)]
    refused: tuple[Refused, ...] = ()
    if max(map(len, lines)) > limit:
        long = [len(line) > limit for line in lines]
        refused = tuple(
            _too_long(offset, line, limit)
            for offset, line in compress(zip(offsets, lines, strict=True), long)
        )
        offsets = list(compress(offsets, map(not_, long)))
        lines = list(compress(lines, map(not_, long)))
    records = code.records(lines, data)
    if not all(records) or any(map(bytes.isspace, records)):
        kept = [bool(record) and not record.isspace() for record in records]
        offsets = list(compress(offsets, kept))
        records = list(compress(records, kept))
    return _Block(records, offsets, end, refused)


def _blocks(
    chunks: Iterable[bytes], position: int, *, code: Code, final: bool, limits: Limits
) -> Iterator[_Block]:
    """Yield the whole lines of the bytes from ``position`` on, a chunk at a time.

    What is held at any time is one chunk and the beginning of one line. A line that is too long is
    refused once its end is known; until then it waits like any half-written line.
    """
    limit = limits.max_record_bytes
    begin, data = position, b""
    overlong: Refused | None = None
    for chunk in chunks:
        data += chunk
        if overlong:
            after = code.after_first(data)
            gone = after or code.whole(data)
            begin, data = begin + gone, data[gone:]
            if not after:
                continue
            yield _Block([], [], begin, (overlong,))
            overlong = None
        if after := code.after_last(data):
            yield _block(data[: after - len(code.newline)], begin, code, limit)
            begin, data = begin + after, data[after:]
        # NULs at the end may yet be overwritten, so the end of what is consumed stays before them.
        nuls = code.leading_nuls(data)
        begin, data = begin + nuls, data[nuls:]
        if (whole := code.whole(data)) > limit:
            overlong = _too_long(begin, data, limit)
            begin, data = begin + whole, data[whole:]
    if final:
        yield _remainder(data, begin, overlong, code, limit)


def _remainder(data: bytes, begin: int, overlong: Refused | None, code: Code, limit: int) -> _Block:
    """Return what a complete file holds after its last line end."""
    end = begin + len(data)
    if overlong:
        return _Block([], [], end, (overlong,))
    block = _block(data, begin, code, limit)
    return _Block(block.records, block.offsets, end, block.refused)


def _open(stream: BinaryIO, start: int, *, final: bool, limits: Limits) -> tuple[int, Iterator[_Block]]:
    """Return where reading begins, and the blocks from there on. Never moves backwards."""
    mark = stream.read(3)
    code, first = code_of(mark)
    start = max(start, first)
    size = max(16, min(_CHUNK, limits.batch_bytes))
    chunks = _chunks(stream, mark[start:], start, size)
    return start, _blocks(chunks, start, code=code, final=final, limits=limits)


def _chunks(stream: BinaryIO, begun: bytes, start: int, size: int) -> Iterator[bytes]:
    if begun:
        yield begun
    elif start > stream.tell():
        stream.seek(start)
    while chunk := stream.read(size):
        yield chunk


@dataclass(slots=True)
class _Run:
    """The records gathered for the next ``Frames``.

    Args:
        limits: the bounds of a run.
        end: where the line after the last one taken in begins.
        header: the header in force.
        given: the ``end`` of the last run handed out.
    """

    limits: Limits
    end: int
    header: bytes
    given: int
    records: list[bytes] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    size: int = 0

    def add(self, records: list[bytes], offsets: list[int]) -> None:
        """Take records in."""
        self.records += records
        self.offsets += offsets
        self.size += sum(map(len, records))

    def full(self) -> Iterator[Frames]:
        """Yield the runs that are full."""
        most = self.limits.batch_records
        while len(self.records) > most:
            yield self._cut(most, self.offsets[most])
        if self.size >= self.limits.batch_bytes or len(self.records) == most or len(self.refused) >= most:
            yield from self.rest()

    def rest(self) -> Iterator[Frames]:
        """Yield what is left; what was refused behind ``end``, after a header in the making, waits."""
        if self.records or (self.refused and self.refused[0].offset < self.end):
            yield self._cut(len(self.records), self.end)

    def last(self) -> Iterator[Frames]:
        """Yield what is left, or else that what came was no record and need not be read again."""
        yield from self.rest()
        if self.end > self.given:
            yield self._cut(0, self.end)

    def _cut(self, most: int, end: int) -> Frames:
        refused = tuple(one for one in self.refused if one.offset < end)
        frames = Frames(tuple(self.records[:most]), tuple(self.offsets[:most]), end, self.header, refused)
        del self.records[:most], self.offsets[:most]
        self.refused = [one for one in self.refused if one.offset >= end]
        self.size = sum(map(len, self.records))
        self.given = end
        return frames


def frame_lines(
    stream: BinaryIO, *, start: int, header: bytes, final: bool, limits: Limits
) -> Iterator[Frames]:
    """Yield the lines of a file; see ``framing.base.Framer``."""
    begin, blocks = _open(stream, start, final=final, limits=limits)
    run = _Run(limits, begin, header, begin)
    for block in blocks:
        run.add(block.records, block.offsets)
        run.refused += block.refused
        run.end = block.end
        yield from run.full()
    yield from run.last()


def begin_of(head: bytes) -> int | None:
    """Return where the lines of a content begin that may be cut at any line feed; None where they may not.

    Args:
        head: its first bytes.
    """
    code, begin = code_of(head[:3])
    return begin if isinstance(code, Bytes) else None


def frame_span(chunks: Iterable[bytes], *, begin: int, limits: Limits) -> Iterator[Frames]:
    """Yield the lines of a part of a content, as ``frame_lines`` yields those of the whole.

    Args:
        chunks: the part, which begins where a line begins and ends where one ends.
        begin: where that is in the content.
        limits: the bounds.
    """
    run = _Run(limits, begin, b"", begin)
    for block in _blocks(chunks, begin, code=Bytes(), final=True, limits=limits):
        run.add(block.records, block.offsets)
        run.refused += block.refused
        run.end = block.end
        yield from run.full()
    yield from run.rest()


@dataclass(slots=True)
class _Comments:
    """The ``#`` lines since the last record: a header in the making."""

    lines: list[bytes] = field(default_factory=list)
    begin: int = 0
    size: int = 0

    def add(self, lines: list[bytes], offsets: list[int]) -> None:
        """Take ``#`` lines in; ``#close`` says that a file ended and explains nothing."""
        for line, offset in zip(lines, offsets, strict=True):
            if line.startswith(b"#close") or self.size + len(line) > _MAX_HEADER:
                continue
            if not self.lines:
                self.begin = offset
            self.lines.append(line)
            self.size += len(line)

    def header(self, before: bytes) -> bytes:
        """Return the header in force after these lines, and forget them.

        The first block is the header whatever it says; a later one only if it names the fields anew.
        """
        block = b"\n".join(self.lines)
        self.lines, self.size = [], 0
        return block if block and (not before or b"#fields" in block.lower()) else before


def frame_commented(
    stream: BinaryIO, *, start: int, header: bytes, final: bool, limits: Limits
) -> Iterator[Frames]:
    """Yield the lines of a file whose ``#`` lines are the header of the records after them.

    See ``framing.base.Framer``. A new block of ``#`` lines in the middle begins a new run with a new header.
    While a file grows, the end of what is consumed stays before a block that no record follows yet.
    """
    begin, blocks = _open(stream, start, final=final, limits=limits)
    run, comments = _Run(limits, begin, header, begin), _Comments()
    end = begin
    for block in blocks:
        end = block.end
        run.refused += block.refused
        for commented, lines, offsets in _segments(block):
            if commented:
                comments.add(lines, offsets)
                continue
            yield from _change_header(run, comments)
            run.add(lines, offsets)
        run.end = comments.begin if comments.lines else end
        yield from run.full()
    if final:
        yield from _change_header(run, comments)
        run.end = end
    yield from run.last()


def _change_header(run: _Run, comments: _Comments) -> Iterator[Frames]:
    """Close the run when the comments before the next record are a new header."""
    if comments.lines and (header := comments.header(run.header)) != run.header:
        run.end = comments.begin
        yield from run.rest()
        run.header = header


def _segments(block: _Block) -> Iterator[tuple[bool, list[bytes], list[int]]]:
    """Cut a block where records and ``#`` lines meet."""
    begin = 0
    for commented, group in groupby(map(methodcaller("startswith", b"#"), block.records)):
        end = begin + sum(1 for _ in group)
        yield commented, block.records[begin:end], block.offsets[begin:end]
        begin = end
