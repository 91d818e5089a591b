"""Questions about alerts, incidents and deliveries, for the commands and the reports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc.errors import UsageError
from citysoc.flow import LEVELS
from citysoc.i18n import _
from citysoc.state.outbox import RANK
from citysoc.state.values import dump, load, moment, stamp

if TYPE_CHECKING:
    import datetime as dt
    import sqlite3
    from collections.abc import Sequence

    from citysoc.state import State

OPEN = ("new", "acknowledged", "in_progress")
_TIMES = frozenset(
    {"first_seen", "last_seen", "created_at", "updated_at", "closed_at", "detected_at", "at"}
    | {
        "notice_due_at",
        "report_due_at",
        "notice_sent_at",
        "report_sent_at",
        "due_at",
        "ended_at",
        "started_at",
    }
)
_JSON = frozenset({"agencies", "group_values", "samples", "tags", "matched", "classes", "rules"})
_NUMBER = re.compile(r"(?:SC-)?(?:(\d{4})-)?0*(\d{1,9})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which alerts or incidents; what is empty does not narrow.

    Args:
        min_level: at least this level (severity of incidents).
        states: in one of these states.
        agencies: of one of these agencies; alerts also where one of them is involved.
        rules: of one of these rules.
        entity: about this entity.
        since: detected from this moment on; with ``by_event``, whose first event is not before it.
        until: detected before this moment; with ``by_event``, whose first event is.
        by_event: count as reports do: by the first event, without incidents that went into others.
        limit: at most so many, 0 for all.
    """

    min_level: str | None = None
    states: Sequence[str] = ()
    agencies: Sequence[str] = ()
    rules: Sequence[str] = ()
    entity: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    limit: int = 0
    by_event: bool = False


def alerts(state: State, wanted: Filter) -> list[dict[str, Any]]:
    """Return alerts, the latest detected first, then by id."""
    return [value_of(row) for row in _select(state, "alerts", "level", "created_at", wanted)]


def incidents(state: State, wanted: Filter) -> list[dict[str, Any]]:
    """Return incidents, the latest detected first, then by id."""
    return [value_of(row) for row in _select(state, "incidents", "severity", "detected_at", wanted)]


def audit_of(state: State, kind: str, subject: str) -> list[dict[str, Any]]:
    """Return the audit trail of an alert or an incident, oldest first."""
    rows = state.rows(
        "SELECT at, who, action, before, after, detail FROM audit WHERE kind = ? AND subject = ? ORDER BY id",
        (kind, subject),
    )
    return [value_of(row) for row in rows]


def notes_of(state: State, incident: str) -> list[dict[str, Any]]:
    """Return the notes of an incident, oldest first."""
    sql = "SELECT at, who, kind, text FROM incident_notes WHERE incident = ? ORDER BY id"
    return [value_of(row) for row in state.rows(sql, (incident,))]


def alert_id(state: State, text: str) -> str:
    """Return the id of the alert that ``text`` is the beginning of.

    Raises:
        UsageError: no alert or several begin so.
    """
    wanted = text.strip().lower()
    rows = state.rows(
        "SELECT id FROM alerts WHERE id >= ? AND id < ? ORDER BY id LIMIT 3", (wanted, wanted + "g")
    )
    return _one([row["id"] for row in rows] if wanted else [], text, "citysoc alerts list")


def incident_id(state: State, text: str) -> str:
    """Return the id of the incident that ``text`` names: ``SC-2026-00123``, ``2026-123`` or ``123``.

    Raises:
        UsageError: there is none, or the number is of several years.
    """
    match = _NUMBER.fullmatch(text.strip())
    found: list[str] = []
    if match:
        pattern = f"SC-{match[1] or '____'}-{int(match[2]):05d}"
        rows = state.rows("SELECT id FROM incidents WHERE id LIKE ? ORDER BY id DESC LIMIT 3", (pattern,))
        found = [row["id"] for row in rows]
    return _one(found, text, "citysoc incidents list")


def value_of(row: sqlite3.Row) -> dict[str, Any]:
    """Return a row as values: aware times, lists and mappings instead of text."""
    value: dict[str, Any] = {}
    for name in row.keys():  # noqa: SIM118  a sqlite3.Row iterates over its values
        item = row[name]
        if item is not None and name in _TIMES:
            item = moment(item)
        elif item is not None and name in _JSON:
            item = load(item)
        if name != "key":
            value["group" if name == "group_values" else name] = item
    return value


def _select(state: State, table: str, level: str, at: str, wanted: Filter) -> list[sqlite3.Row]:
    clauses, parameters = ["1"], list[Any]()

    def among(column: str, values: Sequence[str]) -> None:
        if values:
            clauses.append(f"{column} IN ({','.join('?' * len(values))})")
            parameters.extend(values)

    if wanted.min_level:
        among(level, LEVELS[RANK[wanted.min_level] :])
    among("state", wanted.states)
    if wanted.agencies and table == "alerts":  # of what only several agencies show, each of them is told
        marks = ",".join("?" * len(wanted.agencies))
        involved = f"EXISTS (SELECT 1 FROM json_each(agencies) WHERE value IN ({marks}))"  # noqa: S608  marks
        clauses.append(f"(agency IN ({marks}) OR {involved})")
        parameters.extend((*wanted.agencies, *wanted.agencies))
    else:
        among("agency", wanted.agencies)
    if wanted.rules and table == "incidents":
        clauses.append("EXISTS (SELECT 1 FROM json_each(rules) r JOIN json_each(?) w ON r.value = w.value)")
        parameters.append(dump(list(wanted.rules)))
    else:
        among("rule", wanted.rules)
    among("entity", (wanted.entity,) if wanted.entity else ())
    if wanted.by_event and table == "incidents":
        clauses.append("merged_into IS NULL")
    for bound, sign in ((wanted.since, ">="), (wanted.until, "<")):
        if bound is not None:
            clauses.append(f"{'first_seen' if wanted.by_event else at} {sign} ?")
            parameters.append(stamp(bound))
    sql = f"SELECT * FROM {table} WHERE {' AND '.join(clauses)} ORDER BY {at} DESC, id"  # noqa: S608  our own names
    return state.rows(f"{sql} LIMIT ?", (*parameters, wanted.limit or -1))


def _one(found: list[str], text: str, hint: str) -> str:
    if len(found) == 1:
        return found[0]
    if text in found:
        return text
    if found:
        message = _("{id} is not unique: {ids}.").format(id=text, ids=", ".join(found))
    else:
        message = _("There is no {id}.").format(id=text)
    raise UsageError(message, hint=f"`{hint}`")
