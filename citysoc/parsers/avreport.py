"""Malware reports in the national exchange format (AVReport), both variants, to events.

A report is a snapshot: machine by machine what the antivirus knows at that moment, and the next one says
most of it again. So identity is by content, and the content (``framing.avreport``) leaves the report's
moment out: a detection is stored once, with the moment of the first report that named it, and again when
its number of files grows, its path or its hash differ. States of machines (OS, QualityFeature,
Vulnerability) are likewise stored when they change. The figure of machines without updates is stored for
every report.
What a snapshot cannot say: a machine cleaned and infected again by the same file counts once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.flow import Unparsed
from citysoc.framing.encodings import fold
from citysoc.parsers.antivirus_values import addresses, hash_field, moment, verdict
from citysoc.parsers.base import Parser

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from citysoc.flow import Event
    from citysoc.parsers.base import Context

_Values = dict[str, str]


def parse(lines: Sequence[str], context: Context) -> list[Event | Unparsed]:
    """Return an event for each fact of a report; see ``parsers.base.ParseLines``."""
    envelope = _object(context.header) or {}
    common: Event = {}
    if report := envelope.get("report"):
        common["observer.vendor"] = str(report)
    for name in ("organ_id", "organ_name", "organ_in_charge"):
        if name in envelope:
            common[f"avreport.{name}"] = str(envelope[name])
    when = _moment(str(envelope.get("datetime", "")), context)
    return [_parse_fact(line, common, when, context) for line in lines]


def _parse_fact(line: str, common: Event, when: dt.datetime | None, context: Context) -> Event | Unparsed:
    fact = _object(line)
    if fact is None or not isinstance(fact.get("values"), dict):
        return Unparsed("avreport.invalid", "The record is no fact of a report.")
    kind = str(fact.get("kind", ""))
    values = {str(name): str(value) for name, value in fact["values"].items()}
    event: Event = {"event.module": "avreport", **common}
    if kind == "update":
        when = _moment(str(fact.get("datetime", "")), context) or when
    if when is not None:
        event["@timestamp"] = when
    _set_machine(event, fact.get("machine"))
    section = _SECTIONS.get(kind)
    if section is None:
        return Unparsed("avreport.section", "The section of the report is not known.")
    problem = section(event, values, context)
    if problem is not None:
        return problem
    for name, value in values.items():  # what no field holds
        event[f"avreport.{_snake(name)}"] = value
    return event


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _moment(text: str, context: Context) -> dt.datetime | None:
    return moment(text, zone=context.zone)


def _set_machine(event: Event, machine: Any) -> None:
    if not isinstance(machine, dict):
        return
    for name, value in machine.items():
        text = str(value).strip()
        key = str(name).lower()
        if not text:
            continue
        if key == "name":
            event["host.name"] = text
        elif key == "ip" and (found := addresses(text)):
            event["host.ip"] = list(found)
        elif key == "ippublic" and (found := addresses(text)):
            event["avreport.public_ip"] = found[0]
        else:
            event[f"avreport.machine_{_snake(key)}"] = text


def _malware(event: Event, values: _Values, _context: Context) -> Unparsed | None:
    name = values.pop("MalwareName", "")
    if not name:
        return Unparsed("avreport.no_threat", "The detection names no malware.")
    event.update(
        {
            "event.kind": "alert",
            "event.category": ["malware"],
            "event.type": ["info"],
            "event.module": "antivirus",
            "event.dataset": "antivirus.detection",
            "threat.software.name": name,
        }
    )
    _set_outcome(event, values.get("MalwareBehavior", ""))
    for source, target in (
        ("MalwareType", "antivirus.type"),
        ("MalwareBehavior", "antivirus.behavior"),
        ("TypeOfDevice", "antivirus.device"),
    ):
        if source in values:
            event[target] = values.pop(source)
    if (count := values.get("NumberFile", "")).isdecimal() and len(count) < 18:
        event["antivirus.files"] = int(values.pop("NumberFile"))
    if path := values.pop("PathFile", ""):
        event["file.path"] = path
        event["file.name"] = _basename(path)
    _set_hashes(event, values, ("HashFile", "Md5", "Sha2"), "file")
    return None


_STATUSES = frozenset({"chua xu ly", "diet khong thanh cong", "can khoi dong lai", "bo qua"}) | frozenset(
    {"deleted", "quarantined", "cleaned", "blocked", "disinfected", "removed"}
)


def _set_outcome(event: Event, behavior: str) -> None:
    """Take what the console did, which some write into the behaviour; what malware does is no such word."""
    folded = fold(behavior[:80])
    if not (folded.startswith("da ") or folded in _STATUSES):
        return
    if found := verdict("", behavior, {}):
        event["event.action"] = found.action
        event["citysoc.outcome"] = found.outcome
        event["event.outcome"] = found.event_outcome


def _connection(event: Event, values: _Values, _context: Context) -> Unparsed | None:
    event.update(
        {
            "event.kind": "alert",
            "event.category": ["network", "malware"],
            "event.type": ["connection"],
            "event.dataset": "avreport.connection",
        }
    )
    target = values.pop("TargetIP", "")
    if found := addresses(target):
        event["destination.ip"] = found[0]
    if target:
        event["destination.address"] = target
        if not found and re.fullmatch(r"[\w.-]{1,253}\.[A-Za-z]{2,}", target):
            event["destination.domain"] = target.lower()
    port = values.get("TargetPort", "")
    if port.isdecimal() and len(port) <= 5 and int(port) < 65_536:
        event["destination.port"] = int(values.pop("TargetPort"))
    if own := event.get("host.ip"):
        event["source.ip"] = own[0]
    if program := values.pop("Program", ""):
        event["process.name"] = _basename(program)
        if event["process.name"] != program:
            event["process.executable"] = program
    _set_hashes(event, values, ("Md5", "Sha2"), "process")
    return None


def _vulnerability(event: Event, values: _Values, _context: Context) -> Unparsed | None:
    event.update(_state("vulnerability", "avreport.vulnerability"))
    _set_os(event, values)
    if name := values.pop("Name", ""):
        if found := re.search(r"CVE-\d{4}-\d{4,7}", name, re.IGNORECASE | re.ASCII):
            event["vulnerability.id"] = found[0].upper()
        if not found or found[0] != name:
            event["vulnerability.description"] = name
    return None


def _os(event: Event, values: _Values, context: Context) -> Unparsed | None:
    event.update(_state("host", "avreport.os"))
    _set_os(event, values)
    if (when := _moment(values.get("LastUpdate", ""), context)) is not None:
        event["avreport.last_update"] = when
        del values["LastUpdate"]
    return None


def _update(event: Event, values: _Values, _context: Context) -> Unparsed | None:
    event.update(_state("host", "avreport.update"))
    event["event.kind"] = "metric"
    count = values.get("NumberMachineNotUpdateOn15Day", "")
    if count.isdecimal() and len(count) < 10:
        event["avreport.not_updated_15_days"] = int(values.pop("NumberMachineNotUpdateOn15Day"))
    return None


def _quality(event: Event, values: _Values, _context: Context) -> Unparsed | None:
    event.update(_state("configuration", "avreport.quality"))
    for source, target in (
        ("AutoProtect", "avreport.auto_protect"),
        ("EnableFirewall", "avreport.firewall"),
    ):
        if (switch := _switch(values.get(source, ""))) is not None:
            event[target] = switch
            del values[source]
    return None


_SECTIONS: Mapping[str, Callable[[Event, _Values, Context], Unparsed | None]] = {
    "malware": _malware,
    "connection": _connection,
    "vulnerability": _vulnerability,
    "os": _os,
    "update": _update,
    "qualityfeature": _quality,
}


def _state(category: str, dataset: str) -> Event:
    return {
        "event.kind": "state",
        "event.category": [category],
        "event.type": ["info"],
        "event.dataset": dataset,
    }


def _set_os(event: Event, values: _Values) -> None:
    if name := values.pop("OSName", ""):
        event["host.os.name"] = name


def _set_hashes(event: Event, values: _Values, names: Sequence[str], prefix: str) -> None:
    for name in names:
        digest = values.get(name, "").strip().lower()
        if field := hash_field(digest, prefix):
            event[field] = digest
            del values[name]


def _switch(text: str) -> bool | None:
    folded = fold(text[:40])
    if folded in {"1", "true", "on", "yes", "enable", "enabled", "bat", "co"}:
        return True
    if folded in {"0", "false", "off", "no", "disable", "disabled", "tat", "khong"}:
        return False
    return None


def _basename(path: str) -> str:
    return re.split(r"[\\/]", path)[-1] or path


def _snake(name: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name[:60])
    return re.sub(r"\W+", "_", spaced).lower().strip("_") or "value"


def sniff(head: bytes, name: str) -> int:  # noqa: ARG001  the content says it
    """Tell how surely the first bytes are a malware report."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in head[:8]:
        head = head.replace(b"\0", b"")
    start = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if start.startswith(b'{"') and b'"kind":' in head and b'"values":' in head and b'"machine":' in head:
        return 97  # records of the framer, behind their header
    if not start.startswith(b"<"):
        return 0
    if b"AVReport" in start:
        return 97
    return 70 if b"edXMLEnvelope" in start or b"edXML:" in start else 0


PARSER = Parser(
    name="avreport",
    summary="malware reports in the national exchange format (AVReport XML, edXML or SOAP)",
    framing="avreport",
    sniff=sniff,
    parse=parse,
    identity="content",
)
