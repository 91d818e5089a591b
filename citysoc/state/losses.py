"""What correlations left out, by hour of the clock: late events, groups and events beyond the bounds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from citysoc.state.values import stamp

if TYPE_CHECKING:
    import datetime as dt
    import sqlite3
    from collections.abc import Mapping

    from citysoc.state.database import State

Lost: TypeAlias = "tuple[str, str, str, str]"
"""The hour (RFC 3339), what was left out (``late evicted truncated forced unknown``), the rule or "", the stream or ""."""


def add(db: sqlite3.Connection, losses: Mapping[Lost, int]) -> None:
    """Add figures; inside the transaction of a commit."""
    db.executemany(
        "INSERT INTO correlator_losses (hour, what, rule, stream, number) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET number = number + excluded.number",
        [(*lost, number) for lost, number in losses.items()],
    )


def prune(db: sqlite3.Connection, before: dt.datetime) -> int:
    """Remove the figures of hours before a moment; return how many rows."""
    return db.execute("DELETE FROM correlator_losses WHERE hour < ?", (stamp(before),)).rowcount


def by_rule(
    state: State, *, since: dt.datetime | None = None, until: dt.datetime | None = None
) -> dict[str, Counter[str]]:
    """Return for each rule that lost anything what it lost, by what it is."""
    return _summed(state, "rule", since, until)


def by_stream(
    state: State, *, since: dt.datetime | None = None, until: dt.datetime | None = None
) -> dict[str, Counter[str]]:
    """Return for each stream with events that were too late how many there were, under ``late``."""
    return _summed(state, "stream", since, until)


def _summed(
    state: State, column: str, since: dt.datetime | None, until: dt.datetime | None
) -> dict[str, Counter[str]]:
    rows = state.rows(
        f"SELECT {column} AS name, what, sum(number) AS number FROM correlator_losses"  # noqa: S608  our own names
        f" WHERE {column} != '' AND hour >= ? AND hour < ? GROUP BY {column}, what ORDER BY {column}, what",
        (stamp(since) if since else "0", stamp(until) if until else "9"),
    )
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(row["name"], Counter())[row["what"]] = row["number"]
    return found
