"""Normal life: what every stream says in a month without any planted attack.

Most of what a city's firewalls report is the Internet's noise. One city published 98.65 % scans
among its attacks of nine months; the shares below give about that. People's records follow office
hours, machines' and scanners' records do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from citysoc.simulation import names
from citysoc.simulation.formats import antivirus, cef, fortigate, suricata, syslog, webaccess, windows, zeek
from citysoc.simulation.formats.antivirus import Detection
from citysoc.simulation.formats.facts import Flow
from citysoc.simulation.formats.suricata import Signature

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from citysoc.simulation.city import Host, Site
    from citysoc.simulation.stamps import Stamps

    Write = Callable[[random.Random, Stamps, int, Site], "bytes | Detection"]


T = TypeVar("T")


class Kind(NamedTuple):
    """One kind of record: its name, its share, whether it follows office hours, what writes it."""

    name: str
    share: float
    office: bool
    write: Write


def _spread(values: Sequence[T], weights: Sequence[int]) -> tuple[T, ...]:
    """Return the values repeated by weight: one look-up instead of a weighted choice a record."""
    total = sum(weights)
    return tuple(v for v, w in zip(values, weights, strict=True) for _ in range(max(1, w * 200 // total)))


_PORTS = _spread(names.SCANNED_PORTS, names.SCANNED_WEIGHTS)
_SITES = _spread(names.SITES, names.SITE_WEIGHTS)
_MALWARE = _spread(names.MALWARE, names.MALWARE_WEIGHTS)
_PROGRAMS = _spread(names.PROGRAMS, names.PROGRAM_WEIGHTS)
_ACTIONS = (
    (antivirus.DELETED,) * 56
    + (antivirus.QUARANTINED,) * 20
    + (antivirus.CLEANED,) * 12
    + (antivirus.BLOCKED,) * 8
    + (antivirus.IGNORED,) * 2
    + (antivirus.UNRESOLVED, antivirus.RESTART)
)
_SCAN_SIGNATURES = (
    Signature(1_000_101, "CITY SCAN Many ports tried from one address", "Detection of a Network Scan", 3),
    Signature(1_000_102, "CITY SCAN Remote desktop tried from outside", "Attempted Information Leak", 2),
    Signature(1_000_103, "CITY SCAN Known scanner's user agent", "Detection of a Network Scan", 3),
    Signature(
        1_000_104, "CITY POLICY Plain password sent to a web page", "Potential Corporate Privacy Violation", 2
    ),
)
_SCAN_ATTACKS = (
    ("Port.Scanning", 12001, "low"),
    ("ZGrab.Scanner", 12002, "low"),
    ("Masscan.Scanner", 12003, "low"),
    ("HTTP.Unknown.Scanner.Probe", 12004, "medium"),
)


def _scan(rng: random.Random, dst: str) -> Flow:
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


def _host(rng: random.Random, site: Site) -> Host:
    return site.hosts[int(rng.random() * len(site.hosts))]


def _visit(rng: random.Random, source: str) -> Flow:
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


def _fg_scan(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    return fortigate.denied(stamps, at, site.device, _scan(rng, site.device.outside))


def _fg_visit(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    return fortigate.accepted(stamps, at, site.device, _visit(rng, _host(rng, site).address))


def _fg_page(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = _host(rng, site)
    return fortigate.web_filter(
        stamps,
        at,
        site.device,
        _visit(rng, host.address),
        host=_SITES[int(rng.random() * len(_SITES))],
        path="/",
        category=49,
        description="Government and Legal Organizations",
        blocked=False,
        user=host.user,
    )


def _fg_blocked_page(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = _host(rng, site)
    name, category, description = rng.choice(names.BLOCKED_SITES)
    return fortigate.web_filter(
        stamps,
        at,
        site.device,
        _visit(rng, host.address),
        host=name,
        path="/",
        category=category,
        description=description,
        blocked=True,
        user=host.user,
    )


def _fg_application(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    app, category, blocked = rng.choice((("BitTorrent", "P2P", True), ("QUIC", "Network.Service", False)))
    flow = _visit(rng, _host(rng, site).address)
    return fortigate.application(stamps, at, site.device, flow, app=app, category=category, blocked=blocked)


def _fg_probe(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    attack, number, severity = rng.choice(_SCAN_ATTACKS)
    flow = _scan(rng, site.web[1])
    return fortigate.intrusion(
        stamps, at, site.device, flow, attack=attack, attack_id=number, severity=severity
    )


def _fg_virus(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    flow = _visit(rng, _host(rng, site).address)._replace(dport=80)
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
        user=_host(rng, site).user,
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
    return syslog.mikrotik_drop(stamps, at, device=site.device, flow=_scan(rng, site.device.outside))


def _draytek(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    return syslog.draytek_block(stamps, at, device=site.device, flow=_scan(rng, site.device.outside))


def _router(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    return syslog.router_5424(stamps, at, device=site.device, flow=_scan(rng, site.device.outside))


def _router_lease(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = _host(rng, site)
    text = f"lan assigned {host.address} for 02:00:5E:20:{rng.randrange(256):02X}:01 {host.name}"
    return syslog.rfc3164(
        stamps, at, facility=syslog.LOCAL0, severity=6, host=site.device.name, tag="dhcp,info", text=text
    )


def _cef(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    flow = _scan(rng, site.device.outside)
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
    flow = _scan(rng, site.device.outside)
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


def _eve_flow(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    return suricata.flow_end(stamps, at, _visit(rng, _host(rng, site).address))


def _eve_tls(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    name = _SITES[int(rng.random() * len(_SITES))]
    return suricata.tls(stamps, at, _visit(rng, _host(rng, site).address), name=name)


def _eve_http(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    flow = _visit(rng, _host(rng, site).address)._replace(dport=80)
    return suricata.http(
        stamps,
        at,
        flow,
        host=_SITES[int(rng.random() * len(_SITES))],
        path=rng.choice(names.PAGES),
        method="GET",
        status=200,
        agent=names.BROWSERS[0],
    )


def _eve_dns(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    flow = _question(rng, site)
    return suricata.dns_query(stamps, at, flow, name=_SITES[int(rng.random() * len(_SITES))])


def _eve_scan(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    signature = _SCAN_SIGNATURES[int(rng.random() ** 2 * len(_SCAN_SIGNATURES))]
    return suricata.alert(stamps, at, _scan(rng, site.web[1]), signature, blocked=rng.random() < 0.3)


def _question(rng: random.Random, site: Site) -> Flow:
    r = rng.random
    source = _host(rng, site).address
    return Flow(source, int(r() * 16000) + 49152, site.resolver, 53, "UDP", number=int(r() * 2e9))


def _dns(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    flow, name = _question(rng, site), _SITES[int(rng.random() * len(_SITES))]
    kind = "AAAA" if flow.number % 9 == 0 else "A"
    answer = f"203.0.113.{flow.number % 60 + 10}" if kind == "A" else "2001:db8::10"
    return zeek.dns(stamps, at, flow, name="www." + name, kind=kind, answer=answer)


def _dns_typo(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    name = rng.choice(names.SITES)
    cut = rng.randrange(1, 6)
    return zeek.dns(stamps, at, _question(rng, site), name=name[:cut] + name[cut + 1 :], rcode=3)


def _dns_reverse(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    last = rng.randrange(1, 255)
    return zeek.dns(
        stamps, at, _question(rng, site), name=f"{last}.2.0.192.in-addr.arpa", kind="PTR", rcode=3
    )


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


def _logon(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = _host(rng, site)
    network = rng.random() < 0.4
    return windows.logon(
        stamps,
        at,
        host.computer,
        user=host.user,
        address=host.address if network else "127.0.0.1",
        logon_type=3 if network else 2,
        success=True,
    )


def _typo(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = _host(rng, site)
    unknown = rng.random() < 0.2
    return windows.logon(
        stamps,
        at,
        host.computer,
        user=host.user[:-1] if unknown else host.user,
        address="127.0.0.1",
        logon_type=2,
        success=False,
        reason="0xc0000064" if unknown else "0xc000006a",
    )


def _process(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = _host(rng, site)
    image, command, parent = _PROGRAMS[int(rng.random() * len(_PROGRAMS))]
    return windows.process_4688(
        stamps, at, host.computer, user=host.user, image=image, command=command, parent=parent
    )


def _process_sysmon(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = _host(rng, site)
    image, command, parent = _PROGRAMS[int(rng.random() * len(_PROGRAMS))]
    digest = f"{rng.getrandbits(256):064X}"
    return windows.process_sysmon(
        stamps, at, host.computer, user=host.user, image=image, command=command, parent=parent, digest=digest
    )


def _connection(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = _host(rng, site)
    return windows.connection_sysmon(
        stamps,
        at,
        host.computer,
        user=host.user,
        image="C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
        address=f"203.0.113.{int(rng.random() ** 2 * 60) + 10}",
        port=443,
        name=_SITES[int(rng.random() * len(_SITES))],
    )


def _file(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = _host(rng, site)
    target = f"C:\\Users\\{host.user}\\Documents\\To trinh {int(rng.random() * 400)}.docx"
    image = "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE"
    return windows.file_sysmon(stamps, at, host.computer, user=host.user, image=image, target=target)


def _detection(rng: random.Random, _stamps: Stamps, at: int, site: Site) -> Detection:
    # Squared: on some machines the same is found again and again.
    host = site.hosts[int(rng.random() ** 2 * len(site.hosts))]
    name, kind, path = _MALWARE[int(rng.random() * len(_MALWARE))]
    place = path.format(user=host.user, n=int(rng.random() * 40))
    action = _ACTIONS[int(rng.random() * len(_ACTIONS))]
    digest = f"{rng.getrandbits(128):032x}"
    return Detection(
        at,
        host.name,
        host.address,
        site.agency.name,
        host.user,
        name,
        kind,
        place,
        action,
        host.system,
        digest,
    )


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
    "webaccess": (Kind("page", 0.82, True, _page), Kind("scan", 0.18, False, _probe)),
    "winlog": (
        Kind("logon", 0.40, True, _logon),
        Kind("typo", 0.04, True, _typo),
        Kind("process", 0.24, True, _process),
        Kind("process-sysmon", 0.14, True, _process_sysmon),
        Kind("connection", 0.12, True, _connection),
        Kind("file", 0.06, True, _file),
    ),
    "antivirus": (Kind("detection", 1.0, True, _detection),),
}
"""What each vendor's stream says; shares need not add up to 1."""


def kinds_of(vendor: str) -> tuple[Kind, ...]:
    """Return what a vendor's streams say."""
    return KINDS["antivirus"] if vendor in {"csv", "text", "xlsx", "avreport"} else KINDS[vendor]
