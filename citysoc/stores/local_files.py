"""Parquet files of the local store: their names, their layout, how they are read and written.

A file is named ``citysoc.day=<day>/<tier>-<random>-<digest>.parquet``. The digest is the SHA-256 of its
bytes (32 of 64 digits), so that a damaged file is known without any list. The tier says what made it:
``a`` an append, ``m`` a merge of small files, ``s`` the sealing of a day that is over.

Files are written here and not by deltalake because a batch fills 40 of some 240 columns: leaving the empty
ones out of a file halves the time and a fifth of the bytes, and much more for small batches. Delta reads a
column that a file does not have as NULL; so do Spark and DuckDB.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import orjson

from citysoc import clock
from citysoc.ecs.fields import EXTRA, FIELDS
from citysoc.stores.days import by_day, filled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

DAY = "citysoc.day"
Tier = Literal["a", "m", "s"]
LEVELS: Mapping[Tier, int] = {"a": 1, "m": 1, "s": 9}
"""Levels of zstd. On lines of one device the first level is smaller than the third, and quicker."""

_LONG_TEXTS = ("event.original", EXTRA)
_SEALED_TEXT_LEVEL = 12
"""The texts are most of a sealed file: 3 % smaller than at level 9 for a third more work; level 15 takes three times as much."""

PAGE_BYTES = 4 << 20
"""What zstd sees at once. It looks back so far at the levels used here; with pages of 1 MiB lines take 2 % more."""

_GROUPS = ("agency.id", "@timestamp")
"""What comes into the same row group: few agencies, so that their filter skips the others."""

_ORDER = ("event.dataset", "event.action", "agency.id", "@timestamp")
"""The order within a row group: like lines side by side pack well, of all its agencies together."""

GROUP_ROWS = 32_768
"""Rows of a row group, the unit that a filter skips."""

_ROUNDING = dt.timedelta(milliseconds=1)
"""Delta allows a file's stated maximum to be cut to milliseconds."""

_NAME = re.compile(r"(?:.*/)?[ams]-[0-9a-f]{16}-([0-9a-f]{32})\.parquet")
_PLAIN = ("@timestamp", "event.id", "event.original", "event.ingested", "message", "log.offset", EXTRA)
_VARIED = (
    *("source.port", "source.nat.port", "source.bytes", "destination.bytes", "http.response.body.bytes"),
    *("process.pid", "process.parent.pid", "event.created", "event.start", "event.end"),
)
"""Numbers that seldom repeat: a dictionary of them is larger than they are."""

_ENCODINGS = {
    "@timestamp": "DELTA_BINARY_PACKED",
    "event.ingested": "DELTA_BINARY_PACKED",
    "log.offset": "DELTA_BINARY_PACKED",
    "event.id": "DELTA_LENGTH_BYTE_ARRAY",
    "event.original": "DELTA_LENGTH_BYTE_ARRAY",
    **dict.fromkeys(_VARIED, "PLAIN"),
    # The digests of texts, and names that are as good as such.
    **dict.fromkeys(("file.hash.md5", "file.hash.sha256", "process.hash.sha256"), "DELTA_LENGTH_BYTE_ARRAY"),
    **dict.fromkeys(("process.entity_id", "dns.id", "host.name", "agent.name"), "DELTA_LENGTH_BYTE_ARRAY"),
}
"""Only encodings that every reader knows; BYTE_STREAM_SPLIT would save another half byte, and Spark 3 cannot read it."""

_STATISTICS = ("@timestamp", "agency.id", "event.dataset", "source.ip", "destination.ip")
_FILTERED = ("event.id", "source.ip", "destination.ip", "related.ip", "host.ip")
_MISTAKEN = 0.03
"""How often a Bloom filter says "perhaps" for a value that is not there."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a version of the table.

    Args:
        name: its name in the table's log, relative to the table.
        day: its partition.
        rows: events and quarantined records in it.
        quarantined: quarantined records in it.
        bytes: its size.
        first: its earliest event time.
        last: its latest event time.
    """

    name: str
    day: dt.date
    rows: int
    quarantined: int
    bytes: int
    first: dt.datetime
    last: dt.datetime

    @property
    def sealed(self) -> bool:
        """Whether it was written when its day was over."""
        return self.name.rpartition("/")[2].startswith("s-")

    def overlaps(self, since: dt.datetime | None, until: dt.datetime | None) -> bool:
        """Return whether rows of a half-open span may be in the file."""
        return (since is None or self.last + _ROUNDING >= since) and (until is None or self.first < until)

    def ends_before(self, moment: dt.datetime) -> bool:
        """Return whether all rows are certainly older than a moment."""
        return self.last + _ROUNDING < moment


@dataclass(frozen=True, slots=True)
class NewFile:
    """A written file that no version of the table has yet."""

    name: str
    day: dt.date
    rows: int
    bytes: int
    stats: str

    def action(self, *, data_change: bool) -> Any:
        """Return what adds it to the table in a transaction."""
        from deltalake.transaction import AddAction

        now = int(clock.now().timestamp() * 1000)
        return AddAction(self.name, self.bytes, {DAY: self.day.isoformat()}, now, data_change, self.stats)


def encoded(day: dt.date, rows: pa.Table, tier: Tier) -> tuple[NewFile, memoryview]:
    """Return the rows of one partition as a file: what a transaction says of it, and its bytes.

    Args:
        day: the partition.
        rows: its rows; those of an append are in the order of a row group already, others are put into it here,
            one row group after the other, so that they are not in memory twice.
        tier: what makes the file.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    rows = filled(rows)
    names = set(rows.schema.names)
    sink = pa.BufferOutputStream()
    order = None if tier == "a" else _order(rows, _GROUPS)
    group_rows = len(rows) if tier == "a" else GROUP_ROWS
    with pq.ParquetWriter(
        sink,
        rows.schema,
        compression="zstd",
        compression_level=_levels(rows.schema, tier),
        use_dictionary=[_path(field) for field in rows.schema if field.name not in {*_PLAIN, *_ENCODINGS}],
        column_encoding={name: kind for name, kind in _ENCODINGS.items() if name in names},
        write_statistics=[name for name in _STATISTICS if name in names],
        bloom_filter_options=None if tier == "a" else _blooms(names),
        data_page_size=PAGE_BYTES,
        store_schema=False,
    ) as writer:
        for start in range(0, len(rows), group_rows):
            part = rows if order is None else _ordered(rows.take(order.slice(start, group_rows)))
            writer.write_table(_compacted(part), group_rows)
    data = memoryview(sink.getvalue())
    edges = pc.min_max(pc.cast(rows["@timestamp"], "int64")).as_py()
    unparsed = "citysoc.unparsed"
    quarantined = len(rows) - rows[unparsed].null_count if unparsed in names else 0
    digest = hashlib.sha256(data).hexdigest()[:32]
    name = f"{DAY}={day.isoformat()}/{tier}-{uuid.uuid4().hex[:16]}-{digest}.parquet"
    stats = stats_text(len(rows), quarantined, (edges["min"], edges["max"]))
    return NewFile(name, day, len(rows), len(data), stats), data


def _compacted(rows: pa.Table) -> pa.Table:
    """Return rows whose dictionaries hold only their own values: Parquet keeps a dictionary a row group."""
    import pyarrow as pa

    columns = [
        _own_values(column) if pa.types.is_dictionary(column.type) else column for column in rows.columns
    ]
    return pa.table(columns, names=rows.schema.names)


def _own_values(column: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = column.combine_chunks()
    used = pc.unique(whole.indices).drop_null()
    values = whole.dictionary.take(used)
    return pa.DictionaryArray.from_arrays(pc.index_in(whole.indices, used), values)


def stats_text(rows: int, quarantined: int, edges_us: tuple[int, int]) -> str:
    """Return what the table's log says of a file.

    Args:
        rows: how many it has.
        quarantined: how many of them are quarantined records.
        edges_us: its first and last event time, microseconds since 1970.
    """
    stats = {
        "numRecords": rows,
        "minValues": {"@timestamp": _moment(edges_us[0])},
        "maxValues": {"@timestamp": _moment(edges_us[1])},
        "nullCount": {"@timestamp": 0, "citysoc.unparsed": rows - quarantined},
    }
    return orjson.dumps(stats).decode()


def appended(name: str) -> bool:
    """Return whether a file holds what was appended, and not older rows written anew."""
    return not name.rpartition("/")[2].startswith(("m-", "s-"))


def digest_in(name: str) -> str | None:
    """Return the digest that a file's name tells, None for files of older versions."""
    match = _NAME.fullmatch(name)
    return match[1] if match else None


def digest_of(path: str) -> str:
    """Return the digest of a file's bytes, as names tell it."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def _ordered(rows: pa.Table) -> pa.Table:
    return rows.take(_order(rows, _ORDER))


def _order(rows: pa.Table, by: Sequence[str]) -> pa.Array:
    """Return the places of rows in an order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = [name for name in by if name in rows.schema.names]
    keys = {name: _flat(rows[name]) for name in names}
    return pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in names])


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.cast(column, pa.string()) if pa.types.is_dictionary(column.type) else column


@functools.lru_cache(maxsize=20_000)
def columns_of(path: str) -> tuple[str, ...]:
    """Return the columns that a file has; files never change."""
    import pyarrow.parquet as pq

    return tuple(pq.read_schema(path).names)


@functools.lru_cache(maxsize=20_000)
def unpacked_bytes(path: str) -> int:
    """Return how large a file's columns are before they are packed."""
    import pyarrow.parquet as pq

    facts = pq.read_metadata(path)
    return sum(facts.row_group(n).total_byte_size for n in range(facts.num_row_groups))


def row_bytes(path: str) -> float:
    """Return how long a file's rows are on average before they are packed."""
    import pyarrow.parquet as pq

    rows: int = pq.read_metadata(path).num_rows
    return unpacked_bytes(path) / max(rows, 1)


def repeating(names: Sequence[str]) -> list[str]:
    """Return those columns of texts that are kept as dictionaries."""
    from citysoc.ecs.schema import schema

    return [n for n in names if n not in {*_PLAIN, *_ENCODINGS} and schema().field(n).type == "string"]


def split(rows: pa.Table) -> Iterator[tuple[dt.date, pa.Table]]:
    """Yield the rows of each partition, a day (see ``days.by_day``), in the order of a row group."""
    for day, part in by_day(rows):
        yield day, _ordered(part)


def present(paths: Sequence[str]) -> list[str]:
    """Return the columns that at least one of the files has, in the order of the schema."""
    from citysoc.ecs.schema import schema

    names = {name for path in paths for name in columns_of(path)}
    return [name for name in schema().names if name in names]


def _levels(schema: pa.Schema, tier: Tier) -> dict[str, int]:
    levels = {_path(field): LEVELS[tier] for field in schema}
    if tier == "s":
        levels |= {name: _SEALED_TEXT_LEVEL for name in _LONG_TEXTS if name in levels}
    return levels


def _path(field: pa.Field) -> str:
    import pyarrow as pa

    return f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name


def _blooms(names: set[str]) -> dict[str, dict[str, float]]:
    return {
        f"{name}.list.element" if FIELDS[name].array else name: {"ndv": GROUP_ROWS, "fpp": _MISTAKEN}
        for name in _FILTERED
        if name in names
    }


def _moment(microseconds: int) -> str:
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=microseconds)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
