"""Copy alerts, incidents and the audit trail to Elasticsearch as they change, for other tools to search."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from citysoc import clock
from citysoc.alerts.queries import value_of
from citysoc.state.values import micros, moment, stamp
from citysoc.stores.elastic_copies import Copy

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from citysoc.state import State
    from citysoc.stores.elastic import ElasticStore

_PAGE = 1000
_OVERLAP = dt.timedelta(minutes=10)
"""A change is written down with the time at which it began, and seen when it has ended."""

_CHANGED = {"alerts": "updated_at", "incidents": "updated_at"}


def mirror(state: State, store: ElasticStore) -> int:
    """Send what changed since the last time; return how many copies were sent.

    Raises:
        StoreError: the cluster does not take them; the next time begins where this one did.
    """
    marks = store.marks()
    sent = 0
    for kind, column in _CHANGED.items():
        for rows in _changed(state, kind, column, marks.get(kind, "")):
            store.copy(kind, [_copy(row, micros(moment(row[column]))) for row in rows])
            sent += len(rows)
            marks[kind] = max(marks.get(kind, ""), _next(moment(rows[-1][column])))
            store.mark(marks)
    for rows in _audited(state, int(marks.get("audit", "0"))):
        store.copy("audit", [_copy(row, 1) for row in rows])
        sent += len(rows)
        marks["audit"] = str(rows[-1]["id"])
        store.mark(marks)
    return sent


def _next(newest: dt.datetime) -> str:
    """Return where the next time begins: behind the newest change once nothing older can turn up."""
    if clock.now() - newest > _OVERLAP:
        return stamp(newest + dt.timedelta(microseconds=1))
    return stamp(newest - _OVERLAP)


def _changed(state: State, table: str, column: str, since: str) -> Iterator[list[sqlite3.Row]]:
    """Yield the rows changed from a moment on, oldest change first, page after page."""
    after = ("", "")
    while True:
        rows = state.rows(
            f"SELECT * FROM {table} WHERE {column} >= ? AND ({column}, id) > (?, ?)"  # noqa: S608  fixed names
            f" ORDER BY {column}, id LIMIT ?",
            (since, *after, _PAGE),
        )
        if not rows:
            return
        yield rows
        after = (rows[-1][column], rows[-1]["id"])


def _audited(state: State, after: int) -> Iterator[list[sqlite3.Row]]:
    while rows := state.rows("SELECT * FROM audit WHERE id > ? ORDER BY id LIMIT ?", (after, _PAGE)):
        yield rows
        after = rows[-1]["id"]


def _copy(row: sqlite3.Row, version: int) -> Copy:
    found: dict[str, Any] = value_of(row)
    return Copy(str(row["id"]), version, {name: value for name, value in found.items() if value is not None})
