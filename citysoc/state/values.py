"""How values are written into the state database: times of fixed width, JSON that never fails."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any

import orjson

from citysoc.clock import UTC

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_FIRST = (dt.datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (dt.datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z
_DEPTH = 8


def micros(moment: dt.datetime) -> int:
    """Return an aware moment as microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def stamp(moment: dt.datetime | int) -> str:
    """Return a moment (or microseconds since 1970) as RFC 3339 text of fixed width: text order is time order.

    >>> stamp(0)
    '1970-01-01T00:00:00.000000Z'
    """
    number = moment if isinstance(moment, int) else micros(moment)
    held = _EPOCH + dt.timedelta(microseconds=min(max(number, _FIRST), _LAST))
    return held.isoformat(timespec="microseconds")[:26] + "Z"


def moment(text: str) -> dt.datetime:
    """Return the aware moment of a ``stamp`` (or of any RFC 3339 text with an offset)."""
    return dt.datetime.fromisoformat(text).astimezone(UTC)


def clean(text: str, limit: int) -> str:
    """Return ``text`` cut to ``limit`` letters and without lone surrogates, which no UTF-8 can hold."""
    text = text[:limit]
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def dump(value: Any) -> str:
    """Return ``value`` as JSON with sorted keys; what JSON cannot hold becomes text. Never raises."""
    try:
        return orjson.dumps(value, default=str, option=_OPTIONS).decode()
    except (TypeError, ValueError, RecursionError):
        return json.dumps(_holdable(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def load(text: str) -> Any:
    """Return the value of JSON text that ``dump`` wrote."""
    return json.loads(text)


def _holdable(value: Any, depth: int = 0) -> Any:
    """Return ``value`` as something every JSON reader takes."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict) and depth < _DEPTH:
        return {clean(str(key), 512): _holdable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple) and depth < _DEPTH:
        return [_holdable(item, depth + 1) for item in value]
    return clean(str(value), 8192)
