"""Say of each event which case it is: class, one of the three words, severity, outcome, how sure, and why.

What decides stands in tables: ``malware.yml`` and ``families.yml`` (threat names), ``rules.yml`` (signatures,
categories, devices), ``outcomes.yml`` (what became of it), the house's own table before all of them; and where
they are silent a model of names. A plain denial of traffic is policy, not an attack. A failed log-on by itself is
no case at all: that many of them are one is for detection rules to say. What nobody knows has no class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.enrich import names
from citysoc.enrich.names import BOTNET, MISCONFIGURED, POLICY, VULNERABLE
from citysoc.enrich.outcomes import outcome_of, severity
from citysoc.enrich.taxonomy import CLASSES
from citysoc.enrich.verdicts import Verdict, verdict
from citysoc.flow import LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from citysoc.enrich.own import Own
    from citysoc.flow import Event, Finding

_Case: TypeAlias = "Verdict | None"
"""None where it is no case."""
_DENIED = {**POLICY.fields, "citysoc.severity": CLASSES["POLICY"].severity}
"""What most cases are, ready to take."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Everything that is said of a case.

    Args:
        code: one of the 21 classes; None where the class is not known.
        threat: attack, spyware or virus; None where none of the words counts it.
        severity: one of Sigma's levels; None where it is no case.
        outcome: what became of it; None where nobody says.
        confidence: 0 to 100, see ``verdicts``.
        reason: what decided; empty where it is no case.
    """

    code: str | None
    threat: str | None
    severity: str | None
    outcome: str | None
    confidence: int
    reason: str


def classify(events: Iterable[Event], own: Own | None = None) -> None:
    """Set ``citysoc.class``, ``.threat``, ``.severity``, ``.outcome``, ``.confidence`` and ``.reason`` where known.

    Args:
        events: they are changed in place.
        own: the house's own table, which goes before ours.
    """
    readers = _READERS
    for event in events:
        module = event.get("event.module")
        if not isinstance(module, str):
            continue
        case = own.verdict(event) if own else None
        if case is None:
            case = readers.get(module, _of_any)(event)
        if "citysoc.intel.class" in event:
            case = _with_intelligence(event, case)
        if case is None:
            continue
        if case is POLICY:
            event.update(_DENIED)
            continue
        event.update(case.fields)
        outcome = event.get("citysoc.outcome")
        if outcome is None and (outcome := outcome_of(_text(event.get("event.action")))):
            event["citysoc.outcome"] = outcome
        if (level := severity(event, case.code, case.threat, outcome)) and (case.code or case.threat):
            event["citysoc.severity"] = level


def judge(event: Event, *, finding: Finding | None = None, own: Own | None = None) -> Judgement:
    """Return what an event, a finding about it and intelligence on it say together.

    The surest of them names the class; a finding's level counts where it is worse than the event's own.

    Args:
        event: as a parser made it, with ``citysoc.intel.*`` where feeds know it; it is not changed.
        finding: what a rule or a model says of it.
        own: the house's own table, which is always right.
    """
    seen: Event = dict(event)
    classify([seen], own)
    reason = seen.get("citysoc.reason", "")
    code, threat, sure = (
        seen.get("citysoc.class"),
        seen.get("citysoc.threat"),
        seen.get("citysoc.confidence", 0),
    )
    other = of_finding(finding.tags, finding.matched) if finding else None
    if other is not None and other.confidence > sure:
        code, threat, sure, reason = other.code, other.threat, other.confidence, other.reason
    levels = [seen.get("citysoc.severity"), finding.level if finding else None]
    if (code or threat) and not any(levels):
        levels.append(severity(seen, code, threat, seen.get("citysoc.outcome")))
    worst = max((LEVELS.index(level) for level in levels if level in LEVELS), default=None)
    return Judgement(
        code=code,
        threat=threat,
        severity=None if worst is None else LEVELS[worst],
        outcome=seen.get("citysoc.outcome"),
        confidence=sure,
        reason=reason,
    )


def of_finding(tags: Iterable[str], matched: Mapping[str, Any]) -> _Case:
    """Return what a rule says of its findings: the class it matched or names in a tag, else its ATT&CK technique.

    Args:
        tags: the rule's tags: ``citysoc.brute``, ``attack.t1110``.
        matched: field to value, what made the rule fire.
    """
    named = matched.get("citysoc.class")
    if isinstance(named, str) and named in CLASSES:
        return verdict(named, "rule", "event")
    found = None
    for tag in tags:
        space, _dot, name = tag.rpartition(".")
        if space in {"citysoc", "citysoc.class"} and name.upper() in CLASSES:
            return verdict(name.upper(), "rule", tag)
        if found is None and tag.startswith("attack.t"):
            found = names.technique(tag)
    return found


def _with_intelligence(event: Event, case: _Case) -> _Case:
    """Return what a feed says where nothing else does.

    A denial of what comes from a known address is still policy: the Internet tries every door. A denial of what
    goes to one is a case: something inside has asked for it.
    """
    field = _text(event.get("citysoc.intel.field"))
    if case is POLICY:
        silent = not field.startswith(("source.", "client."))
    else:
        silent = case is None or case.code is None
    if not silent:
        return case
    sure = event.get("citysoc.intel.confidence")
    said = names.indicator(
        _text(event["citysoc.intel.class"]), field, sure if isinstance(sure, int) else None
    )
    return said or case


def _of_antivirus(event: Event) -> _Case:
    name = event.get("threat.software.name")
    if not isinstance(name, str):
        return None
    return names.malware(name, _text(event.get("antivirus.type")), _text(event.get("antivirus.behavior")))


def _of_avreport(event: Event) -> _Case:
    dataset = event.get("event.dataset")
    if dataset == "avreport.connection":
        return BOTNET
    if dataset == "avreport.vulnerability":
        return VULNERABLE
    if dataset == "avreport.quality" and (
        event.get("avreport.auto_protect") is False or event.get("avreport.firewall") is False
    ):
        return MISCONFIGURED
    return None


def _of_fortigate(event: Event) -> _Case:
    dataset = event.get("event.dataset")
    if dataset == "fortigate.traffic":
        return POLICY if event.get("citysoc.outcome") == "blocked" else None
    subtype = event.get("fortigate.subtype")
    # Older versions write the anomalies of their sensors beside the utm logs.
    if not isinstance(subtype, str) or not (dataset == "fortigate.utm" or subtype == "anomaly"):
        return None
    if isinstance(name := event.get("threat.software.name"), str) and subtype == "virus":
        return names.malware(name)
    return names.fortigate(
        subtype,
        _text(event.get("rule.name")) or _text(event.get("fortigate.eventtype")),
        _text(event.get("fortigate.catdesc")),
        event.get("citysoc.outcome") == "blocked",
        "fortigate.botnetdomain" in event or "fortigate.botnetip" in event,
    )


def _of_windows(event: Event) -> _Case:
    name = event.get("threat.software.name")
    if not isinstance(name, str):
        return names.windows_event(_text(event.get("winlog.channel")), _text(event.get("event.code")))
    return names.malware(name, _text(event.get("winlog.event_data.Category Name")))


def _of_any(event: Event) -> _Case:
    """Read an event of a device that has no reader of its own: alerts by their names, denials as policy."""
    if "threat.software.name" in event:
        return _of_antivirus(event)
    blocked = event.get("citysoc.outcome") == "blocked"
    if event.get("event.kind") == "alert" or event.get("event.dataset") == "zeek.notice":
        name, category = _text(event.get("rule.name")), _text(event.get("rule.category"))
        return names.signature(
            name or _text(event.get("cef.name")), category, _text(event.get("syslog.subtype"))
        )
    if not blocked:
        return None
    name, category = _text(event.get("rule.name")), _text(event.get("rule.category"))
    case = names.rule_of_device(name or _text(event.get("cef.name")), category)
    if case is not None:
        return case
    categories = event.get("event.category")
    return (
        POLICY if isinstance(categories, list) and ("network" in categories or "web" in categories) else None
    )


def _of_product(event: Event) -> _Case:
    """Read an event of a security product that says its own kind of alert: CEF, LEEF."""
    case = _of_any(event)
    if case is not None and case is not POLICY:
        return case
    kind, name = _text(event.get("event.code")), _text(event.get("cef.name"))
    return names.product_alert(kind, name, _text(event.get("rule.category"))) or case


_READERS: Mapping[str, Callable[[Event], _Case]] = {
    "antivirus": _of_antivirus,
    "avreport": _of_avreport,
    "fortigate": _of_fortigate,
    "windows": _of_windows,
    "cef": _of_product,
    "leef": _of_product,
}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
