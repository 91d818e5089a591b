r"""ArcSight's Common Event Format, versions 0 and 1: ``CEF:0|vendor|product|version|id|name|severity|k=v``.

Keys are those of the CEF implementation standard's dictionary. Values may hold spaces; ``\|`` is escaped in
the head, ``\=`` and ``\\`` and ``\n`` in the extension.
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

_HEAD = re.compile(r"CEF:\s?(\d{1,2})\|" + r"((?:[^|\\]++|\\.)*+)\|" * 6, re.DOTALL)
_KEY = re.compile(r"(?:^|(?<=\s))([A-Za-z0-9_][\w.\-\[\]]{0,127})=")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r"}
_LABEL = re.compile(r"\W+")
MAX_KEYS = 1000


def _addresses(value: str) -> list[str] | None:
    address = values.ip(value)
    return None if address is None else [address]


TABLE: Table = {
    "src": ("source.ip", values.ip),
    "sourceAddress": ("source.ip", values.ip),
    "c6a2": ("source.ip", values.ip),
    "spt": ("source.port", values.integer),
    "shost": ("source.domain", None),
    "smac": ("source.mac", None),
    "sntdom": ("user.domain", None),
    "suser": ("user.name", None),
    "suid": ("user.id", None),
    "dst": ("destination.ip", values.ip),
    "destinationAddress": ("destination.ip", values.ip),
    "c6a3": ("destination.ip", values.ip),
    "dpt": ("destination.port", values.integer),
    "dhost": ("destination.domain", None),
    "dmac": ("destination.mac", None),
    "duser": ("user.target.name", None),
    "dntdom": ("user.target.domain", None),
    "duid": ("user.target.id", None),
    "dvc": ("observer.ip", _addresses),
    "dvchost": ("observer.hostname", None),
    "dvcmac": ("observer.mac", values.listed),
    "deviceExternalId": ("observer.serial_number", None),
    "deviceInboundInterface": ("observer.ingress.interface.name", None),
    "deviceOutboundInterface": ("observer.egress.interface.name", None),
    "sourceTranslatedAddress": ("source.nat.ip", values.ip),
    "sourceTranslatedPort": ("source.nat.port", values.integer),
    "destinationTranslatedAddress": ("destination.nat.ip", values.ip),
    "destinationTranslatedPort": ("destination.nat.port", values.integer),
    "proto": ("network.transport", values.transport),
    "app": ("network.protocol", values.lower),
    "in": ("source.bytes", values.integer),
    "out": ("destination.bytes", values.integer),
    "act": ("event.action", None),
    "outcome": ("event.outcome", None),
    "reason": ("event.reason", None),
    "msg": ("message", None),
    "cat": ("rule.category", None),
    "request": ("url.original", None),
    "requestMethod": ("http.request.method", None),
    "requestClientApplication": ("user_agent.original", None),
    "requestContext": ("http.request.referrer", None),
    "fname": ("file.name", None),
    "filePath": ("file.path", None),
    "fsize": ("file.size", values.integer),
    "fileType": ("file.type", None),
    "sproc": ("process.name", None),
    "spid": ("process.pid", values.integer),
    "deviceProcessName": ("process.name", None),
    "dvcpid": ("process.pid", values.integer),
    "dproc": ("service.name", None),
}
_TIMES = ("rt", "deviceReceiptTime", "start", "end")
_LEVELS = {"unknown": 0, "low": 3, "medium": 6, "high": 8, "very-high": 10}
_OUTCOMES = {
    **dict.fromkeys(("success", "successful", "succeeded", "/success", "ok", "allow"), "success"),
    **dict.fromkeys(("failure", "failed", "fail", "/failure", "error"), "failure"),
}
_MALWARE_LABELS = frozenset(
    {"virusname", "virus_name", "threatname", "threat_name", "malwarename", "malware_name"}
)
_HASHES = {32: "file.hash.md5", 40: "file.hash.sha1", 64: "file.hash.sha256"}


def parse_message(message: str, context: Context) -> Event | Unparsed:
    """Return the event of a CEF text without its syslog header."""
    head = _HEAD.match(message)
    if head is None:
        return Unparsed("cef.header", "The text after CEF: does not have seven fields parted by bars.")
    version, vendor, product, release, code, name, level = (_plain(part) for part in head.groups())
    event: Event = {
        "event.module": "cef",
        "event.dataset": "cef.event",
        "cef.version": version,
        "observer.vendor": vendor,
        "observer.product": product,
        "observer.version": release,
        "event.code": code,
        "cef.name": name,
        "cef.severity": level,
    }
    severity = values.integer(level)
    event["event.severity"] = _LEVELS.get(level.lower(), 0) if severity is None else severity
    found = extension(message[head.end() :])
    values.assign(event, found, TABLE, "cef.")
    raw = dict(found)
    for key in _TIMES:
        if key in raw and (moment := guess(raw[key], context.zone, context.arrived)) is not None:
            event["@timestamp"] = moment
            break
    _labels(event, raw)
    event.setdefault("message", name)
    _finish(event, raw)
    return event


def extension(text: str) -> list[tuple[str, str]]:
    """Return the keys and values of an extension; a value runs to the next key."""
    keys = list(_KEY.finditer(text))[:MAX_KEYS]
    ends = [key.start() for key in keys[1:]] + [len(text)]
    return [
        (key[1], _unescape(text[key.end() : end].strip(" \t\r\n")))
        for key, end in zip(keys, ends, strict=False)  # without keys there is one end too many
    ]


def _plain(text: str) -> str:
    return _unescape(text).strip()


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(
        lambda found: _ESCAPED.get(found[1], found[1] if found[1] in "=|\\" else found[0]), text
    )


def _labels(event: Event, raw: dict[str, str]) -> None:
    """Put a custom field under its label too: ``cs1Label=Policy cs1=Lan`` gives ``cef.policy``."""
    for key, label in raw.items():
        if not key.endswith("Label") or not (value := raw.get(key[:-5])):
            continue
        slug = _LABEL.sub("_", label).strip("_").lower()[:64]
        if not slug:
            continue
        if slug in _MALWARE_LABELS:
            event.setdefault("threat.software.name", value)
        event.setdefault(f"cef.{slug}", value)


def _finish(event: Event, raw: dict[str, str]) -> None:
    outcome = _OUTCOMES.get(str(event.get("event.outcome", "")).lower())
    if outcome:
        event["event.outcome"] = outcome
    elif "event.outcome" in event:
        event["cef.outcome"] = event.pop("event.outcome")
    if field := _HASHES.get(len(raw.get("fileHash", ""))):
        event.setdefault(field, raw["fileHash"])
    keyvalue.settle_action(event)
    if "threat.software.name" in event:
        event["event.kind"] = "alert"
        event["event.category"] = ["malware"]
        places = ("destination.domain", "source.domain", "observer.hostname")
        if host := next((event[place] for place in places if place in event), None):
            event["host.name"] = host
    elif "source.ip" in event or "destination.ip" in event:
        event["event.category"] = ["network"]


PARSER = marked.parser(
    "cef", "ArcSight Common Event Format, with or without a syslog header.", "CEF:", 6, parse_message
)
