"""FortiGate (FortiOS 7) logs: ``key=value`` lines of traffic, security profiles and system events.

Field names and their order follow Fortinet's public FortiOS log reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.simulation.formats.facts import Device, Flow, country, service

if TYPE_CHECKING:
    from citysoc.simulation.stamps import Stamps

_PROTO = {"TCP": 6, "UDP": 17, "ICMP": 1}


def _start(stamps: Stamps, at: int, device: Device, *what: str) -> str:
    logid, kind, subtype, level = what
    day, time = stamps.iso_pair(at)
    return (
        f'date={day} time={time} devname="{device.name}" devid="{device.serial}" '
        f'eventtime={stamps.epoch + at}000000 tz="+0700" logid="{logid}" type="{kind}" '
        f'subtype="{subtype}" level="{level}" vd="root"'
    )


def _ends(flow: Flow) -> str:
    inside, outside = ("wan1", "wan", "lan", "lan"), ("lan", "lan", "wan1", "wan")
    sintf, srole, dintf, drole = inside if flow.inbound else outside
    return (
        f'srcip={flow.src} srcport={flow.sport} srcintf="{sintf}" srcintfrole="{srole}" '
        f'dstip={flow.dst} dstport={flow.dport} dstintf="{dintf}" dstintfrole="{drole}"'
    )


def accepted(stamps: Stamps, at: int, device: Device, flow: Flow) -> bytes:
    """Render an allowed session that has ended."""
    packets_out, packets_in = flow.sent // 900 + 1, flow.received // 1200 + 1
    return (
        f"{_start(stamps, at, device, '0000000013', 'traffic', 'forward', 'notice')} {_ends(flow)} "
        f'srccountry="{country(flow.src)}" dstcountry="{country(flow.dst)}" sessionid={flow.number} '
        f'proto={_PROTO[flow.proto]} action="{"close" if flow.proto == "TCP" else "accept"}" policyid=1 '
        f'policytype="policy" policyname="LAN-Internet" service="{service(flow)}" trandisp="snat" '
        f"transip={device.outside} transport={flow.sport} duration={flow.seconds} sentbyte={flow.sent} "
        f'rcvdbyte={flow.received} sentpkt={packets_out} rcvdpkt={packets_in} appcat="unscanned"'
    ).encode()


def denied(stamps: Stamps, at: int, device: Device, flow: Flow) -> bytes:
    """Render a session that no policy allows: what Internet scans look like."""
    return (
        f"{_start(stamps, at, device, '0001000014', 'traffic', 'local', 'notice')} {_ends(flow)} "
        f'srccountry="{country(flow.src)}" dstcountry="{country(flow.dst)}" sessionid={flow.number} '
        f'proto={_PROTO[flow.proto]} action="deny" policyid=0 policytype="local-in-policy" '
        f'service="{service(flow)}" trandisp="noop" app="{service(flow)}" duration=0 sentbyte=0 rcvdbyte=0 '
        f'sentpkt=0 rcvdpkt=0 appcat="unscanned" crscore=5 craction=262144 crlevel="low"'
    ).encode()


def intrusion(
    stamps: Stamps,
    at: int,
    device: Device,
    flow: Flow,
    *,
    attack: str,
    attack_id: int,
    severity: str,
    action: str = "dropped",
    url: str = "/",
) -> bytes:
    """Render an intrusion prevention signature that matched."""
    return (
        f'{_start(stamps, at, device, "0419016384", "utm", "ips", "alert")} eventtype="signature" '
        f'severity="{severity}" {_ends(flow)} srccountry="{country(flow.src)}" '
        f'dstcountry="{country(flow.dst)}" sessionid={flow.number} action="{action}" '
        f'proto={_PROTO[flow.proto]} service="{service(flow)}" policyid=3 attack="{attack}" '
        f'url="{url}" direction="outgoing" attackid={attack_id} profile="protect_server" '
        f'incidentserialno={flow.number % 100_000_000} msg="signature: {attack}" crscore=30 '
        f'craction=8192 crlevel="high"'
    ).encode()


def flood(stamps: Stamps, at: int, device: Device, flow: Flow, *, attack: str, count: int) -> bytes:
    """Render a denial-of-service policy whose threshold was passed."""
    return (
        f'{_start(stamps, at, device, "0720018432", "utm", "anomaly", "alert")} eventtype="anomaly" '
        f'severity="critical" {_ends(flow)} srccountry="{country(flow.src)}" sessionid=0 '
        f'action="clear_session" proto={_PROTO[flow.proto]} service="{service(flow)}" count={count} '
        f'attack="{attack}" attackid=100663396 policyid=1 policytype="DoS-policy" '
        f'msg="anomaly: {attack}, {count} > threshold 2000, repeats {count} times" crscore=50 '
        f'craction=4096 crlevel="critical"'
    ).encode()


def virus(
    stamps: Stamps,
    at: int,
    device: Device,
    flow: Flow,
    *,
    name: str,
    filename: str,
    url: str,
    digest: str,
    action: str = "blocked",
) -> bytes:
    """Render an infected file seen on its way through the firewall."""
    return (
        f'{_start(stamps, at, device, "0211008192", "utm", "virus", "warning")} eventtype="infected" '
        f'msg="File is infected." action="{action}" service="{service(flow)}" sessionid={flow.number} '
        f'{_ends(flow)} proto=6 direction="incoming" filename="{filename}" '
        f'quarskip="Quarantine-disabled" virus="{name}" viruscat="Virus" dtype="av-engine" virusid=7941 '
        f'url="{url}" profile="default" analyticscksum="{digest}" analyticssubmit="false" crscore=50 '
        f'craction=2 crlevel="critical"'
    ).encode()


def web_filter(
    stamps: Stamps,
    at: int,
    device: Device,
    flow: Flow,
    *,
    host: str,
    path: str,
    category: int,
    description: str,
    blocked: bool,
    user: str = "",
) -> bytes:
    """Render a visited web page, blocked or let through, with its category."""
    logid, event, level, action, verdict, risk = (
        ("0316013056", "ftgd_blk", "warning", "blocked", "a denied", "high")
        if blocked
        else ("0317013312", "ftgd_allow", "notice", "passthrough", "an allowed", "low")
    )
    who = f'user="{user}" ' if user else ""
    scheme = "https" if flow.dport == 443 else "http"
    return (
        f"{_start(stamps, at, device, logid, 'utm', 'webfilter', level)} "
        f'eventtype="{event}" policyid=1 sessionid={flow.number} {who}{_ends(flow)} proto=6 '
        f'service="{service(flow)}" hostname="{host}" profile="default" action="{action}" reqtype="direct" '
        f'url="{scheme}://{host}{path}" sentbyte={flow.sent} rcvdbyte={flow.received} '
        f'direction="outgoing" msg="URL belongs to {verdict} category in policy" method="domain" '
        f'cat={category} catdesc="{description}" crscore=30 craction=4194304 crlevel="{risk}"'
    ).encode()


def application(
    stamps: Stamps, at: int, device: Device, flow: Flow, *, app: str, category: str, blocked: bool
) -> bytes:
    """Render an application that the firewall recognised."""
    return (
        f"{_start(stamps, at, device, '1059028704', 'utm', 'app-ctrl', 'information')} "
        f'eventtype="signature" appid=15832 {_ends(flow)} proto={_PROTO[flow.proto]} '
        f'service="{service(flow)}" direction="outgoing" policyid=1 sessionid={flow.number} '
        f'applist="default" action="{"block" if blocked else "pass"}" appcat="{category}" app="{app}" '
        f'incidentserialno={flow.number % 100_000_000} apprisk="elevated" msg="{category}: {app}"'
    ).encode()


def name_lookup(stamps: Stamps, at: int, device: Device, flow: Flow, *, name: str, blocked: bool) -> bytes:
    """Render a DNS question seen by the DNS filter."""
    logid, action, verdict = (
        ("1501054803", "block", "blocked because it is in a malicious category")
        if blocked
        else ("1501054802", "pass", "monitored")
    )
    return (
        f'{_start(stamps, at, device, logid, "utm", "dns", "notice")} eventtype="dns-response" '
        f'policyid=1 sessionid={flow.number} {_ends(flow)} proto=17 profile="default" xid={flow.sport} '
        f'qname="{name}" qtype="A" qtypeval=1 qclass="IN" msg="Domain is {verdict}" action="{action}" '
        f'cat=26 catdesc="Malicious Websites"'
    ).encode()


def administrator(
    stamps: Stamps, at: int, device: Device, *, user: str, address: str, success: bool
) -> bytes:
    """Render an administrator's log-on to the firewall itself."""
    logid, level, title, status, reason, verb = (
        ("0100032001", "information", "Admin login successful", "success", "none", "logged in successfully")
        if success
        else ("0100032002", "alert", "Admin login failed", "failed", "passwd_invalid", "login failed")
    )
    return (
        f"{_start(stamps, at, device, logid, 'event', 'system', level)} "
        f'logdesc="{title}" sn="{(stamps.epoch + at) // 1000}" user="{user}" ui="https({address})" '
        f'method="https" srcip={address} dstip={device.outside} action="login" status="{status}" '
        f'reason="{reason}" profile="super_admin" '
        f'msg="Administrator {user} {verb} from https({address})"'
    ).encode()


def tunnel(stamps: Stamps, at: int, device: Device, *, user: str, address: str, success: bool) -> bytes:
    """Render a remote user's log-on to the SSL VPN."""
    if success:
        head = _start(stamps, at, device, "0101039424", "event", "vpn", "information")
        rest = 'logdesc="SSL VPN tunnel up" action="tunnel-up" tunneltype="ssl-tunnel"'
        tail = 'reason="tunnel established" msg="SSL tunnel established"'
    else:
        head = _start(stamps, at, device, "0101039426", "event", "vpn", "alert")
        rest = 'logdesc="SSL VPN login fail" action="ssl-login-fail" tunneltype="ssl-web"'
        tail = 'reason="sslvpn_login_permission_denied" msg="SSL user failed to logged in"'
    return (
        f'{head} {rest} tunnelid={at % 1_000_000_000} remip={address} srccountry="{country(address)}" '
        f'user="{user}" group="vpn-can-bo" dst_host="N/A" {tail}'
    ).encode()


def heartbeat(stamps: Stamps, at: int, device: Device, *, cpu: int, memory: int, sessions: int) -> bytes:
    """Render the firewall's own performance figures."""
    return (
        f"{_start(stamps, at, device, '0100040704', 'event', 'system', 'notice')} "
        f'logdesc="System performance statistics" action="perf-stats" cpu={cpu} mem={memory} '
        f'totalsession={sessions} disk=1 bandwidth="812/1204" setuprate=3 disklograte=0 fazlograte=0 '
        f'sysuptime={at // 1000} msg="Performance statistics: average CPU: {cpu}, memory:  {memory}, '
        f'concurrent sessions:  {sessions}, setup-rate: 3"'
    ).encode()
