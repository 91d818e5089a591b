"""Fields of vendors for the index: each value behind its field's name and a separator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from citysoc.ecs.fields import FIELDS
from citysoc.stores.elastic_mapping import SEPARATOR, extra_key, folds_alike
from citysoc.stores.query import fold
from citysoc.stores.query_match import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

_LONG = 2000
_MAX_KNOWN = 20_000

_VALUE = r'(?:"[ !#-\[\]-~]*"|-?[1-9][0-9]{0,17}|0|true|false)'
_FIELD = f'"[a-z0-9._/ -]+":{_VALUE}'
_SIMPLE = rf"^\{{{_FIELD}(?:,{_FIELD})*\}}$"
"""Fields whose names stay as they are, with values that stay as they are written: no escapes, fractions or lists."""

_WRITTEN_SEPARATOR = "\\u001f"


class _Keys(dict[str, str]):
    """What stands before a value: its field's name so that folding leaves it alone, and the separator."""

    def __missing__(self, name: str) -> str:
        if len(self) >= _MAX_KNOWN:  # hostile names must not fill the memory
            self.clear()
        key = self[name] = extra_key(name) + SEPARATOR
        return key


_keys = _Keys()


def extras(column: pa.StringArray, odd: list[dict[str, list[str]]]) -> pa.StringArray:
    """Return for each row the JSON list of its entries, null where it has no such fields.

    Args:
        column: the fields of each row as JSON.
        odd: gets the values that the server would fold otherwise than we do, by row.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    simple = pc.and_(pc.match_substring_regex(column, _SIMPLE), pc.less(pc.binary_length(column), _LONG))
    simple = pc.fill_null(simple, fill_value=False)
    found = pa.array(
        [
            None if text is None or done else _of_row(text, odd[row])
            for row, (text, done) in enumerate(zip(column.to_pylist(), simple.to_pylist(), strict=True))
        ],
        pa.binary(),
    ).cast(pa.string())
    return pc.replace_with_mask(found, simple, _rewritten(column.filter(simple)))


def _rewritten(simple: pa.StringArray) -> pa.StringArray:
    """Return the entries of simple rows: there ``":`` stands nowhere but behind a field's name."""
    import pyarrow.compute as pc

    entries = pc.replace_substring(simple, '":"', _WRITTEN_SEPARATOR)
    entries = pc.replace_substring_regex(entries, '":([-0-9a-z]+)', f'\\{_WRITTEN_SEPARATOR}\\1"')
    return pc.binary_join_element_wise("[", pc.ascii_trim(entries, "{}"), "]", "")


def _of_row(text: str, odd: dict[str, list[str]]) -> bytes:
    keys = _keys
    fields = orjson.loads(text)
    if len(text) >= _LONG or not text.isascii() or "\\u0000" in text:
        return orjson.dumps(_entries(fields, odd))
    # Every value can be trusted.
    entries = [
        keys[name] + value
        if (kind := type(value)) is str
        else f"{keys[name]}{value}"
        if kind is int
        else None
        for name, value in fields.items()
    ]
    return orjson.dumps(_entries(fields, None) if None in entries else entries)


def _entries(fields: Mapping[str, Any], odd: dict[str, list[str]] | None) -> list[str]:
    """Return the entries of a row.

    Args:
        fields: names and values.
        odd: gets what the server would fold otherwise than we do; None where nothing is like that.
    """
    found: list[str] = []
    for name, value in fields.items():
        key = _keys[name]
        kind = type(value)
        if kind is str and (odd is None or _certain(value)):
            found.append(key + value)
        elif kind is int:
            found.append(f"{key}{value}")
        elif kind is bool:
            found.append(f"{key}true" if value else f"{key}false")
        else:
            # A value that its field of the dictionary could not take lies here, but is never asked for.
            found += _others(key, value, None if name in FIELDS else odd)
    return found


def _certain(text: str) -> bool:
    return len(text) < _LONG and text.isascii() and "\0" not in text


def _others(key: str, value: Any, odd: dict[str, list[str]] | None) -> list[str]:
    texts = _texts(value)
    entries = [key + text for text in texts]
    if odd is not None and not all(map(folds_alike, entries)):
        odd[key.removesuffix(SEPARATOR)] = [fold(text) for text in texts]
    return entries


def _texts(value: Any) -> list[str]:
    """Return a field's values as text."""
    items = value if isinstance(value, list) else [value]
    return [text_of(item) for item in items if item is not None]
