"""Silence is an alarm: every expected stream is ok, late, silent or has never spoken.

``watch`` compares what the configuration expects with when each stream last arrived. A stream that
is silent (or has never spoken) for ``silent_after_seconds`` raises one alert, also when it has been
expected for that long without a single record; when it speaks again, the alert is resolved. All of
it lives in the state, so a restart forgets nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from citysoc import clock
from citysoc.alerts.intake import alert_id, alert_key
from citysoc.alerts.lives import MACHINE, Change, move_alerts
from citysoc.alerts.records import titles
from citysoc.config.sources import SourceBase
from citysoc.i18n import mark
from citysoc.state.outbox import Message, enqueue
from citysoc.state.values import dump, moment, stamp

if TYPE_CHECKING:
    import datetime as dt
    import sqlite3
    from collections.abc import Iterable, Sequence

    from citysoc.config.models import Webhook

RULE = "citysoc.source.silent"
LEVEL = "medium"
_LATE_AFTER_SECONDS = SourceBase.model_fields["late_after_seconds"].default
_SILENT_AFTER_SECONDS = SourceBase.model_fields["silent_after_seconds"].default

TITLE_SILENT = mark("Source fell silent")
TITLE_NEVER = mark("Source has never spoken")


class Expected(Protocol):
    """A stream that the configuration knows."""

    @property
    def id(self) -> str:
        """``<agency id>/<source id>``."""

    @property
    def agency(self) -> str:
        """The agency's id."""

    @property
    def source(self) -> str:
        """The source's id."""

    @property
    def expected(self) -> bool:
        """Whether its silence is an alarm."""

    @property
    def late_after_seconds(self) -> int:
        """Silent for so long it is late."""

    @property
    def silent_after_seconds(self) -> int:
        """Silent for so long it is silent."""


@dataclass(frozen=True, slots=True)
class StreamChange:
    """A stream that changed.

    Args:
        stream: ``<agency id>/<source id>``.
        before: its state before: ok, late, silent, never.
        after: its state now.
        alert: the alert that was raised or resolved, None where only the state changed.
        raised: whether the alert was raised rather than resolved.
    """

    stream: str
    before: str
    after: str
    alert: str | None = None
    raised: bool = False


def state_of(last_arrival: dt.datetime | None, stream: Expected | None, now: dt.datetime) -> str:
    """Return ok, late, silent or never; by the usual limits for a stream that nobody configured."""
    if last_arrival is None:
        return "never"
    late = stream.late_after_seconds if stream else _LATE_AFTER_SECONDS
    silent = stream.silent_after_seconds if stream else _SILENT_AFTER_SECONDS
    quiet = (now - last_arrival).total_seconds()
    if quiet >= silent:
        return "silent"
    return "late" if quiet >= late else "ok"


def watch(
    db: sqlite3.Connection,
    streams: Iterable[Expected],
    *,
    now: dt.datetime,
    webhooks: Sequence[Webhook],
    alarms_from: dt.datetime | None = None,
) -> tuple[StreamChange, ...]:
    """Bring the states of all streams up to date; raise and resolve alerts of silence.

    Args:
        db: the connection of an open transaction.
        streams: every stream of the configuration; a stream that is no longer in it is no longer
            expected, and its alarm is resolved.
        now: the present.
        webhooks: who is told (``source.silent``, ``source.recovered``).
        alarms_from: raise nothing before this: after a long stop of the service, pull sources
            first get the time to catch up.

    Returns:
        What changed, ordered by stream.
    """
    rows = {row["stream"]: row for row in db.execute("SELECT * FROM streams")}
    known = {stream.id: stream for stream in streams}
    ready = alarms_from is None or now >= alarms_from
    changes: list[StreamChange] = []
    messages: list[Message] = []
    for name in sorted(known.keys() | rows.keys()):
        stream, row = known.get(name), rows.get(name)
        if stream is not None and row is None:
            row = _introduce(db, stream, now)
        watched = _Watched(db, now, row, stream)
        change = watched.update(ready=ready)
        if change is not None:
            changes.append(change)
        messages.extend(watched.messages)
    enqueue(db, messages, webhooks, now)
    return tuple(changes)


def _introduce(db: sqlite3.Connection, stream: Expected, now: dt.datetime) -> sqlite3.Row:
    """Write down a stream that has never spoken."""
    at = stamp(now)
    row: sqlite3.Row = db.execute(
        "INSERT INTO streams (stream, agency, source, expected, state, state_since, expected_since)"
        " VALUES (?, ?, ?, ?, 'never', ?, ?) RETURNING *",
        (stream.id, stream.agency, stream.source, stream.expected, at, at if stream.expected else None),
    ).fetchone()
    return row


class _Watched:
    """One stream while it is looked at."""

    def __init__(self, db: sqlite3.Connection, now: dt.datetime, row: Any, stream: Expected | None) -> None:
        self._db = db
        self._now = now
        self._row = row
        self._stream = stream
        self._name: str = row["stream"]
        self.messages: list[Message] = []

    def update(self, *, ready: bool) -> StreamChange | None:
        """Write the stream's state; return what changed."""
        row, stream = self._row, self._stream
        expected = stream is not None and stream.expected
        since = self._expected_since(expected=expected)
        last = moment(row["last_arrival"]) if row["last_arrival"] else None
        after = state_of(last, stream, self._now)
        alarm = row["alarm"]
        quiet = after in {"silent", "never"}
        change = None
        if alarm and (not quiet or not expected):
            self._resolve(alarm, after, expected=expected)
            change, alarm = StreamChange(self._name, row["state"], after, row["alarm"]), None
        elif quiet and ready and not alarm and stream and since and self._overdue(since, stream):
            alarm = self._raise(after, last, since)
            change = StreamChange(self._name, row["state"], after, alarm, raised=True)
        elif after != row["state"]:
            change = StreamChange(self._name, row["state"], after)
        self._write(after, alarm, since, expected=expected)
        return change

    def _expected_since(self, *, expected: bool) -> dt.datetime | None:
        if not expected:
            return None
        written = self._row["expected_since"] if self._row["expected"] else None
        return moment(written) if written else self._now

    def _overdue(self, since: dt.datetime, stream: Expected) -> bool:
        return (self._now - since).total_seconds() >= stream.silent_after_seconds

    def _write(self, state: str, alarm: str | None, since: dt.datetime | None, *, expected: bool) -> None:
        row, at = self._row, stamp(self._now)
        since_text = stamp(since) if since else None
        changed_at = row["state_since"] if state == row["state"] and row["state_since"] else at
        values = (state, changed_at, alarm, int(expected), since_text)
        if values != (row["state"], row["state_since"], row["alarm"], row["expected"], row["expected_since"]):
            self._db.execute(
                "UPDATE streams SET state = ?, state_since = ?, alarm = ?, expected = ?, expected_since = ?"
                " WHERE stream = ?",
                (*values, self._name),
            )

    def _raise(self, state: str, last: dt.datetime | None, since: dt.datetime) -> str:
        row, at = self._row, stamp(self._now)
        title = TITLE_NEVER if state == "never" else TITLE_SILENT
        group = {"citysoc.source": self._name}
        key = alert_key(RULE, row["agency"], group)
        id_ = alert_id(key, at)
        earlier = self._db.execute(
            "SELECT id FROM alerts WHERE key = ? ORDER BY last_seen DESC, id LIMIT 1", (key,)
        ).fetchone()
        facts = {
            "last_arrival": clock.iso(last) if last else None,
            "expected_since": clock.iso(since),
            "state": state,
        }
        self._db.execute(
            "INSERT INTO alerts (id, key, rule, title, level, agency, group_values, entity, class, count,"
            " first_seen, last_seen, window_seconds, created_at, updated_at, matched, previous)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'CONFIG', 1, ?, ?, 0, ?, ?, ?, ?)",
            (
                *(id_, key, RULE, title, LEVEL, row["agency"], dump(group), f"source:{self._name}"),
                *(stamp(last or since), at, at, at, dump(facts), earlier["id"] if earlier else None),
            ),
        )
        self._tell("source.silent", id_, title, facts)
        return id_

    def _resolve(self, alarm: str, state: str, *, expected: bool) -> None:
        """Close the alert, unless a person did; the outside hears of the recovery either way."""
        reason = "The source speaks again." if expected else "The source is no longer expected."
        change = Change("closed", MACHINE, self._now, verdict="benign", reason=reason)
        row = self._db.execute("SELECT title, state FROM alerts WHERE id = ?", (alarm,)).fetchone()
        if row is not None and row["state"] != "closed":
            self._db.execute("UPDATE alerts SET last_seen = ? WHERE id = ?", (stamp(self._now), alarm))
            move_alerts(self._db, [alarm], change)
        title = row["title"] if row is not None else TITLE_SILENT
        arrived = self._row["last_arrival"]
        facts = {
            "last_arrival": clock.iso(moment(arrived)) if arrived else None,
            "state": state,
            "reason": reason,
        }
        self._tell("source.recovered", alarm, title, facts)

    def _tell(self, event: str, alert: str, title: str, facts: dict[str, Any]) -> None:
        row = self._row
        data = {
            "schema": "citysoc.source/1",
            "id": self._name,
            "title": titles(title),
            "level": LEVEL,
            "agency": row["agency"],
            "source": row["source"],
            "alert": alert,
            **facts,
        }
        self.messages.append(
            Message(
                event=event,
                subject=self._name,
                key=alert,
                level=LEVEL,
                agency=row["agency"],
                rules=(RULE,),
                data=lambda: data,
            )
        )
