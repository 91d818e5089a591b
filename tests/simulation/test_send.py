"""Sending: each frame leaves from its sender's address and nothing is lost on the way."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from citysoc.errors import DeliveryError
from citysoc.simulation.send import send
from citysoc.simulation.write import Frame


@contextlib.contextmanager
def receiver():
    """Receive UDP and TCP on one port; gives the port and what came, by transport and sender."""
    came: dict[tuple[str, str], bytearray] = {}
    datagrams: list[tuple[str, bytes]] = []
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with udp, tcp:
        tcp.bind(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        tcp.listen()
        udp.settimeout(1.0)
        tcp.settimeout(1.0)

        def datagram_loop():
            with contextlib.suppress(TimeoutError):
                while True:
                    data, address = udp.recvfrom(65536)
                    datagrams.append((address[0], data))

        def accept_loop():
            with contextlib.suppress(TimeoutError):
                while True:
                    connection, address = tcp.accept()
                    with connection:
                        while data := connection.recv(65536):
                            came.setdefault(("tcp", address[0]), bytearray()).extend(data)

        threads = [threading.Thread(target=loop) for loop in (datagram_loop, accept_loop)]
        for thread in threads:
            thread.start()
        yield port, came, datagrams
        for thread in threads:
            thread.join()


def test_frames_leave_from_their_senders():
    udp = [Frame(f"127.46.0.{n % 5 + 2}", "udp", b"<13>ban tin %d" % n) for n in range(1500)]
    tcp = [Frame("127.46.0.9", "tcp", b"<13>a"), Frame("127.46.0.8", "tcp", b"<13>bc")]
    with receiver() as (port, came, datagrams):
        sent = send([*udp, *tcp], host="127.0.0.1", ports={"udp": port, "tcp": port}, per_second=20_000)
    assert (sent.udp, sent.tcp) == (1500, 2)
    assert datagrams == [(frame.sender, frame.payload) for frame in udp]
    assert came["tcp", "127.46.0.9"] == b"<13>a\n"
    assert came["tcp", "127.46.0.8"] == b"6 <13>bc"


def test_more_senders_than_sockets(monkeypatch):
    monkeypatch.setattr("citysoc.simulation.send._MAX_SOCKETS", 3)
    udp = [Frame(f"127.46.1.{n % 10 + 2}", "udp", b"<13>%d" % n) for n in range(50)]
    with receiver() as (port, _, datagrams):
        send(udp, host="127.0.0.1", ports={"udp": port, "tcp": port})
    assert datagrams == [(frame.sender, frame.payload) for frame in udp]


def test_nobody_listening_is_said_plainly():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(DeliveryError, match="Start the listener first"):
        send([Frame("127.46.0.2", "tcp", b"<13>x")], host="127.0.0.1", ports={"udp": port, "tcp": port})
