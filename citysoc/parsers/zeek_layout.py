"""How the lines of a tab-separated Zeek log are read: what its header says of separators, marks, names and types."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc.parsers import values
from citysoc.parsers.times import epoch
from citysoc.parsers.zeek_fields import table_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from citysoc.parsers.values import Convert, Table

_ESCAPE = re.compile(r"(?:\\x[0-9a-fA-F]{2})+|\\\\")


@dataclass(frozen=True, slots=True)
class Layout:
    """How the lines of one TSV file are read: for each column its ECS field and the reader of its text."""

    path: str
    separator: str
    unset: frozenset[str]
    columns: tuple[tuple[str, str, Callable[[str], Any] | None], ...]


def unescape(text: str) -> str:
    r"""Return text with Zeek's ``\xNN`` and ``\\`` undone; what is no UTF-8 then stays escaped."""
    return _ESCAPE.sub(_unescape, text) if "\\" in text else text


def _unescape(match: re.Match[str]) -> str:
    found = match[0]
    if found == "\\\\":
        return "\\"
    return bytes.fromhex(found.replace("\\x", "")).decode("utf-8", "backslashreplace")


def _boolean(text: str) -> bool | None:
    return {"T": True, "F": False}.get(text)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _list_of(item: Callable[[str], Any] | None, separator: str, empty: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        if text == empty:
            return []
        parts = text.split(separator)
        return parts if item is None else [item(part) for part in parts]

    return read


_READERS: dict[str, Callable[[str], Any] | None] = {
    "time": epoch,
    "interval": _number,
    "double": _number,
    "count": values.integer,
    "int": values.integer,
    "port": values.integer,
    "bool": _boolean,
    "addr": None,
    "subnet": None,
    "enum": None,
}


def _reader(kind: str, set_separator: str, empty: str) -> Callable[[str], Any] | None:
    container, _, inner = kind.partition("[")
    if container in {"set", "vector", "table", "list"}:
        return _list_of(_READERS.get(inner.rstrip("]"), unescape), set_separator, empty)
    return _READERS.get(kind, unescape)


@functools.lru_cache(maxsize=64)
def layout_of(header: str) -> Layout | None:
    """Return the layout that a TSV header describes; None if it names no fields."""
    raw: dict[str, str] = {}
    separator = "\t"
    for line in header.splitlines():
        if line.startswith("#separator "):
            separator = unescape(line[11:]) or "\t"
        elif line.startswith("#"):
            name, _, rest = line[1:].partition(separator)
            raw[name] = rest
    if "fields" not in raw:
        return None
    path = raw.get("path", "") or "log"
    names = raw["fields"].split(separator)
    kinds = raw.get("types", "").split(separator)
    kinds += ["string"] * (len(names) - len(kinds))
    empty = raw.get("empty_field", "(empty)")
    columns = []
    for name, kind in zip(names, kinds, strict=False):
        columns.append(_column(name, _reader(kind, raw.get("set_separator", ","), empty), table_of(path)))
    return Layout(path, separator, frozenset({raw.get("unset_field", "-"), ""}), tuple(columns))


def _column(
    name: str, read: Callable[[str], Any] | None, table: Table
) -> tuple[str, str, Callable[[str], Any] | None]:
    """Return the ECS field of a column, its name under ``zeek.``, and the reader of its text."""
    own = f"zeek.{name}"
    if name == "ts":
        return "@timestamp", own, epoch
    field, convert = table.get(name, (own, None))
    return field, own, _chain(read, convert)


def _chain(read: Callable[[str], Any] | None, convert: Convert) -> Callable[[str], Any] | None:
    if read is None or convert is None or read is convert:
        return convert or read
    if read is epoch and convert is epoch:
        return epoch

    def both(text: str) -> Any:
        return convert(read(text))

    return both
