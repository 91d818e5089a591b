"""Texts with wildcards, matched in time that is linear in the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def glob(pieces: Sequence[Any]) -> Callable[[str], bool]:
    """Return the test whether a whole text fits pieces of text and wildcards; linear in the text.

    Between two ``*`` the earliest place of what stands there is as good as any, so nothing is tried twice.
    """
    runs: list[list[str]] = [[]]  # between the stars; "" is one character, whatever it is
    for piece in pieces:
        if piece == ["*"]:
            runs.append([])
        elif piece == ["?"]:
            runs[-1].append("")
        else:
            runs[-1].append(piece)
    first, *rest = runs
    lengths = [sum(len(part) or 1 for part in run) for run in runs]
    if not rest:
        return lambda text: len(text) == lengths[0] and _fits(first, text, 0)
    *middle, last = rest

    def test(text: str) -> bool:
        end = len(text) - lengths[-1]
        place = lengths[0]
        if end < place or not _fits(first, text, 0) or not _fits(last, text, end):
            return False
        for run, length in zip(middle, lengths[1:-1], strict=True):
            place = _find(run, text, place, end - length)
            if place < 0:
                return False
            place += length
        return True

    return test


def _fits(run: Sequence[str], text: str, place: int) -> bool:
    for part in run:
        if part and not text.startswith(part, place):
            return False
        place += len(part) or 1
    return True


def _find(run: Sequence[str], text: str, place: int, last: int) -> int:
    """Return the first place from ``place`` to ``last`` where a run fits; -1 where none is."""
    if not run:
        return place if place <= last else -1
    lead = next((index for index, part in enumerate(run) if part), None)
    if lead is None:
        return place if place <= last else -1
    while place <= last:
        found = text.find(run[lead], place + lead)
        if found < 0 or found - lead > last:
            return -1
        if _fits(run, text, found - lead):
            return found - lead
        place = found - lead + 1
    return -1
