"""FortiGate's own log lines: ``date=2026-10-01 time=07:30:00 devname="…" type="traffic" …``.

The fields are those of Fortinet's FortiOS Log Message Reference (traffic, utm and event logs).
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from typing import TYPE_CHECKING, Any

from citysoc.flow import Unparsed
from citysoc.parsers import envelope, keyvalue, values
from citysoc.parsers.base import Context, Parser
from citysoc.parsers.times import epoch, iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.flow import Event
    from citysoc.parsers.values import Table

_MARKER = re.compile(
    r"(?:^|[\s>])((?:logver=\S{1,16} )?(?:date=\d{4}-|itime=|timestamp=|devname=|eventtime=))"
)
_MARKS = ("logid=", "devid=", "devname=", "vd=")
_FROM_UI = re.compile(r"\(([0-9a-fA-F.:]{3,45})\)")
_OFFSET = re.compile(r"([+-][0-9]{2}):?([0-9]{2})")
_NEAR = dt.timedelta(seconds=1)
"""A device may write the line so long after the event: ``time`` is the line's, ``eventtime`` the event's."""
_ABSENT = frozenset({"", "N/A", "(null)"})
_NONE = frozenset({"n/a", "none", "unknown", "undefined"})


def _named(value: Any) -> str | None:
    return value if isinstance(value, str) and value not in _NONE else None


def _sha256(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) == 64 else None


def _zone(value: Any) -> str | None:
    """Return an offset as ECS writes it, ``+07:00``."""
    match = _OFFSET.fullmatch(value) if isinstance(value, str) else None
    return f"{match[1]}:{match[2]}" if match else None


_TABLE: Table = {
    "srcip": ("source.ip", values.ip),
    "srcport": ("source.port", values.integer),
    "dstip": ("destination.ip", values.ip),
    "dstport": ("destination.port", values.integer),
    "remip": ("source.ip", values.ip),
    "remport": ("source.port", values.integer),
    "locip": ("destination.ip", values.ip),
    "locport": ("destination.port", values.integer),
    "transip": ("source.nat.ip", values.ip),
    "transport": ("source.nat.port", values.integer),
    "tranip": ("destination.nat.ip", values.ip),
    "tranport": ("destination.nat.port", values.integer),
    "srcmac": ("source.mac", None),
    "dstmac": ("destination.mac", None),
    "srcname": ("source.domain", None),
    "srcintf": ("observer.ingress.interface.name", None),
    "dstintf": ("observer.egress.interface.name", None),
    "proto": ("network.transport", values.transport),
    "service": ("network.protocol", values.lower),
    "app": ("network.application", None),
    "sentbyte": ("source.bytes", values.integer),
    "rcvdbyte": ("destination.bytes", values.integer),
    "sentpkt": ("source.packets", values.integer),
    "rcvdpkt": ("destination.packets", values.integer),
    "duration": ("event.duration", values.nanoseconds),
    "direction": ("network.direction", None),
    "devname": ("observer.name", None),
    "devid": ("observer.serial_number", None),
    "user": ("user.name", _named),
    "group": ("group.name", _named),
    "level": ("log.level", None),
    "logid": ("event.code", None),
    "msg": ("message", None),
    "action": ("event.action", None),
    "reason": ("event.reason", _named),
    "tz": ("event.timezone", _zone),
    "ref": ("event.reference", None),
    "attack": ("rule.name", None),
    "attackid": ("rule.id", None),
    "virus": ("threat.software.name", _named),
    "filename": ("file.name", None),
    "filesize": ("file.size", values.integer),
    "filehash": ("file.hash.sha256", _sha256),
    "analyticscksum": ("file.hash.sha256", _sha256),
    "hostname": ("url.domain", None),
    "agent": ("user_agent.original", None),
    "httpmethod": ("http.request.method", None),
    "referralurl": ("http.request.referrer", None),
    "httpcode": ("http.response.status_code", values.integer),
    "qname": ("dns.question.name", None),
    "qtype": ("dns.question.type", None),
    "qclass": ("dns.question.class", None),
    "rcode": ("dns.response_code", None),
    "sender": ("email.from.address", values.listed),
    "recipient": ("email.to.address", values.listed),
    "subject": ("email.subject", None),
}
_BLOCKED = frozenset(
    {
        *("deny", "denied", "block", "blocked", "dropped", "drop", "reset", "reset_client", "reset_server"),
        *("drop_session", "clear_session", "quarantine", "redirect", "blocked-quarantine"),
    }
)
_ALLOWED = frozenset(
    {
        *("accept", "pass", "passthrough", "detected", "monitored", "allow", "permit", "analytics", "start"),
        *("close", "timeout", "client-rst", "server-rst", "ip-conn", "pass_session", "filtered"),
    }
)
_CATEGORIES = {
    "virus": "malware",
    "ips": "intrusion_detection",
    "anomaly": "intrusion_detection",
    "waf": "intrusion_detection",
    "webfilter": "web",
    "emailfilter": "email",
    "file-filter": "file",
    "dlp": "file",
}
_ALERTS = frozenset({"virus", "ips", "anomaly", "waf"})
_OUTCOMES = {
    **dict.fromkeys(("success", "successful", "succeeded"), "success"),
    **dict.fromkeys(("failed", "failure", "fail", "error", "negotiate_error"), "failure"),
}
_LOGON_ACTIONS = frozenset(
    {"login", "logon", "authentication", "auth-logon", "auth-logout", "logout", "FSSO-logon", "FSSO-logoff"}
)


def recognise(line: str) -> int:
    """Return where FortiGate's fields begin in a line, -1 if it is not one of its lines."""
    if "type=" not in line or not any(mark in line for mark in _MARKS):
        return -1
    match = _MARKER.search(line[:600])
    return match.start(1) if match else -1


def parse_message(message: str, context: Context) -> Event | Unparsed:
    """Return the event of the fields of one line, without its syslog header."""
    found = [(name, value) for name, value in keyvalue.pairs(message) if value not in _ABSENT]
    raw = dict(found)
    kind = raw.get("type")
    if kind is None or not ("devid" in raw or "devname" in raw or "logid" in raw):
        return Unparsed("fortigate.fields", "The line has no type and device as FortiGate writes them.")
    subtype = raw.get("subtype", "")
    event: Event = {
        "event.module": "fortigate",
        "event.dataset": f"fortigate.{kind}" if kind in {"traffic", "utm", "event"} else "fortigate.event",
        "observer.vendor": "Fortinet",
    }
    values.assign(event, found, _TABLE, "fortigate.")
    _set_time(event, raw, context.zone)
    if (number := raw.get("proto", "")).isdigit():
        event["network.iana_number"] = number
    if "url" in raw:
        _set_url(event, raw["url"])
    if "message" not in event and (text := raw.get("logdesc")):
        event["message"] = text
    _classify(event, raw, kind, subtype)
    return event


def _set_time(event: Event, raw: dict[str, str], zone: dt.tzinfo) -> None:
    """Set the event's time; what says the same in other words is in ``event.original`` alone."""
    exact = epoch(raw["eventtime"]) if "eventtime" in raw else None
    offset = raw.get("tz", "")
    written = None
    if "date" in raw and "time" in raw:
        written = _local(raw["date"], raw["time"], offset if offset[:1] in {"+", "-"} else "", zone)
    if (moment := exact or written) is None:
        return
    event["@timestamp"] = moment
    if exact:
        event.pop("fortigate.eventtime", None)
    if written and abs(moment.replace(microsecond=0) - written) <= _NEAR:
        event.pop("fortigate.date", None)
        event.pop("fortigate.time", None)


@functools.lru_cache(maxsize=4096)
def _local(date: str, clock: str, offset: str, zone: dt.tzinfo) -> dt.datetime | None:
    return iso(f"{date}T{clock}{offset}", zone)


def _set_url(event: Event, url: str) -> None:
    event.pop("fortigate.url", None)
    event["url.original"] = url
    if "://" in url:
        event["url.full"] = url
        path = "/" + url.partition("://")[2].partition("/")[2]
    else:
        path = url
    path, _, query = path.partition("?")
    event["url.path"] = path
    if query:
        event["url.query"] = query


def _classify(event: Event, raw: dict[str, str], kind: str, subtype: str) -> None:
    action = raw.get("action", "")
    if kind == "event":
        _classify_event(event, raw, subtype, action)
        return
    if action in _BLOCKED:
        event["citysoc.outcome"] = "blocked"
    elif action in _ALLOWED:
        event["citysoc.outcome"] = "allowed"
    denied = "denied" if action in _BLOCKED else "allowed"
    if kind == "traffic":
        event["event.category"] = ["network"]
        event["event.type"] = ["connection", "start" if action == "start" else denied]
        return
    category = _CATEGORIES.get(subtype, "network")
    event["event.category"] = [category] if category in {"malware", "network"} else [category, "network"]
    event["event.type"] = ["info", denied]
    if subtype in _ALERTS:
        event["event.kind"] = "alert"
        if subtype == "virus" and "threat.software.name" not in event and "rule.name" in event:
            event["threat.software.name"] = event["rule.name"]


def _classify_event(event: Event, raw: dict[str, str], subtype: str, action: str) -> None:
    outcome = _OUTCOMES.get(raw.get("status", raw.get("result", "")).lower())
    if outcome is None and "fail" in action:
        outcome = "failure"
    found = _FROM_UI.search(raw.get("ui", ""))
    if found and "source.ip" not in event and (address := values.ip(found[1])):
        event["source.ip"] = address
    logon = action in _LOGON_ACTIONS or "login" in action or subtype == "user"
    if subtype == "vpn" and action in {"tunnel-up", "tunnel-down", "ssl-new-con"}:
        outcome = outcome or "success"
    if logon or (subtype == "vpn" and "user.name" in event):
        event["event.category"] = ["authentication"]
        event["event.type"] = ["end" if "logout" in action or "down" in action else "start"]
    elif subtype == "vpn":
        event["event.category"] = ["network"]
        event["event.type"] = ["connection"]
    elif "cfgpath" in raw:
        event["event.category"] = ["configuration"]
        event["event.type"] = ["change"]
    else:
        event["event.category"] = ["host"]
        event["event.type"] = ["info"]
    if outcome:
        event["event.outcome"] = outcome


def _parse(lines: Sequence[str], context: Context) -> list[Event | Unparsed]:
    return [_parse_line(line, context) for line in lines]


def _parse_line(line: str, context: Context) -> Event | Unparsed:
    if line.startswith("date="):
        return parse_message(line, context)
    marker = recognise(line)
    if marker < 0:
        return Unparsed("fortigate.fields", "The line has no type and device as FortiGate writes them.")
    header, message = envelope.strip(line, marker, context)
    event = parse_message(message, context)
    return event if isinstance(event, Unparsed) else {**header, **event}


def _sniff(head: bytes, name: str) -> int:
    del name
    lines = [line for line in head.split(b"\n", 20)[:20] if line.strip()]
    hits = sum(b"type=" in line and (b"devid=" in line or b"logid=" in line) for line in lines)
    return 85 if hits * 2 > len(lines) else 0


PARSER = Parser("fortigate", "FortiGate traffic, utm and event logs (key=value).", "lines", _sniff, _parse)
