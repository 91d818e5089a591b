"""Alerts and incidents while they are being worked on, and what is told of them to the outside."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from citysoc import clock, i18n
from citysoc.state.values import load, micros, moment

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

CLASSES = frozenset(
    {"SCAN", "BRUTE", "EXPL", "WEB", "DEFACE", "DDOS", "PHISH", "SPAM", "VIRUS", "TROJAN", "SPY"}
    | {"RANSOM", "MINER", "BOT", "APT", "UNAUTH", "LEAK", "POLICY", "VULN", "CONFIG", "OTHER"}
)
"""The classes of the one taxonomy that every detection ends in."""

MATCHED_MAX_FIELDS = 32
RAW_FIELDS = frozenset({"event.original", "message"})
"""Fields that hold the log line itself: they do not leave the house in a webhook."""


@dataclass(slots=True, eq=False)
class Alert:
    """One row of ``alerts`` in memory; ``first`` and ``last`` are event times in microseconds."""

    id: str
    key: bytes
    rule: str
    title: str
    level: str
    agency: str
    entity: str
    first: int
    last: int
    window_seconds: int
    created_at: str
    group: Mapping[str, Any] = field(default_factory=dict)
    klass: str = ""
    count: int = 1
    samples: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    matched: Mapping[str, Any] = field(default_factory=dict)
    state: str = "new"
    verdict: str | None = None
    previous: str | None = None
    incident: str | None = None
    title_vi: str = ""
    agencies: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Incident:
    """One row of ``incidents`` in memory; ``first`` and ``last`` are event times in microseconds."""

    id: str
    agency: str
    entity: str
    title: str
    severity: str
    first: int
    last: int
    detected_at: dt.datetime
    notice_due_at: dt.datetime
    report_due_at: dt.datetime
    classes: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    state: str = "new"
    verdict: str | None = None
    owner: str | None = None
    alerts: int = 0
    revision: int = 1
    previous: str | None = None
    merged_into: str | None = None
    title_vi: str = ""


def alert_of(row: sqlite3.Row) -> Alert:
    """Return the alert of a row of ``alerts``."""
    return Alert(
        id=row["id"],
        key=row["key"],
        rule=row["rule"],
        title=row["title"],
        level=row["level"],
        agency=row["agency"],
        entity=row["entity"],
        first=micros(moment(row["first_seen"])),
        last=micros(moment(row["last_seen"])),
        window_seconds=row["window_seconds"],
        created_at=row["created_at"],
        group=load(row["group_values"]),
        klass=row["class"],
        count=row["count"],
        samples=load(row["samples"]),
        tags=load(row["tags"]),
        matched=load(row["matched"]),
        state=row["state"],
        verdict=row["verdict"],
        previous=row["previous"],
        incident=row["incident"],
        title_vi=row["title_vi"],
        agencies=load(row["agencies"]),
    )


def incident_of(row: sqlite3.Row) -> Incident:
    """Return the incident of a row of ``incidents``."""
    return Incident(
        id=row["id"],
        agency=row["agency"],
        entity=row["entity"],
        title=row["title"],
        severity=row["severity"],
        first=micros(moment(row["first_seen"])),
        last=micros(moment(row["last_seen"])),
        detected_at=moment(row["detected_at"]),
        notice_due_at=moment(row["notice_due_at"]),
        report_due_at=moment(row["report_due_at"]),
        classes=load(row["classes"]),
        rules=load(row["rules"]),
        state=row["state"],
        verdict=row["verdict"],
        owner=row["owner"],
        alerts=row["alerts"],
        revision=row["revision"],
        previous=row["previous"],
        merged_into=row["merged_into"],
        title_vi=row["title_vi"],
    )


def alert_data(alert: Alert) -> dict[str, Any]:
    """Return what a webhook says of an alert; the raw log line is not in it."""
    return {
        "schema": "citysoc.alert/1",
        "id": alert.id,
        "rule": alert.rule,
        "title": titles(alert.title, alert.title_vi),
        "level": alert.level,
        "class": alert.klass or None,
        "agency": alert.agency,
        "agencies": alert.agencies or [alert.agency],
        "entity": alert.entity or None,
        "group": {name: value for name, value in alert.group.items() if name not in RAW_FIELDS},
        "matched": {name: value for name, value in alert.matched.items() if name not in RAW_FIELDS},
        "tags": alert.tags,
        "count": alert.count,
        "suppressed": alert.count - 1,
        "first_seen": _iso(alert.first),
        "last_seen": _iso(alert.last),
        "detected_at": clock.iso(moment(alert.created_at)),
        "events": alert.samples,
        "state": alert.state,
        "verdict": alert.verdict,
        "incident": alert.incident,
        "previous": alert.previous,
    }


def incident_data(incident: Incident) -> dict[str, Any]:
    """Return what a webhook says of an incident, with its legal clocks."""
    return {
        "schema": "citysoc.incident/1",
        "id": incident.id,
        "title": titles(incident.title, incident.title_vi),
        "severity": incident.severity,
        "classes": incident.classes,
        "rules": incident.rules,
        "agency": incident.agency,
        "entity": incident.entity,
        "alerts": incident.alerts,
        "first_seen": _iso(incident.first),
        "last_seen": _iso(incident.last),
        "detected_at": clock.iso(incident.detected_at),
        "notice_due_at": clock.iso(incident.notice_due_at),
        "report_due_at": clock.iso(incident.report_due_at),
        "state": incident.state,
        "verdict": incident.verdict,
        "owner": incident.owner,
        "revision": incident.revision,
        "previous": incident.previous,
        "merged_into": incident.merged_into,
    }


@functools.lru_cache(maxsize=4096)
def titles(title: str, title_vi: str = "") -> dict[str, str]:
    """Return a title in English, and in Vietnamese where the rule or the catalogue has it; not to be changed."""
    with i18n.speaking("vi"):
        translated = title_vi or (i18n.gettext(title) if title else title)
    return {"en": title} if translated == title else {"en": title, "vi": translated}


def title_in(language: str, title: str, title_vi: str = "") -> str:
    """Return the title of an alert or incident in a language; in English where it has no other."""
    return titles(title, title_vi).get(language, title)


def class_of(tags: tuple[str, ...], matched: Mapping[str, Any]) -> str:
    """Return the class that an event, a rule's tag (``citysoc.brute``) or its ATT&CK technique names, "" where none does."""
    from citysoc.enrich.classify import of_finding  # its tables are for those that take findings in

    found = of_finding(tags, matched)
    return (found.code or "") if found else ""


def _iso(number: int) -> str:
    return clock.iso(dt.datetime.fromtimestamp(0, clock.UTC) + dt.timedelta(microseconds=number))
