"""What people do with incidents: take, write down, close, merge, keep the legal clocks.

T0 is the time of detection. The first notice is due 24 hours after it, the report 72 hours after it
(Decree 331/2026 Art. 31.2.d); the configuration may say otherwise. Merging keeps the earliest T0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from citysoc.alerts import lives
from citysoc.alerts.grouping import incident_message
from citysoc.alerts.lives import Change, allowed, verdict_of
from citysoc.alerts.records import incident_of
from citysoc.errors import UsageError
from citysoc.i18n import _
from citysoc.state.outbox import RANK, enqueue
from citysoc.state.values import clean, dump, stamp

if TYPE_CHECKING:
    import datetime as dt
    import sqlite3
    from collections.abc import Sequence

    from citysoc.alerts.records import Incident
    from citysoc.config.models import Webhook

NoteKind = Literal["note", "cause", "scope", "measure"]
NOTE_KINDS: tuple[NoteKind, ...] = ("note", "cause", "scope", "measure")
_SENT = {
    "notice": (
        "SELECT notice_sent_at FROM incidents WHERE id = ?",
        "UPDATE incidents SET notice_sent_at = ?, updated_at = ? WHERE id = ?",
    ),
    "report": (
        "SELECT report_sent_at FROM incidents WHERE id = ?",
        "UPDATE incidents SET report_sent_at = ?, updated_at = ? WHERE id = ?",
    ),
}
_NOTE_MAX = 20_000
_OWNER_MAX = 200


def get(db: sqlite3.Connection, id_: str) -> Incident:
    """Return an incident.

    Raises:
        UsageError: there is none of that id.
    """
    row = db.execute("SELECT * FROM incidents WHERE id = ?", (id_,)).fetchone()
    if row is None:
        raise UsageError(_("There is no incident {id}.").format(id=id_), hint="`citysoc incidents list`")
    return incident_of(row)


def move(
    db: sqlite3.Connection,
    id_: str,
    change: Change,
    *,
    webhooks: Sequence[Webhook] = (),
    keep_alerts: bool = False,
) -> bool:
    """Change the state of an incident; closing it closes its open alerts with the same verdict.

    Args:
        db: the connection of the open transaction.
        id_: the incident.
        change: what is wanted.
        webhooks: who is told (``incident.updated``).
        keep_alerts: leave the alerts as they are.

    Returns:
        Whether anything changed.

    Raises:
        UsageError: no such incident, or no way from its state.
    """
    incident = get(db, id_)
    if (incident.state, incident.verdict) == (change.to, change.verdict):
        return False
    correction = incident.state == change.to == "closed" and incident.merged_into is None
    if not correction and not allowed(incident.state, change.to):
        raise _no_way(incident, change.to)
    at = stamp(change.now)
    db.execute(
        "UPDATE incidents SET state = ?, verdict = ?, closed_at = ? WHERE id = ?",
        (change.to, change.verdict, at if change.to == "closed" else None, id_),
    )
    lives.audit(db, "incident", id_, change, before=verdict_of(incident.state, incident.verdict))
    if change.to == "closed" and not keep_alerts:
        rows = db.execute(
            "SELECT id FROM alerts WHERE incident = ? AND state <> 'closed' ORDER BY id", (id_,)
        )
        lives.move_alerts(db, [row["id"] for row in rows], change, webhooks=webhooks)
    _tell(db, id_, change.now, webhooks)
    return True


def assign(
    db: sqlite3.Connection,
    id_: str,
    owner: str,
    *,
    who: str,
    now: dt.datetime,
    webhooks: Sequence[Webhook] = (),
) -> bool:
    """Give an incident an owner; a new one thereby becomes acknowledged. Return whether it changed.

    Raises:
        UsageError: no such incident, or it is closed.
    """
    incident = get(db, id_)
    owner = clean(owner.strip(), _OWNER_MAX)
    if incident.state == "closed":
        raise _no_way(incident, "assigned")
    if incident.owner == owner:
        return False
    db.execute("UPDATE incidents SET owner = ? WHERE id = ?", (owner, id_))
    lives.record(db, "incident", id_, "owner", who=who, now=now, before=incident.owner, after=owner)
    if incident.state == "new":
        change = Change("acknowledged", who, now)
        db.execute("UPDATE incidents SET state = 'acknowledged' WHERE id = ?", (id_,))
        lives.audit(db, "incident", id_, change, before="new")
    _tell(db, id_, now, webhooks)
    return True


def note(
    db: sqlite3.Connection, id_: str, text: str, *, kind: NoteKind = "note", who: str, now: dt.datetime
) -> None:
    """Write a note into an incident; ``cause``, ``scope`` and ``measure`` are what the law asks for.

    Raises:
        UsageError: no such incident, or the note is empty.
    """
    get(db, id_)
    text = clean(text.strip(), _NOTE_MAX)
    if not text:
        raise UsageError(_("The note is empty."))
    db.execute(
        "INSERT INTO incident_notes (incident, at, who, kind, text) VALUES (?, ?, ?, ?, ?)",
        (id_, stamp(now), clean(who, 200), kind, text),
    )
    db.execute("UPDATE incidents SET updated_at = ? WHERE id = ?", (stamp(now), id_))
    lives.record(db, "incident", id_, "note", who=who, now=now, after=kind)


def mark_sent(
    db: sqlite3.Connection,
    id_: str,
    what: Literal["notice", "report"],
    *,
    at: dt.datetime,
    who: str,
    now: dt.datetime,
) -> None:
    """Write down when the first notice or the report of an incident went out.

    Raises:
        UsageError: no such incident.
    """
    get(db, id_)
    read, write = _SENT[what]
    before = db.execute(read, (id_,)).fetchone()[0]
    db.execute(write, (stamp(at), stamp(now), id_))
    lives.record(db, "incident", id_, f"{what}_sent", who=who, now=now, before=before, after=stamp(at))


def merge(
    db: sqlite3.Connection,
    into: str,
    others: Sequence[str],
    *,
    who: str,
    now: dt.datetime,
    webhooks: Sequence[Webhook] = (),
) -> None:
    """Make incidents one: their alerts, notes and entities go over, the earliest T0 counts.

    The others are closed and name the one they went into; what comes later about their entities
    joins that one.

    Raises:
        UsageError: no such incident, one is closed, two agencies, or an incident into itself.
    """
    target = get(db, into)
    parts = [get(db, id_) for id_ in dict.fromkeys(others)]
    for part in (target, *parts):
        if part.state == "closed":
            raise _no_way(part, "merged")
    for part in parts:
        if part.id == target.id:
            raise UsageError(_("An incident cannot be merged into itself."), where=into)
        if part.agency != target.agency:
            raise UsageError(_("Incidents of two agencies cannot be merged."), where=part.id)
    for part in parts:
        _absorb(db, target, part, who, now)
    _settle(db, target, now)
    for id_ in (into, *(part.id for part in parts)):
        _tell(db, id_, now, webhooks)


def _absorb(db: sqlite3.Connection, target: Incident, part: Incident, who: str, now: dt.datetime) -> None:
    """Move everything of ``part`` into ``target``."""
    db.execute("UPDATE alerts SET incident = ? WHERE incident = ?", (target.id, part.id))
    db.execute("UPDATE incident_notes SET incident = ? WHERE incident = ?", (target.id, part.id))
    db.execute(
        "INSERT INTO incident_entities (incident, agency, entity)"
        " SELECT ?, agency, entity FROM incident_entities WHERE incident = ? ON CONFLICT DO NOTHING",
        (target.id, part.id),
    )
    db.execute(
        "UPDATE incidents SET state = 'closed', closed_at = ?, merged_into = ?, alerts = 0 WHERE id = ?",
        (stamp(now), target.id, part.id),
    )
    lives.record(db, "incident", part.id, "merge", who=who, now=now, before=part.state, after=target.id)
    lives.record(db, "incident", target.id, "absorb", who=who, now=now, after=part.id)
    target.alerts += part.alerts
    target.first, target.last = min(target.first, part.first), max(target.last, part.last)
    target.detected_at = min(target.detected_at, part.detected_at)
    target.notice_due_at = min(target.notice_due_at, part.notice_due_at)
    target.report_due_at = min(target.report_due_at, part.report_due_at)
    target.classes = list(dict.fromkeys([*target.classes, *part.classes]))
    target.rules = list(dict.fromkeys([*target.rules, *part.rules]))
    if RANK.get(part.severity, 0) > RANK.get(target.severity, 0):
        target.severity, target.title, target.title_vi = part.severity, part.title, part.title_vi


def _settle(db: sqlite3.Connection, target: Incident, now: dt.datetime) -> None:
    db.execute(
        "UPDATE incidents SET title = ?, title_vi = ?, severity = ?, classes = ?, rules = ?, alerts = ?, first_seen = ?,"
        " last_seen = ?, detected_at = ?, notice_due_at = ?, report_due_at = ?, updated_at = ? WHERE id = ?",
        (
            *(target.title, target.title_vi, target.severity, dump(target.classes), dump(target.rules)),
            target.alerts,
            *(stamp(target.first), stamp(target.last), stamp(target.detected_at)),
            *(stamp(target.notice_due_at), stamp(target.report_due_at), stamp(now), target.id),
        ),
    )


def _tell(db: sqlite3.Connection, id_: str, now: dt.datetime, webhooks: Sequence[Webhook]) -> None:
    """Count a revision up and put it into the outbox."""
    db.execute("UPDATE incidents SET revision = revision + 1, updated_at = ? WHERE id = ?", (stamp(now), id_))
    enqueue(db, [incident_message("incident.updated", get(db, id_))], webhooks, now)


def _no_way(incident: Incident, to: str) -> UsageError:
    return UsageError(
        _("Incident {id} is {state} and cannot become {to}.").format(
            id=incident.id, state=incident.state, to=to
        ),
        hint=_("It went into {id}.").format(id=incident.merged_into) if incident.merged_into else None,
    )
