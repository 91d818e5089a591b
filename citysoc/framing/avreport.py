"""Malware reports in the national exchange format: one record for each fact about one machine.

An AVReport (official letter 2290/BTTTT-CATTT of 2018 with QCVN 102:2016, and the variant of 2025 in a SOAP
envelope) holds sections: Malware, Connection, Vulnerability, OS, Update, QualityFeature. Elements are known
by their local names; namespaces and envelopes differ between the variants and mean nothing here.

A record is a compact JSON object with sorted keys: ``kind`` (the section, lower case), ``machine`` (the
machine's attributes) and ``values`` (the leaf elements). The header is such an object of the envelope:
report name, moment, sending body. The moment stands in the header alone: a report is a snapshot, the next
one repeats what still holds, and the same fact must have the same bytes to be stored once. Only the
``update`` section, a figure of its day, carries the report's moment.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.etree.ElementTree import ParseError  # nosec B405

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from citysoc.flow import Refused
from citysoc.framing.documents import SAMPLE_BYTES, runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from citysoc.framing.base import Frames, Limits

MAX_DEPTH = 40
"""The deepest known variant needs nine."""
MAX_VALUE_CHARS = 8192
"""A longer value (a path, a name) is cut: no machine has one."""
_MAX_MACHINE_VALUE_CHARS = 512
_MAX_MACHINE_VALUES = 20
_MAX_VALUES = 100
_CHUNK_BYTES = 64 << 10
_ENVELOPE = {
    "OrganId": "organ_id",
    "OrganName": "organ_name",
    "OrganizationInCharge": "organ_in_charge",
    "Subject": "subject",
}


def frame_avreport(
    stream: BinaryIO,
    *,
    start: int,
    header: bytes,  # noqa: ARG001  found anew: documents are read from their beginning
    final: bool,  # noqa: ARG001  a document that ends early is refused from there on
    limits: Limits,
) -> Iterator[Frames]:
    """Yield the facts of a report; see ``framing.base.Framer``.

    Refused are a document type (``xml.dtd``) and entities (``xml.entity``), too deep nesting
    (``xml.depth``), broken XML (``xml.invalid``), a document over the limit (``too_large``) and one that
    is no AVReport (``avreport.missing``). Facts before the place of a fault are kept.
    """
    return runs(_records(stream, limits), start=start, limits=limits)


def _records(stream: BinaryIO, limits: Limits) -> Iterator[tuple[bytes, bytes | Refused]]:
    report = _Report()
    parser = DefusedXMLParser(target=report, forbid_dtd=True)
    size = 0
    first = b""
    try:
        while chunk := stream.read(_CHUNK_BYTES):
            first = first or chunk
            size += len(chunk)
            if size > limits.max_document_bytes:
                detail = f"The document is larger than {limits.max_document_bytes} bytes."
                yield report.header, Refused("too_large", detail, size, chunk[:SAMPLE_BYTES])
                return
            parser.feed(chunk)
            yield from report.take()
        if not size:
            return
        parser.close()
    except (ParseError, DefusedXmlException, _TooDeepError, ValueError, LookupError) as error:
        yield from report.take()
        yield report.header, _refusal(error, parser, first)
        return
    yield from report.take()
    if not report.found:
        yield b"", Refused("avreport.missing", "The document holds no AVReport.", 0, first[:SAMPLE_BYTES])


class _TooDeepError(Exception):
    """Elements are nested deeper than any report."""


def _refusal(error: Exception, parser: Any, first: bytes) -> Refused:
    """Return the refusal of a document at the place where it broke."""
    place = max(int(getattr(parser.parser, "CurrentByteIndex", 0)), 0)
    sample = first[place : place + SAMPLE_BYTES] or first[:SAMPLE_BYTES]
    if isinstance(error, DefusedXmlException):
        reason = "xml.entity" if b"<!ENTITY" in first.replace(b"\0", b"") else "xml.dtd"
        detail = f"A document type or an entity is declared at byte {place}."
    elif isinstance(error, _TooDeepError):
        reason, detail = "xml.depth", f"Elements are nested deeper than {MAX_DEPTH} at byte {place}."
    else:
        reason, detail = "xml.invalid", f"The XML is broken at byte {place}."
    return Refused(reason, detail, place, sample)


@dataclass(slots=True)
class _Level:
    """One open element of the report.

    Args:
        name: its local name.
        attributes: its attributes by local name.
        leaves: the values of its children that have none themselves.
        text: the pieces of its own text.
        parent: whether it has children.
    """

    name: str
    attributes: dict[str, str]
    leaves: dict[str, Any] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    chars: int = 0
    parent: bool = False


class _Report:
    """What the parser tells its elements to; holds the facts until they are taken."""

    def __init__(self) -> None:
        self.found = False
        self._envelope: dict[str, str] = {}
        self._levels: list[_Level] = []
        self._inside: int | None = None
        self._facts: list[tuple[bytes, bytes]] = []
        self.header = b""

    def take(self) -> list[tuple[bytes, bytes | Refused]]:
        """Hand out the facts gathered so far."""
        facts: list[tuple[bytes, bytes | Refused]] = list(self._facts)
        self._facts.clear()
        return facts

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element opens."""
        if len(self._levels) >= MAX_DEPTH:
            raise _TooDeepError
        if self._levels:
            self._levels[-1].parent = True
        level = _Level(_local(tag), {_local(name): value for name, value in attributes.items()})
        self._levels.append(level)
        if level.name == "AVReport" and self._inside is None:
            self.found = True
            self._inside = len(self._levels)
            self._envelope.pop("datetime", None)
            self._describe("report", level.attributes.get("name", ""))

    def data(self, text: str) -> None:
        """Text stands in the innermost element."""
        if self._levels and (level := self._levels[-1]).chars < MAX_VALUE_CHARS:
            level.text.append(text)
            level.chars += len(text)

    def end(self, _tag: str) -> None:
        """The innermost element closes."""
        level = self._levels.pop()
        value = "".join(level.text).strip()[:MAX_VALUE_CHARS]
        depth = len(self._levels)
        if self._inside is None:
            if not level.parent and level.name in _ENVELOPE and value:
                self._describe(_ENVELOPE[level.name], value)
            return
        if depth < self._inside:  # the report itself
            self._inside = None
        elif level.parent or level.leaves:
            self._fact(level)
        elif depth == self._inside:
            self._top_leaf(level.name, value)
        else:
            self._leaf(level, value)

    def close(self) -> None:
        """The document ends."""

    def _top_leaf(self, name: str, value: str) -> None:
        if name == "Datetime":
            self._describe("datetime", value)

    def _leaf(self, level: _Level, value: str) -> None:
        leaves = self._levels[-1].leaves
        for name, text in ((level.name, value), *level.attributes.items()):
            if not text or len(leaves) >= _MAX_VALUES:
                continue
            if name in leaves and leaves[name] != text:
                name = f"{name}_{len(leaves)}"
            leaves[name] = text[:MAX_VALUE_CHARS]

    def _fact(self, level: _Level) -> None:
        """An element with children closes: it is a fact if it has values of its own."""
        place = self._inside or 0
        section = self._levels[place] if len(self._levels) > place else level
        if not level.leaves:
            return
        machine = level if level.name == "Machine" else self._levels[-1]
        attributes = machine.attributes if machine.name == "Machine" else {}
        kind = section.name.lower()
        fact: dict[str, Any] = {
            "kind": kind,
            "machine": {
                name: value[:_MAX_MACHINE_VALUE_CHARS]
                for name, value in islice(attributes.items(), _MAX_MACHINE_VALUES)
                if value
            },
            "values": level.leaves,
        }
        if kind == "update":
            fact["datetime"] = self._envelope.get("datetime", "")
        self._facts.append((self.header, _compact(fact)))

    def _describe(self, name: str, value: str) -> None:
        if value:
            self._envelope[name] = value[:_MAX_MACHINE_VALUE_CHARS]
        self.header = _compact(self._envelope)


def _compact(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _local(tag: str) -> str:
    return tag.rpartition("}")[2][:64]
