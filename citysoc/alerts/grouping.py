"""Alerts that belong together become one incident: same agency, same entity, near in time.

An alert joins the open incident of its agency and entity whose span, widened by
``incident_window_seconds`` on both sides, covers the alert's event time; the nearest where there
are two. A closed incident is never opened again: the next alert opens a new one that names it.
"""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING

from citysoc import clock
from citysoc.alerts.records import Incident, incident_data, incident_of
from citysoc.state.outbox import RANK, Message
from citysoc.state.values import dump, stamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from citysoc.alerts.records import Alert
    from citysoc.config.models import Alerts

_ROWS = 4000
_RULES_MAX = 50


def entity_of(alert: Alert) -> str:
    """Return what an alert is about; the rule itself where the rule names no entity."""
    return alert.entity or f"rule:{alert.rule}"


class Grouping:
    """The incidents that one batch of findings may touch.

    Args:
        db: the connection of the open transaction.
        policy: the windows and deadlines.
        now: the time of detection, T0 of the incidents that open.
    """

    def __init__(self, db: sqlite3.Connection, policy: Alerts, now: dt.datetime) -> None:
        self._db = db
        self._policy = policy
        self._now = now
        self._window = policy.incident_window_seconds * 1_000_000
        self._least = RANK[policy.incident_min_level]
        self._by_id: dict[str, Incident] = {}
        self._by_entity: dict[tuple[str, str], dict[str, Incident]] = {}
        self._spans: dict[tuple[str, str], tuple[int, int]] = {}
        self._opened: list[Incident] = []
        self._changed: dict[str, Incident] = {}
        self._told: dict[str, str] = {}

    @property
    def opened(self) -> int:
        """How many incidents opened."""
        return len(self._opened)

    def load(self, spans: Mapping[tuple[str, str], tuple[int, int]], ids: Iterable[str]) -> None:
        """Read the incidents of some entities near some spans of event time, and those of some ids."""
        self._spans.update(spans)
        rows = [
            (agency, entity, stamp(first - self._window), stamp(last + self._window))
            for (agency, entity), (first, last) in spans.items()
        ]
        for start in range(0, len(rows), _ROWS):
            chunk = rows[start : start + _ROWS]
            wanted = ",".join(["(?,?,?,?)"] * len(chunk))
            found = self._db.execute(
                f"WITH wanted (agency, entity, low, high) AS (VALUES {wanted})"  # noqa: S608  placeholders only
                " SELECT wanted.agency AS for_agency, wanted.entity AS for_entity, incidents.* FROM wanted"
                " CROSS JOIN incident_entities e ON e.agency = wanted.agency AND e.entity = wanted.entity"
                " CROSS JOIN incidents ON incidents.id = e.incident"
                " AND last_seen >= low AND first_seen <= high",
                [value for row in chunk for value in row],
            )
            self._keep(found)
        self._load_ids([id_ for id_ in set(ids) if id_ not in self._by_id])

    def _load_ids(self, ids: list[str]) -> None:
        """Read incidents that alerts of this batch belong to: they may grow until they reach others."""
        for start in range(0, len(ids), _ROWS):
            chunk = ids[start : start + _ROWS]
            marks = ",".join("?" * len(chunk))
            found = self._db.execute(
                "SELECT e.agency AS for_agency, e.entity AS for_entity, incidents.*"  # noqa: S608  placeholders
                f" FROM incidents JOIN incident_entities e ON e.incident = id WHERE id IN ({marks})",
                chunk,
            )
            self._keep(found)

    def _keep(self, rows: Iterable[sqlite3.Row]) -> None:
        for row in rows:
            incident = self._by_id.get(row["id"])
            if incident is None:
                incident = self._by_id[row["id"]] = incident_of(row)
            self._by_entity.setdefault((row["for_agency"], row["for_entity"]), {})[incident.id] = incident

    def place(self, alert: Alert) -> None:
        """Let an alert that is new, or has grown or risen, take effect on its incident."""
        if alert.incident is not None:
            self._extend(self._by_id.get(alert.incident), alert)
        elif RANK.get(alert.level, 0) >= self._least:
            self._join(alert)

    def _join(self, alert: Alert) -> None:
        place = (alert.agency, entity_of(alert))
        first, last = self._spans.get(place, (alert.last, alert.last))
        if place not in self._spans or not first <= alert.last <= last:
            # A finding about something else raised this alert's level: look further than its own time.
            self.load({place: (min(first, alert.last), max(last, alert.last))}, ())
        candidates = self._by_entity.setdefault(place, {})
        near = [
            i for i in candidates.values() if i.first - self._window <= alert.last <= i.last + self._window
        ]
        still_open = [i for i in near if i.state != "closed"]
        if still_open:
            incident = min(still_open, key=lambda i: (_distance(i, alert.last), i.first, i.id))
            self._add(incident, alert)
        else:
            previous = max(near, key=lambda i: (i.last, i.id)).id if near else None
            incident = self._open(alert, previous)
            candidates[incident.id] = incident
        alert.incident = incident.id

    def _open(self, alert: Alert, previous: str | None) -> Incident:
        incident = Incident(
            id=next_id(self._db, self._now),
            agency=alert.agency,
            entity=entity_of(alert),
            title=alert.title,
            severity=alert.level,
            first=alert.first,
            last=alert.last,
            detected_at=self._now,
            notice_due_at=self._now + dt.timedelta(hours=self._policy.notice_hours),
            report_due_at=self._now + dt.timedelta(hours=self._policy.report_hours),
            classes=[alert.klass] if alert.klass else [],
            rules=[alert.rule],
            alerts=1,
            previous=previous,
            title_vi=alert.title_vi,
        )
        self._by_id[incident.id] = incident
        self._opened.append(incident)
        return incident

    def _add(self, incident: Incident, alert: Alert) -> None:
        incident.alerts += 1
        news = _is_milestone(incident.alerts)
        if alert.rule not in incident.rules and len(incident.rules) < _RULES_MAX:
            incident.rules.append(alert.rule)
            news = True
        if alert.klass and alert.klass not in incident.classes:
            incident.classes.append(alert.klass)
            news = True
        if news:
            self._tell(incident)
        self._extend(incident, alert)

    def _extend(self, incident: Incident | None, alert: Alert) -> None:
        if incident is None or incident.state == "closed":
            return
        incident.first = min(incident.first, alert.first)
        incident.last = max(incident.last, alert.last)
        if RANK.get(alert.level, 0) > RANK.get(incident.severity, 0):
            self._tell(incident)
            incident.severity, incident.title, incident.title_vi = alert.level, alert.title, alert.title_vi
        self._changed[incident.id] = incident

    def _tell(self, incident: Incident) -> None:
        """Remember that something worth telling happened; one message a batch is enough."""
        self._told.setdefault(incident.id, incident.severity)

    def flush(self) -> list[Message]:
        """Write the incidents; return what is to be told of them."""
        at = stamp(self._now)
        opened = {incident.id for incident in self._opened}
        told = [self._by_id[id_] for id_ in self._told if id_ not in opened]
        for incident in told:
            incident.revision += 1
        insert(self._db, self._opened, at)
        self._db.executemany(
            "UPDATE incidents SET title = ?, title_vi = ?, severity = ?, classes = ?, rules = ?, alerts = ?,"
            " first_seen = ?, last_seen = ?, revision = ?, updated_at = ? WHERE id = ?",
            [
                (
                    *(i.title, i.title_vi, i.severity, dump(i.classes), dump(i.rules), i.alerts),
                    *(stamp(i.first), stamp(i.last), i.revision, at, i.id),
                )
                for i in self._changed.values()
                if i.id not in opened
            ],
        )
        messages = [incident_message("incident.created", i) for i in self._opened]
        for incident in told:
            before = self._told[incident.id]
            if before != incident.severity:
                messages.append(incident_message("incident.created", incident, raised_from=before))
            messages.append(incident_message("incident.updated", incident))
        return messages


def insert(db: sqlite3.Connection, incidents: Iterable[Incident], at: str) -> None:
    """Write incidents that just opened."""
    rows = [
        (
            *(i.id, i.agency, i.entity, i.title, i.severity, dump(i.classes), dump(i.rules), i.alerts),
            *(stamp(i.first), stamp(i.last), stamp(i.detected_at), stamp(i.notice_due_at)),
            *(stamp(i.report_due_at), at, i.previous, i.title_vi),
        )
        for i in incidents
    ]
    db.executemany(
        "INSERT INTO incidents (id, agency, entity, title, severity, classes, rules, alerts, first_seen,"
        " last_seen, detected_at, notice_due_at, report_due_at, updated_at, previous, title_vi)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    db.executemany(
        "INSERT INTO incident_entities (incident, agency, entity) VALUES (?, ?, ?)",
        [row[:3] for row in rows],
    )


def next_id(db: sqlite3.Connection, now: dt.datetime) -> str:
    """Return the next incident id of the year in Huế, ``SC-2026-00123`` (SC: sự cố)."""
    year = now.astimezone(clock.HUE).year
    number = db.execute(
        "INSERT INTO incident_numbers (year, last) VALUES (?, 1)"
        " ON CONFLICT (year) DO UPDATE SET last = last + 1 RETURNING last",
        (year,),
    ).fetchone()[0]
    return f"SC-{year}-{number:05d}"


def incident_message(event: str, incident: Incident, *, raised_from: str | None = None) -> Message:
    """Return the message of something that happened to an incident."""
    created = event == "incident.created"
    key = (incident.severity if raised_from else "") if created else str(incident.revision)
    return Message(
        event=event,
        subject=incident.id,
        key=key,
        level=incident.severity,
        agency=incident.agency,
        rules=tuple(incident.rules),
        data=partial(incident_data, incident),
        raised_from=raised_from,
    )


def _distance(incident: Incident, moment: int) -> int:
    return max(incident.first - moment, moment - incident.last, 0)


def _is_milestone(count: int) -> bool:
    """Say whether a count is 10, 100, 1,000, …: worth a message where each single one is not."""
    return count >= 10 and count == 10 ** (len(str(count)) - 1)
