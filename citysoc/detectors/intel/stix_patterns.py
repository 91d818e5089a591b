"""Patterns of STIX that say "one of these values was seen"; all others are refused with a reason.

An indicator is looked up value by value. Kept are therefore comparisons by ``=``, ``IN`` and ``ISSUBSET``, joined by
``OR``. ``AND`` joins only what says the same thing twice: several hashes of one file, or the type of an address beside
its value. Whatever else is joined would match more than it says, so it is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_PATTERN = 100_000
_MAX_DEPTH = 32
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<mark>[\[\](),])|(?P<compare><=|>=|!=|==|=|<|>)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_-]*(?::[A-Za-z0-9_-]+(?:\[(?:\*|\d{1,9})\])?"
    r"(?:\.(?:[A-Za-z0-9_-]+|'(?:[^'\\]|\\.)*')(?:\[(?:\*|\d{1,9})\])?)*)?)|(?P<number>-?\d[\d.]*))"
)
_PATHS = {
    "ipv4-addr:value": "address",
    "ipv6-addr:value": "address",
    "network-traffic:dst_ref.value": "address",
    "network-traffic:src_ref.value": "address",
    "domain-name:value": "domain",
    "url:value": "url",
    "email-addr:value": "email",
    "email-message:from_ref.value": "email",
    "email-message:sender_ref.value": "email",
}
_HASHES = re.compile(r"(?:file|artifact|x509-certificate|process:(?:binary|image)_ref)(?::|\.)hashes\.(.+)")
_HASH_NAMES = frozenset({"MD5", "SHA1", "SHA256"})
_TYPE_OF = re.compile(r"network-traffic:(?:dst|src)_ref\.type")


class Unsupported(Exception):  # noqa: N818  not an error of ours: a pattern that is counted and left out
    """A pattern that cannot be honoured; ``reason`` is a short stable code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class _Reader:
    """The tokens of a pattern, taken one by one."""

    tokens: list[tuple[str, str]]
    place: int = 0
    found: list[tuple[str, str]] = field(default_factory=list)

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.place] if self.place < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.place += 1
        return token

    def expect(self, mark: str) -> None:
        if self.take() != ("mark", mark):
            raise Unsupported("pattern.unreadable")

    def takes(self, word: str) -> bool:
        kind, text = self.peek()
        if kind == "word" and text.upper() == word:
            self.place += 1
            return True
        return False


def values_of(pattern: str) -> list[tuple[str, str]]:
    """Return the values that a pattern looks for, each with its kind.

    Raises:
        Unsupported: it says more than "one of these was seen", or cannot be read.

    >>> values_of("[ipv4-addr:value = '203.0.113.7' OR domain-name:value IN ('a.example', 'b.example')]")
    [('address', '203.0.113.7'), ('domain', 'a.example'), ('domain', 'b.example')]
    """
    reader = _Reader(_tokens(pattern))
    values = _observations(reader, 0)
    if reader.peek()[0] != "end":
        kind, text = reader.peek()
        raise Unsupported(f"pattern.{text.upper()[:20]}" if kind == "word" else "pattern.unreadable")
    return values


def _tokens(pattern: str) -> list[tuple[str, str]]:
    if len(pattern) > MAX_PATTERN:
        raise Unsupported("pattern.too_long")
    found, place, text = [], 0, pattern.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise Unsupported("pattern.unreadable")
        found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


def _observations(reader: _Reader, depth: int) -> list[tuple[str, str]]:
    if depth > _MAX_DEPTH:
        raise Unsupported("pattern.too_deep")
    values = _observation(reader, depth)
    while reader.takes("OR"):
        values += _observation(reader, depth)
    return values


def _observation(reader: _Reader, depth: int) -> list[tuple[str, str]]:
    if reader.peek() == ("mark", "("):
        reader.take()
        values = _observations(reader, depth + 1)
        reader.expect(")")
        return values
    reader.expect("[")
    values, _only = _alternatives(reader, depth)
    reader.expect("]")
    return values


def _alternatives(reader: _Reader, depth: int) -> tuple[list[tuple[str, str]], bool]:
    """Return the values of comparisons joined by OR, and whether all are hashes."""
    if depth > _MAX_DEPTH:
        raise Unsupported("pattern.too_deep")
    values, only_hashes = _together(reader, depth)
    while reader.takes("OR"):
        more, hashes = _together(reader, depth)
        values += more
        only_hashes = only_hashes and hashes
    return values, only_hashes


def _together(reader: _Reader, depth: int) -> tuple[list[tuple[str, str]], bool]:
    parts = [_comparison(reader, depth)]
    while reader.takes("AND"):
        parts.append(_comparison(reader, depth))
    said = [part for part in parts if part is not None]  # None: the type of an address, which its value shows
    if not said:
        raise Unsupported("pattern.no_value")
    if len(said) > 1 and not all(only_hashes for _values, only_hashes in said):
        raise Unsupported("pattern.AND")
    return [value for values, _only in said for value in values], said[0][1]


def _comparison(reader: _Reader, depth: int) -> tuple[list[tuple[str, str]], bool] | None:
    if reader.peek() == ("mark", "("):
        reader.take()
        found = _alternatives(reader, depth + 1)
        reader.expect(")")
        return found
    kind, path = reader.take()
    if kind != "word" or path.upper() == "NOT":
        raise Unsupported("pattern.NOT" if kind == "word" else "pattern.unreadable")
    if reader.takes("NOT"):
        raise Unsupported("pattern.NOT")
    texts = _operand(reader)
    if _TYPE_OF.fullmatch(path):
        return None
    of = _kind(path)
    return [(of, text) for text in texts], of == "hash"


def _operand(reader: _Reader) -> list[str]:
    kind, operator = reader.take()
    if kind == "compare" and operator in {"=", "=="}:
        return [_literal(reader)]
    if kind == "word" and operator.upper() == "ISSUBSET":
        return [_literal(reader)]
    if kind == "word" and operator.upper() == "IN":
        reader.expect("(")
        texts = [_literal(reader)]
        while reader.peek() == ("mark", ","):
            reader.take()
            texts.append(_literal(reader))
        reader.expect(")")
        return texts
    if kind in {"compare", "word"}:
        raise Unsupported(f"pattern.{operator.upper()[:20]}")
    raise Unsupported("pattern.unreadable")


def _literal(reader: _Reader) -> str:
    kind, text = reader.take()
    if kind in {"number", "word"}:  # of a path that is not looked up
        return text
    if kind != "text":
        raise Unsupported("pattern.unreadable")
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _kind(path: str) -> str:
    if path in _PATHS:
        return _PATHS[path]
    if match := _HASHES.fullmatch(path):
        if match[1].strip("'").upper().replace("-", "") in _HASH_NAMES:
            return "hash"
        raise Unsupported("pattern.hash_kind")
    raise Unsupported(f"path {path[:60]}")
