"""What sensors, name servers and web servers say on an ordinary day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.simulation import names
from citysoc.simulation.background.kind import Kind
from citysoc.simulation.background.traffic import SITES, question, scan, someone, visit
from citysoc.simulation.formats import suricata, webaccess, zeek
from citysoc.simulation.formats.suricata import Signature

if TYPE_CHECKING:
    import random

    from citysoc.simulation.city import Site
    from citysoc.simulation.stamps import Stamps


_SCAN_SIGNATURES = (
    Signature(1_000_101, "CITY SCAN Many ports tried from one address", "Detection of a Network Scan", 3),
    Signature(1_000_102, "CITY SCAN Remote desktop tried from outside", "Attempted Information Leak", 2),
    Signature(1_000_103, "CITY SCAN Known scanner's user agent", "Detection of a Network Scan", 3),
    Signature(
        1_000_104, "CITY POLICY Plain password sent to a web page", "Potential Corporate Privacy Violation", 2
    ),
)


def _eve_flow(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    return suricata.flow_end(stamps, at, visit(rng, someone(rng, site).address))


def _eve_tls(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    name = SITES[int(rng.random() * len(SITES))]
    return suricata.tls(stamps, at, visit(rng, someone(rng, site).address), name=name)


def _eve_http(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    flow = visit(rng, someone(rng, site).address)._replace(dport=80)
    return suricata.http(
        stamps,
        at,
        flow,
        host=SITES[int(rng.random() * len(SITES))],
        path=rng.choice(names.PAGES),
        method="GET",
        status=200,
        agent=names.BROWSERS[0],
    )


def _eve_dns(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    flow = question(rng, site)
    return suricata.dns_query(stamps, at, flow, name=SITES[int(rng.random() * len(SITES))])


def _eve_scan(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    signature = _SCAN_SIGNATURES[int(rng.random() ** 2 * len(_SCAN_SIGNATURES))]
    return suricata.alert(stamps, at, scan(rng, site.web[1]), signature, blocked=rng.random() < 0.3)


def _dns(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    flow, name = question(rng, site), SITES[int(rng.random() * len(SITES))]
    kind = "AAAA" if flow.number % 9 == 0 else "A"
    answer = f"203.0.113.{flow.number % 60 + 10}" if kind == "A" else "2001:db8::10"
    return zeek.dns(stamps, at, flow, name="www." + name, kind=kind, answer=answer)


def _dns_typo(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    name = rng.choice(names.SITES)
    cut = rng.randrange(1, 6)
    return zeek.dns(stamps, at, question(rng, site), name=name[:cut] + name[cut + 1 :], rcode=3)


def _dns_reverse(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    last = rng.randrange(1, 255)
    return zeek.dns(stamps, at, question(rng, site), name=f"{last}.2.0.192.in-addr.arpa", kind="PTR", rcode=3)


def _page(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    r = rng.random
    target = names.PAGES[int(r() * len(names.PAGES))]
    return webaccess.request(
        stamps,
        at,
        address=f"203.0.113.{int(r() * 150) + 100}",
        target=target,
        status=304 if r() < 0.2 else 200,
        size=int(10 ** (2.5 + 2 * r())),
        referrer=f"https://{site.web[0]}/" if r() < 0.6 else "-",
        agent=names.BROWSERS[int(r() * len(names.BROWSERS))],
    )


def _probe(rng: random.Random, stamps: Stamps, at: int, _site: Site) -> bytes:
    r = rng.random
    return webaccess.request(
        stamps,
        at,
        address=f"192.0.2.{int(r() ** 2 * 254) + 1}",
        target=names.PROBES[int(r() * len(names.PROBES))],
        status=404,
        size=196,
        agent=names.SCANNERS[int(r() * len(names.SCANNERS))],
    )


def _conn(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    return zeek.conn(stamps, at, visit(rng, someone(rng, site).address), application="ssl")


def _conn_scan(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    return zeek.conn(stamps, at, scan(rng, site.web[1]), state="S0")


def _zeek_http(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    flow = visit(rng, someone(rng, site).address)._replace(dport=80)
    name, path = SITES[int(rng.random() * len(SITES))], rng.choice(names.PAGES)
    return zeek.http(
        stamps, at, flow, host=name, path=path, method="GET", status=200, agent=names.BROWSERS[0]
    )


KINDS: dict[str, tuple[Kind, ...]] = {
    "suricata": (
        Kind("flow", 0.30, True, _eve_flow),
        Kind("tls", 0.25, True, _eve_tls),
        Kind("http", 0.12, True, _eve_http),
        Kind("dns", 0.13, True, _eve_dns),
        Kind("scan", 0.20, False, _eve_scan),
    ),
    "zeek-dns": (
        Kind("question", 0.93, True, _dns),
        Kind("typo", 0.04, True, _dns_typo),
        Kind("reverse", 0.03, False, _dns_reverse),
    ),
    "zeek-conn": (Kind("visit", 0.6, True, _conn), Kind("scan", 0.4, False, _conn_scan)),
    "zeek-http": (Kind("page", 1.0, True, _zeek_http),),
    "webaccess": (Kind("page", 0.82, True, _page), Kind("scan", 0.18, False, _probe)),
}
