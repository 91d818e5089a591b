"""Run a batch through its parser and complete the events: one event for every record, whatever comes.

The payload never decides whose event it is: everything under ``agency.*`` and ``citysoc.*``, the id and
the arrival come from the batch alone; what a payload brings under those names is kept as ``ndjson.*``.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import unicodedata
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from citysoc import telemetry
from citysoc.clock import HUE
from citysoc.ecs.fields import VERSION
from citysoc.flow import Unparsed, content_id, position_id, position_ids
from citysoc.parsers import registry
from citysoc.parsers.base import Context
from citysoc.parsers.sniff import identify

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from citysoc.flow import Batch, Event, Refused
    from citysoc.parsers.base import Parser

MAX_FIELDS = 1000
"""An event keeps at most so many fields; the rest stays in ``event.original``."""

_NO_FACTS: Mapping[str, Any] = MappingProxyType({})
_RESERVED = ("agency.", "citysoc.")
_RESERVED_NAMES = frozenset(
    {"event.id", "event.ingested", "event.original", "log.file.path", "log.offset", "ecs.version"}
)
_OURS = frozenset({"citysoc.outcome", "citysoc.class", "citysoc.threat"})
_MAX_ALLOWED = 50_000
_allowed: set[str] = set()
"""Names seen that any parser may give: most events hold nothing else, and this is how that is seen in one step."""
_EARLIEST_YEAR = 1990
FUTURE = dt.timedelta(days=2)
"""An event may say that it is so much later than its arrival: clocks differ."""
_SNIFF_RECORDS = 50


def parse_batch(batch: Batch, *, agency_facts: Mapping[str, Any] = _NO_FACTS) -> list[Event]:
    """Return one event for each record of a batch, in record order, then one for each refused one.

    A record that its parser does not understand becomes an event with ``citysoc.unparsed``.

    Args:
        batch: the records; its ``parser`` may be ``auto``.
        agency_facts: further fields of the agency, for example ``agency.name`` and ``agency.level``.

    Raises:
        InputError: the batch names a parser that does not exist.
    """
    originals = [decode(record) for record in batch.records]
    parser = registry.parser(parser_name(batch))
    parsed = _parse(parser, [clean(text) for text in originals], context_of(batch))
    common = _common(batch, parser, agency_facts)
    events = [_unparsed(outcome) if isinstance(outcome, Unparsed) else _guard(outcome) for outcome in parsed]
    latest = batch.arrived + FUTURE
    rows = zip(events, _ids(batch, parser), batch.offsets, originals, strict=True)
    for event, identity, offset, original in rows:
        moment = event.get("@timestamp")
        if isinstance(moment, dt.datetime) and is_believable(moment, latest):
            event["citysoc.time_source"] = "event"
        else:
            if isinstance(moment, dt.datetime) and moment.tzinfo is not None:
                event["event.created"] = moment
            event["@timestamp"] = batch.arrived
            event["citysoc.time_source"] = "arrival"
        if "event.kind" not in event:
            event["event.kind"] = "event"
        event["event.id"] = identity
        event["log.offset"] = offset
        event["event.original"] = original
        event.update(common)
    events.extend(_refused(refused, batch, common) for refused in batch.refused)
    return events


def context_of(batch: Batch) -> Context:
    """Return what a parser may know besides the records of a batch."""
    return Context(
        arrived=batch.arrived,
        zone=_zone(batch.timezone),
        header=clean(decode(batch.header)),
        sender=batch.sender,
        options=batch.parser_options,
    )


def decode(record: bytes) -> str:
    r"""Return a record as text: UTF-8, with every byte that is not written as ``\xNN``."""
    try:
        return record.decode()
    except UnicodeDecodeError:
        return record.decode("utf-8", "backslashreplace")


def clean(text: str) -> str:
    """Return the text for the parser: no byte order mark, no NUL, one composition of every letter."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    text = text.removeprefix("\ufeff").replace("\0", "")
    if unicodedata.is_normalized("NFC", text):
        return text
    pieces = _PIECES.split(text)
    pieces[::2] = [unicodedata.normalize("NFC", piece) for piece in pieces[::2]]
    return "".join(pieces)


_PIECES = re.compile(r"(\\u[0-9a-fA-F]{4}|\\.|[^\w\u0080-\U0010ffff]|[\u037e\u1fef])", re.ASCII | re.DOTALL)
"""What a format is written with: composed with a mark behind it, a delimiter or an escape would be none any more
(``=`` and U+0338 are one sign), and the Greek question mark would become a semicolon."""


@functools.lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return HUE


def parser_name(batch: Batch) -> str:
    """Return the parser of a batch, by its name or by looking."""
    if batch.parser != "auto":
        return batch.parser
    head = b"\n".join([batch.header, *batch.records[:_SNIFF_RECORDS]])
    return identify(head, batch.path)[0]


def _parse(parser: Parser, lines: Sequence[str], context: Context) -> list[Event | Unparsed]:
    """Return the parser's results; if it fails on the batch, those of the records it can read alone."""
    try:
        parsed = parser.parse(lines, context)
    except Exception:  # noqa: BLE001  around one component: a parser's bug must not stop the line
        telemetry.logger("parsers").exception("parser.failed", parser=parser.name, records=len(lines))
        parsed = []
    if len(parsed) == len(lines):
        return parsed
    results = [_parse_alone(parser, line, context) for line in lines]
    failed = sum(isinstance(result, Unparsed) and result.reason == "parser.failed" for result in results)
    telemetry.logger("parsers").error("parser.quarantined", parser=parser.name, records=failed)
    return results


def _parse_alone(parser: Parser, line: str, context: Context) -> Event | Unparsed:
    try:
        parsed = parser.parse([line], context)
    except Exception:  # noqa: BLE001  the same boundary, one record at a time; reported once a batch
        parsed = []
    if len(parsed) == 1:
        return parsed[0]
    return Unparsed("parser.failed", f"The parser {parser.name} failed on this record.")


def _common(batch: Batch, parser: Parser, agency_facts: Mapping[str, Any]) -> Event:
    return {
        **agency_facts,
        **_declared(batch.parser_options.get("logsource")),
        "agency.id": batch.agency,
        "citysoc.source": batch.stream,
        "citysoc.parser": parser.name,
        "event.ingested": batch.arrived,
        "log.file.path": batch.path,
        "ecs.version": VERSION,
    }


def _declared(logsource: Any) -> Event:
    """Return what the source declares to be in Sigma's words; rules find its events by that."""
    if not isinstance(logsource, dict):
        return {}
    return {f"citysoc.logsource.{name}": value for name, value in logsource.items() if value}


def _guard(event: Event) -> Event:
    """Return the event without names that only the runner may give, and with a bounded field count."""
    strange = event.keys() - _allowed
    if strange:
        if len(_allowed) > _MAX_ALLOWED:
            _allowed.clear()
        for name in sorted(strange):
            if (name.startswith(_RESERVED) and name not in _OURS) or name in _RESERVED_NAMES:
                value = event.pop(name)
                if name != "event.original":  # our own holds it
                    event[f"ndjson.{name}"] = value
            else:
                _allowed.add(name)
    if len(event) > MAX_FIELDS:
        return dict(list(event.items())[:MAX_FIELDS])
    return event


def _ids(batch: Batch, parser: Parser) -> Iterable[str]:
    if parser.identity == "content":
        return [content_id(batch.stream, record) for record in batch.records]
    return position_ids(batch.stream, batch.identity, batch.offsets)


def is_believable(moment: dt.datetime, latest: dt.datetime) -> bool:
    """Return whether an event's own time can be its time."""
    return moment.tzinfo is not None and moment.year >= _EARLIEST_YEAR and moment <= latest


def _unparsed(outcome: Unparsed) -> Event:
    return {"citysoc.unparsed": outcome.reason, "citysoc.unparsed_detail": outcome.detail}


def _refused(refused: Refused, batch: Batch, common: Event) -> Event:
    return {
        "@timestamp": batch.arrived,
        "citysoc.time_source": "arrival",
        "citysoc.unparsed": refused.reason,
        "citysoc.unparsed_detail": refused.detail,
        "event.id": position_id(batch.stream, f"{batch.identity}\0refused", refused.offset),
        "event.kind": "event",
        "event.original": decode(refused.sample),
        "log.offset": refused.offset,
        **common,
    }
