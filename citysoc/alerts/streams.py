"""The state of every stream at a moment, for those who only look."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from citysoc.alerts.silence import state_of
from citysoc.state.values import moment, stamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from citysoc.alerts.silence import Expected
    from citysoc.state import State


@dataclass(frozen=True, slots=True)
class StreamState:
    """One stream at a moment.

    Args:
        stream: ``<agency id>/<source id>``.
        agency: the agency's id.
        source: the source's id.
        expected: whether its silence is an alarm.
        state: ok, late, silent or never; a stream that nobody expects is ok once it has spoken.
        last_arrival: when it last spoke.
        last_event: the newest event time it has named.
    """

    stream: str
    agency: str
    source: str
    expected: bool
    state: str
    last_arrival: dt.datetime | None
    last_event: dt.datetime | None


def states(state: State, streams: Iterable[Expected], *, now: dt.datetime) -> list[StreamState]:
    """Return every stream that is expected or has spoken, ordered by id.

    Of a moment in the past, what was heard later does not count; what was heard before is known by the hour.
    """
    rows = {row["stream"]: row for row in state.rows("SELECT * FROM streams")}
    known = {stream.id: stream for stream in streams}
    heard = (
        _heard_before(state, now)
        if any((row["last_arrival"] or "") > stamp(now) for row in rows.values())
        else {}
    )
    found = []
    for name in sorted(known.keys() | rows.keys()):
        row, stream = rows.get(name), known.get(name)
        arrived = moment(row["last_arrival"]) if row and row["last_arrival"] else None
        if arrived is not None and arrived > now:
            arrived = heard.get(name)
        if arrived is None and stream is None:
            continue  # was expected once, never spoke
        agency, _, source = name.partition("/")
        found.append(
            StreamState(
                stream=name,
                agency=agency,
                source=source,
                expected=stream is not None and stream.expected,
                state=state_of(arrived, stream, now) if stream else "ok",
                last_arrival=arrived,
                last_event=moment(row["last_event"]) if row and row["last_event"] else None,
            )
        )
    return found


def _heard_before(state: State, now: dt.datetime) -> dict[str, dt.datetime]:
    """Return when each stream had last spoken at a moment in the past: the end of that hour."""
    sql = "SELECT stream, max(hour) AS hour FROM counters WHERE hour < ? AND received > 0 GROUP BY stream"
    rows = state.rows(sql, (stamp(now),))
    return {row["stream"]: min(moment(row["hour"]) + dt.timedelta(hours=1), now) for row in rows}
