"""Events as documents of Elasticsearch, and back."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.ecs.fields import EXTRA, FIELDS
from citysoc.ecs.schema import from_row
from citysoc.stores.days import by_day, filled
from citysoc.stores.elastic_mapping import INDEX, SEPARATOR, extra_key, folds_alike
from citysoc.stores.query import fold
from citysoc.stores.query_match import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from citysoc.flow import Event

_DATES = frozenset(name for name, field in FIELDS.items() if field.type == "date")
_TEXTS = frozenset(name for name, field in FIELDS.items() if field.type in ("keyword", "text"))
_MAX_ID_BYTES = 512
_NULS = "\0"
_LONG = 2000
"""Values of fewer characters are certainly short enough to be indexed."""

_WORTH_SPLITTING = 1000
_MAX_KINDS = 40


@dataclass(frozen=True, slots=True)
class Document:
    """One event as it is sent.

    Args:
        index: the day of the index it belongs to, ``2026.10.01``.
        id: its ``_id``.
        source: its JSON.
    """

    index: str
    id: str
    source: bytes

    @property
    def lines(self) -> bytes:
        """The two lines of a bulk request."""
        if self.id.isalnum() and self.id.isascii():  # nothing to escape
            return b'{"create":{"_index":"%b","_id":"%b"}}\n%b\n' % (
                self.index.encode(),
                self.id.encode(),
                self.source,
            )
        head = orjson.dumps({"create": {"_index": self.index, "_id": self.id}})
        return b"%b\n%b\n" % (head, self.source)


def documents(table: pa.Table, prefix: str, commit: int = 0) -> Iterator[Document]:
    """Yield the rows of a table with columns of ``ecs.schema`` as documents.

    The index follows from the event alone, so that a record that comes again meets its own.

    Args:
        table: events and quarantined records, each with an ``@timestamp``.
        prefix: how our indices' names begin.
        commit: the commit's number; it also names rows that have no ``event.id``.
    """
    watched = [name for name in table.schema.names if name in _TEXTS and not _plain(table[name])]
    for day, rows in by_day(table):
        index = f"{prefix}-events-{day:%Y.%m.%d}"
        number = 0
        for alike in _kinds(rows):
            for row in _rows(alike, commit, watched):
                number += 1
                identity = row.get("event.id") or _digest(f"{commit}\0{index}\0{number}")
                yield Document(index, _id(identity), orjson.dumps(row))


def _kinds(rows: pa.Table) -> Iterator[pa.Table]:
    """Yield the rows of each dataset: rows alike fill the same few columns, and empty ones cost time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    name = "event.dataset"
    if len(rows) < _WORTH_SPLITTING or name not in rows.schema.names:
        yield rows
        return
    datasets = pc.fill_null(rows[name], "")
    kinds = pc.unique(datasets).to_pylist()
    if len(kinds) > _MAX_KINDS:
        yield rows
        return
    for kind in kinds:
        yield filled(rows.filter(pc.equal(datasets, pa.scalar(kind, datasets.type))))


def _id(identity: str) -> str:
    return identity if len(identity) <= _MAX_ID_BYTES // 4 else _digest(identity)


def document_id(event_id: str) -> str:
    """Return the ``_id`` of the event with an ``event.id``."""
    return _id(event_id)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _rows(rows: pa.Table, commit: int, watched: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield rows as JSON-able objects: no empty values, and what the index needs besides."""
    names = rows.schema.names
    columns = [_column(name, rows[name]) for name in names]
    dates = [
        (name, rows[name].cast("int64").to_pylist()) for name in names if name in _DATES
    ]  # microseconds: Elasticsearch's own date keeps milliseconds
    for number, values in enumerate(zip(*columns, strict=True)):
        row = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        own: dict[str, Any] = {
            "commit": commit,
            "us": {name: moments[number] for name, moments in dates if moments[number] is not None},
        }
        odd: dict[str, list[str]] = {}
        for name in watched:
            if name in row:
                _watch(name, row[name], odd)
        if EXTRA in row:
            own["extra"] = _extras(row[EXTRA], odd)
        if odd:
            own["odd"], own["folded"] = list(odd), odd
        row[INDEX] = own
        yield row


def _column(name: str, column: pa.ChunkedArray) -> list[Any]:
    import pyarrow.compute as pc

    if name in _DATES:
        return list(pc.replace_substring(column.cast("string"), " ", "T").to_pylist())
    return list(column.to_pylist())


def _plain(column: pa.ChunkedArray) -> bool:
    """Return whether all texts of a column are short ASCII: nothing in it needs a closer look."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    if not pc.all(pc.string_is_ascii(column), min_count=0).as_py():
        return False
    longest = pc.max(pc.binary_length(column)).as_py()
    if longest is not None and longest > _LONG:
        return False
    return not pc.any(pc.match_substring(column, _NULS)).as_py()


def _watch(name: str, value: Any, odd: dict[str, list[str]]) -> None:
    texts = value if isinstance(value, list) else [value]
    if not all(map(folds_alike, texts)):
        odd[name] = [fold(text) for text in texts]


def _extras(text: str, odd: dict[str, list[str]]) -> list[str]:
    """Return the values of fields outside the dictionary, each behind its name."""
    fields = orjson.loads(text)
    if text.isascii() and len(text) < _LONG and "\\u0000" not in text:  # every value can be trusted
        found = [_keyed(name) + value for name, value in fields.items() if type(value) is str]
        if len(found) == len(fields):
            return found
    found = []
    for name, value in fields.items():
        if value is None:
            continue
        texts = [
            text_of(item) for item in (value if isinstance(value, list) else [value]) if item is not None
        ]
        key = _key(name)
        entries = [f"{key}{SEPARATOR}{item}" for item in texts]
        if not all(map(folds_alike, entries)):
            odd[key] = [fold(item) for item in texts]
        found += entries
    return found


_key = functools.lru_cache(maxsize=4096)(extra_key)


@functools.lru_cache(maxsize=4096)
def _keyed(name: str) -> str:
    return extra_key(name) + SEPARATOR


def to_event(source: Mapping[str, Any]) -> Event:
    """Return a document's source as the event it was made of."""
    row = {name: value for name, value in source.items() if name != INDEX}
    for name in _DATES:
        if isinstance(value := row.get(name), str):
            row[name] = dt.datetime.fromisoformat(value)
    return from_row(row)


def refused(document: Document, reason: str, *, with_original: bool) -> Document:
    """Return the quarantined record in the place of a document that the cluster refused.

    Args:
        document: what was refused.
        reason: the cluster's word.
        with_original: whether to keep ``event.original``; not where that was what was refused.
    """
    row = orjson.loads(document.source)
    kept: dict[str, Any] = {
        name: row[name]
        for name in ("@timestamp", "event.id", "event.ingested", "agency.id", "agency.name", "citysoc.source")
        if name in row
    }
    own: dict[str, Any] = {**row[INDEX], "odd": ["event.original"]}
    own.pop("extra", None)
    own.pop("folded", None)
    original = row.get("event.original")
    if original is not None:
        kept["event.original"] = original if with_original else original[:1000]
        own["folded"] = {"event.original": [fold(kept["event.original"])]}
    kept["citysoc.unparsed"] = "store.refused"
    kept["citysoc.unparsed_detail"] = reason[:1000]
    return Document(document.index, document.id, orjson.dumps({**kept, INDEX: own}))
