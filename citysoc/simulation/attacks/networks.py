"""Attacks that firewalls, sensors, name servers and syslog senders see."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from citysoc.simulation.formats import fortigate, suricata, syslog, zeek
from citysoc.simulation.formats.suricata import Signature
from citysoc.simulation.stamps import MINUTE, SECOND

if TYPE_CHECKING:
    from citysoc.simulation.attacks.plot import Plot

C2_NAME = "update-check.c2-panel.example"
TUNNEL_NAME = "t.dns-tunnel.example"
POOL_NAME = "pool.xmr-mining.example"
SHARE_NAME = "tai-len.fileshare.example"
PHISHING_NAME = "dichvucong-hue.dang-nhap.example"

BEACON = Signature(
    1_000_301,
    "CITY MALWARE Known command-and-control name asked for by a beacon",
    "Malware Command and Control Activity Detected",
    1,
)


def c2_beacon(plot: Plot) -> None:
    """An infected machine calls its command server every few minutes."""
    if (stream := plot.find("ids", ("suricata",), also="dns")) is None:
        return
    host = plot.host(stream.site)
    plot.about(f"host:{host.name}", f"ip:{host.address}", f"domain:{C2_NAME}")
    server, at = plot.attacker(), plot.office_hours()
    names_seen = plot.beside(stream.site, "dns")
    for _ in range(48):
        http = {
            "hostname": C2_NAME,
            "url": "/gate?id=7f21",
            "http_method": "POST",
            "status": 200,
            "length": 12,
        }
        flow = plot.flow(host.address, server, 80)
        plot.put(stream, at, suricata.alert(plot.stamps, at, flow, BEACON, http=http))
        question = plot.flow(host.address, stream.site.resolver, 53, proto="UDP")
        plot.put(stream, at - 90, suricata.dns_query(plot.stamps, at - 90, question, name=C2_NAME))
        if names_seen is not None:
            line = zeek.dns(plot.stamps, at - 80, question, name=C2_NAME, answer=server)
            plot.put(names_seen, at - 80, line)
        at += 7 * MINUTE + plot.rng.randrange(-40, 40) * SECOND


def dns_tunnel(plot: Plot) -> None:
    """Data leaves a machine inside long DNS names."""
    if (stream := plot.find("dns", ("zeek-dns",))) is None:
        return
    host = plot.host(stream.site)
    plot.about(f"host:{host.name}", f"ip:{host.address}", f"domain:{TUNNEL_NAME}")
    at = plot.night(0.5)
    for _ in range(180):
        label = base64.b32encode(plot.rng.randbytes(32)).decode().lower().rstrip("=")
        flow = plot.flow(host.address, stream.site.resolver, 53, proto="UDP")
        name = f"{label}.{TUNNEL_NAME}"
        answer = "TXT 44 " + base64.b64encode(plot.rng.randbytes(32)).decode()
        plot.put(stream, at, zeek.dns(plot.stamps, at, flow, name=name, kind="TXT", answer=answer))
        at += plot.rng.randrange(1, 12) * SECOND


def miner_pool(plot: Plot) -> None:
    """A machine digs for digital coins: it asks for a pool and speaks its protocol."""
    if (stream := plot.find("firewall", ("fortigate",))) is None:
        return
    site, host = stream.site, plot.host(stream.site)
    plot.about(f"host:{host.name}", f"ip:{host.address}", f"domain:{POOL_NAME}")
    pool, at = plot.attacker(), plot.night(19.0)
    for _ in range(20):
        question = plot.flow(host.address, site.resolver, 53, proto="UDP")
        line = fortigate.name_lookup(plot.stamps, at, site.device, question, name=POOL_NAME, blocked=False)
        plot.put(stream, at, line)
        flow = plot.flow(host.address, pool, 3333, sent=48_000, received=91_000, seconds=1700)
        line = fortigate.application(
            plot.stamps,
            at + 400,
            site.device,
            flow,
            app="Stratum.Mining.Protocol",
            category="P2P",
            blocked=False,
        )
        plot.put(stream, at + 400, line)
        ended = fortigate.accepted(plot.stamps, at + 900, site.device, flow)
        plot.put(stream, at + 900, ended, telling=False)
        at += 29 * MINUTE


def ssh_brute_force(plot: Plot) -> None:
    """Passwords are tried on a Linux server until root's is found."""
    if (stream := plot.find("syslog")) is None:
        return
    host = stream.site.server[0]
    plot.about(f"host:{host}", "user:root")
    address, at = plot.attacker(), plot.night(2.0)
    users = ("root", "admin", "oracle", "test", "ubuntu", "postgres", "backup", "root")
    for n in range(140):
        user, port = users[n % len(users)], plot.rng.randrange(1024, 65535)
        outcome = "failed" if user == "root" else "unknown-user"
        line = syslog.logon(
            plot.stamps,
            at,
            host=host,
            user=user,
            address=address,
            port=port,
            process=2000 + n,
            outcome=outcome,
        )
        plot.put(stream, at, line, telling=False)
        at += plot.rng.randrange(1, 6) * SECOND
    line = syslog.logon(
        plot.stamps,
        at,
        host=host,
        user="root",
        address=address,
        port=41022,
        process=2207,
        outcome="accepted",
    )
    plot.put(stream, at, line)


def admin_from_outside(plot: Plot) -> None:
    """Somebody on the Internet guesses the firewall administrator's password and gets in."""
    if (stream := plot.find("firewall", ("fortigate",))) is None:
        return
    device = stream.site.device
    plot.about(f"host:{device.name}", "user:admin")
    address, at = plot.attacker(), plot.night(3.0)
    for n in range(7):
        success = n == 6
        line = fortigate.administrator(
            plot.stamps, at, device, user="admin", address=address, success=success
        )
        plot.put(stream, at, line, telling=success)
        at += plot.rng.randrange(4, 40) * SECOND


def vpn_from_abroad(plot: Plot) -> None:
    """A clerk's account opens the VPN at night from another country."""
    if (stream := plot.find("firewall", ("fortigate",))) is None:
        return
    user = plot.host(stream.site).user
    plot.about(f"user:{user}")
    address, at = plot.attacker(), plot.night(1.0)
    line = fortigate.tunnel(plot.stamps, at, stream.site.device, user=user, address=address, success=True)
    plot.put(stream, at, line)


def flood(plot: Plot) -> None:
    """Many half-open connections against the web server."""
    if (stream := plot.find("firewall", ("fortigate",))) is None:
        return
    site, at = stream.site, plot.office_hours()
    plot.about(f"ip:{site.web[1]}")
    for _ in range(60):
        flow = plot.flow(plot.attacker(), site.web[1], 443, inbound=True)
        count = plot.rng.randrange(2_100, 19_000)
        line = fortigate.flood(plot.stamps, at, site.device, flow, attack="tcp_syn_flood", count=count)
        plot.put(stream, at, line)
        at += plot.rng.randrange(5, 40) * SECOND


def upload_to_sharing_site(plot: Plot) -> None:
    """A user's machine sends large files to a file-sharing place after work."""
    if (stream := plot.find("firewall", ("fortigate",))) is None:
        return
    host, at = plot.host(stream.site), plot.night(18.5)
    plot.about(f"host:{host.name}", f"ip:{host.address}", f"user:{host.user}", f"domain:{SHARE_NAME}")
    for n in range(8):
        sent = plot.rng.randrange(60_000_000, 240_000_000)
        flow = plot.flow(host.address, "203.0.113.240", 443, sent=sent, received=4_200)
        line = fortigate.web_filter(
            plot.stamps,
            at,
            stream.site.device,
            flow,
            host=SHARE_NAME,
            path=f"/upload?part={n}",
            category=24,
            description="File Sharing and Storage",
            blocked=False,
            user=host.user,
        )
        plot.put(stream, at, line)
        at += plot.rng.randrange(60, 300) * SECOND


def phishing_page(plot: Plot) -> None:
    """Clerks open a page that imitates the public service portal; the firewall lets it through."""
    if (stream := plot.find("firewall", ("fortigate",))) is None:
        return
    at = plot.office_hours()
    plot.about(f"domain:{PHISHING_NAME}")
    server = plot.attacker()
    for host in plot.rng.sample(stream.site.hosts, min(5, len(stream.site.hosts))):
        plot.about(f"host:{host.name}")
        line = fortigate.web_filter(
            plot.stamps,
            at,
            stream.site.device,
            plot.flow(host.address, server, 443, sent=2_100, received=48_000),
            host=PHISHING_NAME,
            path="/xac-thuc",
            category=61,
            description="Phishing",
            blocked=False,
            user=host.user,
        )
        plot.put(stream, at, line)
        at += plot.rng.randrange(60, 900) * SECOND


def smb_exploit(plot: Plot) -> None:
    """One machine inside attacks the file service of others; the firewall only notes it."""
    if (stream := plot.find("firewall", ("fortigate",))) is None:
        return
    site, host, at = stream.site, plot.host(stream.site), plot.office_hours()
    plot.about(f"host:{host.name}", f"ip:{host.address}")
    for _ in range(14):
        victim = plot.rng.choice(site.hosts)
        line = fortigate.intrusion(
            plot.stamps,
            at,
            site.device,
            plot.flow(host.address, victim.address, 445),
            attack="MS.SMB.Server.SMB1.Trans2.Secondary.Handling.Code.Execution",
            attack_id=43799,
            severity="critical",
            action="detected",
        )
        plot.put(stream, at, line)
        at += plot.rng.randrange(1, 30) * SECOND


def slow_scan(plot: Plot) -> None:
    """One address knocks once at each of many agencies over two weeks: nothing in any one record."""
    streams = plot.all("firewall", ("fortigate",))[:80]
    if len(streams) < 2:
        return
    address, at = plot.attacker(), plot.night()
    step = 12 * 24 * 60 * MINUTE // len(streams)
    at = min(at, plot.stamps.length - 13 * 24 * 60 * MINUTE)
    for stream in streams:
        flow = plot.flow(address, stream.site.device.outside, 3389, inbound=True)
        plot.put(stream, at, fortigate.denied(plot.stamps, at, stream.site.device, flow), telling=False)
        at += step + plot.rng.randrange(-600, 600) * SECOND


def night_exfiltration(plot: Plot) -> None:
    """A machine sends gigabytes by night to an ordinary-looking place: only the volume is odd."""
    if (stream := plot.find("firewall", ("fortigate",))) is None:
        return
    host, first = plot.host(stream.site), plot.night(1.0)
    plot.about(f"host:{host.name}", f"ip:{host.address}", "ip:203.0.113.77")
    for night in range(5):
        for n in range(14):
            at = first + night * 24 * 60 * MINUTE + n * 11 * MINUTE
            sent = plot.rng.randrange(180_000_000, 420_000_000)
            flow = plot.flow(host.address, "203.0.113.77", 443, sent=sent, received=900_000, seconds=540)
            line = fortigate.accepted(plot.stamps, at, stream.site.device, flow)
            plot.put(stream, at, line, telling=False)
