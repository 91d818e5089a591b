"""Windows events in every form they travel in: event logs (EVTX), evtx_dump's JSON, Winlogbeat, NXLog.

Whatever the form, the same event gives the same ECS: ``winlog.*`` from its system part, and the fields of its
EventData and UserData by ``ecs/windows.yml``.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from citysoc.flow import Unparsed
from citysoc.parsers import envelope, jsontext, ndjson, values
from citysoc.parsers.base import Context, Parser
from citysoc.parsers.times import guess
from citysoc.parsers.windows_beats import Beats, Standing
from citysoc.parsers.windows_fields import complete
from citysoc.parsers.windows_heads import copy_level, keywords
from citysoc.parsers.windows_shapes import Shapes, is_data, zone_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from citysoc.flow import Event
    from citysoc.parsers.windows_shapes import Recipe, Row

NOT_WINDOWS = Unparsed("windows.not_event", "The object is not a Windows event.")
_MAX_DEPTH = 8
_MAX_FIELDS = 500
_MAX_PLAIN = 200
_PLAIN = frozenset({str, int, float, bool, type(None)})
_BEAT_DATA = ("winlog.event_data.", "winlog.user_data.")

# The system part of an event as flat shippers (NXLog, Winlogbeat 6, Graylog sidecar ...) name it.
_FLAT: dict[str, str] = {
    "EventID": "event.code",
    "event_id": "event.code",
    "Channel": "winlog.channel",
    "log_name": "winlog.channel",
    "SourceName": "winlog.provider_name",
    "Provider_Name": "winlog.provider_name",
    "ProviderName": "winlog.provider_name",
    "source_name": "winlog.provider_name",
    "Hostname": "winlog.computer_name",
    "Computer": "winlog.computer_name",
    "ComputerName": "winlog.computer_name",
    "computer_name": "winlog.computer_name",
    "RecordNumber": "winlog.record_id",
    "EventRecordID": "winlog.record_id",
    "record_number": "winlog.record_id",
    "Level": "winlog.level",
    "LevelValue": "winlog.level",
    "Task": "winlog.task",
    "Opcode": "winlog.opcode",
    "OpcodeValue": "winlog.opcode",
    "Keywords": "winlog.keywords",
    "Version": "winlog.version",
    "ThreadID": "winlog.process.thread.id",
    "ExecutionThreadID": "winlog.process.thread.id",
    "ExecutionProcessID": "winlog.process.pid",
    "ProcessID": "winlog.process.pid",
    "ActivityID": "winlog.activity_id",
    "UserID": "winlog.user.identifier",
    "Message": "message",
}
_FLAT_TIMES = ("@timestamp", "TimeCreated", "SystemTime", "EventTime", "UtcTime", "EventReceivedTime")
_NESTED = ("EventData", "event_data", "UserData", "user_data")
_SHAPES = Shapes(_FLAT, _FLAT_TIMES)
_BEATS = Beats()
_TEXTS = ("event.code", "winlog.channel", "winlog.provider_name", "winlog.computer_name")


def _parse(lines: Sequence[str], context: Context) -> list[Event | Unparsed]:
    return [_parse_line(line, context) for line in lines]


def _parse_line(line: str, context: Context) -> Event | Unparsed:
    header: Event = {}
    if not line.startswith("{") and (marker := line.find("{")) > 0:
        header, line = envelope.strip(line, marker, context)
    record = jsontext.load(line)
    if isinstance(record, Unparsed):
        return record
    event = from_object(record, context)
    if event is None:
        return NOT_WINDOWS
    for name, value in header.items():
        event.setdefault(name, value)
    return event


def from_object(record: Mapping[str, Any], context: Context) -> Event | None:
    """Return the event of a Windows event as JSON, in any of its forms; None if it is not one."""
    if "EventID" in record and "winlog.event_id" not in record:
        event = _SHAPES.event(record, context)
        if event is not None:
            return event
    inner = record.get("Event")
    if isinstance(inner, dict) and isinstance(inner.get("System"), dict):
        return _from_dump(inner, context)
    if isinstance(record.get("System"), dict):
        return _from_dump(record, context)
    if isinstance(record.get("winlog"), dict) or "winlog.event_id" in record:
        return _from_beat(record, context)
    if ("EventID" in record or "event_id" in record) and not _FLAT.keys().isdisjoint(record):
        return _from_flat(record, context)
    return None


def telling(names: tuple[str, ...]) -> Sequence[int] | None:
    """Return the places of what tells the kind of flat records of some names; None where they must be read."""
    if "winlog.event_id" in names or "EventID" not in names:
        return None
    return _SHAPES.telling(names)


def flat_recipe(record: Mapping[str, Any]) -> Recipe | None:
    """Return the recipe of a flat record; None where it must be read."""
    rows = [tuple(record.values())]
    return next(made for made, _numbers, _rows in _SHAPES.recipes(tuple(record), [0], rows))


def standing(record: dict[str, Any]) -> Standing | None:
    """Return where the values of nested records like one stand; None where they must be read."""
    return _BEATS.standing(record) if "winlog" in record else None


def nested_row(record: dict[str, Any]) -> Row:
    """Return the values of a nested record in the order of its recipe."""
    return _BEATS.row(record)


def nested_recipe(record: dict[str, Any]) -> Recipe | None:
    """Return the recipe of a nested record; None where it must be read."""
    return _BEATS.recipe(record)


def kinds(
    by_names: Mapping[tuple[str, ...], tuple[list[int], list[Row]]],
) -> Iterator[tuple[Recipe | None, list[int], Sequence[Row]]]:
    """Yield recipes for flat records, the numbers of these records, and their values.

    Args:
        by_names: by their names the numbers of records, and their values, all scalars. What has no recipe must be read
            one by one.
    """
    for names, (numbers, rows) in by_names.items():
        if "winlog.event_id" in names or "EventID" not in names:
            yield None, numbers, rows
        else:
            yield from _SHAPES.recipes(names, numbers, rows)


def nested_kinds(
    records: Iterable[tuple[int, dict[str, Any]]],
) -> Iterator[tuple[Recipe | None, list[int], Sequence[Row]]]:
    """Yield recipes for records of Winlogbeat, the numbers of these records, and the values of their leaves.

    Args:
        records: with their numbers. What has no recipe must be read one by one.
    """
    return _BEATS.recipes(records)


def _from_dump(record: Mapping[str, Any], context: Context) -> Event:
    """Read the shape of the XML: ``System``, ``EventData``, ``UserData``."""
    system = record["System"]
    execution = system.get("Execution")
    event: Event = {}
    facts = {
        "event.code": _plain(system.get("EventID")),
        "winlog.channel": _plain(system.get("Channel")),
        "winlog.provider_name": _attribute(system.get("Provider"), "Name"),
        "winlog.provider_guid": _attribute(system.get("Provider"), "Guid"),
        "winlog.computer_name": _plain(system.get("Computer")),
        "winlog.record_id": _plain(system.get("EventRecordID")),
        "winlog.level": _plain(system.get("Level")),
        "winlog.task": _plain(system.get("Task")),
        "winlog.opcode": _plain(system.get("Opcode")),
        "winlog.keywords": _plain(system.get("Keywords")),
        "winlog.version": _plain(system.get("Version")),
        "winlog.process.pid": _attribute(execution, "ProcessID"),
        "winlog.process.thread.id": _attribute(execution, "ThreadID"),
        "winlog.activity_id": _attribute(system.get("Correlation"), "ActivityID"),
        "winlog.user.identifier": _attribute(system.get("Security"), "UserID"),
    }
    rendering = record.get("RenderingInfo")
    if isinstance(rendering, dict):
        facts["message"] = _plain(rendering.get("Message"))
    _system(event, facts)
    moment = guess(_attribute(system.get("TimeCreated"), "SystemTime"), context.zone, context.arrived)
    if moment is not None:
        event["@timestamp"] = moment
    data = dict(_data(record.get("EventData")))
    for name, value in _data(_inside(record.get("UserData"))):
        data.setdefault(name, value)
    return complete(event, data)


def _from_beat(record: Mapping[str, Any], context: Context) -> Event:
    """Read Winlogbeat's JSON: already ECS, the event's own fields under ``winlog.event_data``."""
    record, data = _apart(record)
    event = ndjson.from_object({"ecs": {}, **record}, context)
    for prefix in _BEAT_DATA:
        for name in [name for name in event if name.startswith(prefix)]:
            data.setdefault(name.removeprefix(prefix), event.pop(name))
    facts = {
        "event.code": event.get("winlog.event_id", event.get("event.code")),
        "winlog.channel": event.get("winlog.channel", event.get("winlog.log_name")),
        "winlog.provider_name": event.get(
            "winlog.provider_name", event.get("winlog.source_name", event.get("event.provider"))
        ),
        "winlog.computer_name": event.get("winlog.computer_name", event.get("host.name")),
        "winlog.record_id": event.get("winlog.record_id", event.get("winlog.record_number")),
    }
    _as_numbers(event)
    _system(event, facts)
    return complete(event, data)


def _as_numbers(event: Event) -> None:
    """Give keywords and level, which Winlogbeat has in words, also as the event log has them: rules ask for those."""
    if "winlog.keywords" in event:
        event["winlog.keywords"] = keywords(event["winlog.keywords"])
    copy_level(event, "winlog.level", event.get("log.level"))


def _apart(record: Mapping[str, Any]) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Return a record without its ``winlog.event_data``, and that: plain fields need not be flattened with the rest."""
    winlog = record.get("winlog")
    if type(winlog) is not dict:
        return record, {}
    data = winlog.get("event_data")
    if type(data) is not dict or len(data) > _MAX_PLAIN or not _PLAIN.issuperset(map(type, data.values())):
        return record, {}
    if any(name.startswith("winlog.") for name in record) or len(max(data, key=len, default="")) > _MAX_PLAIN:
        return record, {}
    rest = {**record, "winlog": {name: value for name, value in winlog.items() if name != "event_data"}}
    return rest, {name: value for name, value in data.items() if value is not None}


def _from_flat(record: Mapping[str, Any], context: Context) -> Event:
    """Read one flat object: the system part and the event's own fields side by side."""
    facts: dict[str, Any] = {}
    data: dict[str, Any] = {}
    twice = is_data(record)
    for name, value in record.items():
        target = None if name in twice else _FLAT.get(name)
        if target is None:
            if name not in _FLAT_TIMES or name == "UtcTime":
                data[name] = value
        elif target not in facts:
            facts[target] = _plain(value)
    moment = next(
        (
            found
            for name in _FLAT_TIMES
            if name in record
            and (found := guess(_plain(record[name]), zone_of(name) or context.zone, context.arrived))
        ),
        None,
    )
    event: Event = {} if moment is None else {"@timestamp": moment}
    _system(event, facts)
    nested = [data.pop(name) for name in _NESTED if isinstance(data.get(name), dict)]
    pairs = dict(_data(data))
    for part in nested:
        pairs.update(_data(_inside(part)))
    return complete(event, pairs)


def _system(event: Event, facts: Mapping[str, Any]) -> None:
    """Set the system part: names and ids as text, whatever the record has them as."""
    for name, value in facts.items():
        if value is None or value == "":
            continue
        if name in _TEXTS:
            value = values.text(value)
            if value is None:
                continue
        elif name == "winlog.record_id" or name.startswith(("winlog.process.", "winlog.level")):
            number = values.integer(value)
            value = value if number is None else number
        event[name] = value
    if "event.code" in event:
        event["winlog.event_id"] = event["event.code"]
    if "winlog.computer_name" in event:
        event["host.name"] = event["winlog.computer_name"]


def _plain(value: Any) -> Any:
    """Return the text of an element that also has attributes, else the value."""
    if isinstance(value, dict):
        for name in ("#text", "$text", "text", "Value", "value"):
            if name in value:
                return _plain(value[name])
        return None
    return value


def _attribute(value: Any, name: str) -> Any:
    """Return an attribute of an element, in the ways that converters from XML write it."""
    if isinstance(value, dict):
        for key in ("#attributes", "@attributes", "attributes"):
            if isinstance(value.get(key), dict):
                return value[key].get(name)
        return value.get(f"@{name}", value.get(name))
    return value if isinstance(value, str) else None


def _inside(value: Any) -> Any:
    """Return what the only element of ``UserData`` holds: its own name says nothing."""
    for _ in range(2):
        if isinstance(value, dict):
            inner = [item for name, item in value.items() if not name.startswith(("#", "@"))]
            if len(inner) == 1 and isinstance(inner[0], dict) and "#text" not in inner[0]:
                value = inner[0]
    return value


def _data(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the named fields of an EventData or UserData part."""
    yield from itertools.islice(_walk(value, 0), _MAX_FIELDS)


def _walk(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        if value is not None and value != "":
            yield "Data", value
        return
    for name, item in value.items():
        if name.startswith(("#attributes", "@", "xmlns")):
            continue
        if name == "Data" and isinstance(item, list) and any(isinstance(part, dict) for part in item):
            yield from _named(item)
        elif isinstance(item, dict) and "#text" not in item:
            if depth < _MAX_DEPTH:
                yield from _walk(item, depth + 1)
        else:
            yield name, _scalars(item)


def _named(parts: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield ``<Data Name="x">y</Data>`` as converters from XML write a list of them."""
    unnamed = []
    for part in parts:
        name = _attribute(part, "Name") if isinstance(part, dict) else None
        if isinstance(name, str):
            yield name, _plain(part)
        else:
            unnamed.append(_plain(part))
    if unnamed:
        yield "Data", unnamed


def _scalars(value: Any) -> Any:
    if isinstance(value, dict):
        return _plain(value)
    if isinstance(value, list):
        return [values.text(_plain(item)) for item in value]
    return value


def _sniff_evtx(head: bytes, _name: str) -> int:
    return 100 if head.startswith(b"ElfFile\0") else 0


def _looks_windows(record: Mapping[str, Any]) -> bool:
    inner = record.get("Event", record)
    if isinstance(inner, dict) and isinstance(inner.get("System"), dict):
        return True
    if isinstance(record.get("winlog"), dict) or "winlog.event_id" in record:
        return True
    named = {"Channel", "SourceName", "Provider_Name", "ProviderName", "log_name", "source_name"}
    return ("EventID" in record or "event_id" in record) and not named.isdisjoint(record)


def _sniff_lines(head: bytes, _name: str) -> int:
    found = jsontext.objects(head)
    return 90 if found and all(map(_looks_windows, found)) else 0


def _sniff_document(head: bytes, _name: str) -> int:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:4096]
    if not start.startswith((b"{", b"[")) or jsontext.objects(head, 1):
        return 0
    return (
        85
        if b'"System"' in start or (b'"EventID"' in start and b'"Channel"' in start) or b'"winlog"' in start
        else 0
    )


EVTX = Parser(
    name="evtx",
    summary="Windows event logs (.evtx)",
    framing="evtx",
    sniff=_sniff_evtx,
    parse=_parse,
)
JSON = Parser(
    name="windows",
    summary="Windows events as JSON lines: Winlogbeat, NXLog, evtx_dump",
    framing="lines",
    sniff=_sniff_lines,
    parse=_parse,
)
JSON_DOCUMENT = Parser(
    name="windows-document",
    summary="Windows events as a JSON document: one object over many lines, or an array",
    framing="json",
    sniff=_sniff_document,
    parse=_parse,
)
