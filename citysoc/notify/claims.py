"""Deliveries while they are being made: claimed, attempted, settled, replayed.

An attempt is written down before it is made. Whoever makes it holds a claim that runs out, so that
two deliverers never send the same at once, and what a killed one left is taken up again, with the
same message id: the receiver can tell that it is the same message.
"""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from citysoc.state.values import stamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from citysoc.config.models import Webhook
    from citysoc.notify.attempt import Outcome
    from citysoc.state import State

BASE_SECONDS = 30.0
CAP_SECONDS = 6 * 3600.0
_LEASE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Claimed:
    """One attempt that may be made now.

    Args:
        message: the message's id.
        webhook: the receiver's id.
        number: which attempt it is, from 1.
        last: whether no further attempt follows a failure.
        body: the bytes to send.
        token: the claim.
    """

    message: str
    webhook: str
    number: int
    last: bool
    body: bytes
    token: str


def due(state: State, now: dt.datetime) -> list[str]:
    """Return the ids of webhooks that have something due and did not ask for patience, in order."""
    rows = state.rows(
        "SELECT DISTINCT webhook FROM deliveries WHERE state IN ('pending', 'sending') AND due_at <= ?"
        " AND (claimed_until IS NULL OR claimed_until <= ?)"
        " AND webhook NOT IN (SELECT webhook FROM receivers WHERE hold_until > ?) ORDER BY webhook",
        (stamp(now), stamp(now), stamp(now)),
    )
    return [row["webhook"] for row in rows]


def claim(state: State, webhook: Webhook, *, now: dt.datetime, limit: int) -> list[Claimed]:
    """Claim what is due for a webhook, the longest due first; nothing while the receiver wants rest."""
    at, token = stamp(now), secrets.token_hex(8)
    until = stamp(now + dt.timedelta(seconds=webhook.timeout_seconds + _LEASE_SECONDS))
    claimed = []
    with state.transaction() as db:
        held = db.execute("SELECT hold_until FROM receivers WHERE webhook = ?", (webhook.id,)).fetchone()
        if held is not None and held["hold_until"] > at:
            return []
        rows = db.execute(
            "SELECT d.message, d.state, d.attempts, d.budget, o.body FROM deliveries d"
            " JOIN outbox o ON o.id = d.message WHERE d.webhook = ? AND d.state IN ('pending', 'sending')"
            " AND d.due_at <= ? AND (d.claimed_until IS NULL OR d.claimed_until <= ?)"
            " ORDER BY d.due_at, d.message LIMIT ?",
            (webhook.id, at, at, limit),
        ).fetchall()
        for row in rows:
            if row["state"] == "sending":
                _interrupted(db, row["message"], webhook.id, row["attempts"], at)
            if row["attempts"] >= row["budget"]:
                _bury(db, row["message"], webhook.id, at, "the last attempt was interrupted")
                continue
            number = row["attempts"] + 1
            db.execute(
                "UPDATE deliveries SET state = 'sending', attempts = ?, claim = ?, claimed_until = ?"
                " WHERE message = ? AND webhook = ?",
                (number, token, until, row["message"], webhook.id),
            )
            db.execute(
                "INSERT INTO attempts (message, webhook, number, started_at) VALUES (?, ?, ?, ?)",
                (row["message"], webhook.id, number, at),
            )
            last = number >= row["budget"]
            claimed.append(Claimed(row["message"], webhook.id, number, last, bytes(row["body"]), token))
    return claimed


def settle(
    state: State, claimed: Claimed, outcome: Outcome, *, now: dt.datetime, delay_seconds: float
) -> str:
    """Write down what an attempt came to; return the delivery's state: delivered, pending or dead.

    A claim that was lost meanwhile changes nothing but the attempt's own row.
    """
    at = stamp(now)
    after, due_at = "delivered", at
    if outcome.kind == "retry" and not claimed.last:
        after, due_at = "pending", stamp(now + dt.timedelta(seconds=delay_seconds))
    elif outcome.kind != "delivered":
        after = "dead"
    with state.transaction() as db:
        db.execute(
            "UPDATE attempts SET ended_at = ?, outcome = ?, status = ?, detail = ?"
            " WHERE message = ? AND webhook = ? AND number = ?",
            (
                *(at, outcome.kind, outcome.status, outcome.reason),
                *(claimed.message, claimed.webhook, claimed.number),
            ),
        )
        db.execute(
            "UPDATE deliveries SET state = ?, due_at = ?, claim = NULL, claimed_until = NULL, status = ?,"
            " reason = ?, ended_at = ? WHERE message = ? AND webhook = ? AND claim = ?",
            (
                *(after, due_at, outcome.status, outcome.reason or None),
                *(None if after == "pending" else at, claimed.message, claimed.webhook, claimed.token),
            ),
        )
        if outcome.retry_after_seconds:
            until = stamp(now + dt.timedelta(seconds=outcome.retry_after_seconds))
            db.execute(
                "INSERT INTO receivers (webhook, hold_until) VALUES (?, ?)"
                " ON CONFLICT (webhook) DO UPDATE SET hold_until = max(hold_until, excluded.hold_until)",
                (claimed.webhook, until),
            )
    return after


def give_up(state: State, webhook: str, *, now: dt.datetime, reason: str) -> int:
    """Send everything that waits for a webhook to the dead letters; return how many."""
    with state.transaction() as db:
        return db.execute(
            "UPDATE deliveries SET state = 'dead', reason = ?, ended_at = ?, claim = NULL,"
            " claimed_until = NULL WHERE webhook = ? AND state IN ('pending', 'sending')"
            " AND (claimed_until IS NULL OR claimed_until <= ?)",
            (reason, stamp(now), webhook, stamp(now)),
        ).rowcount


def replay(
    db: sqlite3.Connection, messages: Sequence[tuple[str, str]], *, budget: int, now: dt.datetime
) -> int:
    """Let messages be delivered once more, with the ids they have; return how many will be.

    Args:
        db: the connection of the open transaction.
        messages: message and webhook ids; those that are on their way are passed over.
        budget: how many attempts they get.
        now: when they are due.
    """
    moved = 0
    for message, webhook in messages:
        moved += db.execute(
            "UPDATE deliveries SET state = 'pending', budget = attempts + ?, due_at = ?, claim = NULL,"
            " claimed_until = NULL, reason = NULL, status = NULL, ended_at = NULL"
            " WHERE message = ? AND webhook = ? AND state IN ('dead', 'delivered')",
            (budget, stamp(now), message, webhook),
        ).rowcount
    return moved


def backoff_seconds(number: int, share: float) -> float:
    """Return how long to wait after a failed attempt: exponential, with full jitter.

    Args:
        number: which attempt failed, from 1.
        share: a random number in [0, 1).
    """
    return max(1.0, share * min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(number - 1, 30)))


def _interrupted(db: sqlite3.Connection, message: str, webhook: str, number: int, at: str) -> None:
    db.execute(
        "UPDATE attempts SET outcome = 'interrupted', ended_at = ? WHERE message = ? AND webhook = ?"
        " AND number = ? AND ended_at IS NULL",
        (at, message, webhook, number),
    )


def _bury(db: sqlite3.Connection, message: str, webhook: str, at: str, reason: str) -> None:
    db.execute(
        "UPDATE deliveries SET state = 'dead', reason = ?, ended_at = ?, claim = NULL, claimed_until = NULL"
        " WHERE message = ? AND webhook = ?",
        (reason, at, message, webhook),
    )
