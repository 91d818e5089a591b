"""The lives of alerts and incidents: which state may follow which, and who said so.

    new ──► acknowledged ◄──► in_progress
     └──────────┴────────────────┴──► closed (true_positive | false_positive | benign)

Nothing leaves ``closed``; only the verdict of what is closed may be corrected. Every change is a row
of ``audit``, which the database itself refuses to change or remove.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from citysoc.alerts.intake import alert_message
from citysoc.alerts.records import alert_of
from citysoc.errors import UsageError
from citysoc.i18n import _
from citysoc.state.outbox import enqueue
from citysoc.state.values import clean, stamp

if TYPE_CHECKING:
    import datetime as dt
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from citysoc.config.models import Webhook

STATES = ("new", "acknowledged", "in_progress", "closed")
VERDICTS = ("true_positive", "false_positive", "benign")
TRANSITIONS: Mapping[str, frozenset[str]] = {
    "new": frozenset({"acknowledged", "in_progress", "closed"}),
    "acknowledged": frozenset({"in_progress", "closed"}),
    "in_progress": frozenset({"acknowledged", "closed"}),
    "closed": frozenset(),
}
MACHINE = "citysoc"
"""Who did it when no person did."""

_TEXT_MAX = 4000
_ROWS = 4000


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a change of state.

    Args:
        changed: ids that changed.
        unchanged: ids that were already so.
        refused: id to the state from which there is no such way.
    """

    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """A change that somebody wants.

    Args:
        to: the new state.
        who: the person or role who says so.
        now: when.
        verdict: what it was, for ``closed``.
        reason: why, in the person's words.
    """

    to: str
    who: str
    now: dt.datetime
    verdict: str | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.to not in STATES:
            raise UsageError(_("{state!r} is no state.").format(state=self.to), hint=" ".join(STATES))
        if (self.to == "closed") != (self.verdict is not None):
            raise UsageError(
                _("Closing needs a verdict, and nothing else takes one."), hint=" | ".join(VERDICTS)
            )
        if self.verdict is not None and self.verdict not in VERDICTS:
            raise UsageError(
                _("{verdict!r} is no verdict.").format(verdict=self.verdict), hint=" | ".join(VERDICTS)
            )


def allowed(state: str, to: str) -> bool:
    """Say whether ``to`` may follow ``state``."""
    return to in TRANSITIONS[state]


def verdict_of(state: str, verdict: str | None) -> str:
    """Return a state with its verdict as the audit trail writes it: ``closed/benign``."""
    return f"{state}/{verdict}" if verdict else state


def move_alerts(
    db: sqlite3.Connection, ids: Iterable[str], change: Change, *, webhooks: Sequence[Webhook] = ()
) -> Moved:
    """Change the state of alerts; must run inside a transaction.

    What was already so is left alone and writes nothing.

    Args:
        db: the connection of the open transaction.
        ids: whole ids; unknown ones are passed over.
        change: what is wanted.
        webhooks: who is told (``alert.updated``).
    """
    changed, unchanged, refused = [], [], {}
    at = stamp(change.now)
    for row in _rows(db, "alerts", ids):
        before = verdict_of(row["state"], row["verdict"])
        if row["state"] == change.to and row["verdict"] == change.verdict:
            unchanged.append(row["id"])
        elif row["state"] == change.to == "closed" or allowed(row["state"], change.to):
            db.execute(
                "UPDATE alerts SET state = ?, verdict = ?, closed_at = ?, updated_at = ? WHERE id = ?",
                (change.to, change.verdict, at if change.to == "closed" else None, at, row["id"]),
            )
            audit(db, "alert", row["id"], change, before=before)
            changed.append(row["id"])
        else:
            refused[row["id"]] = row["state"]
    if webhooks:
        key = f"{verdict_of(change.to, change.verdict)} {at}"
        messages = [
            alert_message("alert.updated", alert_of(row), key=key) for row in _rows(db, "alerts", changed)
        ]
        enqueue(db, messages, webhooks, change.now)
    return Moved(tuple(changed), tuple(unchanged), refused)


def audit(
    db: sqlite3.Connection, kind: str, subject: str, change: Change, *, before: str | None = None
) -> None:
    """Write a change of state into the audit trail."""
    after = verdict_of(change.to, change.verdict)
    action = "verdict" if before and before.startswith("closed") and change.to == "closed" else "state"
    record(
        db,
        kind,
        subject,
        action,
        who=change.who,
        now=change.now,
        before=before,
        after=after,
        detail=change.reason,
    )


def record(
    db: sqlite3.Connection,
    kind: str,
    subject: str,
    action: str,
    *,
    who: str,
    now: dt.datetime,
    before: str | None = None,
    after: str | None = None,
    detail: str = "",
) -> None:
    """Write one row of the audit trail.

    Args:
        db: the connection of the open transaction.
        kind: alert, incident, source or webhook.
        subject: its id.
        action: state, verdict, owner, note, merge, …
        who: the person or role.
        now: when.
        before: what it was.
        after: what it is.
        detail: the reason, in the person's words.
    """
    db.execute(
        "INSERT INTO audit (at, who, kind, subject, action, before, after, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (stamp(now), clean(who, 200), kind, subject, action, before, after, clean(detail, _TEXT_MAX)),
    )


def _rows(db: sqlite3.Connection, table: str, ids: Iterable[str]) -> list[sqlite3.Row]:
    """Return the rows of some ids, in the order of the ids, each once."""
    wanted = list(dict.fromkeys(ids))
    found: dict[str, sqlite3.Row] = {}
    for start in range(0, len(wanted), _ROWS):
        chunk = wanted[start : start + _ROWS]
        marks = ",".join("?" * len(chunk))
        sql = f"SELECT * FROM {table} WHERE id IN ({marks})"  # noqa: S608  our own names, placeholders
        found.update((row["id"], row) for row in db.execute(sql, chunk))
    return [found[id_] for id_ in wanted if id_ in found]
