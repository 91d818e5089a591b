"""Turn the texts of a log into the values of an event, and put vendors' names under ours.

A *table* maps a vendor's field to an ECS field and the function that reads it. What a table does not name,
or what its function cannot read, is kept under the vendor's own prefix: nothing is lost.
"""

from __future__ import annotations

import functools
import ipaddress
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from citysoc.flow import Event

Convert: TypeAlias = "Callable[[Any], Any] | None"
Table: TypeAlias = "Mapping[str, tuple[str, Convert]]"
"""Vendor's field to ECS field and its reader; None keeps the value as it is."""

MAX_DEPTH = 16
MAX_FIELDS = 1000
MAX_ITEMS = 1000
MAX_NAME = 256

_TRANSPORTS = {
    "1": "icmp",
    "2": "igmp",
    "6": "tcp",
    "17": "udp",
    "41": "ipv6",
    "47": "gre",
    "50": "esp",
    "51": "ah",
    "58": "ipv6-icmp",
    "89": "ospf",
    "132": "sctp",
}
_NAMES = frozenset(_TRANSPORTS.values())


@functools.lru_cache(maxsize=65_536)
def _ip(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text.partition("%")[0].strip("[]")))
    except ValueError:
        return None


def ip(value: Any) -> str | None:
    """Return an IP address in its usual spelling, None for anything else."""
    return _ip(value) if isinstance(value, str) and len(value) <= 64 else None


def integer(value: Any) -> int | None:
    """Return a whole number, None for anything else."""
    if isinstance(value, int):
        return None if isinstance(value, bool) else value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and len(value) <= 20 and "_" not in value:
        try:
            return int(value)
        except ValueError:
            return None
    return None


def text(value: Any) -> str | None:
    """Return a scalar as text, None for an object or a list."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def lower(value: Any) -> str | None:
    """Return text in small letters."""
    return value.lower() if isinstance(value, str) else None


def listed(value: Any) -> list[str] | None:
    """Return one text or a list of them as a list of texts."""
    if isinstance(value, list):
        return [item for item in map(text, value) if item is not None]
    single = text(value)
    return None if single is None else [single]


def transport(value: Any) -> str | None:
    """Return the transport's name for an IANA number or a name such as ``TCP`` or ``udp/dns``."""
    if isinstance(value, int):
        value = str(value)
    if not isinstance(value, str) or not value:
        return None
    if value.isdigit():
        return _TRANSPORTS.get(value)
    name = value.partition("/")[0].lower()
    name = {"icmpv6": "ipv6-icmp", "ipv6_icmp": "ipv6-icmp", "icmp6": "ipv6-icmp"}.get(name, name)
    return name if name in _NAMES else None


def nanoseconds(value: Any) -> int | None:
    """Return seconds, as number or text, in nanoseconds, the unit of ``event.duration``."""
    try:
        return round(float(value) * 1e9)
    except (TypeError, ValueError, OverflowError):
        return None


def assign(event: Event, pairs: Iterable[tuple[str, Any]], table: Table, prefix: str) -> None:
    """Put a vendor's fields into the event: by the table, else under ``prefix``; empty ones are left out.

    A field of ours that already has a value keeps it; the later one stays under the vendor's name.
    """
    find = table.get
    for name, value in pairs:
        if value is None or value == "":
            continue
        target = find(name)
        if target is None:
            event[prefix + name] = value
            continue
        field, convert = target
        if convert is not None:
            converted = convert(value)
            if converted is None:
                event[prefix + name] = value
                continue
            value = converted
        if field in event:
            event[prefix + name] = value
        else:
            event[field] = value


def flatten(source: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return an object's leaves as dotted names and values, at most ``MAX_FIELDS`` of them.

    A list of objects becomes one list for each of their names, as Elasticsearch reads it. What is deeper
    than ``MAX_DEPTH`` stays as one JSON text. Empty objects and lists are left out.
    """
    leaves: list[tuple[str, Any]] = []
    _walk(source, "", 1, leaves)
    return leaves


def _walk(source: Mapping[str, Any], prefix: str, depth: int, leaves: list[tuple[str, Any]]) -> None:
    for name, value in source.items():
        if len(leaves) >= MAX_FIELDS:
            return
        kind = type(value)
        if kind is dict:
            if depth >= MAX_DEPTH:
                leaves.append((f"{prefix}{name}"[:MAX_NAME], orjson.dumps(value).decode()))
            else:
                _walk(value, f"{prefix}{name}.", depth + 1, leaves)
        elif kind is list:
            _walk_list(value, f"{prefix}{name}"[:MAX_NAME], depth, leaves)
        elif value is not None:
            leaves.append(((prefix + name)[:MAX_NAME] if prefix else name[:MAX_NAME], value))


def _walk_list(items: list[Any], name: str, depth: int, leaves: list[tuple[str, Any]]) -> None:
    if not items:
        return
    if not any(isinstance(item, dict | list) for item in items):
        leaves.append((name, items[:MAX_ITEMS]))
        return
    columns: dict[str, list[Any]] = {}
    for item in items[:MAX_ITEMS]:
        if isinstance(item, dict) and depth < MAX_DEPTH:
            below: list[tuple[str, Any]] = []
            _walk(item, f"{name}.", depth + 1, below)
            for column, value in below:
                kept = columns.setdefault(column, [])
                kept.extend(value if isinstance(value, list) else [value])
        else:
            plain = orjson.dumps(item).decode() if isinstance(item, dict | list) else item
            columns.setdefault(name, []).append(plain)
        if len(columns) >= MAX_FIELDS:
            break
    leaves.extend((column, values[:MAX_ITEMS]) for column, values in columns.items())
