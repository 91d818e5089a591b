"""What feeds know of an event, written on it in the words of ECS."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from citysoc.clock import UTC
from citysoc.detectors.intel.classes import class_of

if TYPE_CHECKING:
    from citysoc.detectors.intel.database import Record
    from citysoc.flow import Event

_ECS_TYPES = {"domain": "domain-name", "url": "url", "hash": "file", "email": "email-addr"}
_ECS_VALUES = {
    "domain": "threat.indicator.url.domain",
    "url": "threat.indicator.url.full",
    "email": "threat.indicator.email.address",
}
_HASH_NAMES = {32: "md5", 40: "sha1", 64: "sha256"}
MARK = "citysoc.intel.field"
"""Marked events have it."""


def write(event: Event, matched: list[tuple[str, Record]]) -> None:
    """Write on an event what it matched: fields and what is known of their values, the surest first."""
    field, best = matched[0]
    feeds = sorted({record.feed for _field, record in matched if record.value == best.value})
    for name, value in (
        ("threat.indicator.type", ecs_type(best)),
        ("threat.indicator.name", best.value),
        ("threat.indicator.confidence", ecs_confidence(best.confidence)),
        ("threat.indicator.provider", best.origin or None),
        ("threat.indicator.description", " · ".join(filter(None, (best.name, best.note))) or None),
        *_ecs_value(best),
    ):
        if value is not None:
            event.setdefault(name, value)
    event["threat.feed.name"] = best.feed
    event["citysoc.intel.feeds"] = feeds
    event["citysoc.intel.field"] = field
    event["citysoc.intel.indicator"] = best.value
    event["citysoc.intel.confidence"] = best.confidence
    if best.expires is not None:
        event["citysoc.intel.expires"] = dt.datetime.fromtimestamp(best.expires, UTC)
    if klass := class_of(best):
        event["citysoc.intel.class"] = klass


def _ecs_value(record: Record) -> list[tuple[str, str]]:
    if record.kind == "address":
        return [("threat.indicator.ip", record.value)]
    if record.kind == "hash":
        return [(f"threat.indicator.file.hash.{_HASH_NAMES[len(record.value)]}", record.value)]
    return [(_ECS_VALUES[record.kind], record.value)] if record.kind in _ECS_VALUES else []


def ecs_type(record: Record) -> str:
    """Return the type of an indicator as ECS names it, after STIX's object types."""
    if record.kind in {"address", "network"}:
        return "ipv6-addr" if ":" in record.value else "ipv4-addr"
    return _ECS_TYPES[record.kind]


def ecs_confidence(confidence: int) -> str:
    """Return a confidence in the words of ECS, by STIX's scale None/Low/Medium/High.

    >>> ecs_confidence(75)
    'High'
    """
    return (
        "None" if confidence <= 0 else "Low" if confidence < 30 else "Medium" if confidence < 70 else "High"
    )
