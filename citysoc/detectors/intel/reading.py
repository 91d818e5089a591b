"""Feeds as files: unpacked within bounds, their form told by their beginning, read as indicators.

Nothing here raises on the bytes of a feed: what cannot be read is counted, and a file of which nothing can be read
is an ``InputError`` that says so.
"""

from __future__ import annotations

import codecs
import io
import re
from typing import TYPE_CHECKING, Any, BinaryIO

from citysoc.detectors.intel.lines import read_list
from citysoc.detectors.intel.misp import is_misp, read_misp
from citysoc.detectors.intel.stix import is_stix, read_stix
from citysoc.detectors.intel.tables import header_of, read_table
from citysoc.detectors.intel.values import typed
from citysoc.errors import InputError
from citysoc.framing.base import Limits
from citysoc.framing.unpack import members, refusal
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from citysoc.detectors.intel.indicator import Account, Indicator
    from citysoc.framing.unpack import Member

FORMATS = ("list", "csv", "misp", "stix")
MAX_BYTES = 512 << 20
"""A feed may be so large, unpacked."""
MAX_JSON_BYTES = 128 << 20
"""A JSON document is read whole, and takes several times its size."""
_MAX_LINE = 16 << 10
_HEAD = 64 << 10
_MAX_MEMBERS = 100
_SKIPPED = re.compile(r"(?i)(readme|license|manifest|hashes\.csv)")


def read_feed(path: Path, *, format_: str = "auto", account: Account) -> Iterator[Indicator]:
    """Yield the indicators of a file.

    Args:
        path: plain, or packed as .gz, .zst or .zip.
        format_: one of ``FORMATS``; ``auto`` looks at the beginning.
        account: is told what became of each entry.

    Raises:
        InputError: the file cannot be read, or nothing in it is of a form that we know.
    """
    limits = Limits(max_unpacked_bytes=MAX_BYTES, max_document_bytes=MAX_JSON_BYTES, max_unpack_ratio=400)
    try:
        with path.open("rb") as file:
            for number, member in enumerate(members(file.fileno(), path.name, limits)):
                if number >= _MAX_MEMBERS:
                    account.skip("too_many_members", member.label)
                    break
                if member.name and _SKIPPED.search(member.name):
                    continue
                yield from _member(member, format_, account)
    except OSError as error:
        raise InputError(
            _("The feed cannot be read: {reason}.").format(reason=error.strerror or error), where=str(path)
        ) from error


def _member(member: Member, format_: str, account: Account) -> Iterator[Indicator]:
    if member.refused:
        raise InputError(
            _("The feed cannot be unpacked: {why}").format(why=member.refused.detail), where=member.label
        )
    with member.open() as stream:
        head = stream.read(_HEAD)
        chosen = sniff(head) if format_ == "auto" else format_
        account.format = chosen
        whole = _Rejoined(head, stream)
        if chosen in {"misp", "stix", "json"}:
            yield from _document(whole, chosen, account, member.label)
        else:
            yield from (read_table if chosen == "csv" else read_list)(_lines(whole, account), account)
        if refused := refusal(stream):
            raise InputError(
                _("The feed cannot be unpacked: {why}").format(why=refused.detail), where=member.label
            )


class _Rejoined:
    """A stream of which the beginning was read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def chunks(self) -> Iterator[bytes]:
        yield self._head
        while chunk := self._rest.read(1 << 20):
            yield chunk


def sniff(head: bytes) -> str:
    """Return the form of a feed that begins so: list, csv, or json for one of the forms in JSON."""
    text = _text(head)
    if text.lstrip("\ufeff \t\r\n")[:1] in {"{", "["}:
        return "json"
    lines = [line.strip() for line in text.splitlines()[:200]]
    for line in lines:
        if any(mark in line and header_of(line, mark) for mark in ",;\t|"):
            return "csv"
    data = [line for line in lines[:-1] or lines if line and not line.startswith(("#", ";", "//"))]
    if not data:
        return "list"
    parted = sum(1 for line in data if _parted(line))
    return "csv" if parted * 2 > len(data) else "list"


def _parted(line: str) -> bool:
    """Return whether a line has several cells, and its first word is no value by itself."""
    return ("," in line or ";" in line) and not typed(line.split(maxsplit=1)[0]).kind


def _text(data: bytes) -> str:
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            return data[2:].decode(encoding, "replace")
    return data.decode("utf-8-sig", "replace")


def _lines(whole: _Rejoined, account: Account) -> Iterator[tuple[int, str]]:
    """Yield numbered lines; longer ones than any value needs are counted and left out."""
    number, size, left, long = 0, 0, b"", False
    decode = _decoder(whole)
    for chunk in decode:
        size += len(chunk)
        if size > MAX_BYTES:
            account.skip("too_large", str(number))
            return
        pieces = (left + chunk).split(b"\n")
        left = pieces.pop()
        for piece in pieces:
            number += 1
            if long or len(piece) > _MAX_LINE:
                account.entries += 1
                account.skip("line_too_long", str(number))
                long = False
                continue
            yield number, piece.decode("utf-8", "replace")
        if len(left) > _MAX_LINE:
            left, long = b"", True
    if long:
        account.entries += 1
        account.skip("line_too_long", str(number + 1))
    elif left:
        yield number + 1, left.decode("utf-8", "replace")


def _decoder(whole: _Rejoined) -> Iterator[bytes]:
    """Yield chunks as UTF-8 without mark, whatever the file's encoding is."""
    decoder: Any = None
    for number, chunk in enumerate(whole.chunks()):
        if number == 0 and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            decoder = codecs.getincrementaldecoder("utf-16")("replace")
        elif number == 0:
            chunk = chunk.removeprefix(codecs.BOM_UTF8)
        yield decoder.decode(chunk).encode("utf-8", "replace") if decoder else chunk


def _document(whole: _Rejoined, format_: str, account: Account, label: str) -> Iterator[Indicator]:
    value = _json(whole, label)
    if format_ == "json":
        format_ = "stix" if is_stix(value) else "misp" if is_misp(value) else "json"
    account.format = format_
    if format_ == "misp":
        if not is_misp(value):
            raise InputError(_("This is no event of MISP."), where=label)
        yield from read_misp(value, account)
    elif format_ == "stix":
        if not is_stix(value):
            raise InputError(_("This is no bundle of STIX 2.1."), where=label)
        yield from read_stix(value, account)
    else:
        raise InputError(
            _("The JSON is neither an event of MISP nor a bundle of STIX 2.1."),
            where=label,
            hint=_("abuse.ch offers the same feeds as CSV."),
        )


def _json(whole: _Rejoined, label: str) -> Any:
    import orjson

    data = io.BytesIO()
    for chunk in whole.chunks():
        data.write(chunk)
        if data.tell() > MAX_JSON_BYTES:
            raise InputError(
                _("The JSON is larger than {limit} MiB.").format(limit=MAX_JSON_BYTES >> 20),
                where=label,
                hint=_("Ask the feed for a shorter time, or for CSV."),
            )
    text = data.getvalue()
    if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = _text(text).encode("utf-8", "replace")
    try:
        return orjson.loads(text.removeprefix(codecs.BOM_UTF8))
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise InputError(
            _("The JSON cannot be read: {error}.").format(error=str(error)[:200]), where=label
        ) from error
