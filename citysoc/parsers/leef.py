"""IBM QRadar's Log Event Extended Format, versions 1.0 and 2.0: attributes parted by tabs or a named letter.

Attribute names are those of the LEEF guide's predefined list.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from citysoc.flow import Unparsed
from citysoc.parsers import keyvalue, marked, values
from citysoc.parsers.times import guess

if TYPE_CHECKING:
    from citysoc.flow import Event
    from citysoc.parsers.base import Context
    from citysoc.parsers.values import Table

_HEAD = re.compile(r"LEEF:\s?(\d(?:\.\d)?)\|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|", re.DOTALL)
_DELIMITER = re.compile(r"(0?[xX][0-9A-Fa-f]{2,4}|\\t|[^\w\s|]|\t)?\|")
_NAME = re.compile(r"[\w.\- ]{1,128}$")
MAX_ATTRIBUTES = 1000

TABLE: Table = {
    "src": ("source.ip", values.ip),
    "srcPort": ("source.port", values.integer),
    "srcMAC": ("source.mac", None),
    "srcBytes": ("source.bytes", values.integer),
    "srcPackets": ("source.packets", values.integer),
    "srcPostNAT": ("source.nat.ip", values.ip),
    "srcPostNATPort": ("source.nat.port", values.integer),
    "dst": ("destination.ip", values.ip),
    "dstPort": ("destination.port", values.integer),
    "dstMAC": ("destination.mac", None),
    "dstBytes": ("destination.bytes", values.integer),
    "dstPackets": ("destination.packets", values.integer),
    "dstPostNAT": ("destination.nat.ip", values.ip),
    "dstPostNATPort": ("destination.nat.port", values.integer),
    "proto": ("network.transport", values.transport),
    "totalBytes": ("network.bytes", values.integer),
    "totalPackets": ("network.packets", values.integer),
    "usrName": ("user.name", None),
    "domain": ("user.domain", None),
    "accountName": ("user.name", None),
    "groupID": ("group.id", None),
    "identHostName": ("host.name", None),
    "identSrc": ("source.ip", values.ip),
    "resource": ("host.name", None),
    "sev": ("event.severity", values.integer),
    "cat": ("rule.category", None),
    "action": ("event.action", None),
    "msg": ("message", None),
    "reason": ("event.reason", None),
    "url": ("url.original", None),
    "policy": ("rule.name", None),
}


def parse_message(message: str, context: Context) -> Event | Unparsed:
    """Return the event of a LEEF text without its syslog header."""
    head = _HEAD.match(message)
    if head is None:
        return Unparsed("leef.header", "The text after LEEF: does not have five fields parted by bars.")
    version, vendor, product, release, code = (part.strip() for part in head.groups())
    start, delimiter = head.end(), "\t"
    if version.startswith("2") and (named := _DELIMITER.match(message, start)):
        start, delimiter = named.end(), _delimiter(named[1])
    event: Event = {
        "event.module": "leef",
        "event.dataset": "leef.event",
        "leef.version": version,
        "observer.vendor": vendor,
        "observer.product": product,
        "observer.version": release,
        "event.code": code,
    }
    found = attributes(message[start:], delimiter)
    values.assign(event, found, TABLE, "leef.")
    raw = dict(found)
    for name in ("devTime", "eventTime", "time"):
        if name in raw and (moment := guess(raw[name], context.zone, context.arrived)) is not None:
            event["@timestamp"] = moment
            break
    keyvalue.settle_action(event)
    if "source.ip" in event or "destination.ip" in event:
        event["event.category"] = ["network"]
    return event


def attributes(text: str, delimiter: str) -> list[tuple[str, str]]:
    """Return the attributes of a LEEF text. Senders that lost the tabs on the way are read by spaces."""
    if delimiter == "\t" and "\t" not in text and text.count("=") > 1:
        return keyvalue.pairs(text)
    found = []
    for part in text.split(delimiter)[:MAX_ATTRIBUTES]:
        name, sign, value = part.partition("=")
        name = name.strip()
        if sign and _NAME.match(name):
            found.append((name, value.strip("\r\n")))
    return found


def _delimiter(text: str | None) -> str:
    if not text or text == "\\t":
        return "\t"
    if len(text) > 1:
        return chr(int(text.lower().removeprefix("0").removeprefix("x"), 16))
    return text


PARSER = marked.parser(
    "leef", "IBM LEEF 1.0 and 2.0, with or without a syslog header.", "LEEF:", 5, parse_message
)
