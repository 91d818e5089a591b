"""Listen for syslog over UDP and TCP; the agency is told by the sender's address.

Messages (RFC 3164, RFC 5424 or whatever a device sends) are handed on as they came; parsing is the
parser's affair. What is queued is bounded: TCP senders wait, datagrams that find no room are counted
and reported as refused, so that received = handed on + refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from citysoc import clock, telemetry
from citysoc.collectors.rfc6587 import Deframer
from citysoc.errors import SourceError
from citysoc.flow import Batch, Refused
from citysoc.i18n import _

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator, Callable

    from citysoc.collectors.base import Emit
    from citysoc.config.sources import SyslogSource

_log = telemetry.logger("collectors.syslog")

_READ = 64 << 10
_RECEIVE_BUFFER = 16 << 20
_BURST = 256
"""So many datagrams are taken before other work gets its turn."""
_MAX_GROUPS = 4096
"""Senders that are told apart at a time; beyond, their records share a batch without a sender."""
_MAX_AGENCIES = 65_536
_BACKLOG = 1024


@dataclass(slots=True, kw_only=True)
class SyslogCollector:
    """One syslog listener.

    Args:
        source: the source of the configuration: address, transports, bounds, parser.
        agency_of: the agency's id for a sender's address.
        flush_records: a batch holds at most so many records.
        flush_seconds: a record waits at most this long for company.
        max_queued_records: for each transport, so many records may wait to be handed on.
        max_queued_bytes: and so many bytes of them.
        now: the clock.
        ready: set once all transports listen.
        bound: transport to port, known once ``ready`` is set.
    """

    source: SyslogSource
    agency_of: Callable[[str], str]
    flush_records: int = 4000
    flush_seconds: float = 0.5
    max_queued_records: int = 200_000
    max_queued_bytes: int = 128 << 20
    now: Callable[[], dt.datetime] = clock.now
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    bound: dict[str, int] = field(default_factory=dict)

    async def serve(self, emit: Emit) -> None:
        """Listen until cancelled; what was received by then is handed on before this returns.

        Raises:
            SourceError: the address cannot be listened on.
        """
        queue = _Queue(self)
        stop = asyncio.Event()
        async with contextlib.AsyncExitStack() as listeners:
            for transport in dict.fromkeys(self.source.transports):
                listen = _listen_udp if transport == "udp" else _listen_tcp
                try:
                    self.bound[transport] = await listeners.enter_async_context(listen(self, queue))
                except OSError as error:
                    raise SourceError(
                        _("It cannot listen on {host} port {port}/{transport}: {error}.").format(
                            host=self.source.host,
                            port=self.source.port,
                            transport=transport,
                            error=error.strerror or error,
                        ),
                        where=self.source.id,
                        hint=_("Choose a free port of this machine; ports below 1024 need a privilege."),
                    ) from error
            _log.info("syslog.listening", source=self.source.id, ports=self.bound)
            flushing = asyncio.create_task(queue.flush_until(stop, emit))
            self.ready.set()
            try:
                await asyncio.shield(flushing)  # it ends by itself only when a batch cannot be handed on
            except asyncio.CancelledError:
                await listeners.aclose()
                stop.set()
                queue.wake.set()
                await flushing
                raise
            finally:
                self.ready.clear()


@dataclass(slots=True)
class _Group:
    """Records of one sender, or of many where there are too many, that wait to be handed on."""

    stream: str
    agency: str
    sender: str | None
    transport: str
    arrived: dt.datetime
    since: float
    records: list[bytes] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    dropped: int = 0
    size: int = 0


@dataclass(slots=True)
class _Room:
    """How much of a transport waits to be handed on."""

    records: int = 0
    size: int = 0


class _Queue:
    """What was received and not yet handed on, by agency and sender."""

    def __init__(self, collector: SyslogCollector) -> None:
        self._collector = collector
        self._loop = asyncio.get_running_loop()
        self._groups: dict[tuple[str, str, str | None], _Group] = {}
        self._agencies: dict[str, tuple[str, str]] = {}
        self._session = os.urandom(16).hex()
        self._number = 0
        self._rooms = {"udp": _Room(), "tcp": _Room()}
        self._space = asyncio.Event()
        self.wake = asyncio.Event()

    def has_room(self, transport: str) -> bool:
        """Whether more of a transport may wait."""
        room = self._rooms[transport]
        most = self._collector
        return room.records < most.max_queued_records and room.size < most.max_queued_bytes

    async def wait_for_room(self, transport: str) -> None:
        """Wait until more of a transport may wait."""
        while not self.has_room(transport):
            self._space.clear()
            await self._space.wait()

    def add(self, transport: str, address: str, records: list[bytes], refused: list[Refused]) -> None:
        """Take in what one sender sent."""
        group = self._group(transport, address)
        group.records += records
        group.offsets += range(self._number, self._number + len(records))
        group.refused += refused
        self._number += len(records)
        self._count(group, len(records) + len(refused), sum(map(len, records)) + len(refused) * 4096)

    def add_datagram(self, address: str, data: bytes) -> None:
        """Take in one datagram, or count it when there is no room."""
        group = self._group("udp", address)
        if not self.has_room("udp"):
            group.dropped += 1
            return
        longest = self._collector.source.max_message_bytes
        if len(data) > longest:
            detail = f"The message is longer than {longest} bytes."
            group.refused.append(Refused("too_long", detail, sample=data[: min(longest, 4096)]))
        elif data := data.strip(b"\r\n\0"):
            group.records.append(data)
            group.offsets.append(self._number)
            self._number += 1
        else:
            return
        self._count(group, 1, len(data))

    def _count(self, group: _Group, records: int, size: int) -> None:
        room = self._rooms[group.transport]
        room.records += records
        room.size += size
        group.size += size
        if len(group.records) >= self._collector.flush_records:
            self.wake.set()

    def _group(self, transport: str, address: str) -> _Group:
        named = self._agencies.get(address)
        if named is None:
            named = self._name(address)
        agency, sender = named
        key: tuple[str, str, str | None] = (transport, agency, sender)
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= _MAX_GROUPS:
                key = (transport, agency, None)
            group = self._groups.get(key) or self._open(key)
        return group

    def _open(self, key: tuple[str, str, str | None]) -> _Group:
        transport, agency, sender = key
        stream = f"{agency}/{self._collector.source.id}"
        group = _Group(stream, agency, sender, transport, self._collector.now(), self._loop.time())
        self._groups[key] = group
        return group

    def _name(self, address: str) -> tuple[str, str]:
        """Return the agency and the plain form of an address: ``::ffff:10.0.0.1`` is ``10.0.0.1``."""
        plain = address.partition("%")[0]
        with contextlib.suppress(ValueError):
            ip = ipaddress.ip_address(plain)
            plain = str(getattr(ip, "ipv4_mapped", None) or ip)
        if len(self._agencies) >= _MAX_AGENCIES:
            self._agencies.clear()
        named = self._agencies[address] = self._collector.agency_of(plain), plain
        return named

    async def flush_until(self, stop: asyncio.Event, emit: Emit) -> None:
        """Hand batches on, full ones at once, others when they have waited; all of them at the end."""
        seconds = self._collector.flush_seconds
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), seconds / 2)
            self.wake.clear()
            due = self._loop.time() - seconds
            full = self._collector.flush_records
            for key, group in list(self._groups.items()):
                if group.since <= due or len(group.records) >= full:
                    await self._flush(key, emit)
        for key in list(self._groups):
            await self._flush(key, emit)

    async def _flush(self, key: tuple[str, str, str | None], emit: Emit) -> None:
        group = self._groups.pop(key)
        most = self._collector.flush_records
        room = self._rooms[group.transport]
        if group.dropped:
            detail = "Datagrams found no room: records came faster than they were stored."
            group.refused.append(Refused("queue_full", detail, count=group.dropped))
            room.records += 1
        for begin in range(0, max(1, len(group.records)), most):
            refused = tuple(group.refused) if not begin else ()
            batch = self._batch(group, begin, begin + most, refused)
            await emit(batch)
            room.records -= len(batch.records) + len(refused)
        room.size -= group.size
        self._space.set()

    def _batch(self, group: _Group, begin: int, end: int, refused: tuple[Refused, ...]) -> Batch:
        collector = self._collector
        source = collector.source
        return Batch(
            stream=group.stream,
            agency=group.agency,
            parser=source.parser,
            records=tuple(group.records[begin:end]),
            offsets=tuple(group.offsets[begin:end]),
            arrived=group.arrived,
            path=f"{group.transport}://{source.host}:{collector.bound.get(group.transport, source.port)}",
            identity=self._session,
            sender=group.sender,
            refused=refused,
            parser_options=source.options,
            timezone=source.timezone,
        )


async def _bound(source: SyslogSource, kind: socket.SocketKind) -> socket.socket:
    """Return a socket bound to the source's address."""
    found = await asyncio.get_running_loop().getaddrinfo(
        source.host, source.port, type=kind, flags=socket.AI_PASSIVE
    )
    family, _, _, _, address = found[0]
    return _bind(family, kind, address)


def _bind(family: int, kind: socket.SocketKind, address: tuple[str | int | bytes, ...]) -> socket.socket:
    listener = socket.socket(family, kind)
    try:
        listener.setblocking(False)
        if kind is socket.SOCK_STREAM:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        if family == socket.AF_INET6 and address[0] == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


@contextlib.asynccontextmanager
async def _listen_udp(collector: SyslogCollector, queue: _Queue) -> AsyncIterator[int]:
    """Receive datagrams inside the block; yields the port.

    The socket is read directly, many datagrams a turn: asyncio's own transport takes one a turn.
    """
    source = collector.source
    listener = await _bound(source, socket.SOCK_DGRAM)
    size = min(source.max_message_bytes + 1, 1 << 16)

    def receive(most: int = _BURST) -> bool:
        for _number in range(most):
            try:
                data, address = listener.recvfrom(size)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:  # an answer to somebody else's datagram, for example
                _log.debug("syslog.receive_failed", error=str(error))
                return False
            queue.add_datagram(address[0], data)
        return True

    loop = asyncio.get_running_loop()
    loop.add_reader(listener, receive)
    try:
        yield listener.getsockname()[1]
    finally:
        loop.remove_reader(listener)
        receive(collector.max_queued_records)
        listener.close()


@contextlib.asynccontextmanager
async def _listen_tcp(collector: SyslogCollector, queue: _Queue) -> AsyncIterator[int]:
    """Accept connections inside the block; yields the port."""
    source = collector.source
    listener = await _bound(source, socket.SOCK_STREAM)
    connections: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(connections) >= source.max_connections:
            _log.warning("syslog.too_many_connections", source=source.id, most=source.max_connections)
            writer.transport.abort()
            return
        connections.add(task)
        try:
            await _converse(reader, writer, source, queue)
        except asyncio.CancelledError:
            pass  # the listener ends: what the connection brought is in the queue
        finally:
            connections.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(accept, sock=listener, limit=_READ, backlog=_BACKLOG)
    try:
        yield listener.getsockname()[1]
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: SyslogSource, queue: _Queue
) -> None:
    """Take in what one connection brings, until it ends, is silent for too long or loses its frames."""
    peer = writer.get_extra_info("peername")
    address = peer[0] if peer else ""
    deframer = Deframer(source.max_message_bytes)
    try:
        while not deframer.broken:
            async with asyncio.timeout(source.idle_timeout_seconds):
                data = await reader.read(_READ)
            if not data:
                break
            deframer.feed(data)
            records, refused = deframer.take()
            if records or refused:
                queue.add("tcp", address, records, refused)
            await queue.wait_for_room("tcp")
    except (TimeoutError, ConnectionError) as error:
        _log.debug("syslog.connection_ended", sender=address, error=type(error).__name__)
    finally:
        deframer.finish()
        records, refused = deframer.take()
        if records or refused:
            queue.add("tcp", address, records, refused)
