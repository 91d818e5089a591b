"""Many texts looked for in one pass: Hyperscan where it can be had, RE2's sets where it cannot, with the same answers.

A value is searched between two NULs, so that a text that must be at its begin or end is a plain text, too. Many
values are searched at once, as one block with a NUL between each two.

Hyperscan is asked for plain texts only, and never at the very end of what it reads: on x86 its builds (Vectorscan
5.4.12) overlook expressions with repeated classes, and two letters at the end. Patterns are RE2's in any case.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_left
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson
import re2

from citysoc.detectors.sigma import databases
from citysoc.detectors.sigma.databases import Databases
from citysoc.detectors.sigma.expressions import least_chars
from citysoc.detectors.sigma.view import is_object
from citysoc.detectors.text import compose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_Search: TypeAlias = "Callable[[str], Sequence[int] | None]"
Hits: TypeAlias = "dict[int, Sequence[int] | None]"
"""From the number of a value to the places of the texts and patterns that it has; None where that is not known."""

_MEMORY_BYTES = 256 << 20
"""A bound on RE2, not a need: a set uses what its patterns and the values seen ask for."""
_RUN = re.compile(r"[a-z0-9_.:;,=()@#$%&!?*+~^|<> -]+")
_SHORTEST_RUN = 4
NUMERIC = frozenset("0123456789.-+:tzeinfa")
"""The letters of numbers and times: JSON may write those otherwise than rules read them."""
_ADDRESS = frozenset("0123456789abcdef.:")
"""The letters of addresses: events may write those otherwise than records."""
_EDGES: Mapping[str, Callable[[str], str]] = {
    "is": "\0{}\0".format,
    "starts": "\0{}".format,
    "ends": "{}\0".format,
    "has": str,
}
"""From how a text must stand in a value to the text that is looked for."""
_CODED = tuple(f"\\u{digit}" for digit in "0123456789abcdefABCDEF")
"""How a letter begins that JSON writes by its number."""
_BACKSLASH = ord("\\")
PADDING = b"\n" * 64
"""Stands after whatever Hyperscan reads, longer than what its builds read at once."""
_AFTER_BLOCK = PADDING.decode()
_MATCHES_A_VALUE = 64
"""A block in which more is found, on average, is searched value by value: each text is then found once."""
_MATCHES = 4096
_LONG = 256
"""A pattern that needs so many letters is looked for apart from the others."""


def block_of(values: Sequence[str]) -> str:
    """Return values as one block to search: a NUL before each and after the last, and ``PADDING``."""
    return "\0".join(("", *values, _AFTER_BLOCK))


class Finder:
    """The search for texts and patterns in folded values.

    Args:
        wanted: texts, each with how it must stand in a value (is, starts, ends, has), and patterns, each with ``re``
            and its flags.
        fast: use Hyperscan if it is there.
        store: where its databases are kept.
    """

    def __init__(
        self, wanted: Sequence[tuple[str, str]], *, fast: bool = True, store: Databases | None = None
    ) -> None:
        self._ids = [place for place, (how, _text) in enumerate(wanted) if how in _EDGES]
        self._texts = [text if how == "has" else _EDGES[how](text) for how, text in wanted if how in _EDGES]
        patterns = []
        if len(self._ids) < len(wanted):
            patterns = [
                (place, how[2:], text) for place, (how, text) in enumerate(wanted) if how not in _EDGES
            ]
        self._store = store or Databases()
        self._fast = fast and databases.hyperscan is not None
        self._block = self._scan_block() if self._fast else None
        self._look = _re2_patterns(patterns) if patterns else None

    def one(self, folded: str, text: str | None) -> Sequence[int] | None:
        """Return the places of what a value may have; None where the search failed and nothing is known.

        Args:
            folded: the folded value.
            text: as it is; without it no pattern is looked for.
        """
        found = self._search(folded)
        if self._look is None or found is None or text is None:
            return found
        more = self._look(compose(text))
        return None if more is None else [*found, *more]

    def many(self, block: str, values: Sequence[str]) -> Hits | None:
        """Return what many values of ASCII may have, by their number; None where they must be searched one by one.

        Args:
            block: the values as ``block_of`` makes one of them, folded; they hold no NUL themselves.
            values: as they are.
        """
        if self._block is None:
            return None
        found = self._block(block, _MATCHES + _MATCHES_A_VALUE * len(values))
        if found is None:
            return None
        own = _by_value(found, values) if found else {}
        hits: Hits = dict(own)
        if self._look is not None:
            for number, more in enumerate(map(self._look, values)):
                if more is None:
                    hits[number] = None
                elif more:
                    hits[number] = [*own.get(number, ()), *more]
        return hits

    @functools.cached_property
    def _search(self) -> _Search:
        """The search of one value, in which each text is found once, however often it has it."""
        return (self._scan_one() if self._fast else None) or _re2(self._ids, self._texts)

    def _scan_one(self) -> _Search | None:
        if not self._texts:
            return lambda _value: ()
        flag = databases.hyperscan.HS_FLAG_SINGLEMATCH
        try:
            database = self._store.database(self._texts, self._ids, [flag] * len(self._ids))
        except databases.hyperscan.error:
            return None
        return _scanner(database)

    def _scan_block(self) -> Callable[[str, int], list[tuple[int, int]] | None] | None:
        """Return the search of a block: where each text ends, and its place; None where there are too many."""
        if not self._texts:
            return lambda _block, _limit: []
        try:
            database = self._store.database(self._texts, self._ids, [0] * len(self._ids))
        except databases.hyperscan.error:
            return None
        scan = database.scan
        found: list[tuple[int, int]] = []
        add = found.append

        def on_match(place: int, _start: int, end: int, _flags: int, limit: int) -> bool:
            add((end, place))
            return len(found) > limit  # to go no further

        def search(block: str, limit: int) -> list[tuple[int, int]] | None:
            found.clear()
            try:
                scan(block.encode(), on_match, context=limit)
            except databases.hyperscan.error:
                return None
            while found and found[-1][0] > len(block) - len(PADDING):
                found.pop()
            return found

        return search


def _by_value(found: Sequence[tuple[int, int]], values: Sequence[str]) -> dict[int, list[int]]:
    """Return what was found in a block by the number of the value that it was found in."""
    own: dict[int, list[int]] = {}
    ends = list(accumulate([len(one) + 1 for one in values]))
    current: list[int] = []
    begin, last = 1, 0
    for end, place in found:
        # What is found comes in the order of its ends, as a rule: then it is this value's, or one's that comes later.
        if not begin < end <= last:
            number = bisect_left(ends, end - 1)
            last = ends[number] + 1
            begin = last - len(values[number]) - 1
            current = own.setdefault(number, [])
        current.append(place)
    return own


def _scanner(database: Any) -> _Search:
    scan = database.scan
    found: list[int] = []

    def on_match(place: int, _start: int, end: int, _flags: int, length: int) -> None:
        if end <= length:  # not in the padding
            found.append(place)

    def search(value: str) -> Sequence[int] | None:
        found.clear()
        try:
            data = f"\0{value}\0".encode()
            scan(data + PADDING, on_match, context=len(data))
        except (
            databases.hyperscan.error,
            UnicodeEncodeError,
        ):  # the latter is half a surrogate pair: no text
            return None
        return found

    return search


class Glance:
    """A quick look which of many texts of JSON may say one of some texts.

    JSON writes the letters of ``_RUN`` as they are, so the longest run of them stands for a text.

    Args:
        wanted: what to look for, as for ``Finder``.
        store: where its database is kept.
    """

    def __init__(self, wanted: Sequence[tuple[str, str]], store: Databases | None = None) -> None:
        # A pattern has no text that stands for it: then there is no quick way.
        texts = ["" if how.startswith("re") else text for how, text in wanted]
        runs = sorted({max(_RUN.findall(text), key=len, default="") for text in texts})
        self._scan: Any = None
        self._found: list[int] = []
        self._coded: list[int] = []
        self._first_coded = len(runs)
        if databases.hyperscan is None or any(
            len(run) < _SHORTEST_RUN or NUMERIC.issuperset(run) or _ADDRESS.issuperset(run) for run in runs
        ):
            return
        expressions = [*runs, *_CODED]
        flags = [databases.hyperscan.HS_FLAG_CASELESS] * len(runs) + [0] * len(_CODED)
        database = (store or Databases()).database(expressions, list(range(len(expressions))), flags)
        self._scan = database.scan

    @property
    def is_quick(self) -> bool:
        """Whether it can tell records apart: otherwise any may say one of the texts."""
        return self._scan is not None

    def events(self, events: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """Return the numbers of the events that may say one of the texts."""
        if self._scan is None:
            return range(len(events))
        try:
            return self.records([orjson.dumps(_values(event)) for event in events])
        except TypeError:  # a value that JSON does not know
            return range(len(events))

    def records(self, records: Sequence[bytes]) -> Sequence[int]:
        """Return the numbers of the records, which are JSON, that may say one of the texts."""
        block = b"\n".join((*records, PADDING))
        return self.block(block, lambda: list(accumulate([len(one) + 1 for one in records])))

    def block(self, block: bytes | bytearray, ends: Callable[[], Sequence[int]]) -> Sequence[int]:
        r"""Return the numbers of the records, which are JSON, that may say one of the texts.

        Letters beyond ASCII may fold into what is looked for, and ``\u0041`` is a letter, too.

        Args:
            block: the records, a line end after each, and ``PADDING``.
            ends: returns where each record ends, with its line end.
        """
        if self._scan is None:
            return range(len(ends()))
        said: set[int] = set()
        if not block.isascii():
            spans = pairwise([0, *ends()])
            said.update(number for number, (begin, end) in enumerate(spans) if not block[begin:end].isascii())
        found = self._found
        found.clear()
        self._coded.clear()
        try:
            self._scan(block, self._on_match)
        except databases.hyperscan.error:
            return range(len(ends()))
        found += [end for end in self._coded if _is_escape(block, end - 3)]
        if found:
            known = ends()
            said.update(bisect_left(known, end) for end in found)
        return sorted(said)

    def _on_match(self, place: int, _start: int, end: int, _flags: int, _context: Any) -> None:
        (self._found if place < self._first_coded else self._coded).append(end)


def _is_escape(block: bytes | bytearray, place: int) -> bool:
    """Return whether a backslash begins an escape: it is not itself the second half of one, as in paths."""
    begin = place
    while begin and block[begin - 1] == _BACKSLASH:
        begin -= 1
    return (place - begin) % 2 == 0


def _values(event: Mapping[str, Any]) -> list[Any]:
    """Return what an event says; its record is no more than that if it is an object."""
    original = event.get("event.original")
    if type(original) is str and is_object(original):
        event = {**event, "event.original": None}
    return list(event.values())


def _re2(ids: Sequence[int], texts: Sequence[str]) -> _Search:
    patterns = _set()
    for text in texts:
        patterns.Add(re2.escape(text.encode("utf-8", "replace").decode()))
    patterns.Compile()
    return _of_set(patterns, ids, "\0")


def _re2_patterns(patterns: Sequence[tuple[int, str, str]]) -> _Search:
    """Return the search for patterns in a text; exact, if it can say anything.

    A pattern that counts far needs a state for every letter that it has counted, times the states of all others in its
    set. Those that only long texts can have are a set of their own, which only long texts are asked.
    """
    long = [one for one in patterns if least_chars(one[2], one[1]) >= _LONG]
    short = _re2_set([one for one in patterns if one not in long])
    if not long:
        return short
    longer = _re2_set(long)
    least = min(least_chars(pattern, flags) for _place, flags, pattern in long)

    def search(text: str) -> Sequence[int] | None:
        found = short(text)
        if found is None or len(text) < least:
            return found
        more = longer(text)
        return None if more is None else [*found, *more]

    return search


def _re2_set(patterns: Sequence[tuple[int, str, str]]) -> _Search:
    found = _set()
    for _place, flags, pattern in patterns:
        found.Add(f"(?{flags}){pattern}" if flags else pattern)
    found.Compile()
    return _of_set(found, [place for place, _flags, _pattern in patterns], "")


def _set() -> Any:
    options = re2.Options()
    options.max_mem = _MEMORY_BYTES
    options.log_errors = False
    patterns = re2.Set.SearchSet(options)
    patterns.Add("")  # always found: where it is not, the search ran out of memory
    return patterns


def _of_set(patterns: Any, ids: Sequence[int], edge: str) -> _Search:
    def search(value: str) -> Sequence[int] | None:
        try:
            found = patterns.Match(f"{edge}{value}{edge}".encode())
        except UnicodeEncodeError:  # half a surrogate pair: no text, so nothing is said about it
            return None
        return [ids[place - 1] for place in found if place] if found and 0 in found else None

    return search
