"""The Delta Lake table of the local store: its versions and its transactions.

One row is one event or one quarantined record, with the columns of ``ecs.schema`` and ``citysoc.day``, the
partition.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from citysoc import clock
from citysoc.ecs.schema import schema
from citysoc.errors import StoreError
from citysoc.i18n import _
from citysoc.stores.local_files import DAY, DataFile, NewFile, Tier, appended, encoded, split, stats_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from deltalake import DeltaTable

    from citysoc.stores.local_place import Place

APPLICATION = "citysoc"
KEEP_REMOVED_HOURS = 24
"""Files that a newer version no longer needs stay so long: the longest time that one query may take."""

_CONFIGURATION = {
    "delta.dataSkippingStatsColumns": "`@timestamp`,`citysoc.unparsed`",
    "delta.logRetentionDuration": "interval 7 days",
    "delta.deletedFileRetentionDuration": f"interval {KEEP_REMOVED_HOURS} hours",
    "delta.checkpointInterval": "50",
}


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
    """The table in a place, made when something is first written.

    Args:
        place: where its files are.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
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
                self._snapshot = Snapshot(delta.version(), tuple(_files(delta)))
            return self._snapshot

    def snapshot_until(self, commit: int) -> tuple[Snapshot, int]:
        """Return the newest version that holds no later commit than this one, and the number of its last.

        Raises:
            StoreError: the table's log cannot be read, or does not go back so far.
        """
        from deltalake import DeltaTable

        newest = self.snapshot().version
        with _refusing(_("The store's log cannot be read"), self.place.uri):
            for version in range(newest, -1, -1):
                delta = DeltaTable(self.place.uri, version=version, storage_options=self.place.options)
                last = delta.transaction_version(APPLICATION) or 0
                if last <= commit:
                    return Snapshot(version, tuple(_files(delta))), last
        return EMPTY, 0

    def added(self, since: int, until: int) -> list[DataFile] | None:
        """Return the files that were appended by the versions after ``since`` up to ``until``.

        Files that only hold older rows anew are left out. None when the log does not go back so far.
        """
        found = []
        for version in range(since + 1, until + 1):
            try:
                entry = self.place.log_entry(version)
            except FileNotFoundError:
                return None
            adds = (orjson.loads(line).get("add") for line in entry.splitlines())
            found += [file for add in adds if add and appended((file := _file(add)).name)]
        return found

    def last_commit(self) -> int:
        """Return the number of the last commit; cheaper than a snapshot where there are many files.

        Raises:
            StoreError: the table's log cannot be read.
        """
        with self._lock:
            delta = self._open()
            return (delta.transaction_version(APPLICATION) or 0) if delta else 0

    def append(self, rows: pa.Table, commit: int | None) -> None:
        """Write the rows and the commit's number in one transaction.

        Args:
            rows: events and quarantined records.
            commit: the number; None for rows that come from another store and belong to no commit.

        Raises:
            StoreError: nothing was stored, or a commit of this number or a later one is there.
        """
        from deltalake import Transaction

        with self._lock:
            delta = self._open()
            last = (delta.transaction_version(APPLICATION) or 0) if delta else 0
            if commit is not None and commit <= last:
                raise StoreError(
                    _("Commit {commit} comes after {last}, which is stored already.").format(
                        commit=commit, last=last
                    ),
                    where=self.place.uri,
                    hint=_("Another process writes to this store; only one may."),
                )
            with _refusing(_("The store cannot be written"), self.place.uri):
                if not self._ready:
                    self._create()
                    self._ready = True
                actions = [self.write(day, part, "a").action(data_change=True) for day, part in split(rows)]
            self._commit(actions, [] if commit is None else [Transaction(APPLICATION, commit)])

    def adopt(self, files: Sequence[DataFile], commit: int) -> None:
        """Make the table of files that are in their places already, with the number of their last commit.

        Raises:
            StoreError: there is a table already, or it cannot be written.
        """
        from deltalake import Transaction

        with self._lock:
            if self._open() is not None:
                raise StoreError(_("There is a store already."), where=self.place.uri)
            with _refusing(_("The store cannot be written"), self.place.uri):
                self._create()
            known = [
                NewFile(
                    file.name,
                    file.day,
                    file.rows,
                    file.bytes,
                    stats_text(file.rows, file.quarantined, (_micros(file.first), _micros(file.last))),
                )
                for file in files
            ]
            self._commit(
                [file.action(data_change=True) for file in known],
                [Transaction(APPLICATION, commit)] if commit else [],
            )

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
        with self._lock, self.place.alone():
            delta = self._open()
            known = set(delta.get_add_actions()["path"].to_pylist()) if delta else set()
            if gone := [file.name for file in old if file.name not in known]:
                # Delta itself lets a file be removed twice, and the new one would bring its rows back.
                raise StoreError(
                    _("Another process changed the same files."),
                    where=f"{self.place.uri}/{gone[0]}",
                    hint=_("Nothing was done; try again."),
                    transient=True,
                )
            self._commit([*removed, *(file.action(data_change=data_change) for file in new)], [])

    def write(self, day: dt.date, rows: pa.Table, tier: Tier) -> NewFile:
        """Write one file of one partition, for good."""
        file, data = encoded(day, rows, tier)
        self.place.put(file.name, data)
        return file

    def vacuum(self, retention_hours: int = KEEP_REMOVED_HOURS) -> int:
        """Delete files that no version of the last ``retention_hours`` needs; return how many.

        Files that a crash left behind without a transaction go too, once they are as old.
        """
        with self._lock:
            if (delta := self._open()) is None:
                return 0
            with _refusing(_("The store cannot be cleaned"), self.place.uri):
                gone = delta.vacuum(
                    retention_hours=retention_hours,
                    dry_run=False,
                    enforce_retention_duration=False,
                    full=True,
                )
                delta.create_checkpoint()
                delta.cleanup_metadata()
            return len(gone)

    def _open(self) -> DeltaTable | None:
        """Return the table at its newest version, None where nothing was ever written."""
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        known, self._delta = self._delta, None  # after a failure it is opened anew
        uri, options = self.place.uri, self.place.options
        with _refusing(_("The store's log cannot be read"), uri):
            if known is not None:
                known.update_incremental()
            elif self.place.begun():
                with contextlib.suppress(TableNotFoundError):
                    known = DeltaTable(uri, storage_options=options)
        self._delta = known
        return self._delta

    def _create(self) -> None:
        import pyarrow as pa
        from deltalake import DeltaTable

        wanted = stored_schema()
        if (delta := self._open()) is None:
            self.place.folder.mkdir(parents=True, exist_ok=True)
            self._delta = DeltaTable.create(
                self.place.uri,
                wanted,
                partition_by=[DAY],
                configuration=_CONFIGURATION,
                storage_options=self.place.options,
            )
            return
        known = {field.name for field in delta.schema().fields}
        if missing := [field for field in wanted if field.name not in known]:
            from deltalake import Schema

            delta.alter.add_columns(Schema.from_arrow(pa.schema(missing)).fields)

    def _commit(self, actions: list[Any], transactions: list[Any]) -> None:
        from deltalake import CommitProperties

        delta = self._delta or self._open()
        if delta is None:
            raise StoreError(_("The store has no table."), where=self.place.uri)
        with _refusing(_("The store did not take the transaction"), self.place.uri):
            delta.create_write_transaction(
                actions,
                "append",
                stored_schema(),
                partition_by=[DAY],
                commit_properties=CommitProperties(app_transactions=transactions),
            )
            self.place.settle(delta.version())


def _files(delta: DeltaTable) -> Iterator[DataFile]:
    import pyarrow as pa

    facts = pa.table(delta.get_add_actions(flatten=True))
    for row in facts.to_pylist():
        yield DataFile(
            name=urllib.parse.unquote(row["path"]),
            day=row[f"partition.{DAY}"],
            rows=row["num_records"],
            quarantined=row["num_records"] - row["null_count.citysoc.unparsed"],
            bytes=row["size_bytes"],
            first=row["min.@timestamp"],
            last=row["max.@timestamp"],
        )


def _file(add: dict[str, Any]) -> DataFile:
    """Return the file that an entry of the log adds."""
    stats = orjson.loads(add["stats"])
    return DataFile(
        name=urllib.parse.unquote(add["path"]),
        day=dt.date.fromisoformat(add["partitionValues"][DAY]),
        rows=stats["numRecords"],
        quarantined=stats["numRecords"] - stats["nullCount"]["citysoc.unparsed"],
        bytes=add["size"],
        first=dt.datetime.fromisoformat(stats["minValues"]["@timestamp"]),
        last=dt.datetime.fromisoformat(stats["maxValues"]["@timestamp"]),
    )


def stored_schema() -> pa.Schema:
    """Return the table's columns: those of events, and the partition."""
    import pyarrow as pa

    return schema().append(pa.field(DAY, pa.date32()))


def _micros(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


@contextlib.contextmanager
def _refusing(what: str, where: str) -> Iterator[None]:
    """Turn what the libraries raise inside the block into our own error."""
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (DeltaError, pa.ArrowException, OSError) as error:
        raise StoreError(f"{what}: {error}.", where=where) from error
