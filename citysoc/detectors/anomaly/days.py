"""The feature table on disk: two Parquet files and a manifest a UTC day, made again from the store when lost.

An hour is computed again when the store has another number of its events than when it was computed:
events are only ever added, so the same number means the same events. So late data re-computes its
hours and nothing else, whichever store it came to, and no mark of "up to here" can be wrong.
"""

from __future__ import annotations

import datetime as dt
import fcntl
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from citysoc.detectors.anomaly import facts
from citysoc.detectors.anomaly.compute import compute
from citysoc.detectors.anomaly.families import VERSION
from citysoc.ecs.fields import EXTRA, FIELDS
from citysoc.stores.base import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from citysoc.stores.base import EventStore

MOST_EVENTS = 1_000_000
"""About so many events are in memory at once, at least an hour's."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh did: hours and events that were computed, days that were written."""

    hours: int = 0
    events: int = 0
    days: int = 0


def hour_of(moment: dt.datetime) -> int:
    """Return the number of hours since 1970 at a moment, rounded down."""
    return int(moment.timestamp() // 3600)


def moment_of(hour: int) -> dt.datetime:
    """Return when an hour begins, UTC."""
    return dt.datetime.fromtimestamp(hour * 3600, tz=dt.UTC)


def refresh(
    store: EventStore,
    folder: Path,
    *,
    since: dt.datetime,
    until: dt.datetime,
    networks: Sequence[str] = (),
    moved: Callable[[int], None] = lambda _: None,
) -> Refreshed:
    """Bring the feature table of a span up to date with the store.

    Args:
        store: where the events are.
        folder: where the table is.
        since: from the hour in which this is.
        until: to the hour that begins here or before; an hour that is still running is left out.
        networks: own public networks.
        moved: told how many events were done.
    """
    first, last = hour_of(since), hour_of(until)
    counts = _counts(store, first, last)
    known = {day: manifest(folder, day) for day in range(first // 24, (last - 1) // 24 + 1)}
    changed = [
        hour for hour in range(first, last) if counts.get(hour, 0) != known[hour // 24].get(str(hour), 0)
    ]
    done = Refreshed()
    for day, hours in _by_day(changed).items():
        with _alone(folder):
            parts = [_computed(store, run, networks) for run in _runs(hours, counts)]
            _merge(folder, day, hours, parts)
            told = {str(hour): counts.get(hour, 0) for hour in hours}
            _write_manifest(folder, day, {**manifest(folder, day), **told})
        events = sum(counts.get(hour, 0) for hour in hours)
        moved(events)
        done = Refreshed(done.hours + len(hours), done.events + events, done.days + 1)
    return done


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from the files meanwhile: scoring and training may want the same day.

    What is computed then has at least the events that were counted before: a smaller count in the manifest only means
    that the hour is computed once more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def manifest(folder: Path, day: int) -> dict[str, int]:
    """Return for each hour of a day how many events it was computed from; nothing for another version."""
    try:
        data = orjson.loads((folder / f"{_name(day)}.json").read_bytes())
        fits = data["version"] == VERSION and all(path.exists() for path in files(folder, [day]))
        return dict(data["hours"]) if fits else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def days(folder: Path) -> list[int]:
    """Return the days that have a table, as days since 1970."""
    epoch = dt.date(1970, 1, 1)
    found = (dt.date.fromisoformat(path.stem) for path in folder.glob("????-??-??.json"))
    return sorted((day - epoch).days for day in found)


def files(folder: Path, which: Iterable[int]) -> list[Path]:
    """Return the files of some days: rows and pairs of each."""
    return [folder / f"{_name(day)}.{part}.parquet" for day in which for part in ("rows", "pairs")]


def prune(folder: Path, before: dt.datetime) -> int:
    """Remove the days that ended before a moment; return how many."""
    gone = [day for day in days(folder) if (day + 1) * 24 <= hour_of(before)]
    for day in gone:
        for path in (folder / f"{_name(day)}.json", *files(folder, [day])):
            path.unlink(missing_ok=True)
    return len(gone)


def _counts(store: EventStore, first: int, last: int) -> dict[int, int]:
    question = Question("", moment_of(first), moment_of(last))
    rows = store.aggregate(question, by=(), interval_seconds=3600)
    return {hour_of(row["time"]): int(row["count"]) for row in rows}


def _by_day(hours: Iterable[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for hour in hours:
        found.setdefault(hour // 24, []).append(hour)
    return found


def _runs(hours: Sequence[int], counts: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Yield half-open runs of neighbouring hours with few enough events."""
    begin, end, events = hours[0], hours[0], 0
    for hour in hours:
        if hour != end or events + counts.get(hour, 0) > MOST_EVENTS:
            if end > begin:
                yield begin, end
            begin, events = hour, 0
        end = hour + 1
        events += counts.get(hour, 0)
    yield begin, end


def _computed(store: EventStore, run: tuple[int, int], networks: Sequence[str]) -> tuple[pa.Table, pa.Table]:
    since, until = moment_of(run[0]), moment_of(run[1])
    events = _scan(store, Question("", since, until), facts.FIELDS)
    reports = _scan(store, Question(facts.REPORTS_QUERY, since, until), facts.REPORTS_FIELDS)
    return compute(events, reports, networks=networks)


def _scan(store: EventStore, question: Question, fields: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    from citysoc.ecs.schema import schema

    # Fields outside the dictionary are asked for by their names and come in one column.
    names = ["@timestamp", *(name for name in fields if name in FIELDS)]
    names += [EXTRA] if len(names) <= len(fields) else []
    wanted = pa.schema([schema().field(name) for name in names])
    batches = [batch.select(names).cast(wanted) for batch in store.scan(question, fields=fields)]
    return pa.Table.from_batches(batches, wanted)


def _merge(folder: Path, day: int, hours: Sequence[int], parts: Sequence[tuple[pa.Table, pa.Table]]) -> None:
    """Put the new rows of some hours into a day's files."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    rows_path, pairs_path = files(folder, [day])
    rows = pa.concat_tables([part[0] for part in parts])
    pairs = pa.concat_tables([part[1] for part in parts])
    if manifest(folder, day):
        old = pq.read_table(rows_path)
        kept = old.filter(pc.invert(pc.is_in(old["hour"], pa.array(hours, pa.int32()))))
        rows = pa.concat_tables([kept, rows])
        pairs = pa.concat_tables([_without(pq.read_table(pairs_path), hours), pairs])
    keys = ["kind", "agency", "entity", "dimension", "value", "day"]
    joined = pairs.group_by(keys, use_threads=False).aggregate([("mask", "sum")])
    pairs = joined.rename_columns([*keys, "mask"]).select(pairs.column_names).cast(pairs.schema)
    order = [("kind", "ascending"), ("agency", "ascending"), ("entity", "ascending")]
    _write(rows.sort_by([*order, ("hour", "ascending")]), rows_path)
    _write(pairs.sort_by([*order, ("dimension", "ascending"), ("value", "ascending")]), pairs_path)


def _without(pairs: pa.Table, hours: Iterable[int]) -> pa.Table:
    """Return pairs without what was seen in some hours."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keep = (1 << 24) - 1
    for hour in hours:
        keep &= ~(1 << (hour % 24))
    mask = pc.bit_wise_and(pairs["mask"], pa.scalar(keep, pairs["mask"].type))
    left = pairs.set_column(pairs.schema.get_field_index("mask"), "mask", mask)
    return left.filter(pc.not_equal(mask, 0))


def _write(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet as pq

    new = path.with_name(path.name + ".new")
    pq.write_table(table, new, compression="zstd", row_group_size=100_000)
    new.replace(path)


def _write_manifest(folder: Path, day: int, hours: Mapping[str, int]) -> None:
    path = folder / f"{_name(day)}.json"
    new = path.with_name(path.name + ".new")
    new.write_bytes(orjson.dumps({"version": VERSION, "hours": hours}, option=orjson.OPT_SORT_KEYS))
    new.replace(path)


def _name(day: int) -> str:
    return (dt.date(1970, 1, 1) + dt.timedelta(days=day)).isoformat()
