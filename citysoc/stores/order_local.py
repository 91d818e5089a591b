"""Orders by fields on the local store: page after page, each found by its keys first and read whole then."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from citysoc.ecs.fields import FIELDS
from citysoc.stores.local_read import DamagedError, events
from citysoc.stores.local_sql import source
from citysoc.stores.order import LONGEST, kind, number_of
from citysoc.stores.query_sql import Parameters, address_key, extra_values, quote, typed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from citysoc.flow import Event
    from citysoc.stores.local_files import DataFile
    from citysoc.stores.local_read import Asked, Reader
    from citysoc.stores.order import Sort

PAGE_ROWS = 2000


def ordered(
    asked: Asked,
    files: Sequence[DataFile],
    reader: Reader,
    sorts: Sequence[Sort],
    *,
    fields: Sequence[str],
    limit: int | None,
    after: Sequence[Any] | None,
) -> Iterator[Event]:
    """Yield matching events in an order.

    Args:
        asked: the question.
        files: where it is to be looked for.
        reader: reads them.
        sorts: a total order.
        fields: only these.
        limit: at most so many.
        after: the values of the event behind which the answer begins.
    """
    place = None if after is None else [_stored(v, s) for v, s in zip(after, sorts, strict=True)]
    left = limit
    while left is None or left > 0:
        count = PAGE_ROWS if left is None else min(PAGE_ROWS, left)
        page = _Page(asked, sorts, place, count)
        found = page.read(reader, files)
        yield from events(iter(found.batches), fields)
        if found.rows < count:
            return
        place = found.last
        left = None if left is None else left - found.rows


@dataclasses.dataclass(frozen=True, slots=True)
class _Found:
    """Rows in their order, and the keys of the last one."""

    batches: list[pa.RecordBatch]
    rows: int
    last: list[Any]


@dataclasses.dataclass(frozen=True, slots=True)
class _Page:
    """Some rows of an answer.

    Args:
        asked: the question.
        sorts: the order.
        place: the keys behind which the page begins.
        count: how many rows at most.
    """

    asked: Asked
    sorts: Sequence[Sort]
    place: Sequence[Any] | None
    count: int

    def read(self, reader: Reader, files: Sequence[DataFile]) -> _Found:
        """Return the page; files that turn out to be damaged are left out."""
        while paths := reader.paths(files):
            try:
                return self._read(reader, paths)
            except DamagedError:
                continue
        return _Found([], 0, [])

    def _read(self, reader: Reader, paths: list[str]) -> _Found:
        bind = Parameters()
        keys = [_key(sort, bind) for sort in self.sorts]
        names = [f"k{number}" for number in range(len(keys))]
        needed = self.asked.needed | {_column(sort) for sort in self.sorts}
        chosen = ", ".join(f"{expression} AS {name}" for expression, name in zip(keys, names, strict=True))
        tests = " AND ".join(self.asked.tests(bind))
        inner = (
            f'SELECT {chosen}, "event.id" AS id, filename FROM {source(paths, needed, bind)} WHERE {tests}'  # noqa: S608  names are quoted, values bound
        )
        behind = f" WHERE {self._behind(names, bind)}" if self.place is not None else ""
        order = ", ".join(
            f"{name} {'DESC' if sort.descending else 'ASC'} NULLS LAST"
            for name, sort in zip(names, self.sorts, strict=True)
        )
        statement = f"SELECT * FROM ({inner}){behind} ORDER BY {order} LIMIT {bind(self.count)}"  # noqa: S608  as above
        rows = [row for batch in reader.run(statement, bind, paths) for row in batch.to_pylist()]
        if not rows:
            return _Found([], 0, [])
        batches = self._whole(reader, rows)
        return _Found(batches, len(rows), [rows[-1][name] for name in names])

    def _behind(self, names: Sequence[str], bind: Parameters) -> str:
        alternatives: list[str] = []
        same: list[str] = []
        for name, sort, value in zip(names, self.sorts, self.place or (), strict=True):
            if value is None:  # nothing comes behind nothing
                same.append(f"{name} IS NULL")
                continue
            edge = typed(value, bind)
            further = f"({name} {'<' if sort.descending else '>'} {edge} OR {name} IS NULL)"
            alternatives.append("(" + " AND ".join([*same, further]) + ")")
            same.append(f"{name} = {edge}")
        return "(" + (" OR ".join(alternatives) or "false") + ")"

    def _whole(self, reader: Reader, rows: Sequence[dict[str, Any]]) -> list[pa.RecordBatch]:
        """Return the rows with all columns of the answer, in the order in which their ids are given."""
        import pyarrow as pa

        paths = sorted({row["filename"] for row in rows})
        have = set(reader.columns(paths))
        shown = [name for name in self.asked.shown if name in have]
        bind = Parameters()
        ids = ", ".join(f"{bind(row['id'])}::VARCHAR" for row in rows)
        read = source(paths, self.asked.needed | set(shown), bind)
        tests = " AND ".join([*self.asked.tests(bind), f'"event.id" IN ({ids})'])
        statement = f"SELECT {', '.join(map(quote, shown))} FROM {read} WHERE {tests}"  # noqa: S608  as above
        found = list(reader.run(statement, bind, paths))
        table = pa.Table.from_batches(found)
        places = {id_: number for number, id_ in enumerate(table["event.id"].to_pylist())}
        order = [places[row["id"]] for row in rows]
        batches: list[pa.RecordBatch] = table.take(pa.array(order, pa.int64())).combine_chunks().to_batches()
        return batches


def _column(sort: Sort) -> str:
    from citysoc.ecs.fields import EXTRA

    return sort.field if sort.field in FIELDS else EXTRA


def _key(sort: Sort, bind: Parameters) -> str:
    """Return SQL for what a row is ordered by."""
    field = FIELDS.get(sort.field)
    if field is not None and not field.array:
        return _comparable(quote(sort.field), kind(sort.field))
    listed = quote(sort.field) if field is not None else extra_values(sort.field, bind)
    each = f"list_transform({listed}, lambda x: {_comparable('x', kind(sort.field))})"
    return f"{'list_max' if sort.descending else 'list_min'}({each})"


def _comparable(value: str, type_: str) -> str:
    if type_ == "ip":
        return address_key(value)
    if type_ in ("keyword", "text"):
        return f"CASE WHEN length({value}) <= {LONGEST} THEN {value} END"
    return value


def _stored(value: Any, sort: Sort) -> Any:
    """Return a value of a mark in the form in which keys compare."""
    if value is not None and kind(sort.field) == "ip":
        return f"{number_of(value):032x}"
    return value
