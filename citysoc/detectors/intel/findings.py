"""Findings of events that meet indicators."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from citysoc.clock import UTC, iso
from citysoc.detectors.intel.classes import class_of
from citysoc.detectors.intel.fields import HASHES
from citysoc.detectors.intel.marking import ecs_type
from citysoc.enrich.outcomes import outcome_of
from citysoc.flow import LEVELS, UNKNOWN_AGENCY, Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from citysoc.detectors.intel.database import Record
    from citysoc.flow import Event

RULE = "intel:"
"""Findings are of the rule ``intel:<feed>``."""
MAX_HITS = 8
"""So many indicators of one event make findings."""
_BLOCKED = frozenset({"blocked", "deleted", "quarantined", "cleaned"})
_TITLES: Mapping[str, tuple[str, str]] = {
    "address": ("Known malicious address {value}", "Địa chỉ độc hại đã biết {value}"),
    "network": ("Address of a known malicious network {value}", "Địa chỉ thuộc mạng độc hại đã biết {value}"),
    "domain": ("Known malicious domain {value}", "Tên miền độc hại đã biết {value}"),
    "url": ("Known malicious URL {value}", "URL độc hại đã biết {value}"),
    "hash": ("Known malicious file {value}", "Tệp độc hại đã biết {value}"),
    "email": ("Known malicious mail address {value}", "Địa chỉ thư độc hại đã biết {value}"),
}
_MAX_TITLE_VALUE = 100


def findings_of(
    event: Event, matched: Sequence[tuple[str, Record]], *, window_seconds: int, least: int = 0
) -> list[Finding]:
    """Return one finding for each indicator that an event matches.

    Args:
        event: marked, enriched and classified.
        matched: fields and what is known of their values, the most confident first.
        window_seconds: see ``Matcher``.
        least: weaker indicators make none.
    """
    by_indicator: dict[tuple[str, str], list[tuple[str, Record]]] = {}
    for field, record in matched:
        by_indicator.setdefault((record.kind, record.value), []).append((field, record))
    chosen = list(by_indicator.values())[:MAX_HITS]
    return [
        _finding(event, several, window_seconds) for several in chosen if several[0][1].confidence >= least
    ]


def _finding(event: Event, several: Sequence[tuple[str, Record]], window_seconds: int) -> Finding:
    field, best = several[0]
    action = event.get("event.action")
    outcome = event.get("citysoc.outcome") or (outcome_of(action) if isinstance(action, str) else None)
    value = best.value if len(best.value) <= _MAX_TITLE_VALUE else f"{best.value[:_MAX_TITLE_VALUE]}…"
    named = f" ({best.name})" if best.name else ""
    title, title_vi = (text.format(value=value) + named for text in _TITLES[best.kind])
    entity = entity_of(event, field)
    klass = event.get("citysoc.class") or class_of(best)
    offset = event.get("log.offset")
    moment = event.get("@timestamp")
    return Finding(
        rule=f"{RULE}{best.feed}",
        title=title,
        title_vi=title_vi,
        level=level_of(best.confidence, blocked=outcome in _BLOCKED),
        agency=str(event.get("agency.id") or UNKNOWN_AGENCY),
        event_id=str(event.get("event.id") or ""),
        timestamp=moment if isinstance(moment, dt.datetime) else dt.datetime.fromtimestamp(0, UTC),
        matched=_matched(event, several, klass) | ({"citysoc.outcome": outcome} if outcome else {}),
        tags=("citysoc.intel", *((f"citysoc.{klass.lower()}",) if isinstance(klass, str) and klass else ())),
        group={"threat.indicator.name": best.value, "host": entity},
        window_seconds=window_seconds,
        entity=entity,
        path=str(event.get("log.file.path") or ""),
        offset=offset if isinstance(offset, int) else 0,
    )


def _matched(event: Event, several: Sequence[tuple[str, Record]], klass: object) -> dict[str, Any]:
    field, best = several[0]
    said: dict[str, Any] = {
        field: event.get(field),
        "threat.indicator.name": best.value,
        "threat.indicator.type": ecs_type(best),
        "threat.feed.name": [record.feed for _field, record in several],
        "citysoc.intel.confidence": best.confidence,
        "citysoc.intel.expires": iso(dt.datetime.fromtimestamp(best.expires, UTC))
        if best.expires
        else "never",
        "citysoc.intel.malware": best.name,
        "citysoc.intel.tags": list(best.tags),
        "citysoc.intel.note": best.note,
        "citysoc.class": klass,
        "source.ip": event.get("source.ip"),
        "destination.ip": event.get("destination.ip"),
    }
    return {name: value for name, value in said.items() if value not in (None, "", [])}


def level_of(confidence: int, *, blocked: bool) -> str:
    """Return the level of a finding: by confidence, one lower where the connection was blocked.

    >>> level_of(80, blocked=False), level_of(50, blocked=True)
    ('high', 'low')
    """
    place = 3 if confidence >= 80 else 2 if confidence >= 50 else 1 if confidence >= 20 else 0
    return LEVELS[max(place - 1, 0) if blocked else place]


_OTHER_SIDE = {
    "source.ip": ("destination.ip", "host.name", "host.ip"),
    "source.nat.ip": ("destination.ip", "host.name", "host.ip"),
    "source.domain": ("destination.ip", "host.name"),
    "source.address": ("destination.ip", "host.name"),
    "client.ip": ("server.ip", "destination.ip", "host.name", "host.ip"),
    "email.from.address": ("email.to.address", "host.name"),
}
_INSIDE = ("source.ip", "client.ip", "host.name", "host.ip")
_ON_HOST = ("host.name", "host.ip", "source.ip")
_ENTITY_KINDS = {"host.name": "host", "email.to.address": "mail"}


def entity_of(event: Event, field: str) -> str:
    """Return the inside host of a match: the other side of what matched, as ``kind:value``; empty where there is none."""
    if field in _OTHER_SIDE:
        names: Sequence[str] = _OTHER_SIDE[field]
    else:
        names = _ON_HOST if field in HASHES or field == "related.hash" else _INSIDE
    for name in names:
        value = event.get(name)
        if isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, str) and value:
            return f"{_ENTITY_KINDS.get(name, 'ip')}:{value}"
    return ""
