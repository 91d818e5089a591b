"""The store's columns, generated from the field dictionary, and events as rows of them."""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.ecs.fields import EXTRA, FIELDS, Field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from citysoc.flow import Event


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

    count = len(events)
    extras: list[dict[str, Any] | None] = [None] * count
    columns: dict[str, list[Any]] = {}
    for row, event in enumerate(events):
        for name, value in event.items():
            if value is None:
                continue
            column = columns.get(name)
            if column is None:
                if name not in FIELDS:
                    _keep(extras, row, name, value)
                    continue
                column = columns[name] = [None] * count
            column[row] = value
    arrays = []
    for name, kind in zip(schema().names, schema().types, strict=True):
        if name == EXTRA:
            break
        if (values := columns.get(name)) is None:
            arrays.append(pa.nulls(count, kind))
        else:
            arrays.append(_array(FIELDS[name], values, kind, extras))
    arrays.append(
        pa.array([orjson.dumps(e, default=str).decode() if e else None for e in extras], pa.string())
    )
    return pa.Table.from_arrays(arrays, schema=schema())


def from_row(row: dict[str, Any]) -> Event:
    """Return a stored row as an event: empty columns dropped, the extras back in their places."""
    extra = row.pop(EXTRA, None)
    event = {name: value for name, value in row.items() if value is not None}
    if extra:
        event.update(orjson.loads(extra))
    return event


def _keep(extras: list[dict[str, Any] | None], row: int, name: str, value: Any) -> None:
    if (extra := extras[row]) is None:
        extra = extras[row] = {}
    extra[name] = value


def _array(
    field: Field, values: list[Any], kind: pa.DataType, extras: list[dict[str, Any] | None]
) -> pa.Array:
    """Return a column; fast when every value fits as it is, value by value when one does not."""
    import pyarrow as pa

    if field.type != "ip":
        try:
            return pa.array(values, kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):
            pass
    fit = _FITS[field.type]
    fitted: list[Any] = []
    for row, value in enumerate(values):
        good = None
        if value is not None:
            good = _fit_list(fit, value) if field.array else fit(value)
            if good is None:
                _keep(extras, row, field.name, value)
        fitted.append(good)
    return pa.array(fitted, kind)


def _fit_list(fit: Callable[[Any], Any], value: Any) -> list[Any] | None:
    items = [fit(item) for item in (value if isinstance(value, list | tuple) else [value])]
    return None if None in items else items


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list | tuple):
        return None
    return str(value)


def _long(value: Any) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if -(2**63) <= number < 2**63 and not isinstance(value, bool) else None


def _float(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(str(value).lower())


@functools.lru_cache(maxsize=65_536)
def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _ip(value: Any) -> str | None:
    return _address(value) if isinstance(value, str) else None


def _date(value: Any) -> dt.datetime | None:
    if isinstance(value, dt.datetime):
        return value if value.tzinfo else None
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
