"""Anomalies on their way to the correlator: scoring is done by one process, correlating by another.

They lie among what the correlator remembers, in rows ``a<hour>.<id>``, so that they are written in the transaction that
tells them, and are gone in the one in which the correlator has taken them in: each is taken once, whatever is killed
in between.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from citysoc.flow import Event
    from citysoc.state.database import State

AT_ONCE = 2000
"""So many are taken in with one commit."""
_HOUR = dt.timedelta(hours=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def hand_in(db: sqlite3.Connection, events: Iterable[Event]) -> None:
    """Write down events of anomalies that correlations have not seen yet.

    Args:
        db: the connection of the open transaction.
        events: with ``@timestamp`` and ``event.id``; several of one id differ in their agency.
    """
    db.executemany(
        "INSERT INTO correlator (name, content) VALUES (?, ?)"
        " ON CONFLICT DO UPDATE SET content = excluded.content",
        [(_name(event), orjson.dumps(event, option=orjson.OPT_UTC_Z).decode()) for event in events],
    )


def waiting(state: State) -> dict[str, Event]:
    """Return the events that wait, the earliest first: the row's name to the event."""
    rows = state.rows(
        "SELECT name, content FROM correlator WHERE name >= 'a' AND name < 'b' ORDER BY name LIMIT ?",
        (AT_ONCE,),
    )
    return {row["name"]: _event(row["content"]) for row in rows}


def prune(db: sqlite3.Connection, before: dt.datetime) -> None:
    """Forget what nobody took in, of hours before a moment."""
    db.execute("DELETE FROM correlator WHERE name >= 'a' AND name < ?", (_hour(before),))


def _event(content: str) -> Event:
    event: Event = orjson.loads(content)
    return {**event, "@timestamp": dt.datetime.fromisoformat(event["@timestamp"])}


def _name(event: Event) -> str:
    return f"{_hour(event['@timestamp'])}.{event['event.id']}.{event.get('agency.id', '')}"


def _hour(moment: dt.datetime) -> str:
    return f"a{(moment - _EPOCH) // _HOUR:010d}"
