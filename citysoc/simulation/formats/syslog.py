"""Syslog frames after RFC 3164 and RFC 5424, and what Linux servers and small routers say in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.simulation.formats.facts import Device, Flow, country

if TYPE_CHECKING:
    from citysoc.simulation.stamps import Stamps

AUTHPRIV = 10
LOCAL0 = 16


def rfc3164(
    stamps: Stamps, at: int, *, facility: int, severity: int, host: str, tag: str, text: str
) -> bytes:
    """Render ``<PRI>Oct  1 07:30:00 host tag: text``."""
    return f"<{facility * 8 + severity}>{stamps.bsd(at)} {host} {tag}: {text}".encode()


def rfc5424(
    stamps: Stamps,
    at: int,
    *,
    facility: int,
    severity: int,
    host: str,
    program: str,
    text: str,
    process: str = "-",
    message_id: str = "-",
) -> bytes:
    """Render ``<PRI>1 time host program process id - text``."""
    priority = facility * 8 + severity
    head = f"<{priority}>1 {stamps.local(at)} {host} {program} {process} {message_id} -"
    return f"{head} {text}".encode()


def relayed(stamps: Stamps, at: int, *, device: Device, payload: bytes) -> bytes:
    """Wrap a FortiGate line as the firewall sends it: a priority and nothing else before it."""
    _ = stamps, at, device
    return b"<189>" + payload


def logon(
    stamps: Stamps, at: int, *, host: str, user: str, address: str, port: int, process: int, outcome: str
) -> bytes:
    """Render what sshd says of a log-on: outcome ``accepted``, ``failed`` or ``unknown-user``."""
    text = {
        "accepted": f"Accepted password for {user} from {address} port {port} ssh2",
        "failed": f"Failed password for {user} from {address} port {port} ssh2",
        "unknown-user": f"Failed password for invalid user {user} from {address} port {port} ssh2",
    }[outcome]
    severity = 6 if outcome == "accepted" else 5
    return rfc3164(
        stamps, at, facility=AUTHPRIV, severity=severity, host=host, tag=f"sshd[{process}]", text=text
    )


def sudo(stamps: Stamps, at: int, *, host: str, user: str, command: str) -> bytes:
    """Render a command that a user ran as root."""
    text = f"{user} : TTY=pts/0 ; PWD=/home/{user} ; USER=root ; COMMAND={command}"
    return rfc3164(stamps, at, facility=AUTHPRIV, severity=5, host=host, tag="sudo", text=text)


def mikrotik_drop(stamps: Stamps, at: int, *, device: Device, flow: Flow) -> bytes:
    """Render a packet that a MikroTik-like router dropped."""
    text = (
        f"DROP-WAN input: in:ether1-wan out:(unknown 0), connection-state:new src-mac "
        f"02:00:5e:10:00:{flow.number % 256:02x}, proto {flow.proto}{' (SYN)' if flow.proto == 'TCP' else ''}"
        f", {flow.src}:{flow.sport}->{flow.dst}:{flow.dport}, len 44"
    )
    return rfc3164(stamps, at, facility=LOCAL0, severity=6, host=device.name, tag="firewall,info", text=text)


def draytek_block(stamps: Stamps, at: int, *, device: Device, flow: Flow) -> bytes:
    """Render a packet that a DrayTek-like router blocked."""
    text = (
        f"[FILTER][Block][WAN->LAN/RT/VPN, {flow.number % 60}:00:02 ][@S:R=13:1, "
        f"{flow.src}:{flow.sport}->{flow.dst}:{flow.dport}][{flow.proto}][HLen=20, TLen=44]"
    )
    return rfc3164(stamps, at, facility=18, severity=6, host=device.name, tag="Vigor", text=text)


def router_5424(stamps: Stamps, at: int, *, device: Device, flow: Flow) -> bytes:
    """Render a packet that an open-source router dropped, as RFC 5424."""
    text = (
        f"DROP IN=wan OUT= SRC={flow.src} DST={flow.dst} LEN=44 TTL=241 PROTO={flow.proto} "
        f"SPT={flow.sport} DPT={flow.dport} COUNTRY={country(flow.src).replace(' ', '_')}"
    )
    return rfc5424(
        stamps, at, facility=0, severity=4, host=device.name, program="kernel", text=text, message_id="FW"
    )
