"""The city as built from the registry: every agency's machines, accounts, servers, devices and streams.

An agency's equipment follows from its level: city bodies and departments have a FortiGate, a sensor
and servers, communes a small router. Nothing here is drawn from the month or the number of records,
so the same registry and seed give the same city.
"""

from __future__ import annotations

import ipaddress
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from citysoc.simulation import names
from citysoc.simulation.formats.facts import Device
from citysoc.simulation.formats.windows import Computer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from citysoc.config.agencies import Agency

SOURCES = ("firewall", "antivirus", "ids", "dns", "web", "windows", "syslog")
"""The ids of the sources that the simulation can speak for, as in the example configuration."""

_MACHINES = {"party": 30, "city": 45, "department": 40, "subordinate": 15, "hospital": 40, "school": 20}
"""Machines of an agency without managed antivirus, by level; others have a dozen."""

_RELAYED = (
    ("relay-fortigate", 4),
    ("relay-mikrotik", 3),
    ("relay-draytek", 2),
    ("relay-router", 1),
    ("relay-cef", 1),
    ("relay-leef", 1),
)
"""The devices that send syslog, and how many of each among a dozen."""

_VENDORS = {
    "firewall": (("fortigate", 1),),
    "antivirus": (("csv", 6), ("text", 2), ("xlsx", 1), ("avreport", 1)),
    "ids": (("suricata", 1),),
    "dns": (("zeek-dns", 1),),
    "web": (("webaccess", 1),),
    "windows": (("winlog", 1),),
    "syslog": _RELAYED,
}
"""The formats of each source, and how many agencies have each."""


class Host(NamedTuple):
    """A machine that people work at: short name, address, the account that uses it, its system."""

    name: str
    address: str
    user: str
    system: str

    @property
    def computer(self) -> Computer:
        """The machine as Windows names it."""
        return Computer(f"{self.name}.{names.DOMAIN}", "HUE", self.address)


@dataclass(frozen=True, slots=True)
class Site:
    """One agency's equipment.

    Args:
        agency: the agency.
        number: its place in the registry.
        hosts: its machines.
        device: its firewall or router.
        web: name and address of its web server.
        server: name and address of its Linux server.
        resolver: its DNS server's address.
        relay: the address its syslog comes from.
    """

    agency: Agency
    number: int
    hosts: tuple[Host, ...]
    device: Device
    web: tuple[str, str]
    server: tuple[str, str]
    resolver: str
    relay: str


@dataclass(frozen=True, slots=True)
class Stream:
    """One source of one agency as the simulation speaks for it.

    Args:
        id: ``<agency id>/<source id>``.
        source: one of ``SOURCES``.
        vendor: the format, for example ``fortigate`` or ``suricata``.
        site: the agency's equipment.
        weight: its share among the streams of its source.
    """

    id: str
    source: str
    vendor: str
    site: Site
    weight: float


@dataclass(frozen=True, slots=True)
class City:
    """Every site and every stream, in the registry's order."""

    sites: tuple[Site, ...]
    streams: tuple[Stream, ...]


def build(agencies: Iterable[Agency], seed: int) -> City:
    """Return the city of a registry.

    Args:
        agencies: the registry; agencies that expect none of ``SOURCES`` stay silent.
        seed: names the city among all possible ones.
    """
    sites = tuple(_site(agency, number, seed) for number, agency in enumerate(agencies))
    streams = tuple(
        _stream(site, source, seed) for site in sites for source in site.agency.expects if source in SOURCES
    )
    return City(sites, streams)


def _site(agency: Agency, number: int, seed: int) -> Site:
    rng = random.Random(f"{seed}/site/{agency.id}")
    network = _network(agency, number)
    place, room = int(network.network_address), max(1, network.num_addresses - 12)
    address = [str(ipaddress.ip_address(place + n % network.num_addresses)) for n in range(10)]
    prefix = "".join(part[0] for part in agency.id.split("-"))[:4].upper() + f"{number:03}"
    count = agency.antivirus.machines if agency.antivirus else _MACHINES.get(agency.level, 12)
    systems = rng.choices(names.SYSTEMS, names.SYSTEM_WEIGHTS, k=count)
    hosts = tuple(
        Host(
            name=f"{prefix}-PC{n + 1:03}",
            address=str(ipaddress.ip_address(place + 10 + n % room)),
            user=f"{names.ROLES[n % len(names.ROLES)]}{n // len(names.ROLES) + 1:02}",
            system=systems[n],
        )
        for n in range(max(1, count))
    )
    serial = f"FGT60FTK21{rng.randrange(10**6):06}"
    relays = [sender for sender in agency.senders if sender.startswith("127.")]
    return Site(
        agency=agency,
        number=number,
        hosts=hosts,
        device=Device(f"FW-{prefix}", serial, address[1], address[1]),
        web=(f"{agency.id}.{names.DOMAIN}", address[3]),
        server=(f"{prefix.lower()}-srv01", address[2]),
        resolver=address[4],
        relay=relays[0] if relays else _relay(number),
    )


def with_relays(agencies: Iterable[Agency]) -> tuple[Agency, ...]:
    """Return the registry in which every agency that expects syslog has a sender on this machine.

    The simulation sends each agency's syslog from an address of 127.0.0.0/8, which the registry must
    know for the records to find their agency.
    """
    return tuple(
        agency.model_copy(update={"senders": (*agency.senders, _relay(number))})
        if "syslog" in agency.expects and not any(s.startswith("127.") for s in agency.senders)
        else agency
        for number, agency in enumerate(agencies)
    )


def _relay(number: int) -> str:
    return f"127.46.{number // 250}.{number % 250 + 2}"


def _network(agency: Agency, number: int) -> ipaddress.IPv4Network:
    for text in agency.networks:
        network = ipaddress.ip_network(text)
        if isinstance(network, ipaddress.IPv4Network) and network.num_addresses >= 16:
            return network
    return ipaddress.IPv4Network((0x0AC80000 + number * 256, 24))  # 10.200.0.0/24 and on


def _stream(site: Site, source: str, seed: int) -> Stream:
    id_ = f"{site.agency.id}/{source}"
    rng = random.Random(f"{seed}/stream/{id_}")
    vendors, weights = zip(*_VENDORS[source], strict=True)
    vendor = rng.choices(vendors, weights)[0]
    weight = len(site.hosts) ** 0.6 * rng.lognormvariate(0, 0.5)
    return Stream(id_, source, vendor, site, weight)
