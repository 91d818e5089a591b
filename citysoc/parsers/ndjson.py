"""JSON lines: objects that already are ECS are taken as they are, others are kept under ``ndjson.*``."""

from __future__ import annotations

import datetime as dt
import functools
import re
from typing import TYPE_CHECKING, Any

from citysoc.ecs.fields import FIELDS
from citysoc.flow import Unparsed
from citysoc.parsers import envelope, jsontext, keyvalue, products, values
from citysoc.parsers.base import Context, Parser
from citysoc.parsers.times import guess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.flow import Event
    from citysoc.parsers.values import Table

_TIMES = (
    *("@timestamp", "timestamp", "time", "eventTime", "event_time", "ts", "datetime", "date", "created_at"),
    *(
        "createdDateTime",
        "CreationTime",
        "EdgeStartTimestamp",
        "occured",
        "occurred",
        "_time",
        "Time",
        "logtime",
    ),
)
_TABLE: Table = {
    **dict.fromkeys(
        ("src_ip", "srcip", "source_ip", "client_ip", "ClientIP", "remoteAddr"), ("source.ip", values.ip)
    ),
    **dict.fromkeys(("src_port", "srcport", "source_port", "ClientSrcPort"), ("source.port", values.integer)),
    **dict.fromkeys(("dst_ip", "dstip", "dest_ip", "destination_ip"), ("destination.ip", values.ip)),
    **dict.fromkeys(("dst_port", "dstport", "dest_port"), ("destination.port", values.integer)),
    **dict.fromkeys(("message", "msg", "Message"), ("message", values.text)),
    **dict.fromkeys(("hostname", "host_name", "dvchost"), ("host.name", values.text)),
    **dict.fromkeys(("user", "username", "user_name", "UserId"), ("user.name", values.text)),
    **dict.fromkeys(("level", "severity", "log_level"), ("log.level", values.lower)),
    **dict.fromkeys(("action_taken", "action", "Operation"), ("event.action", values.text)),
    **dict.fromkeys(("threat_name", "threatName", "virus_name"), ("threat.software.name", values.text)),
}
_ECS_ROOTS = frozenset({"event", "source", "destination", "process", "file", "user", "host", "agent", "log"})
_DATES = frozenset(name for name, field in FIELDS.items() if field.type == "date")
_LISTS = frozenset(name for name, field in FIELDS.items() if field.array)
_TEXTS = frozenset(
    name for name, field in FIELDS.items() if field.type in {"keyword", "ip"} and not field.array
)
_CLAIMS = ("agency.", "citysoc.")
_MODULE = "ndjson"


def is_ecs(record: dict[str, Any]) -> bool:
    """Return whether an object is an ECS event, nested or dotted."""
    if "ecs.version" in record or isinstance(record.get("ecs"), dict):
        return True
    if "@timestamp" not in record:
        return False
    return any(
        name.startswith(("event.", "source.", "process.", "host.", "log.", "file.", "user."))
        or (name in _ECS_ROOTS and isinstance(value, dict))
        for name, value in record.items()
    )


def from_object(record: dict[str, Any], context: Context) -> Event:
    """Return the event of any JSON object."""
    if "ecs" not in record and "ecs.version" not in record:
        event = products.from_object(record, context)
        if event is not None:
            return event
    return _ecs(record, context) if is_ecs(record) else _other(record, context)


def _ecs(record: dict[str, Any], context: Context) -> Event:
    event: Event = {}
    for name, value in values.flatten(record):
        if _is_free(name):
            event[name] = value
        elif name.startswith(_CLAIMS):  # whose event it is, and how it is classed, is not the sender's to say
            event[f"ndjson.{name}"] = value
        else:
            event[name] = _fit(name, value, context)
    if "@timestamp" in event and not isinstance(event["@timestamp"], dt.datetime):
        event["ndjson.@timestamp"] = event.pop("@timestamp")
    event.setdefault("event.module", "ndjson")
    event.setdefault("event.dataset", "ndjson.event")
    return event


@functools.lru_cache(maxsize=16_384)
def _is_free(name: str) -> bool:
    """Return whether a field may hold anything: it is not of ECS, and not ours."""
    return name not in FIELDS and not name.startswith(_CLAIMS)


def _fit(name: str, value: Any, context: Context) -> Any:
    """Return a value in the form that its ECS field asks for, as far as it can be had."""
    if name in _DATES:
        return guess(value, context.zone, context.arrived) or value
    return fitted(name, value)


def fitted(name: str, value: Any) -> Any:
    """Return a value in the form of an ECS field that is no time, as far as it can be had."""
    if name in _LISTS:
        return value if isinstance(value, list) else [value]
    if isinstance(value, list) and len(value) == 1 and name in FIELDS:
        value = value[0]
    if name in _TEXTS and isinstance(value, int | float):
        return values.text(value)
    return value


def _other(record: dict[str, Any], context: Context) -> Event:
    module, dataset = _declared(context)
    event: Event = {"event.module": module, "event.dataset": dataset}
    fields = values.flatten(record)
    values.assign(event, fields, _TABLE, f"{module}.")
    if module != _MODULE:  # rules of the declared product ask for its own names
        event.update((f"{module}.{name}", value) for name, value in fields if name in _TABLE)
    for name in _TIMES:
        if name in record and (moment := guess(record[name], context.zone, context.arrived)) is not None:
            event["@timestamp"] = moment
            break
    if "threat.software.name" in event:
        event["event.kind"] = "alert"
        event["event.category"] = ["malware"]
        keyvalue.settle_action(event)
    return event


def _declared(context: Context) -> tuple[str, str]:
    """Return module and dataset of objects that no parser knows: what the source says that they are."""
    said = context.options.get("logsource")
    if not isinstance(said, dict) or not (product := said.get("product")):
        return _MODULE, f"{_MODULE}.event"
    module = str(product).lower()
    return module, f"{module}.{said.get('service') or said.get('category') or 'event'}"


def _parse(lines: Sequence[str], context: Context) -> list[Event | Unparsed]:
    return [_parse_line(line, context) for line in lines]


def _parse_line(line: str, context: Context) -> Event | Unparsed:
    header: Event = {}
    if not line.startswith("{") and (marker := line.find("{")) > 0 and line.startswith(("<", " ")):
        header, line = envelope.strip(line, marker, context)
    record = jsontext.load(line)
    if isinstance(record, Unparsed):
        return record
    return {**header, **from_object(record, context)}


def _sniff(head: bytes, name: str) -> int:
    found = jsontext.objects(head)
    if not found:
        return 0
    return 50 if is_ecs(found[0]) or name.endswith((".ndjson", ".jsonl")) else 40


def _sniff_document(head: bytes, name: str) -> int:
    """Return whether a file is one document: an array, an object over many lines, one that wraps its records."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:4096]
    if _ARRAY.match(start):
        return 45
    if not _OBJECT.match(start):
        return 0
    whole = jsontext.objects(head, 1)
    if not whole:  # the first line is no object of its own
        return 45 if name.endswith(".json") or b"\n" in start[:4] or _WRAPPED.match(start) else 30
    return 55 if _WRAPPED.match(start) else 0


_ARRAY = re.compile(rb"\[\s{0,64}\{\s{0,64}\"")
_OBJECT = re.compile(rb"\{\s{0,64}\"")
_WRAPPED = re.compile(rb'\{\s{0,64}"(?:Records|records|value|items)"\s{0,8}:\s{0,8}\[\s{0,64}\{')

DOCUMENT = Parser(
    "json",
    "JSON documents: an array, an object over many lines, a list of records.",
    "json",
    _sniff_document,
    _parse,
)
PARSER = Parser("ndjson", "JSON lines: ECS events, or any other objects.", "lines", _sniff, _parse)
