"""Windows field names and their ECS names, read from ``windows.yml``: one table for parser and rules."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

PROVIDERS = {
    "Sysmon": "Microsoft-Windows-Sysmon",
    "Security": "Microsoft-Windows-Security-Auditing",
    "Defender": "Microsoft-Windows-Windows Defender",
}
"""Short names of providers in ``windows.yml``."""
EVENT_DATA = "winlog.event_data."
"""The prefix of every field that has no ECS name."""

SYSTEM = MappingProxyType(
    {
        "EventID": "event.code",
        "Channel": "winlog.channel",
        "Provider_Name": "winlog.provider_name",
        "Computer": "winlog.computer_name",
        "ComputerName": "winlog.computer_name",
        "EventRecordID": "winlog.record_id",
        "Level": "winlog.level",
        "Task": "winlog.task",
        "Opcode": "winlog.opcode",
        "Keywords": "winlog.keywords",
        "Message": "message",
    }
)
"""Fields of an event's ``System`` part, and its message, as rules write them."""


@dataclass(frozen=True, slots=True)
class Copy:
    """An ECS field filled from a field that stays.

    Args:
        source: the Windows field, without spaces.
        target: the ECS field, or its beginning for ``account`` and ``hashes``.
        form: text, integer, ip, account or hashes.
        events: ``(provider, event id)`` it applies to; an id ``*`` for all; empty for every event.
    """

    source: str
    target: str
    form: str
    events: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Kind:
    """What an event id of a provider means in ECS."""

    action: str
    category: str
    type: str
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Tables:
    """``windows.yml``, read.

    Args:
        moved: Windows field to ECS field, everywhere.
        moved_by_event: the same for one ``(provider, event id)``.
        moved_by_category: the same for the events of one Sigma category.
        copied: the copies, in order; a later one with events of its own wins.
        channels: the channel of a provider whose events name none.
        datasets: short names of channels.
        events: what an event means.
    """

    moved: Mapping[str, str]
    moved_by_event: Mapping[tuple[str, str], Mapping[str, str]]
    moved_by_category: Mapping[str, Mapping[str, str]]
    copied: tuple[Copy, ...]
    channels: Mapping[str, str]
    datasets: Mapping[str, str]
    events: Mapping[tuple[str, str], Kind]


@functools.cache
def tables() -> Tables:
    """Return the tables of ``windows.yml``."""
    text = Path(__file__).with_name("windows.yml").read_bytes()
    data: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)  # noqa: TID251  safe
    by_event: dict[tuple[str, str], dict[str, str]] = {}
    for only in data["moved_only"].values():
        for event in map(_event, only["events"]):
            by_event.setdefault(event, {}).update(only["fields"])
    return Tables(
        moved=data["moved"],
        moved_by_event=by_event,
        moved_by_category={category: only["fields"] for category, only in data["moved_only"].items()},
        copied=tuple(
            Copy(c["from"], c["to"], c.get("as", "text"), frozenset(map(_event, c.get("events", ()))))
            for c in data["copied"]
        ),
        channels=data["channels"],
        datasets=data["datasets"],
        events={_event(event): Kind(*kind) for event, kind in data["events"].items()},
    )


def rule_fields(name: str, category: str | None) -> str | list[str]:
    """Return where the field of a Windows rule is found in events.

    A field that moves only in some events is looked for in both places by a rule that may see both.
    """
    if name in SYSTEM:
        return SYSTEM[name]
    found = tables()
    if name in found.moved:
        return found.moved[name]
    if category is not None:
        return found.moved_by_category.get(category, {}).get(name, EVENT_DATA + name)
    places = {fields[name] for fields in found.moved_by_category.values() if name in fields}
    return [*sorted(places), EVENT_DATA + name] if places else EVENT_DATA + name


def _event(text: str) -> tuple[str, str]:
    provider, _, number = text.rpartition("/")
    return PROVIDERS.get(provider, provider), number
