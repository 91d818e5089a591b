"""What is worked out of rules as text, so that it can be kept, and each part read when it is first asked for."""

from __future__ import annotations

from typing import Any

import orjson

_OTHERWISE = b" "
"""Stands before what the quick library does not write: half a surrogate pair, whole numbers beyond 64 bits."""


def written(value: Any) -> bytes:
    """Return a value of lists, mappings, texts and numbers as one line of JSON."""
    try:
        return orjson.dumps(value)
    except TypeError:
        import json

        return _OTHERWISE + json.dumps(value).encode()


def read(line: bytes) -> Any:
    """Return what ``written`` made a line of."""
    if not line.startswith(_OTHERWISE):
        return orjson.loads(line)
    import json

    return json.loads(line)
