"""Formats whose text begins with a mark of its own somewhere near the start of a line: ``CEF:``, ``LEEF:``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.flow import Unparsed
from citysoc.parsers import envelope
from citysoc.parsers.base import Parser

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from citysoc.flow import Event
    from citysoc.parsers.base import Context

_HEADER = 600
"""Letters that a syslog header before the mark may take."""


def find(line: str, mark: str) -> int:
    """Return where the marked text begins in a line, -1 if there is none near its start."""
    return line.find(mark, 0, _HEADER)


def parser(
    name: str, text: str, mark: str, bars: int, parse_message: Callable[[str, Context], Event | Unparsed]
) -> Parser:
    """Return the parser of a marked format, with or without a syslog header.

    Args:
        name: The parser's name.
        text: What it reads, for people.
        mark: What the text begins with, colon included.
        bars: How many ``|`` its head has at least.
        parse_message: Reads a text that begins with the mark.
    """

    def one(line: str, context: Context) -> Event | Unparsed:
        marker = find(line, mark)
        if marker < 0:
            return Unparsed(f"{name}.header", f"The line holds no {mark} text.")
        header, message = envelope.strip(line, marker, context)
        event = parse_message(message, context)
        return event if isinstance(event, Unparsed) else {**header, **event}

    def parse(lines: Sequence[str], context: Context) -> list[Event | Unparsed]:
        return [one(line, context) for line in lines]

    def sniff(head: bytes, _name: str) -> int:
        lines = [line for line in head.split(b"\n", 10)[:10] if line.strip()]
        hits = sum(mark.encode() in line[:300] and line.count(b"|") >= bars for line in lines)
        return 85 if lines and hits * 2 > len(lines) else 0

    return Parser(name, text, "lines", sniff, parse)
