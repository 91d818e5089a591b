"""Records that the cluster refused after they were counted as stored: the counters follow, once each.

The cluster may answer long after a commit took effect here. What became of refused records is written down beside
the spool first, and taken from there in one transaction with an entry in the audit trail, by which it is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc import clock, telemetry
from citysoc.alerts.lives import record
from citysoc.stores.buffered import Buffered

if TYPE_CHECKING:
    import sqlite3

    from citysoc.state import State
    from citysoc.stores.base import EventStore
    from citysoc.stores.buffered import Refusal

_log = telemetry.logger("pipeline")


def follow(state: State, store: EventStore) -> int:
    """Let the counters know what the cluster refused; return how many records moved."""
    if not isinstance(store, Buffered):
        return 0
    moved = 0
    for refusal in store.refusals():
        with state.transaction() as db:
            if not _known(db, refusal):
                moved += _move(db, refusal)
        store.forget(refusal)
    return moved


def _known(db: sqlite3.Connection, refusal: Refusal) -> bool:
    found = db.execute(
        "SELECT 1 FROM audit WHERE kind = 'store' AND subject = ? AND action = ?",
        (refusal.name, refusal.became),
    )
    return found.fetchone() is not None


def _move(db: sqlite3.Connection, refusal: Refusal) -> int:
    # The words are our own, never the cluster's.
    columns = {"refused": ("stored", "quarantined"), "buried": ("quarantined", "rejected")}
    less, more = columns[refusal.became]
    db.executemany(
        f"INSERT INTO counters (stream, hour, {less}, {more}) VALUES (?1, ?2, -?3, ?3)"  # noqa: S608  as above
        f" ON CONFLICT DO UPDATE SET {less} = {less} - ?3, {more} = {more} + ?3",
        refusal.counts,
    )
    count = sum(number for _stream, _hour, number in refusal.counts)
    detail = f"{count} records: {refusal.reason}"
    record(db, "store", refusal.name, refusal.became, who="cluster", now=clock.now(), detail=detail)
    _log.warning("records.refused", commit=refusal.commit, count=count, became=refusal.became)
    return count
