"""Read one JSON object from a line, within bounds, or say why not."""

from __future__ import annotations

import re
from typing import Any

import orjson

from citysoc.flow import Unparsed

NOT_OBJECT = Unparsed("json.not_object", "The record is JSON, but not an object.")
INVALID = Unparsed("json.invalid", "The record is not valid JSON.")


_BYTE = re.compile(r"(?<!\\)((?:\\\\)*)\\x(?=[0-9a-f]{2})")


def load(line: str) -> dict[str, Any] | Unparsed:
    """Return the object of a line; the reader itself refuses nesting deeper than 254 levels or so."""
    try:
        value = orjson.loads(line)
    except ValueError:
        try:  # bytes that are no text are written \\xNN (``run.decode``), which JSON does not know
            value = orjson.loads(_BYTE.sub(r"\1\\\\x", line)) if "\\x" in line else None
        except ValueError:
            value = None
        if value is None:
            return INVALID
    return value if type(value) is dict else NOT_OBJECT


def objects(head: bytes, count: int = 10) -> list[dict[str, Any]]:
    """Return the JSON objects of the first lines of a file, for sniffing."""
    found = []
    for line in head.lstrip(b"\xef\xbb\xbf").split(b"\n", count)[:count]:
        line = line.strip()
        if line.startswith(b"{"):
            try:
                value = orjson.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                found.append(value)
    return found
