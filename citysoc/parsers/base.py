"""What a parser is: a pure function over the lines of one batch, described by a small value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from citysoc.flow import Event, Unparsed


@dataclass(frozen=True, slots=True)
class Context:
    """What a parser may know besides the records.

    Args:
        arrived: when the batch arrived, UTC: gives the year to times that have none.
        zone: the zone of local times that name none.
        header: the header of the batch as text.
        sender: the address the records came from, for push sources.
        options: the source's options for its parser.
    """

    arrived: dt.datetime
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Ho_Chi_Minh"))
    header: str = ""
    sender: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


ParseLines: TypeAlias = "Callable[[Sequence[str], Context], list[Event | Unparsed]]"
"""One result for each line, in the same order. Lines are NFC text. Never raises on any text.

An event carries what the record says: ``@timestamp`` when the record names its time (aware, UTC),
``event.module``, ``event.dataset``, ``event.kind``, ``event.category`` and whatever else it knows. The
runner (``parsers.run``) adds id, arrival, original, agency, stream and place."""


@dataclass(frozen=True, slots=True)
class Parser:
    """One format.

    Args:
        name: the noun of the product or format; the name in a source's ``parser:``.
        summary: what it reads, in one line.
        framing: the framer that cuts its files into records.
        sniff: given the first 64 KiB of a file (unpacked) and its name, how sure it is that the file is
            its own, 0 to 100. Cheap, never raises.
        parse: the function itself.
        identity: ``content`` for exports that repeat earlier rows (the same row is stored once),
            ``position`` for logs.
    """

    name: str
    summary: str
    framing: str
    sniff: Callable[[bytes, str], int]
    parse: ParseLines
    identity: Literal["position", "content"] = "position"
