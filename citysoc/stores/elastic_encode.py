"""Rows as the lines of bulk requests, column by column: JSON is put together by Arrow, not row by row in Python.

Each column becomes a column of fragments, ``"user.name":"anh"``, empty where the row has no value; a document is
what a row's fragments give side by side. Only what the server folds otherwise than we do, and the fields of
vendors, are looked at one by one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.ecs.fields import EXTRA, FIELDS
from citysoc.stores.days import by_day, filled
from citysoc.stores.elastic_extras import extras
from citysoc.stores.elastic_mapping import INDEX, folds_alike
from citysoc.stores.query import fold

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

_TEXTS = frozenset(name for name, field in FIELDS.items() if field.type in ("keyword", "text"))
_MAX_ID_LETTERS = 128
_LONG = 2000
"""Values of fewer bytes are certainly short enough to be indexed."""

_SLICE_ROWS = 4096
_SLICE_BYTES = 32 << 20
"""So much is put together at a time: enough that Arrow's calls cost little, little enough for the memory."""

_ESCAPES = {8: r"\b", 9: r"\t", 10: r"\n", 12: r"\f", 13: r"\r"}


def encoded(table: pa.Table, prefix: str, commit: int = 0) -> Iterator[pa.StringArray]:
    """Yield the rows of a table with columns of ``ecs.schema`` as the lines of bulk requests.

    An item is the two lines of one document. Its index follows from the event alone, so that a record that comes
    again meets its own.

    Args:
        table: events and quarantined records, each with an ``@timestamp``.
        prefix: how our indices' names begin.
        commit: the commit's number; it also names rows that have no ``event.id``.
    """
    for day, rows in by_day(table):
        index = f"{prefix}-events-{day:%Y.%m.%d}"
        done = 0
        for part in _parts(rows):
            yield _lines(part, index, commit, done)
            done += len(part)


def document_id(event_id: str) -> str:
    """Return the ``_id`` of the event with an ``event.id``."""
    return event_id if len(event_id) <= _MAX_ID_LETTERS else _digest(event_id)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _parts(rows: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, len(rows), _SLICE_ROWS):
        yield from _halves(rows.slice(start, _SLICE_ROWS))


def _halves(rows: pa.Table) -> Iterator[pa.Table]:
    if len(rows) == 1 or rows.nbytes <= _SLICE_BYTES:
        yield filled(rows).combine_chunks()
        return
    middle = len(rows) // 2
    yield from _halves(rows.slice(0, middle))
    yield from _halves(rows.slice(middle))


def _lines(rows: pa.Table, index: str, commit: int, done: int) -> pa.StringArray:
    """Return the two lines of each row's document.

    Args:
        rows: without columns that are empty.
        index: of all of them.
        commit: the commit's number.
        done: how many rows of this index came before.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {name: _whole(rows[name]) for name in rows.schema.names}
    odd: list[dict[str, list[str]]] = [{} for _row in range(len(rows))]
    for name, column in columns.items():
        if name in _TEXTS:
            _watch(name, column, odd)
    moments = {name: column for name, column in columns.items() if pa.types.is_timestamp(column.type)}
    more = extras(columns[EXTRA], odd) if EXTRA in columns else pa.nulls(len(rows), pa.string())
    moments = {
        "@timestamp": moments.pop("@timestamp"),
        **moments,
    }  # every row has it: it needs no comma before
    parts: list[pa.Array | str] = [_heads(columns.get("event.id"), index, commit, done, len(rows))]
    parts.append(f'{{"{INDEX}":{{"commit":{commit},"us":{{')
    for number, (name, column) in enumerate(moments.items()):
        parts += _field(("," if number else "") + f'"{name}":', _number(column), "")
    parts.append("}")
    parts += _field(',"extra":', more, "")
    parts += [_oddities(odd), "}"]
    for name, column in columns.items():
        parts += _fragment(name, column)
    lines: pa.StringArray = pc.binary_join_element_wise(*parts, "}\n", "", null_handling="skip")
    return lines


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece."""
    import pyarrow as pa

    found = column.combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found


def _wrapped(before: str, column: pa.Array, after: str) -> pa.Array:
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(before, column, after, "")


def _field(before: str, column: pa.Array, after: str) -> list[pa.Array | str]:
    """Return what stands for a column in a join that skips nulls."""
    return [_wrapped(before, column, after)] if column.null_count else [before, column, after]


def _number(column: pa.Array) -> pa.Array:
    """Return a time as the microseconds that Elasticsearch's own date does not keep."""
    import pyarrow as pa

    return column.cast(pa.int64()).cast(pa.string())


def _fragment(name: str, column: pa.Array) -> list[pa.Array | str]:
    """Return ``,"name":value`` for each row, nothing where it has none."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_string(kind):
        return _field(f',"{name}":"', _escaped(column), '"')
    if pa.types.is_list(kind) and pa.types.is_string(kind.value_type) and not column.values.null_count:
        return _field(f',"{name}":[', _list(column), "]")
    if pa.types.is_timestamp(kind):
        return _field(f',"{name}":"', _written(column), 'Z"')
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return _field(f',"{name}":', column.cast(pa.string()), "")
    found = [None if value is None else orjson.dumps(value).decode() for value in column.to_pylist()]
    return _field(f',"{name}":', pa.array(found, pa.string()), "")


def _written(column: pa.Array) -> pa.Array:
    """Return times in UTC as text; Arrow is told nothing of a zone, with one it takes thirty times as long."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = column.cast(pa.int64()).cast(pa.timestamp("us"))
    return pc.replace_substring(plain.cast(pa.string()), " ", "T", max_replacements=1)


def _list(column: pa.ListArray) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pa.ListArray.from_arrays(column.offsets, _wrapped('"', _escaped(column.values), '"'))
    joined = pc.binary_join(texts, ",")
    if column.null_count:
        joined = pc.if_else(column.is_valid(), joined, pa.scalar(None, pa.string()))
    return joined


def _escaped(column: pa.StringArray) -> pa.StringArray:
    """Return texts as they stand between the quotation marks of JSON."""
    import pyarrow.compute as pc

    letters = _letters(column)
    if not len(letters):
        return column
    if (letters == 0x5C).any():
        column = pc.replace_substring(column, "\\", "\\\\")
    if (letters == 0x22).any():
        column = pc.replace_substring(column, '"', '\\"')
    if letters.min() < 0x20:
        for code in sorted(set(letters[letters < 0x20].tolist())):
            column = pc.replace_substring(column, chr(code), _ESCAPES.get(code, f"\\u{code:04x}"))
    return column


def _letters(column: pa.StringArray) -> Any:
    """Return the bytes of all texts of a column, as numpy has them."""
    import numpy as np

    _valid, offsets, data = column.buffers()
    if data is None or not len(column):
        return np.empty(0, np.uint8)
    edges = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    return np.frombuffer(data, np.uint8)[edges[0] : edges[-1]]


def _heads(ids: pa.Array | None, index: str, commit: int, done: int, count: int) -> pa.Array:
    """Return each document's first line, which names its index and its ``_id``."""
    import pyarrow as pa

    if ids is not None and _simple(ids):
        return _wrapped(f'{{"create":{{"_index":"{index}","_id":"', ids, '"}}\n')
    known = [None] * count if ids is None else ids.to_pylist()
    names = [
        document_id(each) if each else _digest(f"{commit}\0{index}\0{number}")
        for number, each in enumerate(known, start=done + 1)
    ]
    heads = [orjson.dumps({"create": {"_index": index, "_id": name}}).decode() + "\n" for name in names]
    return pa.array(heads, pa.string())


def _simple(ids: pa.StringArray) -> bool:
    """Return whether there is nothing in any of them to escape, to shorten or to make up."""
    import pyarrow.compute as pc

    return bool(
        not ids.null_count
        and pc.all(pc.ascii_is_alnum(ids)).as_py()
        and pc.max(pc.binary_length(ids)).as_py() <= _MAX_ID_LETTERS
    )


def _watch(name: str, column: pa.Array, odd: list[dict[str, list[str]]]) -> None:
    """Note the rows of which a value would be folded or indexed by the server otherwise than by us."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = column.flatten() if pa.types.is_list(column.type) else column
    if _plain(texts):
        return
    closer = pc.or_(pc.invert(pc.string_is_ascii(texts)), pc.greater(pc.binary_length(texts), _LONG))
    if _letters(texts).min() == 0:
        closer = pc.or_(closer, pc.match_substring(texts, "\0"))
    strange = [text for text in pc.unique(texts.filter(closer)).to_pylist() if not folds_alike(text)]
    if not strange:
        return
    where = pc.is_in(texts, pa.array(strange, pa.string()))
    rows = pc.indices_nonzero(where).to_pylist()
    if pa.types.is_list(column.type):
        parents = pc.list_parent_indices(column)
        rows = sorted(set(parents.take(pa.array(rows, pa.int64())).to_pylist()))
    for row in rows:
        value = column[row].as_py()
        odd[row][name] = [fold(text) for text in (value if isinstance(value, list) else [value])]


def _plain(texts: pa.StringArray) -> bool:
    """Return whether all texts are short ASCII without NUL: nothing in them needs a closer look."""
    import pyarrow.compute as pc

    letters = _letters(texts)
    if not len(letters):
        return True
    if letters.max() >= 0x80 or letters.min() == 0:
        return False
    return bool(pc.max(pc.binary_length(texts)).as_py() <= _LONG)


def _oddities(odd: Sequence[dict[str, list[str]]]) -> pa.Array:
    """Return ``,"odd":[…],"folded":{…}`` for the rows that need it."""
    import pyarrow as pa

    found = [_oddity(each) if each else None for each in odd]
    return pa.array(found, pa.string())


def _oddity(odd: dict[str, list[str]]) -> str:
    return "," + orjson.dumps({"odd": list(odd), "folded": odd})[1:-1].decode()
