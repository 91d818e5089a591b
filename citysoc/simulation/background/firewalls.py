"""What firewalls, small routers and the Linux servers beside them say on an ordinary day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.simulation import names
from citysoc.simulation.background.kind import Kind
from citysoc.simulation.background.traffic import SITES, scan, someone, visit
from citysoc.simulation.formats import cef, fortigate, syslog

if TYPE_CHECKING:
    import random

    from citysoc.simulation.background.kind import Write
    from citysoc.simulation.city import Site
    from citysoc.simulation.stamps import Stamps


_SCAN_ATTACKS = (
    ("Port.Scanning", 12001, "low"),
    ("ZGrab.Scanner", 12002, "low"),
    ("Masscan.Scanner", 12003, "low"),
    ("HTTP.Unknown.Scanner.Probe", 12004, "medium"),
)


def _fg_scan(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    return fortigate.denied(stamps, at, site.device, scan(rng, site.device.outside))


def _fg_visit(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    return fortigate.accepted(stamps, at, site.device, visit(rng, someone(rng, site).address))


def _fg_page(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = someone(rng, site)
    return fortigate.web_filter(
        stamps,
        at,
        site.device,
        visit(rng, host.address),
        host=SITES[int(rng.random() * len(SITES))],
        path="/",
        category=49,
        description="Government and Legal Organizations",
        blocked=False,
        user=host.user,
    )


def _fg_blocked_page(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = someone(rng, site)
    name, category, description = rng.choice(names.BLOCKED_SITES)
    return fortigate.web_filter(
        stamps,
        at,
        site.device,
        visit(rng, host.address),
        host=name,
        path="/",
        category=category,
        description=description,
        blocked=True,
        user=host.user,
    )


def _fg_application(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    app, category, blocked = rng.choice((("BitTorrent", "P2P", True), ("QUIC", "Network.Service", False)))
    flow = visit(rng, someone(rng, site).address)
    return fortigate.application(stamps, at, site.device, flow, app=app, category=category, blocked=blocked)


def _fg_probe(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    attack, number, severity = rng.choice(_SCAN_ATTACKS)
    flow = scan(rng, site.web[1])
    return fortigate.intrusion(
        stamps, at, site.device, flow, attack=attack, attack_id=number, severity=severity
    )


def _fg_virus(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    flow = visit(rng, someone(rng, site).address)._replace(dport=80)
    return fortigate.virus(
        stamps,
        at,
        site.device,
        flow,
        name=rng.choice(("JS/Redirector.XY!tr", "W32/Bundler.Q!adware", "HTML/Phish.KT!tr")),
        filename=f"tai-ve-{rng.randrange(900)}.js",
        url=f"http://quangcao-xau.example/f{rng.randrange(900)}",
        digest=f"{rng.getrandbits(256):064x}",
    )


def _fg_tunnel(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    # From home, which for an employee is in Vietnam; one in eight mistypes.
    return fortigate.tunnel(
        stamps,
        at,
        site.device,
        user=someone(rng, site).user,
        address=f"203.0.113.{rng.randrange(100, 200)}",
        success=rng.random() > 0.12,
    )


def _fg_admin(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    user, address = "quantri01", site.hosts[0].address
    return fortigate.administrator(
        stamps, at, site.device, user=user, address=address, success=rng.random() > 0.1
    )


def _fg_heartbeat(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    r = rng.random
    return fortigate.heartbeat(
        stamps,
        at,
        site.device,
        cpu=int(r() * 40) + 2,
        memory=int(r() * 30) + 30,
        sessions=int(r() * 900) + 20,
    )


def _relayed(write: Write) -> Write:
    """Return the writer of the same record as a firewall sends it by syslog."""

    def relayed(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
        line = write(rng, stamps, at, site)
        return b"<189>" + line if isinstance(line, bytes) else b""

    return relayed


def _mikrotik(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    return syslog.mikrotik_drop(stamps, at, device=site.device, flow=scan(rng, site.device.outside))


def _draytek(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    return syslog.draytek_block(stamps, at, device=site.device, flow=scan(rng, site.device.outside))


def _router(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    return syslog.router_5424(stamps, at, device=site.device, flow=scan(rng, site.device.outside))


def _router_lease(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = someone(rng, site)
    text = f"lan assigned {host.address} for 02:00:5E:20:{rng.randrange(256):02X}:01 {host.name}"
    return syslog.rfc3164(
        stamps, at, facility=syslog.LOCAL0, severity=6, host=site.device.name, tag="dhcp,info", text=text
    )


def _cef(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    flow = scan(rng, site.device.outside)
    return cef.cef(
        stamps,
        at,
        device=site.device,
        flow=flow,
        event="1001",
        name="Inbound connection denied",
        severity=3,
        action="deny",
    )


def _leef(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    flow = scan(rng, site.device.outside)
    return cef.leef(stamps, at, device=site.device, flow=flow, event="Deny", severity=3, action="deny")


def _ssh(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    outcome = "accepted" if rng.random() > 0.08 else "failed"
    return syslog.logon(
        stamps,
        at,
        host=site.server[0],
        user="cntt01",
        address=site.hosts[0].address,
        port=rng.randrange(49152, 65535),
        process=rng.randrange(900, 30000),
        outcome=outcome,
    )


def _sudo(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    command = rng.choice(("/usr/bin/systemctl status nginx", "/usr/bin/apt update", "/usr/local/bin/sao-luu"))
    return syslog.sudo(stamps, at, host=site.server[0], user="cntt01", command=command)


_LIFE_OF_SERVERS = (Kind("ssh-logon", 0.02, True, _ssh), Kind("sudo", 0.02, True, _sudo))
_FORTIGATE = (
    Kind("scan", 0.80, False, _fg_scan),
    Kind("visit", 0.11, True, _fg_visit),
    Kind("page", 0.03, True, _fg_page),
    Kind("blocked-page", 0.025, True, _fg_blocked_page),
    Kind("application", 0.012, True, _fg_application),
    Kind("probe", 0.006, False, _fg_probe),
    Kind("virus", 0.001, True, _fg_virus),
    Kind("tunnel", 0.004, True, _fg_tunnel),
    Kind("admin", 0.001, True, _fg_admin),
    Kind("heartbeat", 0.011, False, _fg_heartbeat),
)


KINDS: dict[str, tuple[Kind, ...]] = {
    "fortigate": _FORTIGATE,
    "relay-fortigate": tuple(k._replace(write=_relayed(k.write)) for k in _FORTIGATE) + _LIFE_OF_SERVERS,
    "relay-mikrotik": (
        Kind("scan", 0.9, False, _mikrotik),
        Kind("lease", 0.06, True, _router_lease),
        *_LIFE_OF_SERVERS,
    ),
    "relay-draytek": (Kind("scan", 0.96, False, _draytek), *_LIFE_OF_SERVERS),
    "relay-router": (Kind("scan", 0.96, False, _router), *_LIFE_OF_SERVERS),
    "relay-cef": (Kind("scan", 0.96, False, _cef), *_LIFE_OF_SERVERS),
    "relay-leef": (Kind("scan", 0.96, False, _leef), *_LIFE_OF_SERVERS),
}
