"""The Delta Lake table of the local store: its files, its transactions.

One row is one event or one quarantined record, with the columns of ``ecs.schema`` and ``citysoc.day``, the
partition. Files are written here and not by deltalake because a batch fills 40 of some 240 columns: leaving
the empty ones out of a file halves the time and a fifth of the bytes, and much more for small batches. Delta
reads a column that a file does not have as NULL; so do Spark and DuckDB.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import os
import threading
import urllib.parse
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from citysoc import clock
from citysoc.ecs.fields import EXTRA
from citysoc.ecs.schema import schema
from citysoc.errors import StoreError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa
    from deltalake import DeltaTable

DAY = "citysoc.day"
APPLICATION = "citysoc"
OLDEST = dt.timedelta(days=400)
NEWEST = dt.timedelta(days=2)
KEEP_REMOVED_HOURS = 24
"""Files that a newer version no longer needs stay so long: the longest time that one query may take."""

_ROUNDING = dt.timedelta(milliseconds=1)
"""Delta allows a file's stated maximum to be cut to milliseconds."""

_PLAIN = ("@timestamp", "event.id", "event.original", "event.ingested", "message", "log.offset", EXTRA)
_CONFIGURATION = {
    "delta.dataSkippingStatsColumns": "`@timestamp`,`citysoc.unparsed`",
    "delta.logRetentionDuration": "interval 7 days",
    "delta.deletedFileRetentionDuration": f"interval {KEEP_REMOVED_HOURS} hours",
    "delta.checkpointInterval": "50",
}


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a version of the table.

    Args:
        name: its name in the table's log, relative to the table.
        path: its absolute path.
        day: its partition.
        rows: events and quarantined records in it.
        quarantined: quarantined records in it.
        bytes: its size.
        first: its earliest event time.
        last: its latest event time.
    """

    name: str
    path: str
    day: dt.date
    rows: int
    quarantined: int
    bytes: int
    first: dt.datetime
    last: dt.datetime

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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of the table; what a query sees from its first row to its last."""

    version: int
    files: tuple[DataFile, ...]

    def between(self, since: dt.datetime | None, until: dt.datetime | None) -> list[DataFile]:
        """Return the files that may hold events of a half-open span."""
        return [file for file in self.files if file.overlaps(since, until)]


EMPTY = Snapshot(-1, ())


class Table:
    """The table in a directory, made when something is first written.

    Args:
        path: the directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._delta: DeltaTable | None = None
        self._snapshot = EMPTY
        self._ready = False

    def snapshot(self) -> Snapshot:
        """Return the newest version.

        Raises:
            StoreError: the table's log cannot be read.
        """
        with self._lock:
            delta = self._open()
            if delta is None:
                return EMPTY
            if delta.version() != self._snapshot.version:
                self._snapshot = Snapshot(delta.version(), tuple(self._files(delta)))
            return self._snapshot

    def last_commit(self) -> int:
        """Return the number of the last commit; cheaper than a snapshot where there are many files.

        Raises:
            StoreError: the table's log cannot be read.
        """
        with self._lock:
            delta = self._open()
            return (delta.transaction_version(APPLICATION) or 0) if delta else 0

    def append(self, rows: pa.Table, commit: int) -> None:
        """Write the rows and the commit's number in one transaction.

        Raises:
            StoreError: nothing was stored.
        """
        from deltalake import Transaction

        with self._lock:
            with _refusing(_("The store cannot be written"), self.path):
                if not self._ready:
                    self._create()
                    self._ready = True
                actions = [self.write(day, part).action(data_change=True) for day, part in split(rows)]
            self._commit(actions, [Transaction(APPLICATION, commit)])

    def replace(self, old: Sequence[DataFile], new: Sequence[NewFile], *, data_change: bool) -> None:
        """Put new files in the place of old ones, in one transaction.

        Args:
            old: files of the newest version.
            new: files that are already written.
            data_change: whether rows differ; false tells followers of the table to look away.

        Raises:
            StoreError: another process changed these files meanwhile; nothing was done.
        """
        from deltalake.transaction import RemoveAction

        now = int(clock.now().timestamp() * 1000)
        removed = [
            RemoveAction(file.name, data_change, now, file.bytes, {DAY: file.day.isoformat()}) for file in old
        ]
        with self._lock, self._alone():
            delta = self._open()
            known = set(delta.get_add_actions()["path"].to_pylist()) if delta else set()
            if gone := [file.name for file in old if file.name not in known]:
                # Delta itself lets a file be removed twice, and the new one would bring its rows back.
                raise StoreError(
                    _("Another process changed the same files."),
                    where=str(self.path / gone[0]),
                    hint=_("Nothing was done; try again."),
                    transient=True,
                )
            self._commit([*removed, *(file.action(data_change=data_change) for file in new)], [])

    def write(self, day: dt.date, rows: pa.Table) -> NewFile:
        """Write one file of one partition, on the disk for good."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        rows = filled(rows)
        path = self.new_path(day)
        dictionary = [
            f"{field.name}.list.element" if str(field.type).startswith("list") else field.name
            for field in rows.schema
            if field.name not in _PLAIN
        ]
        pq.write_table(
            rows,
            path,
            compression="zstd",
            compression_level=3,
            use_dictionary=dictionary,
            write_statistics=["@timestamp"],
            row_group_size=131_072,
            store_schema=False,
        )
        edges = pc.min_max(pc.cast(rows["@timestamp"], "int64")).as_py()
        unparsed = "citysoc.unparsed"
        quarantined = len(rows) - rows[unparsed].null_count if unparsed in rows.schema.names else 0
        return self.adopt(path, day, len(rows), quarantined, (edges["min"], edges["max"]))

    def new_path(self, day: dt.date) -> Path:
        """Return the path of a new file of a partition, with the directory made."""
        folder = self.path / f"{DAY}={day.isoformat()}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{uuid.uuid4().hex}.parquet"

    def adopt(
        self, path: Path, day: dt.date, rows: int, quarantined: int, edges_us: tuple[int, int]
    ) -> NewFile:
        """Return a file that is written and on the disk as what a transaction can add.

        Args:
            path: the file.
            day: its partition.
            rows: how many it has.
            quarantined: how many of them are quarantined records.
            edges_us: its first and last event time, microseconds since 1970.
        """
        sync(path)
        stats = {
            "numRecords": rows,
            "minValues": {"@timestamp": _moment(edges_us[0])},
            "maxValues": {"@timestamp": _moment(edges_us[1])},
            "nullCount": {"@timestamp": 0, "citysoc.unparsed": rows - quarantined},
        }
        name = str(path.relative_to(self.path))
        return NewFile(name, day, rows, path.stat().st_size, orjson.dumps(stats).decode())

    def vacuum(self, retention_hours: int = KEEP_REMOVED_HOURS) -> int:
        """Delete files that no version of the last ``retention_hours`` needs; return how many.

        Files that a crash left behind without a transaction go too, once they are as old.
        """
        with self._lock:
            if (delta := self._open()) is None:
                return 0
            with _refusing(_("The store cannot be cleaned"), self.path):
                gone = delta.vacuum(
                    retention_hours=retention_hours,
                    dry_run=False,
                    enforce_retention_duration=False,
                    full=True,
                )
                delta.create_checkpoint()
                delta.cleanup_metadata()
            return len(gone)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other process replace files inside the block."""
        with (self.path / "_replace.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _open(self) -> DeltaTable | None:
        """Return the table at its newest version, None where nothing was ever written."""
        from deltalake import DeltaTable

        known, self._delta = self._delta, None  # after a failure it is opened anew
        with _refusing(_("The store's log cannot be read"), self.path):
            if known is not None:
                known.update_incremental()
            elif (self.path / "_delta_log").is_dir() and DeltaTable.is_deltatable(str(self.path)):
                known = DeltaTable(str(self.path))
        self._delta = known
        return self._delta

    def _create(self) -> None:
        import pyarrow as pa
        from deltalake import DeltaTable

        wanted = stored_schema()
        if (delta := self._open()) is None:
            self.path.mkdir(parents=True, exist_ok=True)
            self._delta = DeltaTable.create(
                str(self.path), wanted, partition_by=[DAY], configuration=_CONFIGURATION
            )
            return
        known = {field.name for field in delta.schema().fields}
        if missing := [field for field in wanted if field.name not in known]:
            from deltalake import Schema

            delta.alter.add_columns(Schema.from_arrow(pa.schema(missing)).fields)

    def _commit(self, actions: list[Any], transactions: list[Any]) -> None:
        from deltalake import CommitProperties

        delta = self._open()
        if delta is None:
            raise StoreError(_("The store has no table."), where=str(self.path))
        with _refusing(_("The store did not take the transaction"), self.path):
            delta.create_write_transaction(
                actions,
                "append",
                stored_schema(),
                partition_by=[DAY],
                commit_properties=CommitProperties(app_transactions=transactions),
            )
            sync(self.path / "_delta_log" / f"{delta.version():020d}.json")

    def _files(self, delta: DeltaTable) -> Iterator[DataFile]:
        import pyarrow as pa

        facts = pa.table(delta.get_add_actions(flatten=True))
        for row in facts.to_pylist():
            name = urllib.parse.unquote(row["path"])
            yield DataFile(
                name=name,
                path=str(self.path / name),
                day=row[f"partition.{DAY}"],
                rows=row["num_records"],
                quarantined=row["num_records"] - row["null_count.citysoc.unparsed"],
                bytes=row["size_bytes"],
                first=row["min.@timestamp"],
                last=row["max.@timestamp"],
            )


def stored_schema() -> pa.Schema:
    """Return the table's columns: those of events, and the partition."""
    import pyarrow as pa

    return schema().append(pa.field(DAY, pa.date32()))


def filled(rows: pa.Table) -> pa.Table:
    """Return the rows without columns that are empty in all of them."""
    return rows.select([name for name in rows.schema.names if rows[name].null_count < len(rows)])


def split(rows: pa.Table) -> Iterator[tuple[dt.date, pa.Table]]:
    """Yield the rows of each partition, ordered by event time.

    The partition is the event's day in UTC. An event that claims to be more than 400 days older or 2 days
    newer than its arrival goes to the first day of its year, so that a wrong or hostile clock cannot make
    more than one partition a year.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(rows):
        return
    rows = filled(rows)
    time = rows["@timestamp"]
    arrival = pc.coalesce(rows["event.ingested"], time) if "event.ingested" in rows.schema.names else time
    near = pc.and_(
        pc.greater_equal(time, pc.subtract(arrival, pa.scalar(OLDEST, pa.duration("us")))),
        pc.less_equal(time, pc.add(arrival, pa.scalar(NEWEST, pa.duration("us")))),
    )
    start = pc.if_else(near, pc.floor_temporal(time, unit="day"), pc.floor_temporal(time, unit="year"))
    rows = rows.append_column(DAY, pc.cast(start, pa.date32()))
    rows = rows.sort_by([(DAY, "ascending"), ("@timestamp", "ascending")])
    runs = pc.run_end_encode(rows[DAY].combine_chunks())
    rows = rows.drop_columns(DAY)
    begin = 0
    for end, day in zip(runs.run_ends.to_pylist(), runs.values.to_pylist(), strict=True):
        yield day, rows.slice(begin, end - begin)
        begin = end


def _moment(microseconds: int) -> str:
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=microseconds)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def sync(path: Path) -> None:
    """Put a file and its name on the disk for good."""
    for place in (path, path.parent):
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _refusing(what: str, path: Path) -> Iterator[None]:
    """Turn what the libraries raise inside the block into our own error."""
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (DeltaError, pa.ArrowException, OSError) as error:
        raise StoreError(f"{what}: {error}.", where=str(path)) from error
