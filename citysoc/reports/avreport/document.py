"""AVReport documents: XML of both variants in batches, checked against a schema of ours (``avreport.rng``)."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from citysoc.errors import InputError
from citysoc.i18n import _
from citysoc.reports.text import clean

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

    from lxml.etree import _Element

    from citysoc.config.reports import AvReport
    from citysoc.reports.avreport import Connection, Machine, Malware, Snapshot

Variant = Literal["edxml", "soap"]
NAMESPACES = {"edxml": "http://www.mic.gov.vn/TBT/QCVN_102_2016", "soap": "http://edxml.gov.vn/schema"}
"""The header's namespace by variant, where the configuration names no other."""
_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_SCHEMA = Path(__file__).with_name("avreport.rng")
_SCHEMA_NAMESPACE = "urn:citysoc:edxml"
_VALUE_LETTERS = 1000


def documents(found: Snapshot, settings: AvReport, *, variant: Variant, at: dt.datetime) -> Iterator[bytes]:
    """Yield the documents of a period, each with at most ``settings.batch`` machines of a section.

    Args:
        found: what they hold.
        settings: who sends them.
        variant: the envelope of 2018 or of 2025.
        at: the moment of the report, the end of its period, in the zone in which the subject names it.

    Raises:
        InputError: a document does not fulfil the schema: a mistake of ours, nothing is yielded.
    """
    full = variant == "soap"
    facts: list[tuple[str, Any]] = [
        *(("Malware", one) for one in (found.malware if full else _without_files(found.malware))),
        *(("Connection", one) for one in (found.connections if full else _without_ports(found.connections))),
        *(("Vulnerability", one) for one in found.weaknesses),
        *(("OS", one) for one in found.systems),
        *(("QualityFeature", one) for one in found.guards),
    ]
    batches = _batches(facts, settings.batch) or [[]]
    for number, batch in enumerate(batches):
        not_updated = found.not_updated if number == 0 else None
        report = _report(batch, not_updated, settings, full=full, at=at)
        root = _envelope(report, settings, variant, at)
        if problem := invalid(root, namespace(settings, variant)):
            raise InputError(_("the report does not fulfil the schema: {problem}").format(problem=problem))
        yield _bytes(root)


def _without_files(rows: Sequence[Malware]) -> list[Malware]:
    """Return detections as the variant of 2018 knows them: those that differ by file alone are one, counted."""
    counts: dict[Malware, int] = {}
    for row in rows:
        plain = replace(row, path="", digest="", count=0)
        counts[plain] = counts.get(plain, 0) + row.count
    return [replace(plain, count=count) for plain, count in counts.items()]


def _without_ports(rows: Sequence[Connection]) -> list[Connection]:
    """Return connections as the variant of 2018 knows them, each once."""
    return list(dict.fromkeys(replace(row, port="") for row in rows))


def namespace(settings: AvReport, variant: Variant) -> str:
    """Return the namespace of the header."""
    return settings.namespace or NAMESPACES[variant]


def _batches(facts: Sequence[tuple[str, Any]], size: int) -> list[list[tuple[str, Any]]]:
    """Part facts into batches of at most so many machines; a machine's facts of a section stay together."""
    batches: list[list[tuple[str, Any]]] = []
    machines = size
    for _key, group in groupby(facts, key=lambda fact: (fact[0], fact[1].machine)):
        if machines == size:
            batches.append([])
            machines = 0
        batches[-1].extend(group)
        machines += 1
    return batches


def _report(
    facts: Sequence[tuple[str, Any]],
    not_updated: int | None,
    settings: AvReport,
    *,
    full: bool,
    at: dt.datetime,
) -> _Element:
    from lxml import etree

    report = etree.Element("AVReport", name=_value(settings.product))
    etree.SubElement(report, "Datetime").text = str(int(at.timestamp()))
    sections = {
        name: etree.SubElement(report, name)
        for name in ("Malware", "Connection", "Vulnerability", "OS", "Update", "QualityFeature")
    }
    if not_updated is not None:
        etree.SubElement(sections["Update"], "NumberMachineNotUpdateOn15Day").text = str(not_updated)
    for (name, machine), group in groupby(facts, key=lambda fact: (fact[0], fact[1].machine)):
        for fact in group:
            element = _machine(sections[name], machine)
            if full:
                element.set("ippublic", "")  # nobody tells it to us
            _WRITERS[name](element, fact[1], full)
    return report


def _machine(section: _Element, machine: Machine) -> _Element:
    """Return the machine's element: the last one if it is the same machine and can hold more."""
    from lxml import etree

    attributes = {"ip": _value(machine.address), "name": _value(machine.name)}
    last = section[-1] if len(section) else None
    if (
        section.tag in {"Malware", "Connection", "Vulnerability"}
        and last is not None
        and last.get("key") == repr(machine)
    ):
        return last
    element = etree.SubElement(section, "Machine", attributes)
    element.set("key", repr(machine))
    return element


def _leaf(parent: _Element, values: Sequence[tuple[str, str]]) -> None:
    from lxml import etree

    for name, value in values:
        etree.SubElement(parent, name).text = _value(value)


def _info(machine: _Element, name: str, values: Sequence[tuple[str, str]]) -> None:
    from lxml import etree

    _leaf(etree.SubElement(machine, name), values)


def _malware(machine: _Element, one: Any, full: bool) -> None:
    _info(
        machine,
        "MalwareInfo",
        [
            ("MalwareName", one.name),
            ("MalwareType", one.kind),
            ("MalwareBehavior", one.behavior),
            ("TypeOfDevice", "PC"),
            *([("PathFile", one.path), ("HashFile", one.digest)] if full else []),
            ("NumberFile", str(one.count)),
        ],
    )


def _connection(machine: _Element, one: Any, full: bool) -> None:
    values = [("Program", one.program), ("Md5", one.md5), ("Sha2", ""), ("TargetIP", one.target)]
    _info(machine, "ConnectionInfo", [*values, *([("TargetPort", one.port)] if full else [])])


def _weakness(machine: _Element, one: Any, _full: bool) -> None:
    _info(machine, "VulnerabilityInfo", [("Name", one.name), ("OSName", one.system)])


def _system(machine: _Element, one: Any, _full: bool) -> None:
    _leaf(machine, [("OSName", one.name), ("LastUpdate", one.updated)])


def _guard(machine: _Element, one: Any, _full: bool) -> None:
    _leaf(machine, [("AutoProtect", _switch(one.protection)), ("EnableFirewall", _switch(one.firewall))])


def _switch(value: bool | None) -> str:
    return "" if value is None else str(int(value))


_WRITERS: dict[str, Callable[[_Element, Any, bool], None]] = {
    "Malware": _malware,
    "Connection": _connection,
    "Vulnerability": _weakness,
    "OS": _system,
    "QualityFeature": _guard,
}


def _value(text: str) -> str:
    """Return text that XML can hold, of a bounded length."""
    return clean(text, _VALUE_LETTERS) if text else ""


def _envelope(report: _Element, settings: AvReport, variant: Variant, at: dt.datetime) -> _Element:
    from lxml import etree

    space = namespace(settings, variant)
    if variant == "soap":
        root = etree.Element(f"{{{_SOAP}}}Envelope", nsmap={"soapenv": _SOAP, "edXML": space})
        header, body = (
            etree.SubElement(root, f"{{{_SOAP}}}Header"),
            etree.SubElement(root, f"{{{_SOAP}}}Body"),
        )
    else:
        root = etree.Element("edXMLEnvelope", nsmap={"edXML": space})
        header = etree.SubElement(root, f"{{{space}}}edXMLHeader")
        body = etree.SubElement(root, f"{{{space}}}edXMLBody")
    message = etree.SubElement(header, f"{{{space}}}MessageHeader")
    sender = etree.SubElement(message, f"{{{space}}}From")
    for name, value in (
        ("OrganId", settings.organ_id),
        *([("OrganizationInCharge", settings.in_charge)] if variant == "soap" else []),
        ("OrganName", settings.organ_name),
        ("OrganAdd", settings.address),
        ("Email", settings.email),
        ("Telephone", settings.telephone),
        ("Fax", settings.fax),
        ("Website", settings.website),
    ):
        etree.SubElement(sender, f"{{{space}}}{name}").text = _value(value)
    subject = f"Anti Virus Report on {at:%d-%m-%Y %H:%M:%S}"
    etree.SubElement(message, f"{{{space}}}Subject").text = subject
    body.append(report)
    for machine in report.iter("Machine"):
        machine.attrib.pop("key", None)
    return root


def invalid(root: _Element, space: str) -> str:
    """Return what is wrong with a document by the schema; empty text where it is right."""
    checked = _schema(space)
    if checked.validate(root):
        return ""
    error = checked.error_log.last_error
    return f"{error.message} (line {error.line})" if error else "unknown"


@cache
def _schema(space: str) -> Any:
    from lxml import etree

    text = _SCHEMA.read_text(encoding="utf-8").replace(_SCHEMA_NAMESPACE, space)
    return etree.RelaxNG(etree.fromstring(text.encode()))


def _bytes(root: _Element) -> bytes:
    from lxml import etree

    content: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return content
