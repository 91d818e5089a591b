"""Many texts looked for in one pass: Hyperscan where it can be had, RE2's sets where it cannot, with the same answers.

A value is searched between two NULs, so that a text that must be at its begin or end is a plain text, too.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson
import re2

try:
    hyperscan: Any = importlib.import_module("hyperscan")
except ImportError:  # there is no wheel for this machine
    hyperscan = None

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Find: TypeAlias = "Callable[[str, str | None], Sequence[int] | None]"
"""From a folded value, and its original text, to the places of the texts and patterns that it may have.

Of texts it says exactly, of patterns at least those. Without the original no pattern is looked for. None is given
where the search failed and nothing is known.
"""
_Search: TypeAlias = "Callable[[str], Sequence[int] | None]"

_MEMORY_BYTES = 256 << 20
"""A bound on RE2, not a need: a set uses what its patterns and the values seen ask for."""
_RUN = re.compile(r"[a-z0-9_.:;,=()@#$%&!?*+~^|<> -]+")
_SHORTEST_RUN = 4
NUMERIC = frozenset("0123456789.-+:tzeinfa")
"""The letters of numbers and times: JSON may write those otherwise than rules read them."""
_BEFORE = frozenset({"is", "starts"})
_AFTER = frozenset({"is", "ends"})


def finder(wanted: Sequence[tuple[str, str]], *, fast: bool = True) -> Find:
    """Return the search for texts and patterns.

    Args:
        wanted: texts, each with how it must stand in a value (is, starts, ends, has), and patterns, each with ``re``
            and its flags.
        fast: use Hyperscan if it is there.
    """
    texts = [(place, how, text) for place, (how, text) in enumerate(wanted) if not how.startswith("re")]
    patterns = [(place, how[2:], text) for place, (how, text) in enumerate(wanted) if how.startswith("re")]
    ids = [place for place, _how, _text in texts]
    delimited = [
        ("\0" if how in _BEFORE else "") + text + ("\0" if how in _AFTER else "")
        for _place, how, text in texts
    ]
    fast = fast and hyperscan is not None
    search = (_hyperscan(ids, delimited) if fast else None) or _re2(ids, delimited)
    return _with_patterns(search, patterns, fast=fast) if patterns else lambda folded, _text: search(folded)


def _with_patterns(search: _Search, patterns: Sequence[tuple[int, str, str]], *, fast: bool) -> Find:
    every = [place for place, _flags, _pattern in patterns]
    look = _prefilter(patterns) if fast else None

    def find(folded: str, text: str | None) -> Sequence[int] | None:
        found = search(folded)
        if found is None or text is None:
            return found
        # Hyperscan reads bytes: what is a letter, and its other case, it knows of ASCII only.
        more = every if look is None or not text.isascii() else look(text)
        return None if more is None else [*found, *more]

    return find


def _prefilter(patterns: Sequence[tuple[int, str, str]]) -> _Search | None:
    """Return a search that finds at least the patterns that a text of ASCII has; None where there can be none."""
    flags = {"i": hyperscan.HS_FLAG_CASELESS, "m": hyperscan.HS_FLAG_MULTILINE, "s": hyperscan.HS_FLAG_DOTALL}
    common = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_PREFILTER | hyperscan.HS_FLAG_ALLOWEMPTY
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(
            expressions=[pattern.encode() for _place, _flags, pattern in patterns],
            ids=[place for place, _flags, _pattern in patterns],
            flags=[common | sum(flags[one] for one in own) for _place, own, _pattern in patterns],
        )
    except (hyperscan.error, UnicodeEncodeError):
        return None
    return _scanner(database, "")


def _hyperscan(ids: Sequence[int], texts: Sequence[str]) -> _Search | None:
    if not texts:
        return lambda _value: ()
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(
            expressions=[_escaped(text) for text in texts], ids=list(ids), flags=hyperscan.HS_FLAG_SINGLEMATCH
        )
    except hyperscan.error:
        return None
    return _scanner(database, "\0")


def _scanner(database: Any, edge: str) -> _Search:
    scan = database.scan
    found: list[int] = []
    add = found.append

    def on_match(place: int, _start: int, _end: int, _flags: int, _context: Any) -> None:
        add(place)

    def search(value: str) -> Sequence[int] | None:
        found.clear()
        try:
            scan(f"{edge}{value}{edge}".encode(), on_match)
        except (hyperscan.error, UnicodeEncodeError):  # the latter is half a surrogate pair: no text
            return None
        return found

    return search


def glance(texts: Sequence[str]) -> Callable[[Mapping[str, Any]], bool] | None:
    """Return a quick look whether an event may say one of some texts; None where there is no quick way.

    An event is looked at as JSON, which is made in one step. JSON writes the letters of ``_RUN`` as they are, so
    the longest run of them stands for a text.
    """
    runs = [max(_RUN.findall(text), key=len, default="") for text in texts]
    if hyperscan is None or any(len(run) < _SHORTEST_RUN or NUMERIC.issuperset(run) for run in runs):
        return None
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[_escaped(run) for run in runs],
        flags=hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_CASELESS,
    )
    scan = database.scan
    found: list[int] = []

    def on_match(place: int, _start: int, _end: int, _flags: int, _context: Any) -> None:
        found.append(place)

    def look(event: Mapping[str, Any]) -> bool:
        found.clear()
        try:
            data = orjson.dumps(event)
            scan(data, on_match)
        except (TypeError, hyperscan.error):  # a value that JSON does not know
            return True
        return bool(found) or not data.isascii()

    return look


def _escaped(text: str) -> bytes:
    r"""Return a pattern for the bytes of a text, each that is no letter of ASCII or digit as ``\xNN``."""
    data = text.encode("utf-8", "surrogatepass")
    return b"".join(
        bytes((byte,)) if byte < 128 and chr(byte).isalnum() else b"\\x%02x" % byte for byte in data
    )


def _re2(ids: Sequence[int], texts: Sequence[str]) -> _Search:
    options = re2.Options()
    options.max_mem = _MEMORY_BYTES
    options.log_errors = False
    patterns = re2.Set.SearchSet(options)
    for text in ("", *texts):  # the empty one is always found: where it is not, the search ran out of memory
        patterns.Add(re2.escape(text.encode("utf-8", "replace").decode()))
    patterns.Compile()

    def search(value: str) -> Sequence[int] | None:
        try:
            found = patterns.Match(f"\0{value}\0")
        except UnicodeEncodeError:  # half a surrogate pair: no text, so nothing is said about it
            return None
        return [ids[place - 1] for place in found if place] if found and 0 in found else None

    return search
