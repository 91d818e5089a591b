"""Read what the simulation wrote, through the product's own doors."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from citysoc.flow import Batch, Event
from citysoc.framing.base import Limits
from citysoc.framing.registry import framer
from citysoc.framing.unpack import members
from citysoc.parsers.registry import parser
from citysoc.parsers.run import parse_batch
from citysoc.parsers.sniff import identify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ARRIVED = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
LIMITS = Limits()


def contents(path: Path) -> Iterator[bytes]:
    """Yield a file's unpacked contents."""
    with path.open("rb") as file:
        for member in members(file.fileno(), str(path), LIMITS):
            with member.open() as stream:
                yield stream.read()


def events(path: Path, stream_id: str) -> Iterator[Event]:
    """Yield the events of a file; its format is told by its first bytes."""
    with path.open("rb") as file:
        for member in members(file.fileno(), str(path), LIMITS):
            with member.open() as stream:
                name, _ = identify(stream.read(65536), str(path))
            with member.open() as stream:
                for frames in framer(parser(name).framing)(
                    stream, start=0, header=b"", final=True, limits=LIMITS
                ):
                    batch = Batch(
                        stream=stream_id,
                        agency=stream_id.partition("/")[0],
                        parser=name,
                        records=frames.records,
                        offsets=frames.offsets,
                        arrived=ARRIVED,
                        path=str(path),
                        identity=str(path),
                        header=frames.header,
                        refused=frames.refused,
                    )
                    yield from parse_batch(batch)


def frame_events(payloads: list[bytes]) -> list[Event]:
    """Return the events of syslog frames of one sender."""
    batch = Batch(
        stream="x/syslog",
        agency="x",
        parser="syslog",
        records=tuple(payloads),
        offsets=tuple(range(len(payloads))),
        arrived=ARRIVED,
        path="udp://127.0.0.1:5514",
        identity="x",
    )
    return parse_batch(batch)
