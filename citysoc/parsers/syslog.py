"""Syslog of any product: take the header off, then hand the message to whoever can read it.

One stream of syslog carries many products. Cheap looks at the message's first letters choose among CEF, LEEF,
FortiGate, JSON (Suricata, Zeek, Windows, others), access logs, Cisco and known programs; what remains is
a plain message with its host and program. A line without a header and without any known structure is not
understood (``syslog.no_header``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from citysoc.flow import Unparsed
from citysoc.parsers import (
    auditd,
    cef,
    cisco,
    envelope,
    fortigate,
    jsontext,
    keyvalue,
    leef,
    marked,
    ndjson,
    paloalto,
    programs,
    suricata,
    webaccess,
    windows,
    zeek,
)
from citysoc.parsers.base import Context, Parser
from citysoc.parsers.times import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.flow import Event

EMPTY = Unparsed("syslog.empty", "The record is empty.")
NO_HEADER = Unparsed(
    "syslog.no_header", "The line has no syslog header and is in no format that is known without one."
)
_PROGRAM = re.compile(r"[^\w.-]+")
_APACHE_ERROR = re.compile(
    r"(?:\[(?P<time>[A-Z][a-z]{2} [^\]]{16,32})\] )?"
    r"\[(?:\w{0,32}:)?(?P<level>emerg|alert|crit|error|warn|warning|notice|info|debug|trace\d)\] "
    r"(?:\[pid [^\]]{1,32}\] )?(?:\[client (?P<client>[^\]]{2,64})\] )?"
)
_CLIENT_PORT = re.compile(r"(.+):(\d{1,5})$")


def _parse(lines: Sequence[str], context: Context) -> list[Event | Unparsed]:
    return [_parse_line(line, context) for line in lines]


def _parse_line(line: str, context: Context) -> Event | Unparsed:
    if not line or line.isspace():
        return EMPTY
    if line[0] in " \t\r\n":
        line = line.lstrip()
    if (event := _product(line, context)) is not None:  # some products write no header
        return event
    opened = envelope.unwrap(line, context)
    if opened is None:
        return _bare(line, context)
    header, message = opened
    inner = _product(message, context) if message else None
    if inner is not None and not isinstance(inner, Unparsed):
        return {**header, **inner}
    return _plain(header, message, context)


def _product(message: str, context: Context) -> Event | Unparsed | None:
    """Return the event of a message in one of the products' formats; None if it is in none of them."""
    first = message[0]
    if first == "{":
        return _json(message, context)
    if first == "C" and message.startswith("CEF:"):
        return cef.parse_message(message, context)
    if first == "L" and message.startswith("LEEF:"):
        return leef.parse_message(message, context)
    if first in "dleit" and "type=" in message and fortigate.recognise(message) == 0:
        return fortigate.parse_message(message, context)
    if ('] "' in message or "TCP_" in message[:80]) and webaccess.recognise(message):
        return webaccess.parse_message(message, context)
    return None


def _json(message: str, context: Context) -> Event | Unparsed | None:
    record = jsontext.load(message)
    if isinstance(record, Unparsed):
        return record
    if suricata.recognise(record):
        return suricata.from_object(record)
    if zeek.recognise(record):
        return zeek.from_object(record, context)
    if (event := windows.from_object(record, context)) is not None:
        return event
    return ndjson.from_object(record, context)


def _bare(line: str, context: Context) -> Event | Unparsed:
    """Return the event of a line without a syslog header, if its structure says what it is."""
    event = _message_event(line)
    if paloalto.recognise(line):
        paloalto.add(event, line, context)
        return event
    if "%" in line[:40] and cisco.add(event, line):
        return event
    if _structured(event, line, context):
        return event
    if 0 <= (marker := marked.find(line, "CEF:")) <= 64:
        return cef.parse_message(line[marker:], context)
    if keyvalue.starts_with_pair(line) and (found := keyvalue.read(line, context, "syslog.")):
        return {**event, **found, "event.dataset": "syslog.keyvalue"}
    return NO_HEADER


def _message_event(message: str) -> Event:
    return {
        "event.module": "syslog",
        "event.dataset": "syslog.message",
        "message": message,
    }


def _plain(header: Event, message: str, context: Context) -> Event:
    """Return the event of a message that no product's format claims."""
    event = {**header, **_message_event(message)}
    if paloalto.recognise(message):
        paloalto.add(event, message, context)
        return event
    program = header.get("log.syslog.appname")
    if program:
        clean = _PROGRAM.sub("_", program.lower().partition("(")[0]).strip("_")[:64]
        if clean:
            event["event.dataset"] = f"syslog.{clean}"
            event["process.name"] = program
            programs.add(event, clean, message)
            if "event.category" in event:
                return event
    if "%" in message and cisco.add(event, message):
        return event
    if _embedded(event, message, context) or _structured(event, message, context):
        return event
    if " OUT=" in message and programs.add_netfilter(event, message):
        return event
    _from_structured_data(event, header)
    if message.count("=") >= 3 and (found := keyvalue.read(message, context, "syslog.")):
        if "@timestamp" in header:
            found.pop("@timestamp", None)
        found.setdefault("message", message)
        event.update(found)
    return event


def _embedded(event: Event, message: str, context: Context) -> bool:
    """Read a product's text that stands further on in the message, behind a program's own words."""
    for marker, read in (
        (marked.find(message, "CEF:"), cef.parse_message),
        (marked.find(message, "LEEF:"), leef.parse_message),
        (fortigate.recognise(message), fortigate.parse_message),
    ):
        if 0 <= marker <= 200:
            found = read(message[marker:], context)
            if not isinstance(found, Unparsed):
                event.update(found)
                return True
    return False


def _structured(event: Event, message: str, context: Context) -> bool:
    """Read the kernel's audit records and Apache's and nginx's error lines."""
    if auditd.add(event, message):
        return True
    if message.startswith("[") and (found := _APACHE_ERROR.match(message)):
        event["event.dataset"] = "syslog.weberror"
        event["log.level"] = found["level"]
        event["event.category"] = ["web"]
        event["event.type"] = ["error"]
        if found["time"] and (moment := named(found["time"], context.zone, context.arrived)):
            event["@timestamp"] = moment
        if client := found["client"]:
            _web_client(event, client)
        event["message"] = message[found.end() :] or message
        return True
    return False


def _web_client(event: Event, client: str) -> None:
    port = _CLIENT_PORT.match(client)
    if port and client.count(":") == 1:
        event["source.address"], event["source.port"] = port[1], int(port[2])
        client = port[1]
    fitted = keyvalue.endpoint(client)
    if fitted:
        event.pop("source.address", None)
        event["source.ip"] = fitted
    else:
        event["source.address"] = client


def _from_structured_data(event: Event, header: Event) -> None:
    """Set the shared fields that RFC 5424 structured data names, as Juniper and Check Point send them."""
    prefix = "log.syslog.structured_data."
    for name, value in header.items():
        if not name.startswith(prefix):
            continue
        target = keyvalue.TABLE.get(name.rpartition(".")[2].lower())
        if target is None:
            continue
        field, convert = target
        converted = convert(value) if convert else value
        if converted not in {None, ""} and (field not in event or field == "message"):
            event[field] = converted
    if "source.ip" in event:
        event.setdefault("event.category", ["network"])
        if header.get("log.syslog.msgid", "").endswith("_DENY"):
            event.setdefault("event.action", "deny")
        keyvalue.settle_action(event)


def _sniff(head: bytes, name: str) -> int:
    del name
    lines = [line for line in head[:32768].split(b"\n")[:20] if line.strip()]
    headed = sum(_HEADED.match(line) is not None for line in lines)
    return 60 if lines and headed * 2 > len(lines) else 0


_HEADED = re.compile(
    rb"\s{0,4}<\d{1,3}>|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
    rb"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S{0,16} [\w.-]{1,255} \S|%[A-Z]{2,16}-\d-"
)

PARSER = Parser(
    "syslog", "Syslog (RFC 5424, RFC 3164 and their variants) of any product.", "lines", _sniff, _parse
)
