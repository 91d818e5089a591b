"""Zeek's logs: tab-separated with a ``#fields`` header, or JSON; every log, the common ones mapped to ECS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.flow import Unparsed
from citysoc.parsers import envelope, jsontext, values
from citysoc.parsers.base import Context, Parser
from citysoc.parsers.times import guess
from citysoc.parsers.zeek_fields import table_of
from citysoc.parsers.zeek_layout import Layout, layout_of
from citysoc.parsers.zeek_meaning import finish, path_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.flow import Event


def _parse_lines(lines: Sequence[str], context: Context) -> list[Event | Unparsed]:
    layout = layout_of(context.header)
    if layout is None:
        missing = Unparsed("zeek.no_header", "The file has no #fields line, which names the columns.")
        return [missing for _ in lines]
    return [_parse_row(line, layout) for line in lines]


def _parse_row(line: str, layout: Layout) -> Event | Unparsed:
    texts = line.rstrip("\r").split(layout.separator)
    columns = layout.columns
    if len(texts) != len(columns):
        return Unparsed("zeek.columns", "The line has not as many columns as the header names.")
    event: Event = {"event.module": "zeek", "event.dataset": f"zeek.{layout.path}"}
    unset = layout.unset
    for (field, own, read), text in zip(columns, texts, strict=True):
        if text in unset:
            continue
        value = text if read is None else read(text)
        if value is None:  # not of its type: keep the text
            event[own] = text
        elif field in event:
            event[own] = value
        elif value != []:
            event[field] = value
    return finish(event, layout.path)


def from_object(record: dict[str, Any], context: Context) -> Event | Unparsed:
    """Return the event of one object of a Zeek JSON log."""
    path = path_of(record, context)
    event: Event = {"event.module": "zeek", "event.dataset": f"zeek.{path}"}
    leaves = values.flatten(record)
    values.assign(event, leaves, table_of(path), "zeek.")
    stamp = event.pop("zeek.ts", None)
    if (moment := guess(stamp, context.zone, context.arrived)) is not None:
        event["@timestamp"] = moment
    return finish(event, path)


def recognise(record: dict[str, Any]) -> bool:
    """Return whether an object is one of a Zeek JSON log."""
    if "ts" not in record:
        return False
    return "_path" in record or "id.orig_h" in record or ("uid" in record and "id" in record)


def _parse_json(lines: Sequence[str], context: Context) -> list[Event | Unparsed]:
    return [_parse_json_line(line, context) for line in lines]


def _parse_json_line(line: str, context: Context) -> Event | Unparsed:
    header: Event = {}
    if not line.startswith("{"):
        header, line = envelope.strip(line, line.find("{"), context)
    record = jsontext.load(line)
    if isinstance(record, Unparsed):
        return record
    if not ("ts" in record or "_path" in record):
        return Unparsed("zeek.ts", "The object has neither ts nor _path, as Zeek writes them.")
    event = from_object(record, context)
    return {**header, **event} if header and not isinstance(event, Unparsed) else event


def _sniff_tsv(head: bytes, name: str) -> int:
    del name
    start = head.lstrip(b"\xef\xbb\xbf")[:4096]
    return 95 if start.startswith(b"#separator ") or (start[:1] == b"#" and b"\n#fields\t" in start) else 0


def _sniff_json(head: bytes, name: str) -> int:
    del name
    return 90 if any(recognise(record) for record in jsontext.objects(head)) else 0


TSV = Parser("zeek", "Zeek logs, tab-separated with their header.", "comments", _sniff_tsv, _parse_lines)
JSON = Parser("zeek-json", "Zeek logs as JSON lines.", "lines", _sniff_json, _parse_json)
