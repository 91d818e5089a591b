"""Send simulated syslog from each agency's own address over UDP and TCP, paced so that UDP is not lost."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from citysoc.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from citysoc.simulation.write import Frame

_BURST = 40
"""Frames between two looks at the clock: a receiver's default buffer holds several hundred."""
_MAX_SOCKETS = 400
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Sent:
    """How many frames went out, by transport."""

    udp: int = 0
    tcp: int = 0


def send(frames: Iterable[Frame], *, host: str, ports: Mapping[str, int], per_second: int = 4000) -> Sent:
    """Send frames, each from its sender's address.

    Over TCP every second sender counts octets, the others end each message with a line feed (RFC 6587).

    Args:
        frames: what to send.
        host: the listener's IPv4 address; a loopback one, since the senders are 127.0.0.0/8.
        ports: the listener's port by transport, ``udp`` and ``tcp``.
        per_second: how fast.

    Returns:
        What was sent. TCP connections are closed, so everything has left.

    Raises:
        DeliveryError: nobody listens, or a sender's address cannot be used.
    """
    counts = {"udp": 0, "tcp": 0}
    began = time.monotonic()
    with _Sockets(host, ports) as sockets:
        for number, frame in enumerate(frames, 1):
            try:
                sockets.open(frame.sender, frame.transport).sendall(_framed(frame))
            except OSError as error:
                raise DeliveryError(
                    f"Sending syslog from {frame.sender} over {frame.transport} failed: {error.strerror}.",
                    where=f"{host}:{ports.get(frame.transport)}",
                    hint="Start the listener first, and use a system where all of 127.0.0.0/8 is local.",
                ) from error
            counts[frame.transport] += 1
            if number % _BURST == 0:
                time.sleep(max(0.0, began + number / per_second - time.monotonic()))
    return Sent(**counts)


def _framed(frame: Frame) -> bytes:
    if frame.transport == "udp":
        return frame.payload
    if int(frame.sender.rpartition(".")[2]) % 2:
        return frame.payload + b"\n"
    return b"%d %b" % (len(frame.payload), frame.payload)


class _Sockets:
    """One socket a sender and transport; all are closed, and opened anew, when they are too many."""

    def __init__(self, host: str, ports: Mapping[str, int]) -> None:
        self._host = host
        self._ports = ports
        self._open: dict[tuple[str, str], socket.socket] = {}
        self._stack = ExitStack()

    def __enter__(self) -> _Sockets:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def open(self, sender: str, transport: str) -> socket.socket:
        """Return the connected socket of a sender."""
        if found := self._open.get((sender, transport)):
            return found
        if len(self._open) >= _MAX_SOCKETS:
            self._stack.close()
            self._open.clear()
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        made = self._stack.enter_context(socket.socket(socket.AF_INET, kind))
        made.settimeout(_TIMEOUT_SECONDS)
        made.bind((sender, 0))
        made.connect((self._host, self._ports[transport]))
        self._open[sender, transport] = made
        return made
