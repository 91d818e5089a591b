"""CEF and LEEF lines of security devices, behind a syslog header or bare.

The formats are those of ArcSight's Common Event Format guide (version 0) and of IBM's Log Event
Extended Format (1.0 and 2.0). The vendor and the product are made up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.simulation.formats.facts import Device, Flow, service

if TYPE_CHECKING:
    from citysoc.simulation.stamps import Stamps


def cef(
    stamps: Stamps,
    at: int,
    *,
    device: Device,
    flow: Flow,
    event: str,
    name: str,
    severity: int,
    action: str,
    request: str = "",
) -> bytes:
    """Render an event as CEF behind an RFC 3164 header."""
    extra = f" request={request.replace('=', chr(92) + '=')} requestMethod=GET" if request else ""
    return (
        f"<134>{stamps.bsd(at)} {device.name} CEF:0|Example Security|Edge Shield|5.2|{event}|{name}|"
        f"{severity}|rt={stamps.epoch + at} dvchost={device.name} src={flow.src} spt={flow.sport} "
        f"dst={flow.dst} dpt={flow.dport} proto={flow.proto} act={action} app={service(flow)} "
        f"in={flow.received} out={flow.sent} cs1Label=Policy cs1=Mac dinh{extra}"
    ).encode()


def leef(
    stamps: Stamps, at: int, *, device: Device, flow: Flow, event: str, severity: int, action: str
) -> bytes:
    """Render an event as LEEF 2.0 with ``^`` between the attributes."""
    day, time = stamps.iso_pair(at)
    return (
        f"<134>{stamps.bsd(at)} {device.name} LEEF:2.0|Example Security|Edge Shield|5.2|{event}|^|"
        f"devTime={day} {time}^devTimeFormat=yyyy-MM-dd HH:mm:ss^src={flow.src}^dst={flow.dst}^"
        f"srcPort={flow.sport}^dstPort={flow.dport}^proto={flow.proto}^sev={severity}^action={action}^"
        f"srcBytes={flow.sent}^dstBytes={flow.received}"
    ).encode()
