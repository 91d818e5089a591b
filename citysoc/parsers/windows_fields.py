"""From the parts of a Windows event to an ECS event, by the tables of ``ecs/windows.yml``."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from citysoc.ecs.fields import FIELDS
from citysoc.ecs.windows import EVENT_DATA, Copy, tables
from citysoc.parsers import values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from citysoc.flow import Event

DEFENDER = "Microsoft-Windows-Windows Defender"
_DETECTED = frozenset({"1006", "1015", "1116"})
_ACTED = frozenset({"1007", "1117"})
_FAILED = frozenset({"1008", "1118", "1119"})
_DEFENDER_ACTIONS = {
    "1": ("cleaned", "cleaned"),
    "2": ("quarantined", "quarantined"),
    "3": ("deleted", "deleted"),
    "6": ("allowed", "allowed"),
    "9": ("unresolved", "failed"),
    "10": ("blocked", "blocked"),
}
"""Defender's ``Action ID`` to ``event.action`` and ``citysoc.outcome`` (Microsoft: event 1117)."""


def complete(event: Event, data: Mapping[str, Any]) -> Event:
    """Put the fields of EventData and UserData into an event whose system part is set.

    Args:
        event: has ``winlog.provider_name`` and ``event.code`` if the record names them.
        data: the fields as the record names them; empty ones (None) count as absent.
    """
    provider = event.get("winlog.provider_name", "")
    code = event.get("event.code", "")
    name_kind(event, provider)
    plan = plan_of(provider, code)
    names = {name.replace(" ", "") if " " in name else name: name for name in data}
    _move(event, data, names, plan.moved)
    for copy in plan.copies:
        if copy.source in names:
            COPY[copy.form](event, copy.target, data[names[copy.source]])
    if plan.kind is not None:
        describe(event, plan.kind)
    if provider == DEFENDER:
        _antivirus(event, code, {bare: data[name] for bare, name in names.items()})
    for prefix in ("process", "process.parent"):
        path = event.get(f"{prefix}.executable")
        if isinstance(path, str):
            event.setdefault(f"{prefix}.name", path.rpartition("\\")[2])
    return event


def _move(event: Event, data: Mapping[str, Any], names: Mapping[str, str], moved: Mapping[str, str]) -> None:
    """Put each field in its place: under its ECS name, or under its own."""
    for bare, name in names.items():
        value = data[name]
        if value is None:
            continue
        target = moved.get(bare)
        if target is None:
            event[EVENT_DATA + name] = value
        else:  # the event's own field counts more than a shipper's reading of it
            event[target] = value if _is_kept(target) else fit(target, value)


class Plan:
    """What the tables say about the events of one provider and id."""

    __slots__ = ("copies", "kind", "moved")

    def __init__(self, provider: str, code: str) -> None:
        found = tables()
        key = (provider, code)
        self.moved = {**found.moved, **found.moved_by_event.get(key, {})}
        self.copies: list[Copy] = [
            copy
            for copy in found.copied
            if not copy.events or key in copy.events or (provider, "*") in copy.events
        ]
        self.kind = found.events.get(key)


@functools.lru_cache(maxsize=4096)
def plan_of(provider: str, code: str) -> Plan:
    """Return what the tables say about the events of one provider and id."""
    return Plan(provider, code)


def name_kind(event: Event, provider: str) -> None:
    """Set module, dataset and provider, and the channel of an event that names none."""
    found = tables()
    channel = event.get("winlog.channel")
    if not channel and provider in found.channels:
        channel = event["winlog.channel"] = found.channels[provider]
    event["event.module"] = "windows"
    event["event.dataset"] = f"windows.{found.datasets.get(channel or '', 'eventlog')}"
    if provider:
        event["event.provider"] = provider


@functools.lru_cache(maxsize=4096)
def _is_kept(target: str) -> bool:
    """Return whether a field takes its values as they are."""
    field = FIELDS.get(target)
    return field is None or not (field.array or field.type in {"long", "ip"} or target == "network.transport")


def fit(target: str, value: Any) -> Any:
    """Return a value in the form of its ECS field; as it is where it does not fit."""
    field = FIELDS.get(target)
    if field is None:
        return value
    if field.array:
        return value if isinstance(value, list) else [value]
    if field.type == "long":
        number = _integer(value)
        return value if number is None else number
    if field.type == "ip":
        return _address(value) or value
    if target == "network.transport" and isinstance(value, str):
        return values.transport(value) or value
    return value


def _integer(value: Any) -> int | None:
    if isinstance(value, str) and value[:2].lower() == "0x" and len(value) <= 18:
        try:
            return int(value, 16)
        except ValueError:
            return None
    return values.integer(value)


def _address(value: Any) -> str | None:
    return values.ip(value.removeprefix("::ffff:")) if isinstance(value, str) else None


def _copy_text(event: Event, target: str, value: Any) -> None:
    if isinstance(value, str) and value not in {"", "-"}:
        event[target] = value


def _copy_integer(event: Event, target: str, value: Any) -> None:
    if (number := _integer(value)) is not None:
        event[target] = number


def _copy_ip(event: Event, target: str, value: Any) -> None:
    if (address := _address(value)) is not None:
        event.setdefault(target, address)


def _copy_account(event: Event, target: str, value: Any) -> None:
    if isinstance(value, str) and value not in {"", "-"}:
        domain, _, name = value.rpartition("\\")
        event[f"{target}.name"] = name
        if domain:
            event[f"{target}.domain"] = domain


def _copy_hashes(event: Event, target: str, value: Any) -> None:
    if not isinstance(value, str):
        return
    for part in value.split(",")[:8]:
        kind, _, digest = part.strip().partition("=")
        kind = kind.lower()
        if kind in {"md5", "sha1", "sha256"} and digest:
            event[f"{target}.hash.{kind}"] = digest.lower()
        elif kind == "imphash" and digest:
            event[f"{target}.pe.imphash"] = digest.lower()


COPY = {
    "text": _copy_text,
    "integer": _copy_integer,
    "ip": _copy_ip,
    "account": _copy_account,
    "hashes": _copy_hashes,
}


def describe(event: Event, kind: Any) -> None:
    """Set what the event id means in ECS."""
    event["event.action"] = kind.action
    event["event.category"] = [kind.category]
    event["event.type"] = [kind.type]
    if kind.outcome:
        event["event.outcome"] = kind.outcome


def _antivirus(event: Event, code: str, data: Mapping[str, Any]) -> None:
    """Give a Defender detection the words that every antivirus has here."""
    if code not in _DETECTED | _ACTED | _FAILED:
        return
    event["event.kind"] = "alert"
    event["event.category"] = ["malware"]
    event["event.type"] = ["info"]
    event["event.dataset"] = "windows.defender"
    event["event.action"] = "detected"
    if code in _FAILED:
        event["event.action"], event["citysoc.outcome"] = "unresolved", "failed"
    elif code in _ACTED:
        known = _DEFENDER_ACTIONS.get(str(data.get("ActionID")))
        if known:
            event["event.action"], event["citysoc.outcome"] = known
    path = data.get("Path")
    if isinstance(path, str) and "_" in path:
        event["file.path"] = path.partition(";")[0].partition("_")[2].strip()
