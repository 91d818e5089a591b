"""The values that travel through the pipeline: batch of records, event, finding.

A *batch* leaves a collector as raw bytes with their place; a parser turns every record of it into
either an *event* (a flat mapping of dotted ECS names) or an *unparsed* record with a reason; a
detector turns events into *findings*. Nothing here knows how any of that is done.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

Event: TypeAlias = dict[str, Any]
"""A flat mapping of dotted names to values, for example ``{"source.ip": "10.1.2.3"}``.

Times are aware ``datetime`` in UTC, array fields of ECS (``event.category``, ``related.ip``) are
lists, everything else is text, a number or a truth value. Fields outside ``ecs/fields.yml`` are
allowed: the store keeps them in one nested field so that nothing is lost.
"""

UNKNOWN_AGENCY = "unknown"
"""The agency of a record whose sender belongs to nobody in the registry."""

CITY_AGENCY = "city"
"""The agency of findings that only several agencies together show."""

LEVELS = ("informational", "low", "medium", "high", "critical")
"""Sigma's levels, weakest first."""


_OFFSETS = 16**10
"""Offsets below have their own digits in an id."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that a collector could not take whole: too long, a bomb, an unreadable archive.

    Args:
        reason: a short stable code, for example ``too_long``.
        detail: one sentence for a person.
        offset: where it starts in its file, or its number.
        sample: the first bytes of it, at most 4 KiB.
        count: how many records this stands for, for example datagrams that found no room.
    """

    reason: str
    detail: str
    offset: int = 0
    sample: bytes = b""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Position:
    """Where a pull source goes on after a batch; opaque to all but its collector.

    Args:
        key: what the position is of, for example one file's identity.
        value: JSON-able facts.
    """

    key: str
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unread:
    """Whole lines of one content that nobody has cut into records yet.

    Args:
        begin: where they begin in the content, in bytes.
        end: where they end.
        data: the bytes; None where they are to be read from a file.
        path: that file.
        inode: device and inode, which tell whether it still is that file.
    """

    begin: int
    end: int
    data: bytes | None = None
    path: str = ""
    inode: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one stream in their order, with their place and arrival.

    Args:
        stream: ``<agency id>/<source id>``: one stream of logs of one agency.
        agency: the agency's id, from configuration or the sender's address, never the payload.
        parser: the name of the parser to use.
        records: raw bytes, one item a record, without line ends.
        offsets: for each record its byte offset (or number) in ``path``.
        arrived: when the records were pulled or received, UTC.
        path: the file, the archive member (``a.zip!b.log``) or the listener (``udp://…``).
        identity: names the file by its content, so that ``identity`` + offset is one record for ever.
        header: the bytes that explain the records (``#fields`` of Zeek, the first row of a CSV).
        sender: the address that sent the records, for push sources.
        position: where to go on once this batch is committed; None for push sources.
        refused: what the collector could not take.
        parser_options: the source's options for its parser.
        timezone: the zone of local times that name none, an IANA name.
        unread: the lines that ``collectors.spans.cut`` makes records of; there are none else then. Only who asks
            a collector for it is given such batches.
    """

    stream: str
    agency: str
    parser: str
    records: tuple[bytes, ...]
    offsets: tuple[int, ...]
    arrived: dt.datetime
    path: str
    identity: str
    header: bytes = b""
    sender: str | None = None
    position: Position | None = None
    refused: tuple[Refused, ...] = ()
    parser_options: Mapping[str, Any] = field(default_factory=dict)
    timezone: str = "Asia/Ho_Chi_Minh"
    unread: Unread | None = None

    @property
    def received(self) -> int:
        """The number of records that came in, taken or refused."""
        return len(self.records) + sum(refused.count for refused in self.refused)


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A record that its parser does not understand.

    Args:
        reason: a short stable code, for example ``json.invalid``.
        detail: one sentence for a person, without the record's own text.
    """

    reason: str
    detail: str = ""


@dataclass(slots=True)
class Finding:
    """One detector's verdict on one event, or on windows of events that follow each other.

    Nobody changes one. It is not frozen, because it takes 1.5 µs longer to make one that is, where an event takes 20.

    Args:
        rule: the rule's id.
        title: the rule's title.
        level: one of ``LEVELS``.
        agency: the agency's id.
        event_id: ``event.id`` of the event.
        timestamp: the event's own time.
        matched: field to value, what made the rule fire.
        tags: the rule's tags, for example ``attack.t1059``.
        group: field to value of the rule's key fields: findings alike in it make one alert.
        window_seconds: for how long findings of the same key count into the same alert.
        entity: what the finding is about: a host, an account or an address, as ``kind:value``.
        path: where the record was read.
        offset: its offset there.
        title_vi: the rule's title in Vietnamese, empty where it has none.
        count: how many verdicts this stands for: events, or windows that qualified.
        last: the time of the last of them, where there are several; none lies further than
            ``window_seconds`` from the one before.
        events: for several, the ids of the events of the first five and the last five.
        agencies: the agencies that it took to show this, where they are several.
    """

    rule: str
    title: str
    level: str
    agency: str
    event_id: str
    timestamp: dt.datetime
    matched: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    group: Mapping[str, Any] = field(default_factory=dict)
    window_seconds: int = 3600
    entity: str = ""
    path: str = ""
    offset: int = 0
    title_vi: str = ""
    count: int = 1
    last: dt.datetime | None = None
    events: tuple[str, ...] = ()
    agencies: tuple[str, ...] = ()


def position_id(stream: str, identity: str, offset: int) -> str:
    """Return the id of the record at a place: the same record read twice has the same id."""
    place = _place(stream, identity)
    return f"{place}{offset:010x}" if 0 <= offset < _OFFSETS else _far_id(place, offset)


def position_ids(stream: str, identity: str, offsets: Iterable[int]) -> list[str]:
    """Return the ids of the records at many places of one file, each as ``position_id`` makes it.

    An id is 32 hexadecimal digits: 22 of the hash of stream and identity, 10 of the offset. Neighbours share most
    of theirs, which packs to 3 bytes an event where a hash of everything would take 17, and within a file no two
    can be alike. Offsets that do not fit (beyond 1 TiB) are hashed as well.
    """
    place = _place(stream, identity)
    return [
        f"{place}{offset:010x}" if 0 <= offset < _OFFSETS else _far_id(place, offset) for offset in offsets
    ]


@functools.lru_cache(maxsize=256)
def _place(stream: str, identity: str) -> str:
    return hashlib.blake2b(f"{stream}\0{identity}".encode(), digest_size=11).hexdigest()


def _far_id(place: str, offset: int) -> str:
    return hashlib.blake2b(f"{place}\0{offset}".encode(), digest_size=16).hexdigest()


def content_id(stream: str, record: bytes) -> str:
    """Return the id of a record by its content, for exports that repeat earlier rows."""
    key = hashlib.blake2b(stream.encode(), digest_size=16).digest()
    return hashlib.blake2b(record, digest_size=16, key=key).hexdigest()
