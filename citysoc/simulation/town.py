"""The machines of the city's ordinary life as columns, each with habits of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from citysoc.simulation import city as cities

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from citysoc.config.agencies import Agency

PLACES = 600
"""Ordinary places on the Internet, of 198.18.0.0/16 (RFC 2544)."""
_DUTY = frozenset({"hospital"})


@dataclass(frozen=True, slots=True)
class Town:
    """The machines of a city as columns, one row a machine.

    Args:
        built: the city.
        agency: the number of each machine's agency.
        name: short names.
        address: inside addresses.
        user: accounts.
        pace: how busy each machine is, events a working hour.
        duty: whether it works around the clock.
        favourites: (machines, 8) numbers of places it likes.
        windows: whether its agency sends Windows logs.
        dns: whether its agency sends DNS logs.
        backup: whether it sends copies away each night.
        agent: whether an agent on it calls a rare place at even intervals.
        sickly: how often malware is found on it, detections a working hour.
    """

    built: cities.City
    agency: np.ndarray
    name: np.ndarray
    address: np.ndarray
    user: np.ndarray
    pace: np.ndarray
    duty: np.ndarray
    favourites: np.ndarray
    windows: np.ndarray
    dns: np.ndarray
    backup: np.ndarray
    agent: np.ndarray
    sickly: np.ndarray


def settle(agencies: Iterable[Agency], seed: int, *, pace: float = 2.0) -> Town:
    """Give every machine of a registry its habits.

    Args:
        agencies: the registry.
        seed: the same seed gives the same habits.
        pace: events of the median machine in a working hour.
    """
    import numpy as np

    built = cities.build(agencies, seed)
    rng = np.random.default_rng([seed, 1])
    hosts = [(n, host) for n, site in enumerate(built.sites) for host in site.hosts]
    count, sites = len(hosts), len(built.sites)
    agency = np.array([n for n, _ in hosts])
    mood = rng.lognormal(0, 0.35, sites)
    server = rng.random(count)
    common = (rng.random((count, 8)) ** 2.5 * 80).astype(int)
    own = 80 + (agency[:, None] * 7 + (rng.random((count, 8)) * 9).astype(int)) % (PLACES - 80)
    return Town(
        built=built,
        agency=agency,
        name=np.array([host.name for _, host in hosts]),
        address=np.array([host.address for _, host in hosts]),
        user=np.array([host.user for _, host in hosts]),
        pace=pace * rng.lognormal(0, 0.6, count) * mood[agency],
        duty=np.array([built.sites[n].agency.level in _DUTY for n, _ in hosts]) & (rng.random(count) < 0.4),
        favourites=np.where(rng.random((count, 8)) < 0.3, own, common),
        windows=(rng.random(sites) < 0.6)[agency],
        dns=(rng.random(sites) < 0.5)[agency],
        backup=server < 0.006,
        agent=server > 0.994,
        sickly=np.where(rng.random(count) < 0.08, 0.08, 0.0015) * rng.lognormal(0, 0.5, count),
    )
