"""The neutral facts that the format modules render: a conversation between two addresses, a device."""

from __future__ import annotations

from typing import NamedTuple


class Flow(NamedTuple):
    """One conversation between two addresses.

    Args:
        src: source address.
        sport: source port.
        dst: destination address.
        dport: destination port.
        proto: ``TCP``, ``UDP`` or ``ICMP``.
        sent: bytes from the source.
        received: bytes back to it.
        seconds: how long it lasted.
        number: a session or flow number.
        inbound: whether it came from the Internet.
    """

    src: str
    sport: int
    dst: str
    dport: int
    proto: str = "TCP"
    sent: int = 0
    received: int = 0
    seconds: int = 0
    number: int = 0
    inbound: bool = False


class Device(NamedTuple):
    """A firewall, router or sensor.

    Args:
        name: its host name.
        serial: its serial number.
        address: its own address.
        outside: its address towards the Internet.
    """

    name: str
    serial: str
    address: str
    outside: str


_COUNTRIES = (
    "United States",
    "Netherlands",
    "Germany",
    "Singapore",
    "France",
    "Brazil",
    "India",
    "Bulgaria",
    "Canada",
    "Japan",
)


def country(address: str) -> str:
    """Return a made-up but steady country of a documentation address; Vietnam for 203.0.113.0/24."""
    if address.startswith("203.0.113."):
        return "Vietnam"
    if address.startswith(("192.0.2.", "198.51.100.")):
        return _COUNTRIES[int(address.rpartition(".")[2]) % len(_COUNTRIES)]
    return "Reserved"


SERVICES = {
    21: "FTP",
    22: "SSH",
    23: "TELNET",
    25: "SMTP",
    53: "DNS",
    80: "HTTP",
    123: "NTP",
    443: "HTTPS",
    445: "SMB",
    1433: "MS-SQL",
    3306: "MYSQL",
    3389: "RDP",
    5060: "SIP",
    5900: "VNC",
}
"""Well-known services by port, as firewalls name them."""


def service(flow: Flow) -> str:
    """Return the firewall's name of the flow's service, for example ``HTTPS`` or ``tcp/8443``."""
    return SERVICES.get(flow.dport) or f"{flow.proto.lower()}/{flow.dport}"
