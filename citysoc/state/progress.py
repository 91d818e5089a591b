"""Where the pipeline is: checkpoints, commits, conservation counters, contents seen, streams.

A commit goes in three steps, so that a kill at any instant loses nothing and stores nothing twice:

1. ``prepare``: what is to change here is written down under the commit's number;
2. the store appends the rows in one transaction that carries that number;
3. ``apply``: the changes take effect, in one transaction, together with alerts and outbox.

After a restart a prepared commit is applied when the store holds its number, else it is dropped and
its records are pulled again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from citysoc import clock
from citysoc.flow import Finding
from citysoc.state import losses, ruledays
from citysoc.state.ruledays import RuleDay
from citysoc.state.values import stamp

if TYPE_CHECKING:
    import datetime as dt
    import sqlite3
    from collections.abc import Iterable, Sequence

    from citysoc.state.database import State
    from citysoc.state.losses import Lost


_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1

SEEN_AGAIN_DAYS = 7
"""A content that comes again is noted anew at most so often."""


@dataclass(slots=True)
class Tally:
    """What became of the records of one stream in one hour of arrival.

    received = stored + duplicate + quarantined + rejected, always.
    """

    received: int = 0
    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0
    rejected: int = 0


@dataclass(slots=True)
class Heard:
    """When a stream last spoke: arrival, and the newest event time, RFC 3339."""

    agency: str
    arrival: str
    event: str


@dataclass(slots=True)
class Changes:
    """What one commit changes in the state.

    Args:
        positions: (stream, key) to value.
        tallies: (stream, hour) to figures.
        heard: stream to the last word.
        seen: ids of contents stored for the first time, or met again after a while.
        findings: what the detectors found, in order.
        remembered: what the correlator remembers: name to content (JSON), None for what it forgot.
        rules: (rule, day) to what the rule did.
        losses: what correlations left out; see ``state.losses``.
    """

    positions: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    heard: dict[str, Heard] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    remembered: dict[str, bytes | None] = field(default_factory=dict)
    rules: dict[tuple[str, str], RuleDay] = field(default_factory=dict)
    losses: dict[Lost, int] = field(default_factory=dict)

    def tally(self, stream: str, arrived: dt.datetime) -> Tally:
        """Return the figures of the hour in which a batch arrived."""
        hour = stamp(arrived.replace(minute=0, second=0, microsecond=0))
        return self.tallies.setdefault((stream, hour), Tally())


def positions(state: State, stream: str) -> dict[str, Mapping[str, Any]]:
    """Return where each file (or other key) of a stream goes on."""
    rows = state.rows("SELECT key, value FROM checkpoints WHERE stream = ?", (stream,))
    return {row["key"]: orjson.loads(row["value"]) for row in rows}


def forget_positions(state: State, stream: str, keys: Iterable[str]) -> None:
    """Drop checkpoints that no file needs any more."""
    with state.transaction() as db:
        db.executemany("DELETE FROM checkpoints WHERE stream = ? AND key = ?", [(stream, k) for k in keys])


def already_seen(state: State, ids: Sequence[str]) -> dict[str, str]:
    """Return those contents of ``ids`` that were stored before, with the day they were last noted."""
    known: dict[str, str] = {}
    for start in range(0, len(ids), 500):
        part = [bytes.fromhex(text) for text in ids[start : start + 500]]
        marks = ",".join("?" * len(part))
        # Only question marks are put into the statement; the ids are bound.
        found = state.rows(f"SELECT id, day FROM seen WHERE id IN ({marks})", tuple(part))  # noqa: S608
        known.update((row["id"].hex(), row["day"]) for row in found)
    return known


def remembered(state: State) -> dict[str, bytes]:
    """Return what the correlator remembers."""
    return {
        row["name"]: row["content"].encode() for row in state.rows("SELECT name, content FROM correlator")
    }


def prepare(db: sqlite3.Connection, changes: Changes) -> int:
    """Write down what a commit will change; return the commit's number."""
    cursor = db.execute(
        "INSERT INTO commits (payload, prepared_at) VALUES (?, ?)",
        (_pack(changes), stamp(clock.now())),
    )
    number = cursor.lastrowid
    if number is None:
        raise AssertionError("SQLite gives every inserted row a number")
    return number


def pending(state: State) -> list[tuple[int, Changes]]:
    """Return the commits that were prepared and neither applied nor dropped, oldest first."""
    rows = state.rows("SELECT number, payload FROM commits WHERE applied_at IS NULL ORDER BY number")
    return [(row["number"], _unpack(row["payload"])) for row in rows]


def drop(db: sqlite3.Connection, number: int) -> None:
    """Forget a prepared commit whose rows never reached the store."""
    db.execute("DELETE FROM commits WHERE number = ?", (number,))


def apply(db: sqlite3.Connection, number: int, changes: Changes) -> None:
    """Let a commit take effect; the caller adds alerts and outbox in the same transaction."""
    now = stamp(clock.now())
    _move(db, changes, now)
    _count(db, changes)
    _meet(db, changes, now)
    _remember(db, changes)
    ruledays.add(db, changes.rules)
    losses.add(db, changes.losses)
    db.execute("UPDATE commits SET applied_at = ?, payload = '' WHERE number = ?", (now, number))
    db.execute("DELETE FROM commits WHERE number < ? AND applied_at IS NOT NULL", (number - 100,))


def _move(db: sqlite3.Connection, changes: Changes, now: str) -> None:
    """Let the collectors go on behind what is committed."""
    db.executemany(
        "INSERT INTO checkpoints (stream, key, value, updated_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
        [
            (stream, key, orjson.dumps(value).decode(), now)
            for (stream, key), value in changes.positions.items()
        ],
    )


def _count(db: sqlite3.Connection, changes: Changes) -> None:
    db.executemany(
        "INSERT INTO counters (stream, hour, received, stored, duplicate, quarantined, rejected)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET received = received + excluded.received,"
        " stored = stored + excluded.stored, duplicate = duplicate + excluded.duplicate,"
        " quarantined = quarantined + excluded.quarantined, rejected = rejected + excluded.rejected",
        [
            (stream, hour, t.received, t.stored, t.duplicate, t.quarantined, t.rejected)
            for (stream, hour), t in changes.tallies.items()
        ],
    )


def _meet(db: sqlite3.Connection, changes: Changes, now: str) -> None:
    """Remember the contents and the streams that were met."""
    db.executemany(
        "INSERT INTO seen (id, day) VALUES (?, ?) ON CONFLICT DO UPDATE SET day = max(day, excluded.day)",
        [(bytes.fromhex(text), now[:10]) for text in changes.seen],
    )
    db.executemany(
        "INSERT INTO streams (stream, agency, source, first_arrival, last_arrival, last_event)"
        " VALUES (:stream, :agency, :source, :arrival, :arrival, :event) ON CONFLICT DO UPDATE SET"
        " first_arrival = coalesce(first_arrival, excluded.first_arrival),"
        " last_arrival = max(coalesce(last_arrival, ''), excluded.last_arrival),"
        " last_event = max(coalesce(last_event, ''), excluded.last_event)",
        [
            {
                "stream": stream,
                "agency": heard.agency,
                "source": stream.partition("/")[2],
                "arrival": heard.arrival,
                "event": heard.event,
            }
            for stream, heard in changes.heard.items()
        ],
    )


def _remember(db: sqlite3.Connection, changes: Changes) -> None:
    """Write what correlations remember."""
    db.executemany(
        "DELETE FROM correlator WHERE name = ?",
        [(name,) for name, content in changes.remembered.items() if content is None],
    )
    db.executemany(
        "INSERT INTO correlator (name, content) VALUES (?, ?)"
        " ON CONFLICT DO UPDATE SET content = excluded.content",
        [(name, content.decode()) for name, content in changes.remembered.items() if content is not None],
    )


def prune(db: sqlite3.Connection, *, seen_before: dt.datetime, counters_before: dt.datetime) -> int:
    """Remove contents last met, counters of hours before some moments, days of rules; return how many rows."""
    gone = ruledays.prune(db, clock.now()) + losses.prune(db, counters_before)
    gone += db.execute("DELETE FROM seen WHERE day < ?", (stamp(seen_before)[:10],)).rowcount
    return gone + db.execute("DELETE FROM counters WHERE hour < ?", (stamp(counters_before),)).rowcount


def _pack(changes: Changes) -> bytes:
    data: dict[str, Any] = {
        "positions": [[s, k, v] for (s, k), v in changes.positions.items()],
        "tallies": [[s, h, t] for (s, h), t in changes.tallies.items()],
        "heard": changes.heard,
        "seen": changes.seen,
        "findings": changes.findings,
        "remembered": {
            name: None if content is None else content.decode()
            for name, content in changes.remembered.items()
        },
        "rules": [[_plain(rule), day, figures] for (rule, day), figures in changes.rules.items()],
        "losses": [
            [hour, what, _plain(rule), _plain(stream), number]
            for (hour, what, rule, stream), number in changes.losses.items()
        ],
    }
    try:
        return orjson.dumps(data, default=str, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # an event made a rule write down what JSON cannot hold: rare, so paid for only then
        data["findings"] = [_holdable(finding) for finding in changes.findings]
        return orjson.dumps(data, default=str, option=orjson.OPT_NON_STR_KEYS)


def _holdable(finding: Finding) -> Finding:
    return dataclasses.replace(
        finding,
        matched=_plain(finding.matched),
        group=_plain(finding.group),
        entity=_plain(finding.entity),
        path=_plain(finding.path),
    )


def _plain(value: Any) -> Any:
    """Return a value with whole numbers of at most 64 bits and text without lone surrogates."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not _INT_MIN <= value <= _INT_MAX:
        return str(value)
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _unpack(payload: bytes) -> Changes:
    data = orjson.loads(payload)
    return Changes(
        positions={(s, k): v for s, k, v in data["positions"]},
        tallies={(s, h): Tally(**t) for s, h, t in data["tallies"]},
        heard={s: Heard(**h) for s, h in data["heard"].items()},
        seen=data["seen"],
        findings=[_finding(f) for f in data["findings"]],
        remembered={
            name: None if content is None else content.encode()
            for name, content in data.get("remembered", {}).items()
        },
        rules={(rule, day): RuleDay(**figures) for rule, day, figures in data.get("rules", ())},
        losses={(hour, what, rule, stream): n for hour, what, rule, stream, n in data.get("losses", ())},
    )


def _finding(data: dict[str, Any]) -> Finding:
    import datetime as dt

    data["timestamp"] = dt.datetime.fromisoformat(data["timestamp"])
    if data.get("last"):
        data["last"] = dt.datetime.fromisoformat(data["last"])
    for name in ("tags", "events", "agencies"):
        data[name] = tuple(data.get(name, ()))
    return Finding(**data)
