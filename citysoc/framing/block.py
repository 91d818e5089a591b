"""Whole lines of a content, uncut: a line is cut out when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

SPARE = 64
"""So many line feeds stand after the last line: searches may overlook what stands at the very end of what they read."""


class Block(NamedTuple):
    """Whole lines of a content.

    Args:
        data: the lines, each with its end, and ``SPARE`` line feeds more.
        size: of the lines.
        begin: where they begin in the content.
    """

    data: bytearray
    size: int
    begin: int


class Lines:
    """The lines of a block, as they are handed on.

    Args:
        block: the block.
        places: where each line begins, and the end of the last.
    """

    def __init__(self, block: Block, places: Sequence[int]) -> None:
        self._block = block
        self._places = places

    def __len__(self) -> int:
        return len(self._places) - 1

    def __getitem__(self, number: int) -> bytes:
        places = self._places
        return bytes(self._block.data[places[number] : places[number + 1] - 1]).rstrip(b"\r")

    def offset(self, number: int) -> int:
        """Return where a line begins in the content."""
        return self._block.begin + self._places[number]
