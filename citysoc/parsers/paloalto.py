"""Palo Alto firewalls' own log: comma-separated, its columns by log type.

The columns are those of the PAN-OS syslog field descriptions; the first thirty are shared by TRAFFIC and
THREAT. Newer releases add columns at the end, which are left in the message.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

from citysoc.parsers import keyvalue, values
from citysoc.parsers.times import guess

if TYPE_CHECKING:
    from citysoc.flow import Event
    from citysoc.parsers.base import Context
    from citysoc.parsers.values import Convert

_START = re.compile(
    r"\d{0,3},[^,\"]{1,32},[0-9A-Za-z]{1,32},(TRAFFIC|THREAT|SYSTEM|CONFIG|USERID|GLOBALPROTECT),"
)
_MAX_LENGTH = 65_536  # real lines have a few KiB; the csv reader refuses fields of 128 KiB
_Columns = tuple[tuple[int, str, "Convert"], ...]
_SHARED: _Columns = (
    (7, "source.ip", values.ip),
    (8, "destination.ip", values.ip),
    (9, "source.nat.ip", values.ip),
    (10, "destination.nat.ip", values.ip),
    (11, "rule.name", None),
    (12, "user.name", None),
    (14, "network.application", None),
    (16, "observer.ingress.zone", None),
    (17, "observer.egress.zone", None),
    (18, "observer.ingress.interface.name", None),
    (19, "observer.egress.interface.name", None),
    (24, "source.port", values.integer),
    (25, "destination.port", values.integer),
    (29, "network.transport", values.transport),
    (30, "event.action", None),
)
_TRAFFIC: _Columns = (
    *_SHARED,
    (31, "network.bytes", values.integer),
    (32, "source.bytes", values.integer),
    (33, "destination.bytes", values.integer),
    (34, "network.packets", values.integer),
    (36, "event.duration", values.nanoseconds),
)
_THREAT: _Columns = (
    *_SHARED,
    (31, "url.original", None),
    (33, "rule.category", None),
    (34, "log.level", None),
)
_SYSTEM: _Columns = ((8, "event.code", None), (13, "log.level", None), (14, "message", None))
_THREAT_ID = re.compile(r"(.{1,512})\((\d{1,12})\)$")
_KINDS = {"virus": "malware", "wildfire-virus": "malware", "spyware": "intrusion_detection"}


def recognise(message: str) -> bool:
    """Return whether a message is one of a Palo Alto firewall's log."""
    return _START.match(message) is not None


def add(event: Event, message: str, context: Context) -> None:
    """Add what the columns of a message say."""
    line = message[:_MAX_LENGTH].replace("\r", " ").replace("\n", " ")
    cells = next(csv.reader([line]))
    kind, subtype = cells[3], cells[4].lower() if len(cells) > 4 else ""
    event["event.dataset"] = f"syslog.paloalto_{kind.lower()}"
    event["observer.vendor"] = "Palo Alto Networks"
    event["observer.serial_number"] = cells[2]
    event["syslog.subtype"] = subtype
    if len(cells) > 6 and (moment := guess(cells[6], context.zone, context.arrived)):
        event["@timestamp"] = moment
    columns = {"TRAFFIC": _TRAFFIC, "THREAT": _THREAT, "SYSTEM": _SYSTEM}.get(kind, ())
    for index, field, convert in columns:
        value = cells[index] if index < len(cells) else ""
        if value and (converted := convert(value) if convert else value) is not None:
            event[field] = converted
    if kind in {"TRAFFIC", "THREAT"}:
        event["event.category"] = ["network"]
        event["event.type"] = ["connection"]
        _settle(event)
    if kind == "THREAT":
        _threat(event, subtype, cells[32] if len(cells) > 32 else "")


def _settle(event: Event) -> None:
    keyvalue.settle_action(event)
    action = str(event.get("event.action", ""))
    if action.startswith(("reset", "drop", "block", "sinkhole")):
        event["citysoc.outcome"] = "blocked"
    elif action == "alert":
        event["citysoc.outcome"] = "allowed"


def _threat(event: Event, subtype: str, threat: str) -> None:
    if subtype in {"url", "file", "data"}:
        event["event.category"] = ["web", "network"]
        return
    event["event.kind"] = "alert"
    event["event.category"] = [_KINDS.get(subtype, "intrusion_detection")]
    found = _THREAT_ID.match(threat)
    name = found[1].strip() if found else threat
    if found:
        event["rule.id"] = found[2]
    if name:
        event["syslog.policy"] = event.get("rule.name", "")
        event["rule.name"] = name
        if event["event.category"] == ["malware"]:
            event["threat.software.name"] = name
