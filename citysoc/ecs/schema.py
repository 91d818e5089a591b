"""The store's columns, generated from the field dictionary, and events as rows of them."""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import math
import re
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.ecs.fields import EXTRA, FIELDS, Field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from citysoc.flow import Event


_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"^{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}$"
_MAX_DEPTH = 100
_EARLIEST = dt.datetime(1000, 1, 1, tzinfo=dt.UTC)
_LATEST = dt.datetime(9000, 1, 1, tzinfo=dt.UTC)
"""Times beyond are kept as text: near the ends of the calendar even a time zone overflows."""


@functools.cache
def schema() -> pa.Schema:
    """Return the Arrow schema of stored events: every field of the dictionary, then the extras."""
    import pyarrow as pa

    types = {
        "keyword": pa.string(),
        "text": pa.string(),
        "ip": pa.string(),
        "long": pa.int64(),
        "float": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.timestamp("us", tz="UTC"),
    }
    columns = [
        pa.field(name, pa.list_(types[field.type]) if field.array else types[field.type])
        for name, field in FIELDS.items()
    ]
    return pa.schema([*columns, pa.field(EXTRA, pa.string())])


def to_table(events: Sequence[Event]) -> pa.Table:
    """Return events as rows of ``schema()``.

    A field outside the dictionary, and a value that does not fit its column (text in a number, a
    port beyond 64 bits), is kept in the extras, so that no event is refused for one bad value.
    """
    import pyarrow as pa

    present = set().union(*events)
    extras = _unknown(events, present - FIELDS.keys())
    arrays = []
    for name, kind in zip(schema().names, schema().types, strict=True):
        if name == EXTRA:
            break
        if name in present:
            arrays.append(_array(FIELDS[name], [event.get(name) for event in events], kind, extras))
        else:
            arrays.append(pa.nulls(len(events), kind))
    arrays.append(pa.array([extra_text(extra) if extra else None for extra in extras], pa.string()))
    return pa.Table.from_arrays(arrays, schema=schema())


def from_row(row: dict[str, Any]) -> Event:
    """Return a stored row as an event: empty columns dropped, the extras back in their places."""
    extra = row.pop(EXTRA, None)
    event = {name: value for name, value in row.items() if value is not None}
    return {**orjson.loads(extra), **event} if extra else event


def fit(name: str, value: Any) -> Any:
    """Return a value as its column of the dictionary holds it; None where it holds it in the extras.

    Args:
        name: a field of the dictionary.
        value: what an event has there.
    """
    field = FIELDS[name]
    return _fit_list(_FITS[field.type], value) if field.array else _FITS[field.type](value)


def _unknown(events: Sequence[Event], names: set[str]) -> list[dict[str, Any] | None]:
    """Return for each event its fields outside the dictionary, None where it has none."""
    if not names:
        return [None] * len(events)
    return [
        {name: value for name, value in event.items() if name in names and value is not None} or None
        for event in events
    ]


def _keep(extras: list[dict[str, Any] | None], row: int, name: str, value: Any) -> None:
    if (extra := extras[row]) is None:
        extra = extras[row] = {}
    extra[name] = value


def _array(
    field: Field, values: list[Any], kind: pa.DataType, extras: list[dict[str, Any] | None]
) -> pa.Array:
    """Return a column; fast when every value fits as it is, value by value when one does not."""
    import pyarrow as pa

    # Arrow cuts fractions off whole numbers and takes naive times for UTC, so it is not asked about types.
    if set(map(type, values)) <= ({list, type(None)} if field.array else _NATURAL[field.type]):
        try:
            array = pa.array(values, kind)
            if _as_it_is(field, array, values):
                return array
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, UnicodeError):
            pass
    fitted: list[Any] = []
    for row, value in enumerate(values):
        good = None
        if value is not None:
            good = fit(field.name, value)
            if good is None:
                _keep(extras, row, field.name, value)
        fitted.append(good)
    return pa.array(fitted, kind)


def _as_it_is(field: Field, array: pa.Array, values: list[Any]) -> bool:
    """Return whether what Arrow took without complaint is what ``fit`` would give."""
    import pyarrow.compute as pc

    if field.array:
        array = array.flatten()
        if array.null_count:
            return False
    if field.type == "ip":
        return pc.all(pc.match_substring_regex(array, _IPV4)).as_py() is not False
    if field.type == "float":
        return pc.all(pc.is_finite(array)).as_py() is not False
    if field.type == "date":
        edges = pc.min_max(array).as_py()
        near = edges["min"] is None or (edges["min"] >= _EARLIEST and edges["max"] <= _LATEST)
        return near and all(value is None or value.tzinfo is not None for value in values)
    return True


def extra_text(extra: dict[str, Any]) -> str:
    """Return extras as JSON, whatever they are."""
    try:
        text = orjson.dumps(extra, default=_plain)
    except TypeError:  # numbers beyond 64 bits, lone surrogates, keys that are no text, depth
        return orjson.dumps(_plain(extra)).decode()
    # What is no number (NaN) becomes null without complaint.
    return (orjson.dumps(_plain(extra)) if b"null" in text else text).decode()


def _plain(value: Any, depth: int = 0) -> Any:
    """Return a value that JSON can hold; what it cannot hold as text."""
    whole = isinstance(value, int) and -(2**63) <= value < 2**63
    if value is None or whole or (isinstance(value, float) and math.isfinite(value)):
        return value
    if depth >= _MAX_DEPTH and isinstance(value, dict | list | tuple | set | frozenset):
        return "…"  # the whole is still in event.original
    if isinstance(value, dict):
        return {_plain_text(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth + 1) for item in value]
    return _plain_text(value)


def _plain_text(value: Any) -> str:
    if isinstance(value, dt.date | dt.time):  # as orjson writes them
        return value.isoformat()
    return str(value).encode("utf-8", "backslashreplace").decode()


def _fit_list(fit: Callable[[Any], Any], value: Any) -> list[Any] | None:
    items = [fit(item) for item in (value if isinstance(value, list | tuple) else [value])]
    return None if None in items else items


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return _plain_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list | tuple):
        return None
    return _plain_text(value)


def _long(value: Any) -> int | None:
    if isinstance(value, str):
        number = int(value) if _WHOLE.fullmatch(value) else None
    elif isinstance(value, float):
        number = int(value) if value.is_integer() else None
    else:
        number = value if isinstance(value, int) and not isinstance(value, bool) else None
    return number if number is not None and -(2**63) <= number < 2**63 else None


def _float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


@functools.lru_cache(maxsize=65_536)
def _address(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        # Elasticsearch knows no zone either, and takes a mapped address for the IPv4 address it is.
        if address.scope_id is not None:
            return None
        return str(address.ipv4_mapped or address)
    return str(address)


def _ip(value: Any) -> str | None:
    return _address(value) if isinstance(value, str) else None


def _date(value: Any) -> dt.datetime | None:
    if isinstance(value, dt.datetime) and value.tzinfo and _EARLIEST <= value <= _LATEST:
        return value.astimezone(dt.UTC)
    return None


_FITS: dict[str, Callable[[Any], Any]] = {
    "keyword": _text,
    "text": _text,
    "ip": _ip,
    "long": _long,
    "float": _float,
    "boolean": _boolean,
    "date": _date,
}

_NATURAL: dict[str, set[type]] = {
    "keyword": {str, type(None)},
    "text": {str, type(None)},
    "ip": {str, type(None)},
    "long": {int, type(None)},
    "float": {float, int, type(None)},
    "boolean": {bool, type(None)},
    "date": {dt.datetime, type(None)},
}
