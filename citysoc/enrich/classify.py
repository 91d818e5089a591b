"""Say of each event which case it is: class, one of the three words, and outcome; only where it is known.

What decides stands in tables: ``malware.yml`` (threat names), ``rules.yml`` (signatures, categories,
devices). A plain denial of traffic is policy, not an attack. A failed log-on by itself is no case at all:
that many of them are one is for detection rules to say. What the tables do not know has no class.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from citysoc.enrich.malware_names import UNKNOWN_TYPE, read_name, read_type
from citysoc.enrich.taxonomy import CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from citysoc.flow import Event

_Case: TypeAlias = "tuple[str | None, str | None] | None"
"""Class and word; None where it is no case."""

_MAX_CHARS = 300
_REMEMBERED = 65_536


def _read() -> dict[str, Any]:
    text = Path(__file__).with_name("rules.yml").read_bytes()
    data: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)  # noqa: TID251  safe
    return data


_DATA = _read()
_MALWARE: Mapping[str, str] = _DATA["malware"]
_SIGNATURES = [(code, re.compile(pattern)) for code, pattern in _DATA["signatures"]]
_GROUPS: Mapping[str, str | None] = {str(key): value for key, value in _DATA["groups"].items()}
_GROUP_CLASSES: Mapping[str, str] = _DATA["group_classes"]
_CATEGORIES: Mapping[str, str] = _DATA["categories"]
_FORTIGATE: Mapping[str, str | None] = _DATA["fortigate"]
_FORTIGATE_BLOCKED = frozenset(_DATA["fortigate_blocked"])
_WEB_CATEGORIES = [(code, re.compile(pattern)) for code, pattern in _DATA["web_categories"]]
_GROUPED = re.compile(r"(?:et|gpl|etpro)\s+(?P<group>[a-z0-9_]+)\s|(?P<own>suricata)\s")

_POLICY = ("POLICY", None)
_VULNERABLE = ("VULN", None)
_MISCONFIGURED = ("CONFIG", None)
_BOTNET = ("BOT", "spyware")
_OUTCOMES = MappingProxyType(
    {
        **dict.fromkeys(("blocked", "block", "deny", "denied", "drop", "dropped", "reset"), "blocked"),
        **{name: name for name in ("deleted", "quarantined", "cleaned", "allowed")},
        "unresolved": "failed",
    }
)


def classify(events: Iterable[Event]) -> None:
    """Set ``citysoc.class``, ``citysoc.threat`` and ``citysoc.outcome`` in place, each where it is known."""
    for event in events:
        module = event.get("event.module")
        if not isinstance(module, str):
            continue
        case = _READERS.get(module, _of_any)(event)
        if case is None:
            continue
        code, threat = case
        if code is not None:
            event["citysoc.class"] = code
        if threat is not None:
            event["citysoc.threat"] = threat
        if "citysoc.outcome" not in event and (outcome := _OUTCOMES.get(_text(event.get("event.action")))):
            event["citysoc.outcome"] = outcome


def _of_antivirus(event: Event) -> _Case:
    name = event.get("threat.software.name")
    if not isinstance(name, str):
        return None
    return _malware(name, _text(event.get("antivirus.type")), _text(event.get("antivirus.behavior")))


def _of_avreport(event: Event) -> _Case:
    dataset = event.get("event.dataset")
    if dataset == "avreport.connection":
        return _BOTNET
    if dataset == "avreport.vulnerability":
        return _VULNERABLE
    if dataset == "avreport.quality" and (
        event.get("avreport.auto_protect") is False or event.get("avreport.firewall") is False
    ):
        return _MISCONFIGURED
    return None


def _of_fortigate(event: Event) -> _Case:
    subtype = event.get("fortigate.subtype")
    dataset = event.get("event.dataset")
    if dataset == "fortigate.traffic":
        return _POLICY if event.get("citysoc.outcome") == "blocked" else None
    if dataset != "fortigate.utm" or not isinstance(subtype, str):
        return None
    if isinstance(name := event.get("threat.software.name"), str) and subtype == "virus":
        return _malware(name, "", "")
    return _fortigate(
        subtype,
        _text(event.get("rule.name")) or _text(event.get("fortigate.eventtype")),
        _text(event.get("fortigate.catdesc")),
        event.get("citysoc.outcome") == "blocked",
        "fortigate.botnetdomain" in event or "fortigate.botnetip" in event,
    )


def _of_windows(event: Event) -> _Case:
    return _of_antivirus(event) if "threat.software.name" in event else None


def _of_any(event: Event) -> _Case:
    """Read an event of a device that has no reader of its own: alerts by their names, denials as policy."""
    if "threat.software.name" in event:
        return _of_antivirus(event)
    alert = event.get("event.kind") == "alert"
    blocked = event.get("citysoc.outcome") == "blocked"
    if alert or blocked or event.get("event.dataset") == "zeek.notice":
        name = _text(event.get("rule.name")) or _text(event.get("cef.name"))
        case = _signature(name, _text(event.get("rule.category")))
        if case is not None:
            return case
    if blocked and not alert:
        categories = event.get("event.category")
        if isinstance(categories, list) and ("network" in categories or "web" in categories):
            return _POLICY
    return None


_READERS: Mapping[str, Callable[[Event], _Case]] = {
    "antivirus": _of_antivirus,
    "avreport": _of_avreport,
    "fortigate": _of_fortigate,
    "windows": _of_windows,
}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _case(code: str | None) -> _Case:
    return None if code is None else (code, CLASSES[code].threat)


@lru_cache(maxsize=_REMEMBERED)
def _malware(name: str, kind: str, behavior: str) -> _Case:
    """Return the case of a detection by its threat name, else by the console's own word for the type."""
    found = read_name(name).type
    if found == "test":  # EICAR: somebody tried whether the antivirus is awake
        return None
    for text in (kind, behavior):
        if found == UNKNOWN_TYPE and text:
            found = read_type(text)
    code = _MALWARE.get(found)
    return _case(code) or (None, "virus")  # malware, of a kind that nobody names


@lru_cache(maxsize=_REMEMBERED)
def _signature(name: str, category: str) -> _Case:
    """Return the case of an alert by the name of its signature and its classification."""
    lower = name[:_MAX_CHARS].lower()
    group = ""
    if match := _GROUPED.match(lower):
        group = match["group"] or match["own"]
        if group in _GROUPS:
            return _case(_GROUPS[group])
    code = _named(lower)
    if code is None or code == "EXPL":  # a group says more than that something is exploited
        code = _GROUP_CLASSES.get(group) or code or _CATEGORIES.get(category[:_MAX_CHARS].lower())
    return _case(code)


def _named(lower: str) -> str | None:
    text = re.sub(r"[_.:]+", " ", lower)
    return next((code for code, pattern in _SIGNATURES if pattern.search(text)), None)


@lru_cache(maxsize=_REMEMBERED)
def _fortigate(subtype: str, name: str, category: str, blocked: bool, botnet: bool) -> _Case:
    """Return the case of a security log of FortiGate."""
    if botnet:
        return _BOTNET
    if subtype == "webfilter":
        for code, pattern in _WEB_CATEGORIES:
            if pattern.search(category[:_MAX_CHARS].lower()):
                return _case(code) if code else ((None, "attack") if blocked else None)
    if subtype in _FORTIGATE:
        return _case(_named(name[:_MAX_CHARS].lower()) or _FORTIGATE[subtype])
    return _POLICY if blocked and subtype in _FORTIGATE_BLOCKED else None
