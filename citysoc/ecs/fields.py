"""The field dictionary, read from ``fields.yml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EXTRA = "citysoc.extra"
"""The stored field that holds, as one JSON object, every field that is not in the dictionary."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the dictionary.

    Args:
        name: its dotted name.
        type: keyword, text, ip, long, float, boolean or date.
        array: whether its value is a list of that type.
        about: what it holds; empty for fields of ECS, which its own documentation describes.
    """

    name: str
    type: str
    array: bool
    about: str = ""


def _read() -> tuple[str, Mapping[str, Field]]:
    text = Path(__file__).with_name("fields.yml").read_bytes()
    data: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)  # noqa: TID251  safe
    fields = {}
    for name, kind in data["ecs"].items():
        fields[name] = Field(name, kind.removesuffix("[]"), kind.endswith("[]"))
    for name, own in data["own"].items():
        kind = own["type"]
        fields[name] = Field(name, kind.removesuffix("[]"), kind.endswith("[]"), own["about"])
    return data["version"], MappingProxyType(fields)


VERSION, FIELDS = _read()


def unknown_fields(names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that the dictionary does not have, sorted."""
    return sorted(set(names) - FIELDS.keys())
