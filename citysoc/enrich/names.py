"""Verdicts on names alone: threat names of antiviruses, signatures and categories of other devices.

Every name is judged once and remembered. Tables come first; the model is asked where they are silent.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from citysoc.enrich import model
from citysoc.enrich.malware_names import KNOWN, UNKNOWN_TYPE, VAGUE, plain, read_name, read_type, read_with
from citysoc.enrich.tables import table
from citysoc.enrich.taxonomy import CLASSES
from citysoc.enrich.verdicts import STEPS, Verdict, verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from citysoc.enrich.malware_names import Known, MalwareName
    from citysoc.enrich.own import Own

_REMEMBERED = 65_536
_WORDS_OF_NAMES = 3
"""Threat names have no more words; signatures are sentences."""
_DATA = table("rules.yml")
_MALWARE: Mapping[str, str] = _DATA["malware"]


def _patterns(rows: Iterable[tuple[str | None, str]]) -> list[tuple[str | None, re.Pattern[str]]]:
    return [(code, re.compile(pattern)) for code, pattern in rows]


_SIGNATURES = [(row, code, re.compile(pattern)) for row, code, pattern in _DATA["signatures"]]
_GROUPS: Mapping[str, str | None] = {str(key): value for key, value in _DATA["groups"].items()}
_GROUP_CLASSES: Mapping[str, str] = _DATA["group_classes"]
_CATEGORIES: Mapping[str, str] = _DATA["categories"]
_KINDS: Mapping[str, str | None] = _DATA["kinds"]
_FORTIGATE: Mapping[str, str | None] = _DATA["fortigate"]
_FORTIGATE_BLOCKED = frozenset(_DATA["fortigate_blocked"])
_ANOMALIES: Mapping[str, str] = _DATA["fortigate_anomalies"]
_WEB_CATEGORIES = _patterns(_DATA["web_categories"])
_WINDOWS_EVENTS: Mapping[str, Mapping[str, list[str]]] = _DATA["windows_events"]
_TECHNIQUES: Mapping[str, str] = _DATA["techniques"]
_GROUPED = re.compile(r"(?:et|gpl|etpro)\s+(?P<group>[a-z0-9_]+)[\s.]|(?P<own>suricata|[a-z]+-[a-z0-9]+)\s")
_GROUPED_BY = re.compile(r"(?:et|gpl|etpro)\s+[a-z0-9_]+\s")
"""No threat name begins so."""
_GENERAL = frozenset({"EXPL", "TROJAN", "WEB"})
"""Classes that the name of almost any signature says; the group it is in says more."""

_OF_NETWORKS = frozenset({"SCAN", "BRUTE", "DDOS"})
"""Classes that signatures name more often than antiviruses do."""

_MILD = frozenset({"policy", "remote_access"})
"""Groups of programs that are wanted somewhere: that one calls home makes it no botnet."""

POLICY = verdict("POLICY", "device", "denied")
BOTNET = verdict("BOT", "device", "botnet")
VULNERABLE = verdict("VULN", "device", "vulnerability")
MISCONFIGURED = verdict("CONFIG", "device", "protection off")
MALICIOUS = verdict(None, "category", "malicious", threat="attack")
TEST = verdict(None, "test", "eicar")
"""Somebody tried whether the antivirus is awake: no case."""


@lru_cache(maxsize=_REMEMBERED)
def malware(name: str, kind: str = "", behavior: str = "") -> Verdict:
    """Return the verdict on a detection by its threat name, else by the console's own word for its type.

    Malware of a kind that nobody names has no class; it counts as a virus all the same, for that is what an
    antivirus found.
    """
    return malware_known(name, kind, behavior, KNOWN)


def malware_known(name: str, kind: str, behavior: str, families: Known, *, guess: bool = True) -> Verdict:
    """Return what ``malware`` returns to somebody who knows these families; ``guess`` asks the model too."""
    found = read_with(name, families)
    if found.type == "test":
        return TEST
    if found.type != UNKNOWN_TYPE:
        return _stated(found, families)
    for text in (kind, behavior):
        if text and (code := _MALWARE.get(told := read_type(text))):
            return verdict(code, "vague" if told in VAGUE else "console", plain(text))
    if guess and (guessed := model.judge("threat", name)):
        return _of_model(guessed)
    row = found.family or next(iter(re.findall(r"[^\W_]{3,}", plain(name).partition(".")[2])), "")
    return verdict(None, "unnamed", row, threat="virus")


def _stated(found: MalwareName, families: Known) -> Verdict:
    code = _MALWARE[found.type]
    if found.known and families.types[found.family] == found.type:
        return verdict(code, "guess" if found.guessed else "family", found.family)
    if found.near and families.types[found.near] == found.type:
        return verdict(code, "guess" if found.guessed else "near", found.near)
    exact = found.type not in VAGUE
    if found.confidence == "low" and not exact:
        return verdict(code, "generic", found.type)
    return verdict(code, "guess" if found.confidence == "low" else "type", found.type)


def _of_model(guessed: model.Guess) -> Verdict:
    row = f"{guessed.version} {guessed.code} {guessed.probability:.2f}"
    return verdict(guessed.code, "model", row, confidence=guessed.confidence)


@lru_cache(maxsize=_REMEMBERED)
def signature(name: str, category: str = "", kind: str = "") -> Verdict | None:
    """Return the verdict on an alert; None where it is no case, or of a kind that nobody knows.

    Args:
        name: the name of its signature.
        category: its classification.
        kind: what the device calls such alerts, for example the class id of CEF.
    """
    found = signature_known(name, category, kind)
    if found is not None or _is_settled(plain(name)):
        return found
    guessed = model.judge("signature", name) if name else None
    return _of_model(guessed) if guessed else None


def signature_known(name: str, category: str = "", kind: str = "") -> Verdict | None:
    """Return what the tables alone say of a signature."""
    lower = plain(name)
    if sensor := _ANOMALIES.get(lower):
        return verdict(sensor, "signature", lower)
    group = ""
    if match := _GROUPED.match(lower):
        group = match["group"] or match["own"]
        if group in _GROUPS:
            code = _GROUPS[group]
            return verdict(code, "group", group) if code else None
    named = _named(lower)
    if named is not None and named.code not in (_GENERAL if group not in _MILD else _GENERAL | {"BOT"}):
        return named
    if group in _GROUP_CLASSES:
        return verdict(_GROUP_CLASSES[group], "group", group)
    return named or _of_category(plain(category)) or _of_kind(plain(kind), lower, plain(category))


@lru_cache(maxsize=_REMEMBERED)
def rule_of_device(name: str, category: str) -> Verdict | None:
    """Return what the name and category of a rule say that stopped something: it may be a policy's, so tables only."""
    return signature_known(name, category)


@lru_cache(maxsize=_REMEMBERED)
def product_alert(kind: str, name: str, category: str) -> Verdict | None:
    """Return what a security product's own kind of alert says; only kinds that we know: most events are no alerts."""
    return _of_kind(plain(kind), plain(name), plain(category)) or _of_category(plain(category))


def _is_settled(lower: str) -> bool:
    match = _GROUPED.match(lower)
    return match is not None and (match["group"] or match["own"]) in _GROUPS


def _named(lower: str) -> Verdict | None:
    text = re.sub(r"[_.:]+", " ", lower)
    for row, code, pattern in _SIGNATURES:
        if pattern.search(text):
            return verdict(code, "signature", row)
    return None


def _of_category(category: str) -> Verdict | None:
    code = _CATEGORIES.get(category.strip(" \"'"))
    return verdict(code, "category", category) if code else None


def _of_kind(*kinds: str) -> Verdict | None:
    for kind in kinds:
        bare = kind.strip(" \"'")
        if bare in _KINDS:
            code = _KINDS[bare]
            return verdict(code, "category", bare) if code else None
    return None


@lru_cache(maxsize=_REMEMBERED)
def fortigate(subtype: str, name: str, category: str, blocked: bool, botnet: bool) -> Verdict | None:
    """Return the verdict on a security log of FortiGate; None where it is no case.

    Args:
        subtype: its ``subtype``.
        name: the signature or sensor.
        category: of a web page.
        blocked: whether the device stopped it.
        botnet: whether it names a botnet's address or domain.
    """
    if botnet:
        return BOTNET
    if subtype == "webfilter" and (found := _of_page(plain(category), blocked=blocked)):
        return found
    if subtype in _FORTIGATE:
        return _of_sensor(subtype, name)
    return POLICY if blocked and subtype in _FORTIGATE_BLOCKED else None


def _of_sensor(subtype: str, name: str) -> Verdict | None:
    if sensor := _ANOMALIES.get(plain(name)):
        return verdict(sensor, "signature", plain(name))
    if named := _named(plain(name)):
        return named
    if guessed := model.judge("signature", name) if subtype == "ips" and name else None:
        return _of_model(guessed)
    default = _FORTIGATE[subtype]
    return verdict(default, "subtype", subtype) if default else None


def _of_page(category: str, *, blocked: bool) -> Verdict | None:
    for code, pattern in _WEB_CATEGORIES:
        if pattern.search(category):
            if code:
                return verdict(code, "category", category)
            return MALICIOUS if blocked else None
    return None


@lru_cache(maxsize=4096)
def windows_event(channel: str, code: str) -> Verdict | None:
    """Return the verdict on a Windows event that is a case by itself; None for all others."""
    row = _WINDOWS_EVENTS.get(channel.removeprefix("Microsoft-Windows-"), {}).get(code)
    return verdict(row[0], "device", row[1]) if row else None


@lru_cache(maxsize=4096)
def indicator(code: str, field: str, confidence: int | None) -> Verdict | None:
    """Return what a feed says of an address, a name or a file; None where it names no class of ours.

    Args:
        code: the class that the feed's words mean.
        field: which field of the event matched.
        confidence: the feed's own, 0 to 100; never more than a device's verdict.
    """
    sure = STEPS["indicator"] if confidence is None else max(1, min(confidence, STEPS["device"]))
    return verdict(code, "indicator", field, confidence=sure) if code in CLASSES else None


@lru_cache(maxsize=4096)
def technique(tag: str) -> Verdict | None:
    """Return the class of a rule's tag such as ``attack.t1110.003``; None where it says none."""
    name = tag.lower().removeprefix("attack.")
    code = _TECHNIQUES.get(name) or _TECHNIQUES.get(name.partition(".")[0])
    return verdict(code, "technique", name) if code else None


def either(name: str, kind: str | None, own: Own) -> tuple[str, Verdict | None]:
    """Return what a bare name is taken for, threat or signature, and the verdict on it; None where it is no case.

    Args:
        name: it may be either.
        kind: which of both it is; None: whichever table knows it, threat names first, the model last.
        own: the house's own table.
    """
    kinds = ("threat", "signature") if kind is None else (kind,)
    for one in kinds:
        if found := own.named(one, name):
            return one, found
    if kind is not None:
        return kind, malware(name) if kind == "threat" else signature(name)
    read = read_name(name)
    sentence = len(name.split()) > _WORDS_OF_NAMES and not read.form
    known = signature_known(name)
    if _GROUPED_BY.match(plain(name)) or (known and (sentence or _GROUPED.match(plain(name)))):
        return "signature", known or signature(name)
    threat = malware_known(name, "", "", KNOWN, guess=False)
    of_network = (
        known is not None
        and known.code in _OF_NETWORKS
        and threat.reason in {"type:trojan", "generic:trojan"}
    )
    if (threat.code and threat.code not in _OF_NETWORKS and not of_network) or threat is TEST:
        return "threat", threat
    # "Malware" is a word in signatures, and in threat names nothing; these say on what it runs.
    if (known and not (known.code == "TROJAN" and read.platform)) or sentence:
        return "signature", known or signature(name)
    return "threat", malware(name)
