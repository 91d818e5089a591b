"""What each rule did on each day: hits, hits while it was staged, the last hit, what it costs.

Written in the transaction of the commit that brings the hits, so that nothing counts twice. Hits are dated by
their events, in Huế's calendar; an event that claims a day far away counts on the nearest day of the last
``KEPT_DAYS`` days, so that no sender can fill the table.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from citysoc import clock
from citysoc.state.values import clean, stamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from citysoc.state.database import State

KEPT_DAYS = 400
_RULE_MAX = 200


@dataclass(slots=True)
class RuleDay:
    """What one rule did on one day.

    Args:
        hits: events (of correlations: findings) that it found.
        staged: how many of the hits made no alert because the rule was staged.
        last_hit: the newest event time, RFC 3339 of fixed width; empty where there is none.
        tried: sampled events on which it was evaluated exactly.
        cost_ns: nanoseconds that this took.
    """

    hits: int = 0
    staged: int = 0
    last_hit: str = ""
    tried: int = 0
    cost_ns: int = 0


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """What one rule did over the last days.

    Args:
        hits: in the span that was asked for.
        staged: how many of them made no alert.
        last_hit: the newest event time, ever (as far as days are kept); None where there is none.
        tried: sampled events of the span on which it was evaluated exactly.
        cost_share: its part of the time that exact evaluation took, 0 to 1; None where nothing was measured.
    """

    hits: int = 0
    staged: int = 0
    last_hit: dt.datetime | None = None
    tried: int = 0
    cost_share: float | None = None


def day_of(moment: dt.datetime, now: dt.datetime) -> tuple[str, str]:
    """Return the day and the time under which a hit is counted: within the days that are kept.

    >>> noon = dt.datetime(2026, 10, 5, 20, tzinfo=dt.UTC)
    >>> day_of(noon, noon)
    ('2026-10-06', '2026-10-05T20:00:00.000000Z')
    >>> day_of(dt.datetime(1970, 1, 1, tzinfo=dt.UTC), noon)[0]
    '2025-09-01'
    """
    held = min(max(moment, now - dt.timedelta(days=KEPT_DAYS)), now + dt.timedelta(days=1))
    return f"{held.astimezone(clock.HUE):%Y-%m-%d}", stamp(held)


def add(db: sqlite3.Connection, days: Mapping[tuple[str, str], RuleDay]) -> None:
    """Add figures to those of (rule, day); inside the transaction of a commit."""
    db.executemany(
        "INSERT INTO rule_days (rule, day, hits, staged, last_hit, tried, cost_ns) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET hits = hits + excluded.hits, staged = staged + excluded.staged,"
        " last_hit = max(last_hit, excluded.last_hit), tried = tried + excluded.tried,"
        " cost_ns = cost_ns + excluded.cost_ns",
        [
            (clean(rule, _RULE_MAX), day, one.hits, one.staged, one.last_hit, one.tried, one.cost_ns)
            for (rule, day), one in days.items()
        ],
    )


def prune(db: sqlite3.Connection, now: dt.datetime) -> int:
    """Remove days that are no longer kept; return how many rows."""
    before = f"{(now - dt.timedelta(days=KEPT_DAYS + 1)).astimezone(clock.HUE):%Y-%m-%d}"
    return db.execute("DELETE FROM rule_days WHERE day < ?", (before,)).rowcount


def summaries(state: State, *, since: dt.datetime) -> dict[str, RuleSummary]:
    """Return what each rule did from the day of ``since`` on."""
    first = f"{since.astimezone(clock.HUE):%Y-%m-%d}"
    rows = state.rows(
        "SELECT rule, max(last_hit) AS last, sum(hits * (day >= :first)) AS hits,"
        " sum(staged * (day >= :first)) AS staged, sum(tried * (day >= :first)) AS tried,"
        " sum(cost_ns * (day >= :first)) AS cost FROM rule_days GROUP BY rule",
        {"first": first},
    )
    total = sum(row["cost"] for row in rows)
    return {
        row["rule"]: RuleSummary(
            hits=row["hits"],
            staged=row["staged"],
            last_hit=dt.datetime.fromisoformat(row["last"]) if row["last"] else None,
            tried=row["tried"],
            cost_share=row["cost"] / total if total else None,
        )
        for row in rows
    }


def days(state: State, rule: str, *, since: dt.datetime) -> list[tuple[str, int, int]]:
    """Return day, hits and staged hits of one rule, the newest day first."""
    first = f"{since.astimezone(clock.HUE):%Y-%m-%d}"
    rows = state.rows(
        "SELECT day, hits, staged FROM rule_days WHERE rule = ? AND day >= ? AND hits > 0 ORDER BY day DESC",
        (rule, first),
    )
    return [(row["day"], row["hits"], row["staged"]) for row in rows]


def first_day(state: State) -> dt.datetime | None:
    """Return when the first day begins of which anything is known; None where nothing is."""
    row = state.rows("SELECT min(day) AS day FROM rule_days")[0]
    return dt.datetime.fromisoformat(row["day"]).replace(tzinfo=clock.HUE) if row["day"] else None
