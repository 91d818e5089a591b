"""Cut a TCP stream of syslog into messages: octet counting or a trailer, told apart frame by frame.

RFC 6587: a frame is ``MSGLEN SP MSG`` (3.4.1), or a message up to a trailer, LF or NUL (3.4.2). Senders
that count also end messages with LF, and some mix both on one connection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from citysoc.flow import Refused

_SAMPLE = 4 << 10
_TRAILERS = b"\r\n\0"
_TRAILER = re.compile(rb"[\n\0]")
_MAX_DIGITS = 8
"""A longer count, 100 MB and more, is no count that anybody means."""
_MOST_DIGITS = 20
"""No line begins with more digits either."""


@dataclass(slots=True)
class Deframer:
    """Takes a connection's bytes as they come and gives messages.

    Args:
        max_message_bytes: longer messages are refused and skipped.
        broken: the stream lost its frames: nothing after this can be trusted.
    """

    max_message_bytes: int
    broken: bool = False
    records: list[bytes] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    _buffer: bytes = b""
    _skip_bytes: int = 0
    _skip_line: bool = False
    _counted: bool = False

    def feed(self, data: bytes) -> None:
        """Take bytes in; whole messages are added to ``records``, others to ``refused``."""
        self._buffer += data
        while self._buffer and not self.broken and self._step():
            pass
        if self.broken:
            self._buffer = b""

    def finish(self) -> None:
        """Take what is left when the connection ends: a line without its trailer is a message."""
        rest, self._buffer = self._buffer, b""
        if self.broken or not rest or self._skip_line or self._skip_bytes:
            return
        if rest[:1].isdigit() and (self._counted or rest.lstrip(b"0123456789")[:1] == b" "):
            self._refuse("syslog.cut", "The connection ended in the middle of a message.", rest)
        else:
            self._line(rest)

    def take(self) -> tuple[list[bytes], list[Refused]]:
        """Return what has come, and forget it."""
        taken = self.records, self.refused
        self.records, self.refused = [], []
        return taken

    def _step(self) -> bool:
        """Cut off one frame, or many lines at once; return whether there may be more."""
        if self._skip_bytes:
            skipped = min(self._skip_bytes, len(self._buffer))
            self._buffer = self._buffer[skipped:]
            self._skip_bytes -= skipped
            return True
        if self._skip_line:
            return self._skip_rest_of_line()
        self._buffer = self._buffer.lstrip(_TRAILERS)
        if self._buffer[:1].isdigit():
            return self._cut_counted()
        return bool(self._buffer) and self._cut_lines()

    def _skip_rest_of_line(self) -> bool:
        trailer = _TRAILER.search(self._buffer)
        self._buffer = self._buffer[trailer.end() :] if trailer else b""
        self._skip_line = trailer is None
        return trailer is not None

    def _cut_counted(self) -> bool:
        buffer = self._buffer
        start = buffer[: _MOST_DIGITS + 1]
        digits = len(start) - len(start.lstrip(b"0123456789"))
        if digits == len(buffer) and digits <= _MOST_DIGITS:
            return False
        if digits <= _MOST_DIGITS and buffer[digits : digits + 1] != b" " and not self._counted:
            return self._cut_lines()  # a line that begins with a date
        if digits > _MAX_DIGITS or buffer[digits : digits + 1] != b" " or buffer.startswith(b"0"):
            self.broken = True
            self._refuse(
                "syslog.framing", "There is no message length where one must be.", buffer[:_MAX_DIGITS]
            )
            return False
        self._counted = True
        return self._cut_message(digits + 1, int(buffer[:digits]))

    def _cut_message(self, begin: int, count: int) -> bool:
        """Cut off a message of ``count`` bytes that begins at ``begin``."""
        message = self._buffer[begin : begin + count]
        if count > self.max_message_bytes:
            # Wait for as much as a sample takes, so that it does not depend on how the bytes came.
            if len(message) < min(_SAMPLE, self.max_message_bytes):
                return False
            self._refuse_long(message)
            self._buffer, self._skip_bytes = self._buffer[begin:], count
            return True
        if len(message) < count:
            return False
        self._add(message)
        self._buffer = self._buffer[begin + count :]
        return True

    def _cut_lines(self) -> bool:
        """Cut off all lines up to the last trailer, or up to one after which a count begins."""
        last = max(self._buffer.rfind(b"\n"), self._buffer.rfind(b"\0"))
        if last < 0:
            if len(self._buffer) > self.max_message_bytes:
                self._refuse_long(self._buffer)
                self._buffer, self._skip_line = b"", True
            return False
        block = self._buffer[:last]
        lines = (block.replace(b"\0", b"\n") if b"\0" in block else block).split(b"\n")
        at = 0
        for line in lines:
            text = line.lstrip(b"\r")
            if at and text[:1].isdigit():
                break
            self._line(text)
            at += len(line) + 1
        self._buffer = self._buffer[at:]
        return bool(self._buffer)

    def _line(self, line: bytes) -> None:
        if len(line) > self.max_message_bytes:
            self._refuse_long(line)
        else:
            self._add(line)

    def _add(self, message: bytes) -> None:
        if message := message.strip(_TRAILERS):
            self.records.append(message)

    def _refuse_long(self, message: bytes) -> None:
        detail = f"The message is longer than {self.max_message_bytes} bytes."
        self._refuse("too_long", detail, message[: self.max_message_bytes])

    def _refuse(self, reason: str, detail: str, message: bytes) -> None:
        self.refused.append(Refused(reason, detail, sample=message[:_SAMPLE]))
