"""Which addresses a webhook may reach: none of our own network unless the configuration says so.

A name is resolved once, every address it has is judged, and the connection is then made to one of
these very addresses: a name server that answers differently the second time (DNS rebinding) is
never asked a second time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING, TypeAlias

from citysoc.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Resolver: TypeAlias = "Callable[[str, int], Awaitable[list[str]]]"
"""Takes a host and a port, gives its addresses in the order of preference."""

_Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_MAX_ADDRESSES = 8


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, as the operating system resolves it."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_rest, address in found))


async def reachable(
    host: str, port: int, *, allow_private_network: bool, resolver: Resolver = resolve
) -> list[str]:
    """Return the addresses of a host that may be connected to.

    Raises:
        DeliveryError: it has none, or one of them is not allowed: a public name with a private
            address beside it is an attempt to get inside.
        OSError: it cannot be resolved.
    """
    addresses = (await resolver(host, port))[:_MAX_ADDRESSES]
    if not addresses:
        raise DeliveryError("The receiver's name has no address.", transient=True)
    for text in addresses:
        if reason := refusal(text, allow_private_network=allow_private_network):
            raise DeliveryError(
                f"The receiver's address {text} is {reason}.",
                hint="Set allow_private_network if it is meant to be inside.",
            )
    return addresses


def refusal(text: str, *, allow_private_network: bool) -> str | None:
    """Say why an address must not be connected to, None where it may.

    Link-local addresses (cloud metadata services live there), multicast and the unspecified
    address are never allowed.

    >>> refusal("10.0.0.7", allow_private_network=False)
    'private'
    """
    address = _inner(ipaddress.ip_address(text.partition("%")[0]))
    never = {
        "unspecified": address.is_unspecified,
        "link-local": address.is_link_local,
        "multicast": address.is_multicast,
        "broadcast": str(address) == "255.255.255.255",
    }
    for reason, holds in never.items():
        if holds:
            return reason
    if allow_private_network or address.is_global:
        return None
    return "loopback" if address.is_loopback else "private"


def _inner(address: _Address) -> _Address:
    """Return the IPv4 address that an IPv6 address stands for: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address
