"""Who talks to whom on an ordinary day: scanners, visitors, questions for names."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from citysoc.simulation import names
from citysoc.simulation.formats.facts import Flow

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from citysoc.simulation.city import Host, Site


T = TypeVar("T")


def spread(values: Sequence[T], weights: Sequence[int]) -> tuple[T, ...]:
    """Return the values repeated by weight: one look-up instead of a weighted choice a record."""
    total = sum(weights)
    return tuple(v for v, w in zip(values, weights, strict=True) for _ in range(max(1, w * 200 // total)))


_PORTS = spread(names.SCANNED_PORTS, names.SCANNED_WEIGHTS)
SITES = spread(names.SITES, names.SITE_WEIGHTS)


def scan(rng: random.Random, dst: str) -> Flow:
    """Return a scanner's knock at an address."""
    r = rng.random
    port = _PORTS[int(r() * len(_PORTS))]
    # Squared: a few scanners knock much more often than the others.
    return Flow(
        f"192.0.2.{int(r() ** 2 * 254) + 1}",
        int(r() * 64000) + 1024,
        dst,
        port,
        "UDP" if port == 5060 else "TCP",
        number=int(r() * 2e9),
        inbound=True,
    )


def someone(rng: random.Random, site: Site) -> Host:
    """Return any machine of the agency."""
    return site.hosts[int(rng.random() * len(site.hosts))]


def visit(rng: random.Random, source: str) -> Flow:
    """Return a machine's visit to an ordinary place on the Internet."""
    r = rng.random
    size = int(10 ** (2.5 + 3 * r()))
    return Flow(
        source,
        int(r() * 16000) + 49152,
        f"203.0.113.{int(r() ** 2 * 60) + 10}",
        443 if r() < 0.9 else 80,
        sent=size // 8 + 300,
        received=size,
        seconds=int(r() * 90) + 1,
        number=int(r() * 2e9),
    )


def question(rng: random.Random, site: Site) -> Flow:
    """Return the way of a DNS question to the agency's resolver."""
    r = rng.random
    source = someone(rng, site).address
    return Flow(source, int(r() * 16000) + 49152, site.resolver, 53, "UDP", number=int(r() * 2e9))
