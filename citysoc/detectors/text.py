"""Text as rules compare it: folded, composed, whatever the value's type."""

from __future__ import annotations

import datetime as dt
import unicodedata
from typing import Any

import orjson

from citysoc import clock

_MAX_ITEMS = 1000
"""So many items of a list are looked at."""
_EXACT = 2**53
"""Below this every whole number has a float of its own: 5.0 is how some programs write 5."""


def fold(text: str) -> str:
    """Return text without regard to case and composition: ``ĐỘC HẠI`` in any form is ``độc hại`` in NFC."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def fold_again(text: str) -> str | None:
    """Return text folded but not composed anew, where that differs: a letter that keeps its case may show only there."""
    folded = unicodedata.normalize("NFC", text).casefold()
    return None if unicodedata.is_normalized("NFC", folded) else folded


def compose(text: str) -> str:
    """Return text in NFC, its case kept."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFC", text)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which no engine for expressions takes
        return text.encode("utf-8", "replace").decode()
    return text


def texts(value: Any) -> tuple[str, ...]:
    """Return a value of an event as texts: one for a scalar, one for each item of a list, none for None."""
    if isinstance(value, str):
        return (value,)
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return tuple(_scalar(item) for item in value[:_MAX_ITEMS] if item is not None)
    return (_scalar(value),)


def is_only_null(value: Any) -> bool:
    """Return whether a value is a list that holds nothing but null: it is absent, as null is."""
    return (
        isinstance(value, list) and bool(value) and value[0] is None and not any(x is not None for x in value)
    )


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return clock.iso(value) if value.tzinfo else value.isoformat()
    if isinstance(value, dict | list | tuple):
        return _nested(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    return str(value)


def _nested(value: Any) -> str:
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError):  # text that is no Unicode, nesting without end
        return ""
