"""The syslog listener: real sockets, every way of framing, every sender under its agency, nothing uncounted."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.collectors.rfc6587 import Deframer
from citysoc.collectors.syslog import SyslogCollector
from citysoc.config.sources import SyslogSource
from citysoc.errors import SourceError

AGENCIES = {"127.0.0.2": "ward-a", "127.0.0.3": "ward-b", "::1": "city"}


class Listening:
    """A listener under test, and what it handed on."""

    def __init__(self, *, emit=None, options=None, **source):
        fields = {"id": "fw", "kind": "syslog", "port": 0, "host": "127.0.0.1", **source}
        self.collector = SyslogCollector(
            source=SyslogSource(**fields),
            agency_of=lambda address: AGENCIES.get(address, "unknown"),
            **{"flush_seconds": 0.02, **(options or {})},
        )
        self.batches = []
        self.emit = emit or self.take

    async def take(self, batch):
        self.batches.append(batch)

    async def __aenter__(self):
        self.task = asyncio.create_task(self.collector.serve(self.emit))
        ready = asyncio.create_task(self.collector.ready.wait())
        await asyncio.wait([self.task, ready], return_when=asyncio.FIRST_COMPLETED)
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def until(self, count, seconds=5.0):
        async with asyncio.timeout(seconds):
            while sum(batch.received for batch in self.batches) < count:
                await asyncio.sleep(0.005)

    @property
    def records(self):
        return [record for batch in self.batches for record in batch.records]

    @property
    def refused(self):
        return [refused for batch in self.batches for refused in batch.refused]

    def udp(self, *messages, sender="127.0.0.1", family=socket.AF_INET):
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((sender, 0))
            host = self.collector.source.host
            for message in messages:
                sock.sendto(message, (host, self.collector.bound["udp"]))

    async def tcp(self, *pieces, sender="127.0.0.1", pause=0.0):
        _, writer = await asyncio.open_connection(
            self.collector.source.host, self.collector.bound["tcp"], local_addr=(sender, 0)
        )
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def scenario(test):
    """Run an asynchronous test."""

    def run():
        asyncio.run(asyncio.wait_for(test(), 30))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@scenario
async def test_each_sender_speaks_for_its_own_agency():
    async with Listening() as listening:
        listening.udp(b"<13>a1\n", b"<13>a2", sender="127.0.0.2")
        listening.udp(b"<13>b1", sender="127.0.0.3")
        await listening.tcp(b"<13>b2\n", sender="127.0.0.3")
        listening.udp(b"<13>x1")
        await listening.until(5)
    found = {(b.stream, b.sender, b.path.partition(":")[0], r) for b in listening.batches for r in b.records}
    assert found == {
        ("ward-a/fw", "127.0.0.2", "udp", b"<13>a1"),
        ("ward-a/fw", "127.0.0.2", "udp", b"<13>a2"),
        ("ward-b/fw", "127.0.0.3", "udp", b"<13>b1"),
        ("ward-b/fw", "127.0.0.3", "tcp", b"<13>b2"),
        ("unknown/fw", "127.0.0.1", "udp", b"<13>x1"),
    }
    places = [(b.identity, offset) for b in listening.batches for offset in b.offsets]
    assert len(set(places)) == 5


@scenario
async def test_ipv6_senders_are_heard():
    async with Listening(host="::1") as listening:
        listening.udp(b"<13>six", sender="::1", family=socket.AF_INET6)
        await listening.tcp(b"3 <1>", sender="::1")
        await listening.until(2)
    assert {b.agency for b in listening.batches} == {"city"}
    assert sorted(listening.records) == [b"<13>six", b"<1>"]


@scenario
async def test_octet_counted_frames_may_be_cut_at_every_byte():
    messages = [b"<34>1 - a\nb", "<34>độc hại".encode(), b"<13>12 monkeys"]
    data = b"".join(b"%d %s" % (len(m), m) for m in messages) + b"<13>a line\n" + b"6 <13>no"
    async with Listening() as listening:
        await listening.tcp(*(data[i : i + 1] for i in range(len(data))), pause=0.0005)
        await listening.until(5)
    assert listening.records == [*messages, b"<13>a line", b"<13>no"]


@scenario
async def test_a_broken_count_ends_only_its_own_connection():
    async with Listening() as listening:
        reader, writer = await asyncio.open_connection("127.0.0.1", listening.collector.bound["tcp"])
        writer.write(b"<13>before\n")
        await listening.tcp(b"5 <13>ano count<13>x", sender="127.0.0.2")
        await listening.until(3)
        writer.write(b"<13>after\n")
        await listening.until(4)
        writer.close()
    assert sorted(listening.records) == [b"<13>a", b"<13>after", b"<13>before", b"no count<13>x"]
    async with Listening() as listening:
        reader, writer = await asyncio.open_connection("127.0.0.1", listening.collector.bound["tcp"])
        writer.write(b"5 <13>a999999999999 <13>b\n")
        assert await reader.read() == b""
        writer.close()
        await listening.tcp(b"<13>still here\n")
        await listening.until(3)
    assert listening.records == [b"<13>a", b"<13>still here"]
    assert [one.reason for one in listening.refused] == ["syslog.framing"]


@scenario
async def test_overlong_messages_are_refused_and_the_rest_goes_on():
    long = b"<13>" + b"x" * 600
    async with Listening(max_message_bytes=480) as listening:
        listening.udp(long, b"<13>short")
        await listening.tcp(long + b"\n<13>line\n", b"%d %s" % (len(long), long), b"7 <13>end")
        await listening.until(6)
    assert sorted(listening.records) == [b"<13>end", b"<13>line", b"<13>short"]
    assert [(one.reason, one.sample) for one in listening.refused] == [("too_long", long[:480])] * 3


@scenario
async def test_datagrams_without_room_are_counted_and_none_is_forgotten():
    gate = asyncio.Event()
    listening = Listening(options={"max_queued_records": 50, "flush_records": 10})

    async def slow(batch):
        await gate.wait()
        listening.batches.append(batch)

    listening.emit = slow
    async with listening:
        listening.udp(*(b"<13>%d" % i for i in range(300)), sender="127.0.0.2")
        listening.udp(*(b"<13>%d" % i for i in range(100)), sender="127.0.0.3")
        await asyncio.sleep(0.2)
        gate.set()
        await listening.until(400)
    assert sum(batch.received for batch in listening.batches) == 400
    dropped = {b.agency: r.count for b in listening.batches for r in b.refused if r.reason == "queue_full"}
    assert dropped["ward-b"] == 100
    assert len(listening.records) + sum(dropped.values()) == 400


@scenario
async def test_tcp_senders_wait_for_a_slow_store_and_lose_nothing():
    listening = Listening(options={"max_queued_records": 100, "flush_records": 50})

    async def slow(batch):
        await asyncio.sleep(0.005)
        listening.batches.append(batch)

    listening.emit = slow
    data = b"".join(b"<13>%06d %s\n" % (i, b"y" * 400) for i in range(8000))
    async with listening:
        await listening.tcp(data, sender="127.0.0.2")
        await listening.until(8000, seconds=20)
    assert [int(record[4:10]) for record in listening.records] == list(range(8000))
    assert not listening.refused
    assert max(len(batch.records) for batch in listening.batches) <= 50


@scenario
async def test_stopping_hands_on_what_was_received():
    async with Listening(options={"flush_seconds": 60}) as listening:
        listening.udp(*(b"<13>%d" % i for i in range(20)))
        _reader, writer = await asyncio.open_connection("127.0.0.1", listening.collector.bound["tcp"])
        writer.write(b"<13>whole\n<13>half")
        await asyncio.sleep(0.1)
        listening.udp(b"<13>last")
        assert not listening.batches
    writer.close()
    assert len(listening.records) == 23


@scenario
async def test_silent_and_supernumerary_connections_are_closed():
    async with Listening(max_connections=1, idle_timeout_seconds=1) as listening:
        first, keep = await asyncio.open_connection("127.0.0.1", listening.collector.bound["tcp"])
        await asyncio.sleep(0.05)
        second, other = await asyncio.open_connection("127.0.0.1", listening.collector.bound["tcp"])
        with contextlib.suppress(ConnectionError):
            assert await second.read() == b""
        assert await asyncio.wait_for(first.read(), 5) == b""
        keep.close()
        other.close()
        await listening.tcp(b"<13>room again\n")
        await listening.until(1)


@scenario
async def test_a_store_that_fails_ends_the_listener():
    async def broken(_batch):
        raise SourceError("no")

    listening = Listening(emit=broken)
    async with listening:
        listening.udp(b"<13>x")
        await asyncio.wait([listening.task], timeout=5)
        with pytest.raises(SourceError):
            listening.task.result()
        listening.task = asyncio.create_task(asyncio.sleep(0))


@scenario
async def test_a_port_in_use_is_named():
    async with Listening(transports=("tcp",)) as listening:
        other = Listening(transports=("tcp",), port=listening.collector.bound["tcp"])
        with pytest.raises(SourceError, match="cannot listen"):
            await other.collector.serve(other.take)


MESSAGE = st.binary(min_size=1, max_size=30).map(lambda body: b"<1>" + body)
FRAME = st.one_of(
    MESSAGE.map(lambda m: b"%d %s" % (len(m), m)),
    MESSAGE.map(lambda m: m.replace(b"\n", b"").replace(b"\0", b"") + b"\n"),
    st.sampled_from(
        [b"\n", b"\r\n", b"\0", b"7", b"12 ", b"2026-10-01 x\n", b"\r9 <1>", b"x" * 50, b"0 ", b"9" * 25]
    ),
)


def deframe(pieces):
    deframer = Deframer(max_message_bytes=24)
    for piece in pieces:
        deframer.feed(piece)
    deframer.finish()
    records, refused = deframer.take()
    return (
        records,
        [(one.reason, one.sample) for one in refused if one.reason != "syslog.framing"],
        deframer.broken,
    )


@given(st.lists(FRAME, max_size=8).map(b"".join) | st.binary(max_size=60), st.data())
def test_frames_do_not_depend_on_how_the_bytes_arrive(data, draw):
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=6)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert deframe(pieces) == deframe([data]) == deframe([bytes([byte]) for byte in data])


@given(st.lists(st.tuples(MESSAGE, st.booleans()), max_size=10))
def test_counted_messages_and_lines_may_be_mixed(messages):
    messages = [(m if counted else m.translate(None, b"\n\0"), counted) for m, counted in messages]
    messages = [(m, counted) for m, counted in messages if len(m) <= 24]
    data = b"".join(b"%d %s" % (len(m), m) if counted else m + b"\n" for m, counted in messages)
    records, refused, broken = deframe([data])
    assert records == [m.strip(b"\r\n\0") for m, _ in messages]
    assert not refused
    assert not broken
