"""Many texts looked for in one pass: Hyperscan where it can be had, RE2's sets where it cannot, the same answers.

A value is searched between two NULs, so that a text that must be at its begin or end is a plain text, too.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, TypeAlias

import re2

try:
    hyperscan: Any = importlib.import_module("hyperscan")
except ImportError:  # there is no wheel for this machine
    hyperscan = None

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Find: TypeAlias = "Callable[[str], Sequence[int] | None]"
"""The places of the texts that a folded value has; None where the search failed and nothing is known."""

_MEMORY_BYTES = 256 << 20
"""A bound on RE2, not a need: a set uses what its patterns and the values seen ask for."""
_BEFORE = frozenset({"is", "starts"})
_AFTER = frozenset({"is", "ends"})


def finder(texts: Sequence[tuple[str, str]], *, fast: bool = True) -> Find:
    """Return the search for texts, each with how it must stand in a value (is, starts, ends, has).

    Args:
        texts: pairs of how and text.
        fast: use Hyperscan if it is there.
    """
    delimited = [
        ("\0" if how in _BEFORE else "") + text + ("\0" if how in _AFTER else "") for how, text in texts
    ]
    if fast and hyperscan is not None and (found := _hyperscan(delimited)) is not None:
        return found
    return _re2(delimited)


def _hyperscan(texts: Sequence[str]) -> Find | None:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(
            expressions=[_escaped(text) for text in texts],
            ids=list(range(len(texts))),
            flags=hyperscan.HS_FLAG_SINGLEMATCH,
        )
    except hyperscan.error:
        return None
    scan = database.scan
    found: list[int] = []
    add = found.append

    def on_match(place: int, _start: int, _end: int, _flags: int, _context: Any) -> None:
        add(place)

    def find(value: str) -> Sequence[int] | None:
        found.clear()
        try:
            scan(f"\0{value}\0".encode("utf-8", "surrogatepass"), on_match)
        except hyperscan.error:
            return None
        return found

    return find


def _escaped(text: str) -> bytes:
    r"""Return a pattern for the bytes of a text, each that is no letter of ASCII or digit as ``\xNN``."""
    data = text.encode("utf-8", "surrogatepass")
    return b"".join(
        bytes((byte,)) if byte < 128 and chr(byte).isalnum() else b"\\x%02x" % byte for byte in data
    )


def _re2(texts: Sequence[str]) -> Find:
    options = re2.Options()
    options.max_mem = _MEMORY_BYTES
    options.log_errors = False
    patterns = re2.Set.SearchSet(options)
    for text in ("", *texts):  # the empty one is always found: where it is not, the search ran out of memory
        patterns.Add(re2.escape(text.encode("utf-8", "replace").decode()))
    patterns.Compile()

    def find(value: str) -> Sequence[int] | None:
        try:
            found = patterns.Match(f"\0{value}\0")
        except UnicodeEncodeError:  # half a surrogate pair: no text, so nothing is said about it
            return None
        return [place - 1 for place in found if place] if 0 in found else None

    return find
