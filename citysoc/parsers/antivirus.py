"""Exports of antivirus consoles, made by hand: CSV and spreadsheets, Vietnamese or English columns.

No console documents its export, so columns are known by a list of synonyms (``framing.columns``) and can be
named by the source. Options of the source (``parser_options``):

    columns:      column name to ECS field, or to a key of ``framing.columns``: ``{"Tên tệp": "file.path"}``
    actions:      value of an action or result column to one of ``ACTIONS``: ``{"Đã dọn": "cleaned"}``
    date_format:  how ``strptime`` reads the times of this export, where it is not day/month/year
    vendor:       the vendor, for ``observer.vendor``

A row is a detection when it names a threat, and a machine's state when the export has no column of
threats at all but says something of the machine. Identity is by content: consoles export the same rows
again and again, and a row that was seen is stored once.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from citysoc.ecs.fields import FIELDS
from citysoc.flow import Unparsed
from citysoc.framing.columns import COLUMNS, known
from citysoc.framing.csv import find_layout
from citysoc.framing.encodings import decode, fold
from citysoc.parsers.antivirus_values import addresses, hardware_addresses, hash_field, moment, verdict
from citysoc.parsers.base import Parser

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from citysoc.flow import Event
    from citysoc.parsers.base import Context

_KEYS = frozenset(COLUMNS.values())
_MACHINE = frozenset({"version", "definitions", "updated", "seen", "os"})
_TEXT_FIELDS = {
    "threat": "threat.software.name",
    "os": "host.os.name",
    "process": "process.name",
    "unit": "antivirus.unit",
    "type": "antivirus.type",
    "version": "antivirus.version",
    "definitions": "antivirus.definitions",
    "scan": "antivirus.scan",
    "severity": "antivirus.severity",
}
"""Keys whose cells are kept as they are. The unit is the console's word: it never decides the agency."""


@dataclass(frozen=True, slots=True)
class _Table:
    """What the header and the options say about the cells of a row.

    Args:
        keys: for each column its key, its ECS field or its own ``antivirus.*`` name.
        own: for each column the name it has under ``antivirus.*``.
        actions: folded value to action.
        read_time: text to a moment, or None.
        vendor: for ``observer.vendor``.
        machines: whether rows without a threat are the state of machines.
    """

    keys: tuple[str, ...]
    own: tuple[str, ...]
    actions: Mapping[str, str]
    read_time: Callable[[str], dt.datetime | None]
    vendor: str
    machines: bool


def parse(lines: Sequence[str], context: Context) -> list[Event | Unparsed]:
    """Return an event for each row; see ``parsers.base.ParseLines``."""
    table = _table(context.header, context.options, context.zone)
    return [_parse_row(line, table) for line in lines]


def _parse_row(line: str, table: _Table) -> Event | Unparsed:
    cells = _cells(line)
    if cells is None:
        return Unparsed("csv.invalid", "The row is no line of CSV.")
    values, event = _sort_cells(cells, table)
    if "threat" in values:
        event.update(_DETECTION)
    elif table.machines and "host" in values:
        event.update(_MACHINE_STATE)
    else:
        return Unparsed("antivirus.no_threat", "The row names no threat.")
    if table.vendor:
        event["observer.vendor"] = table.vendor
    event["event.category"] = list(event["event.category"])
    event["event.type"] = list(event["event.type"])
    _set_time(event, values, table)
    _set_place(event, values)
    _set_file(event, values)
    _set_outcome(event, values, table)
    for key, name in _TEXT_FIELDS.items():
        if key in values:
            event[name] = values[key]
    return event


def _cells(line: str, delimiter: str = ",") -> list[str] | None:
    """Return the cells of a line; None where it is no CSV."""
    try:
        return next(csv.reader((line,), delimiter=delimiter), [])
    except csv.Error:
        return None


_DETECTION: Mapping[str, Any] = {
    "event.kind": "alert",
    "event.category": ("malware",),
    "event.type": ("info",),
    "event.module": "antivirus",
    "event.dataset": "antivirus.detection",
}
_MACHINE_STATE: Mapping[str, Any] = {
    "event.kind": "state",
    "event.category": ("host",),
    "event.type": ("info",),
    "event.module": "antivirus",
    "event.dataset": "antivirus.machine",
}


def _table(header: str, options: Mapping[str, Any], zone: ZoneInfo) -> _Table:
    names = _cells(header) or []
    columns = {fold(str(name)): str(field) for name, field in _mapping(options.get("columns")).items()}
    keys: list[str] = []
    own: list[str] = []
    for number, name in enumerate(names):
        folded = fold(name)
        mine = _own_name(folded, number, own)
        own.append(mine)
        keys.append(columns.get(folded) or COLUMNS.get(folded) or mine)
    actions = {fold(str(value)): str(action) for value, action in _mapping(options.get("actions")).items()}
    date_format = str(options.get("date_format") or "")
    return _Table(
        keys=tuple(keys),
        own=tuple(own),
        actions=actions,
        read_time=partial(moment, zone=zone, pattern=date_format),
        vendor=str(options.get("vendor") or ""),
        machines=not _names_threat(keys) and "host" in keys and not _MACHINE.isdisjoint(keys),
    )


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, dict) else {}


def _names_threat(keys: Sequence[str]) -> bool:
    return "threat" in keys or "threat.software.name" in keys


def _own_name(folded: str, number: int, taken: Sequence[str]) -> str:
    name = f"antivirus.{folded.replace(' ', '_')[:60] or f'column_{number + 1}'}"
    return f"{name}_{number + 1}" if name in taken else name


def _sort_cells(cells: Sequence[str], table: _Table) -> tuple[dict[str, str], Event]:
    """Return the cells by key, and an event of those whose column is a field by itself."""
    values: dict[str, str] = {}
    event: Event = {}
    for number, cell in enumerate(cells):
        text = cell.strip()
        if not text or text in _NOTHING:
            continue
        if number >= len(table.keys):
            event[f"antivirus.column_{number + 1}"] = text
            continue
        key = table.keys[number]
        if key == "threat.software.name":
            key = "threat"
        if key in _KEYS:
            if values.setdefault(key, text) != text:  # two columns of the same kind
                event[table.own[number]] = text
        else:
            _set_field(event, key, text, table)
    return values, event


_NOTHING = frozenset({"-", "--", "N/A", "n/a", "NULL", "null", "(null)"})


def _set_field(event: Event, name: str, text: str, table: _Table) -> None:
    """Set a field that the source's options name, in the field's own type."""
    field = FIELDS.get(name)
    value: Any = text
    if field and field.type == "ip":
        value = next(iter(addresses(text)), None)
    elif field and field.type == "date":
        value = table.read_time(text)
    elif field and field.type == "long":
        value = _count(text)
    if value is None:
        event[f"antivirus.{name.replace('.', '_')}"] = text
    else:
        event[name] = [value] if field and field.array else value


def _set_time(event: Event, values: Mapping[str, str], table: _Table) -> None:
    text = values.get("time", "")
    if not text and "date" in values:
        text = f"{values['date']} {values.get('clock', '')}".strip()
    if text and (when := table.read_time(text)) is not None:
        event["@timestamp"] = when
    elif text:
        event["antivirus.time"] = text
    for key in ("updated", "seen"):
        if key in values:
            when = table.read_time(values[key])
            event[f"antivirus.{key}"] = values[key] if when is None else when
    if (text := values.get("count", "")) and (count := _count(text)) is not None:
        event["antivirus.files"] = count


def _count(text: str) -> int | None:
    """Return a whole number; dots and spaces group thousands in Vietnamese."""
    bare = re.sub(r"[.\s](?=\d{3}\b)", "", text[:32])
    return int(bare) if re.fullmatch(r"-?[0-9]{1,18}", bare) else None


def _set_place(event: Event, values: Mapping[str, str]) -> None:
    if "host" in values:
        event["host.name"] = values["host"]
    if "ip" in values:
        if found := addresses(values["ip"]):
            event["host.ip"] = list(found)
        else:
            event["antivirus.ip"] = values["ip"]
    if "mac" in values:
        if found := hardware_addresses(values["mac"]):
            event["host.mac"] = list(found)
        else:
            event["antivirus.mac"] = values["mac"]
    if "user" in values:
        domain, mark, name = values["user"].rpartition("\\")
        event["user.name"] = name or values["user"]
        if mark and domain and name:
            event["user.domain"] = domain


def _set_file(event: Event, values: Mapping[str, str]) -> None:
    path = values.get("path", "")
    if path:
        event["file.path"] = path
    name = values.get("file") or path
    if name:
        event["file.name"] = re.split(r"[\\/]", name)[-1] or name
        if not path and event["file.name"] != name:  # the column of names holds whole paths
            event["file.path"] = name
    for key in ("md5", "sha1", "sha256", "hash"):
        if key in values:
            digest = values[key].strip().lower()
            event[hash_field(digest) or f"antivirus.{key}"] = digest


def _set_outcome(event: Event, values: Mapping[str, str], table: _Table) -> None:
    action, result = values.get("action", ""), values.get("result", "")
    if action:
        event["antivirus.action"] = action
    if result:
        event["antivirus.result"] = result
    if event["event.kind"] != "alert":
        return
    found = verdict(action, result, table.actions)
    if found is not None:
        event["event.action"] = found.action
        event["citysoc.outcome"] = found.outcome
        event["event.outcome"] = found.event_outcome


def sniff_csv(head: bytes, name: str) -> int:
    """Tell how surely the first bytes are such an export as text."""
    start = head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1]
    if not start or start in b"{[<" or head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b")):
        return 0
    if head.startswith((b"#separator", b"CEF:", b"LEEF:")):
        return 0
    text, _encoding = decode(head)
    lines = text.split("\n")[:100]
    layout = find_layout(lines)
    if layout is None:
        return 0
    return _confidence(lines, layout[0], name)


def _confidence(lines: Sequence[str], delimiter: str, name: str) -> int:
    for line in lines:
        row = _cells(line.strip("\r\n"), delimiter) or []
        if known(row) >= 2:
            if any(_is_data(cell) for cell in row):
                return 0
            keys = {COLUMNS[key] for cell in row if (key := fold(cell)) in COLUMNS}
            if "threat" in keys and len(keys) >= 3:
                return 92
            return 60 if len(keys) >= 4 or name.lower().endswith((".csv", ".tsv")) else 20
    return 15 if name.lower().endswith(".csv") else 0


def _is_data(cell: str) -> bool:
    """Tell whether a cell is no column's name: it holds a time, an address, a number."""
    return sum(map(str.isdigit, cell)) >= 4 and fold(cell) not in COLUMNS


def sniff_xlsx(head: bytes, name: str) -> int:
    """Tell how surely the first bytes are a spreadsheet."""
    named = name.lower().endswith((".xlsx", ".xlsm", ".xls"))
    if head.startswith(b"PK\x03\x04"):
        return 90 if b"xl/" in head or (named and b"[Content_Types].xml" in head) else 0
    return 85 if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") and named else 0


CSV = Parser(
    name="antivirus",
    summary="exports of antivirus consoles as CSV, any encoding, Vietnamese or English columns",
    framing="csv",
    sniff=sniff_csv,
    parse=parse,
    identity="content",
)
XLSX = Parser(
    name="antivirus-xlsx",
    summary="exports of antivirus consoles as spreadsheets (.xlsx, .xls)",
    framing="xlsx",
    sniff=sniff_xlsx,
    parse=parse,
    identity="content",
)
