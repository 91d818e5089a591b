"""Anomalies and feedback in the state database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.detectors.anomaly.anomalies import RULE, query
from citysoc.detectors.anomaly.days import moment_of
from citysoc.errors import UsageError
from citysoc.flow import UNKNOWN_AGENCY
from citysoc.i18n import _
from citysoc.state.values import clean, dump, load, moment, stamp

if TYPE_CHECKING:
    import datetime as dt
    import sqlite3
    from collections.abc import Iterable

    from citysoc.detectors.anomaly.anomalies import Anomaly
    from citysoc.state import State

FALSE_POSITIVE_NATS = 3.0
"""What one false-positive verdict takes off a pattern: it must be twenty times as rare to be told again."""
MOST_NATS = 9.0
"""No feedback takes off more: what is much stranger than before is told again."""


def write(db: sqlite3.Connection, found: Iterable[Anomaly], *, model: str, now: dt.datetime) -> list[Anomaly]:
    """Write anomalies down; return those that are new.

    Args:
        db: the connection of the open transaction.
        found: the anomalies.
        model: the model's digest.
        now: when they were found.
    """
    new = []
    for one in found:
        reasons = [
            {"feature": r.feature, "value": r.value, "expected": r.expected, "limit": r.limit, "nats": r.nats}
            for r in one.reasons
        ]
        done = db.execute(
            "INSERT INTO anomalies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
            (
                *(
                    one.id,
                    one.kind,
                    one.agency,
                    clean(one.entity, 512),
                    stamp(moment_of(one.hour)),
                    one.family,
                ),
                *(one.score, dump(reasons), query(one), model, stamp(now)),
            ),
        )
        if done.rowcount:
            new.append(one)
    return new


def prune(db: sqlite3.Connection, before: dt.datetime) -> None:
    """Forget anomalies of hours before a moment."""
    db.execute("DELETE FROM anomalies WHERE hour < ?", (stamp(before),))


def row_of(state: State, text: str) -> dict[str, Any]:
    """Return one anomaly by its id, also as events write it (``anomaly:3f2a…``), or the beginning of it.

    Raises:
        UsageError: there is none, or more than one.
    """
    text = text.removeprefix("anomaly:")
    rows = state.rows("SELECT * FROM anomalies WHERE id >= ? AND id < ? LIMIT 2", (text, text + "g"))
    if len(rows) != 1:
        message = _("There is no anomaly {id!r}.") if not rows else _("Several anomalies begin with {id!r}.")
        raise UsageError(message.format(id=text), hint=_("`citysoc anomaly list` shows their ids."))
    return {**dict(rows[0]), "reasons": load(rows[0]["reasons"])}


def pattern(row: dict[str, Any]) -> tuple[str, str, str]:
    """Return what feedback on an anomaly that was written down is about, as ``Anomaly.pattern``."""
    agency = UNKNOWN_AGENCY if row["kind"] == "outside" else row["agency"]
    return agency, row["entity"], row["family"]


def lower(db: sqlite3.Connection, anomaly: dict[str, Any], *, who: str, reason: str, now: dt.datetime) -> int:
    """Lower the pattern of an anomaly because it was a false positive; return the feedback's number."""
    done = db.execute(
        "INSERT INTO anomaly_feedback (agency, entity, family, nats, who, at, reason, anomaly)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(*pattern(anomaly), FALSE_POSITIVE_NATS),
            *(clean(who, 200), stamp(now), clean(reason, 4000), anomaly["id"]),
        ),
    )
    return int(done.lastrowid or 0)


def undo(db: sqlite3.Connection, number: int, *, who: str, now: dt.datetime) -> bool:
    """Take feedback back; return whether there was any to take back."""
    done = db.execute(
        "UPDATE anomaly_feedback SET undone_at = ?, undone_by = ? WHERE id = ? AND undone_at IS NULL",
        (stamp(now), clean(who, 200), number),
    )
    return bool(done.rowcount)


def given(state: State) -> list[dict[str, Any]]:
    """Return what was said of anomalies, the latest first; what was taken back has ``undone_at``."""
    rows = [dict(row) for row in state.rows("SELECT * FROM anomaly_feedback ORDER BY id DESC")]
    return [{**row, "at": moment(row["at"]), "undone_at": _maybe(row["undone_at"])} for row in rows]


def verdicts(state: State) -> list[dict[str, Any]]:
    """Return the patterns of alerts that were closed as false positives: all anomalies that are in the alert.

    Returns:
        ``alert agency entity family nats at``, the latest alert first.
    """
    rows = state.rows(
        "SELECT DISTINCT l.id AS alert, l.agency AS agency, l.rule AS rule, l.entity AS told, l.closed_at AS at,"
        " l.group_values <> '{}' AS outside, a.entity AS entity FROM alerts l LEFT JOIN anomalies a"
        " ON a.hour >= l.first_seen AND a.hour <= l.last_seen AND a.agency = l.agency"
        " AND ? || a.family = l.rule AND (a.kind = 'outside') = (l.group_values <> '{}')"
        " AND (a.kind <> 'outside' OR 'ip:' || a.entity = l.entity)"
        " WHERE l.verdict = 'false_positive' AND l.rule LIKE ? ORDER BY l.closed_at DESC, l.id, a.entity",
        (RULE, RULE + "%"),
    )
    return [
        {
            "alert": row["alert"],
            "agency": UNKNOWN_AGENCY if row["outside"] else row["agency"],
            # Anomalies are forgotten before their alerts: what the alert itself names is left.
            "entity": row["entity"] or row["told"].partition(":")[2],
            "family": row["rule"].removeprefix(RULE),
            "nats": FALSE_POSITIVE_NATS,
            "at": _maybe(row["at"]),
        }
        for row in rows
    ]


def lowered(state: State) -> dict[tuple[str, str, str], float]:
    """Return for each pattern what feedback takes off its score.

    Counts what was given here and every alert of anomalies that was closed as a false positive: change the
    verdict of the alert, and it counts no more.
    """
    found: dict[tuple[str, str, str], float] = {}
    given = state.rows("SELECT agency, entity, family, nats FROM anomaly_feedback WHERE undone_at IS NULL")
    for row in [*map(dict, given), *verdicts(state)]:
        key = (row["agency"], row["entity"], row["family"])
        found[key] = min(MOST_NATS, found.get(key, 0.0) + row["nats"])
    return found


def _maybe(text: str | None) -> dt.datetime | None:
    return moment(text) if text else None
