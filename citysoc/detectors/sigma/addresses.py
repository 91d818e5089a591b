"""Addresses and networks of either version, IPv4 written as IPv6 among them."""

from __future__ import annotations

import functools
import ipaddress
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
"""IPv4 as IPv6 writes it."""


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return a network; one of IPv4 that is written as IPv6 as what it is."""
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        mapped = int(network.network_address) & 0xFFFF_FFFF
        return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED.prefixlen))
    return network


@functools.lru_cache(maxsize=65_536)
def addresses(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
    """Return the address that a text is, in both forms where it has two; none where it is no address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0].strip())
    except ValueError:
        return ()
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped, address) if mapped else (address,)


def within(networks: Sequence[str]) -> Callable[[str], bool]:
    """Return the function that says whether a text is an address in one of some networks."""
    known = list(map(network, networks))
    bounds = {version: _bounds([one for one in known if one.version == version]) for version in (4, 6)}

    @functools.lru_cache(maxsize=4096)
    def is_within(text: str) -> bool:
        return any(bisect_right(bounds[one.version], int(one)) & 1 for one in addresses(text))

    return is_within


def _bounds(networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> list[int]:
    """Return where networks begin and where they are over, in turn: behind an odd number of these is what lies in one."""
    bounds: list[int] = []
    for one in sorted(networks, key=lambda one: int(one.network_address)):
        begin = int(one.network_address)
        if not bounds or begin > bounds[-1]:
            bounds += [begin, begin]
        bounds[-1] = max(bounds[-1], begin + one.num_addresses)
    return bounds
