"""JSON of cloud services and other products: recognised and read by ``products.yml``.

The product's own fields keep their names under a prefix of the product, nested as the product nests them, so that rules
written for it find them; a few are also copied to ECS fields.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import orjson
import yaml

from citysoc.ecs.fields import FIELDS
from citysoc.parsers import values
from citysoc.parsers.times import guess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from citysoc.flow import Event
    from citysoc.parsers.base import Context

_MAX_TEXT_CHARS = 16_384
_LIFTED = "properties."
_UTC = ZoneInfo("UTC")
_READERS = {"ip": values.ip, "long": values.integer}


@dataclass(frozen=True, slots=True)
class Product:
    """How one kind of log is told, and where its fields go; see ``products.yml``."""

    dataset: str
    product: str
    keys: tuple[str, ...]
    any: tuple[str, ...]
    values: Mapping[str, tuple[str, ...]]
    inside: tuple[str, ...]
    time: tuple[str, ...]
    utc: bool
    folded: bool
    texts: frozenset[str]
    fields: Mapping[str, str]
    failed: tuple[str, ...]
    outcome: Mapping[str, Mapping[str, str]]
    event: Mapping[str, Any]


@functools.cache
def products() -> tuple[Product, ...]:
    """Return the table of ``products.yml``."""
    text = Path(__file__).with_name("products.yml").read_bytes()
    data: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)  # noqa: TID251  safe
    return tuple(_product(name, entry) for name, entry in data.items())


def _product(name: str, entry: Mapping[str, Any]) -> Product:
    folded = bool(entry.get("folded"))
    shape = _folded_name if folded else str
    return Product(
        dataset=entry.get("dataset", name),
        product=entry.get("product", name.partition(".")[0]),
        keys=tuple(entry["keys"]),
        any=tuple(entry.get("any", ())),
        values={
            field: tuple(one.casefold() for one in wanted)
            for field, wanted in entry.get("values", {}).items()
        },
        inside=tuple(entry.get("inside", ())),
        time=tuple(entry["time"]),
        utc=bool(entry.get("utc")),
        folded=folded,
        texts=frozenset(map(shape, entry.get("texts", ()))),
        fields={shape(field): target for field, target in entry["fields"].items()},
        failed=tuple(map(shape, entry.get("failed", ()))),
        outcome={
            shape(field): {one.casefold(): outcome for outcome, ones in wanted.items() for one in ones}
            for field, wanted in entry.get("outcome", {}).items()
        },
        event=entry.get("event", {}),
    )


@functools.cache
def _marks() -> frozenset[str]:
    """Return the names of which a record has one at its top if it is of any product here."""
    marks: set[str] = set()
    for one in products():
        marks.update(name.partition(".")[0] for name in (one.keys[:1] or one.any))
        marks.update(one.inside)
    return frozenset(marks)


def from_object(record: Mapping[str, Any], context: Context) -> Event | None:
    """Return the event of an object of a product that is known; None where it is of none."""
    if _marks().isdisjoint(record):
        return None
    for one in products():
        for part in (record, *map(record.get, one.inside)):
            if isinstance(part, dict) and _fits(one, part):
                return _event(one, part, context)
    return None


def _fits(one: Product, record: Mapping[str, Any]) -> bool:
    if any(_at(record, name) is None for name in one.keys):
        return False
    if one.any and all(_at(record, name) is None for name in one.any):
        return False
    return all(_is_one(_at(record, field), wanted) for field, wanted in one.values.items())


def _at(record: Any, name: str) -> Any:
    """Return the value at a dotted name, None where there is none."""
    for part in name.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return record


def _is_one(value: Any, wanted: tuple[str, ...]) -> bool:
    if not isinstance(value, str):
        return False
    text = value.casefold()
    return any(_is_like(text, one) for one in wanted)


def _is_like(text: str, one: str) -> bool:
    before, star, after = one.partition("*")
    if not star:
        return text == one
    if after.endswith("*"):
        return after[:-1] in text
    return text.startswith(before) and text.endswith(after)


def _folded_name(name: str) -> str:
    return name.lower().removeprefix(_LIFTED)


def _event(one: Product, record: Mapping[str, Any], context: Context) -> Event:
    event: Event = {"event.module": one.product, "event.dataset": one.dataset, **one.event}
    prefix = f"{one.product}."
    own: dict[str, Any] = {}
    for name, value in values.flatten(record):
        _put(own, _folded_name(name) if one.folded else name, value)
    for name, text in _as_text(one, record):
        own.setdefault(f"{name}_text", text)
    for name, target in one.fields.items():
        _copy(event, target, own.get(name))
    _settle(one, own, event)
    for name in one.time:
        moment = guess(_at(record, name), _UTC if one.utc else context.zone, context.arrived)
        if moment is not None:
            event["@timestamp"] = moment
            break
    for name, value in own.items():
        event[prefix + name] = value
    return event


def _put(own: dict[str, Any], name: str, value: Any) -> None:
    """Set a field; one that is told twice has both values."""
    if name in own and own[name] != value:
        known = own[name]
        more = value if isinstance(value, list) else [value]
        value = [*(known if isinstance(known, list) else [known]), *more]
    own[name] = value


def _as_text(one: Product, record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the objects and lists that rules search as a whole, written as JSON."""
    found = []
    lower = record.get("properties") if one.folded else None
    for part in (record, lower if isinstance(lower, dict) else {}):
        for name, value in part.items():
            shaped = _folded_name(name) if one.folded else name
            if shaped in one.texts and isinstance(value, dict | list):
                found.append((shaped, orjson.dumps(value).decode()[:_MAX_TEXT_CHARS]))
            elif shaped in one.texts and isinstance(value, str):
                found.append((shaped, value[:_MAX_TEXT_CHARS]))
    return found


def _copy(event: Event, target: str, value: Any) -> None:
    """Fill an ECS field, if the value can be one."""
    if target in event or value is None:
        return
    field = FIELDS.get(target)
    if isinstance(value, list) and not (field and field.array):
        value = value[0] if value else None
    read = _READERS.get(field.type if field else "", values.text)
    fitted = read(value)
    if fitted not in {None, ""}:
        event[target] = fitted


def _settle(one: Product, own: Mapping[str, Any], event: Event) -> None:
    """Set the outcome that the product's own fields tell."""
    for name, known in one.outcome.items():
        text = values.text(own.get(name))
        if text is not None and (outcome := known.get(text.casefold())):
            event["event.outcome"] = outcome
            return
    if one.failed:
        event["event.outcome"] = "failure" if any(own.get(name) for name in one.failed) else "success"
