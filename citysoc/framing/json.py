"""Documents of JSON: an object over many lines, an array of objects, or objects one after another.

Every object becomes one record, as compact JSON; an object that only wraps a list of records (``{"Records": [...]}``) becomes
those. The text is walked, not parsed: strings and brackets are
enough to find where an object ends, so that one broken object does not take its neighbours with it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from citysoc.flow import Refused
from citysoc.framing.base import Frames
from citysoc.framing.documents import SAMPLE_BYTES, read_document, runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citysoc.framing.base import Limits

MAX_DEPTH = 200
"""Objects nested deeper are refused."""
WRAPPERS = ("Records", "records", "value", "items")
"""Names under which services put the records of one file or answer: CloudTrail, Azure, Graph, Kubernetes."""
_BETWEEN = b" \t\r\n,[]"
"""What may stand between two objects: white space, and the brackets and commas of an array."""
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[{}\[\]]', re.DOTALL)
"""A string, closed or running to the end (each byte is looked at once), or a bracket."""
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def frame_json(
    stream: BinaryIO,
    *,
    start: int,
    header: bytes,  # noqa: ARG001  objects need none
    final: bool,  # noqa: ARG001  a document is read as far as it is whole
    limits: Limits,
) -> Iterator[Frames]:
    """Yield the objects of a document as compact JSON; see ``framing.base.Framer``.

    Refuses a document over the limit (``too_large``), an object that is not valid or nested too deep
    (``json.invalid``), and whatever stands where an object should (``json.invalid``).
    """
    data = read_document(stream, limits)
    if isinstance(data, Refused):
        if start == 0:
            yield Frames((), (), 1, refused=(data,))
        return
    yield from runs(((b"", item) for item in _objects(_utf8(data))), start=start, limits=limits)


def _utf8(data: bytes) -> bytes:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace").encode("utf-8", "replace")
    return data


def _objects(data: bytes) -> Iterator[bytes | Refused]:
    place = 0
    while True:
        while place < len(data) and data[place] in _BETWEEN:
            place += 1
        if place >= len(data):
            return
        if data[place] != 0x7B:  # {
            following = data.find(b"{", place)
            end = len(data) if following < 0 else following
            yield _refused("There is no object here.", data[place:end])
            place = end
            continue
        closed = _end(data, place)
        if closed is None:
            yield _refused("The object does not end.", data[place:])
            return
        yield from _records(data[place:closed])
        place = closed


def _end(data: bytes, place: int) -> int | None:
    """Return where the object that starts at ``place`` ends; None if it does not."""
    depth = 0
    for token in _TOKEN.finditer(data, place):
        mark = token.group()
        if mark in b"{[":
            depth += 1
        elif mark in b"}]":
            depth -= 1
            if depth == 0:
                return token.end()
    return None


def _records(text: bytes) -> Iterator[bytes | Refused]:
    """Yield an object as compact JSON; of one that only wraps a list of records, those."""
    try:
        value = orjson.loads(text)
    except ValueError:
        yield _refused("The object is not valid JSON.", text)
        return
    if not _depth_ok(text):
        yield _refused("The object is nested too deep.", text)
        return
    for one in _unwrapped(value):
        yield orjson.dumps(one)


def _unwrapped(value: dict[str, Any]) -> list[Any]:
    for name in WRAPPERS:
        inner = value.get(name)
        if isinstance(inner, list) and inner and all(isinstance(one, dict) for one in inner):
            others = [item for other, item in value.items() if other != name]
            if not any(isinstance(item, dict | list) for item in others):
                return inner
    return [value]


def _depth_ok(text: bytes) -> bool:
    return text.count(b"{") + text.count(b"[") <= MAX_DEPTH or _depth(text) <= MAX_DEPTH


def _depth(text: bytes) -> int:
    deepest = depth = 0
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in b"}]":
            depth -= 1
    return deepest


def _refused(detail: str, text: bytes) -> Refused:
    return Refused("json.invalid", detail, sample=text[:SAMPLE_BYTES])
