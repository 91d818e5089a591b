"""Findings become alerts: those of the same rule, agency and key within a window are one, counted.

The window slides in event time: a finding joins the open alert of its key whose span, widened by
the window on both sides, covers it, so a condition that stays true is one alert whose count
grows, and a late event joins the alert it belongs to. Findings are taken strictly in their order,
so cutting the same findings into other batches gives the same alerts. A closed alert is never
opened again: the next finding makes a new one that names it.
"""

from __future__ import annotations

import bisect
import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from citysoc.alerts.grouping import Grouping
from citysoc.alerts.records import MATCHED_MAX_FIELDS, Alert, alert_data, alert_of, class_of
from citysoc.state.outbox import RANK, Message, enqueue
from citysoc.state.values import clean, dump, micros, stamp

if TYPE_CHECKING:
    import datetime as dt
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from citysoc.config.models import Alerts, Webhook
    from citysoc.flow import Finding

_ROWS = 4000
_SAMPLES = 5
_TEXT_MAX = 512
_AGENCIES = 500


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch of findings: numbers of alerts and incidents."""

    created: int = 0
    updated: int = 0
    incidents_created: int = 0


@dataclass(frozen=True, slots=True)
class _Keyed:
    """A finding with its alert's key, the event times of its first and last event and its window in microseconds."""

    key: bytes
    at: int
    last: int
    window: int
    finding: Finding


def take(
    db: sqlite3.Connection,
    findings: Sequence[Finding],
    *,
    policy: Alerts,
    webhooks: Sequence[Webhook],
    now: dt.datetime,
) -> Taken:
    """Count findings into alerts, alerts into incidents, and put what is to be told into the outbox.

    Must run inside the transaction that moves the checkpoints: then a finding is counted exactly
    once. A finding that comes twice within one call is counted once.

    Args:
        db: the connection of the open transaction.
        findings: in the order of their events.
        policy: the windows and levels.
        webhooks: who is told.
        now: the time of detection.
    """
    keyed = _keyed(findings, policy)
    if not keyed:
        return Taken()
    book = _Book(db, keyed, stamp(now))
    grouping = Grouping(db, policy, now)
    grouping.load(_entity_spans(keyed, RANK[policy.incident_min_level]), book.incidents())
    for item in keyed:
        if alert := book.count(item):
            grouping.place(alert)
    incident_messages = grouping.flush()
    book.flush()
    if webhooks:
        enqueue(db, [*book.messages(), *incident_messages], webhooks, now)
    return Taken(len(book.created), len(book.changed), grouping.opened)


def alert_key(rule: str, agency: str, group: Mapping[str, Any]) -> bytes:
    """Return what findings of one alert have in common, hashed."""
    text = f"{rule}\0{agency}\0{dump(group) if group else ''}"
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


def alert_id(key: bytes, first_event: str) -> str:
    """Return an alert's id: stable, made of its key and the event that raised it."""
    return hashlib.blake2b(first_event.encode("utf-8", "replace"), digest_size=8, key=key).hexdigest()


def _keyed(findings: Iterable[Finding], policy: Alerts) -> list[_Keyed]:
    """Return the findings with their keys, each once."""
    seen: set[tuple[bytes, str, int]] = set()
    keyed = []
    for finding in findings:
        key, at = alert_key(finding.rule, finding.agency, finding.group), micros(finding.timestamp)
        if (key, finding.event_id, at) in seen:  # windows that end apart may end with the same event
            continue
        seen.add((key, finding.event_id, at))
        seconds = finding.window_seconds if finding.window_seconds > 0 else policy.window_seconds
        last = at if finding.last is None else max(at, micros(finding.last))
        keyed.append(_Keyed(key, at, last, seconds * 1_000_000, finding))
    return keyed


def _entity_spans(keyed: Iterable[_Keyed], least: int) -> dict[tuple[str, str], tuple[int, int]]:
    """Return for each agency and entity the span of its findings that may concern an incident."""
    spans: dict[tuple[str, str], tuple[int, int]] = {}
    for item in keyed:
        finding = item.finding
        if RANK.get(finding.level, 0) < least:
            continue
        entity = clean(finding.entity, _TEXT_MAX) or f"rule:{finding.rule}"
        place = (finding.agency, entity)
        first, last = spans.get(place, (item.at, item.last))
        spans[place] = (min(first, item.at), max(last, item.last))
    return spans


class _Timeline:
    """The alerts of one key. Spans of open alerts never overlap, so they are searched by their starts."""

    __slots__ = ("closed", "open", "starts")

    def __init__(self) -> None:
        self.open: list[Alert] = []
        self.starts: list[int] = []
        self.closed: list[Alert] = []

    def add(self, alert: Alert) -> None:
        if alert.state == "closed":
            self.closed.append(alert)
            return
        place = bisect.bisect_right(self.starts, alert.first)
        self.open.insert(place, alert)
        self.starts.insert(place, alert.first)

    def find(self, at: int, window: int) -> Alert | None:
        """Return the nearest open alert whose span ± ``window`` covers a time; the earlier of two."""
        place = bisect.bisect_right(self.starts, at)
        best, best_distance = None, window + 1
        for alert in self.open[max(place - 1, 0) : place + 1]:
            distance = max(alert.first - at, at - alert.last, 0)
            if distance < best_distance:
                best, best_distance = alert, distance
        return best

    def earlier(self, at: int, window: int) -> Alert | None:
        """Return the last closed alert whose span ± ``window`` covers a time."""
        near = [a for a in self.closed if a.first - window <= at <= a.last + window]
        return max(near, key=lambda a: (a.last, a.id)) if near else None

    def stretch(self, alert: Alert, at: int, last: int) -> None:
        """Let an alert's span cover a time, and all up to another."""
        if at < alert.first:
            self.starts[self.open.index(alert, max(bisect.bisect_left(self.starts, alert.first), 0))] = at
            alert.first = at
        alert.last = max(alert.last, last)


class _Book:
    """The alerts that one batch of findings may touch."""

    def __init__(self, db: sqlite3.Connection, keyed: Iterable[_Keyed], at: str) -> None:
        self._db = db
        self._at = at
        self._timelines: dict[bytes, _Timeline] = {}
        self._raised: dict[str, str] = {}
        self._milestones: dict[str, int] = {}
        self.created: dict[str, Alert] = {}
        self.changed: dict[str, Alert] = {}
        self._load(keyed)

    def _load(self, keyed: Iterable[_Keyed]) -> None:
        spans: dict[bytes, tuple[int, int]] = {}
        for item in keyed:
            low, high = spans.get(item.key, (item.at - item.window, item.last + item.window))
            spans[item.key] = (min(low, item.at - item.window), max(high, item.last + item.window))
        rows = [(key, stamp(low), stamp(high)) for key, (low, high) in spans.items()]
        for start in range(0, len(rows), _ROWS):
            chunk = rows[start : start + _ROWS]
            wanted = ",".join(["(?,?,?)"] * len(chunk))
            found = self._db.execute(
                f"WITH wanted (k, low, high) AS (VALUES {wanted})"  # noqa: S608  placeholders only
                " SELECT alerts.* FROM wanted CROSS JOIN alerts"
                " ON alerts.key = wanted.k AND last_seen >= low AND first_seen <= high",
                [value for row in chunk for value in row],
            )
            for row in found:
                self._timeline(row["key"]).add(alert_of(row))

    def _timeline(self, key: bytes) -> _Timeline:
        timeline = self._timelines.get(key)
        if timeline is None:
            timeline = self._timelines[key] = _Timeline()
        return timeline

    def incidents(self) -> set[str]:
        """Return the ids of the incidents that the loaded alerts belong to."""
        return {a.incident for line in self._timelines.values() for a in line.open if a.incident}

    def count(self, item: _Keyed) -> Alert | None:
        """Count a finding into its alert; return the alert, None where the finding was counted long ago."""
        timeline = self._timeline(item.key)
        alert = timeline.find(item.at, item.window)
        if alert is None:
            return self._create(timeline, item)
        finding = item.finding
        alert.count += finding.count
        timeline.stretch(alert, item.at, item.last)
        for event in finding.events or (finding.event_id,):
            if len(alert.samples) >= 2 * _SAMPLES:
                del alert.samples[_SAMPLES]
            alert.samples.append(clean(event, _TEXT_MAX))
        if not set(finding.agencies) <= set(alert.agencies):
            alert.agencies = sorted({*alert.agencies, *finding.agencies})[:_AGENCIES]
        if RANK.get(finding.level, 0) > RANK.get(alert.level, 0):
            self._raised.setdefault(alert.id, alert.level)
            alert.level = finding.level
        if _passes_milestone(alert.count - finding.count, alert.count):
            self._milestones[alert.id] = alert.count
        if alert.id not in self.created:
            self.changed[alert.id] = alert
        return alert

    def _create(self, timeline: _Timeline, item: _Keyed) -> Alert | None:
        finding = item.finding
        previous = timeline.earlier(item.at, item.window)
        id_ = alert_id(item.key, finding.event_id)
        if any(closed.id == id_ for closed in timeline.closed):
            return None
        alert = Alert(
            id=id_,
            key=item.key,
            rule=finding.rule,
            title=clean(finding.title, _TEXT_MAX),
            level=finding.level if finding.level in RANK else "informational",
            agency=finding.agency,
            entity=clean(finding.entity, _TEXT_MAX),
            first=item.at,
            last=item.last,
            window_seconds=item.window // 1_000_000,
            created_at=self._at,
            group=_bounded(finding.group),
            klass=class_of(finding.tags, finding.matched),
            count=finding.count,
            samples=[clean(event, _TEXT_MAX) for event in finding.events or (finding.event_id,)],
            tags=list(finding.tags[:MATCHED_MAX_FIELDS]),
            matched=_bounded(finding.matched),
            previous=previous.id if previous else None,
            title_vi=clean(finding.title_vi, _TEXT_MAX),
            agencies=list(finding.agencies[:_AGENCIES]),
        )
        timeline.add(alert)
        self.created[alert.id] = alert
        return alert

    def flush(self) -> None:
        """Write the alerts."""
        self._db.executemany(
            "INSERT INTO alerts (id, key, rule, title, level, agency, group_values, entity, class,"
            " count, first_seen, last_seen, window_seconds, created_at, updated_at, samples, tags, matched,"
            " previous, incident, title_vi, agencies)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO NOTHING",
            [_insert_row(alert, self._at) for alert in self.created.values()],
        )
        self._db.executemany(
            "UPDATE alerts SET level = ?, count = ?, first_seen = ?, last_seen = ?, samples = ?,"
            " incident = ?, agencies = ?, updated_at = ? WHERE id = ?",
            [
                (
                    *(a.level, a.count, stamp(a.first), stamp(a.last), dump(a.samples)),
                    *(a.incident, dump(a.agencies), self._at, a.id),
                )
                for a in self.changed.values()
            ],
        )

    def messages(self) -> list[Message]:
        """Return what is to be told: new alerts, risen levels, every tenfold of a count."""
        told = [alert_message("alert.created", alert) for alert in self.created.values()]
        for id_, alert in self.changed.items():
            before = self._raised.get(id_)
            if before is not None:
                told.append(alert_message("alert.created", alert, key=alert.level, raised_from=before))
            if before is not None or id_ in self._milestones:
                told.append(alert_message("alert.updated", alert, key=f"count {alert.count}"))
        return told


def alert_message(event: str, alert: Alert, *, key: str = "", raised_from: str | None = None) -> Message:
    """Return the message of something that happened to an alert."""
    return Message(
        event=event,
        subject=alert.id,
        key=key,
        level=alert.level,
        agency=alert.agency,
        rules=(alert.rule,),
        data=partial(alert_data, alert),
        raised_from=raised_from,
        agencies=tuple(alert.agencies),
    )


def _insert_row(alert: Alert, at: str) -> tuple[Any, ...]:
    return (
        *(alert.id, alert.key, alert.rule, alert.title, alert.level, alert.agency, dump(alert.group)),
        *(alert.entity, alert.klass, alert.count, stamp(alert.first), stamp(alert.last)),
        *(alert.window_seconds, alert.created_at, at, dump(alert.samples), dump(alert.tags)),
        *(dump(alert.matched), alert.previous, alert.incident, alert.title_vi, dump(alert.agencies)),
    )


def _bounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return at most ``MATCHED_MAX_FIELDS`` fields, their texts cut: an event can be hostile."""
    held: dict[str, Any] = {}
    for name, value in values.items():
        if len(held) == MATCHED_MAX_FIELDS:
            break
        if isinstance(value, int | float) or value is None:
            held[name] = value
        elif isinstance(value, list | tuple):
            held[name] = [clean(str(item), _TEXT_MAX) for item in value[:MATCHED_MAX_FIELDS]]
        else:
            held[name] = clean(str(value), _TEXT_MAX)
    return held


def _passes_milestone(before: int, after: int) -> bool:
    """Say whether a count reaches 10, 100, 1,000, …: worth a message where each single one is not."""
    reached: int = 10 ** (len(str(after)) - 1)
    return before < reached <= after and reached >= 10
