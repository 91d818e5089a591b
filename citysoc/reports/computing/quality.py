"""How far the figures can be trusted: streams that were silent, and what became of every record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.alerts.streams import states
from citysoc.config.streams import streams as expected_streams
from citysoc.reports.figures import Completeness, StreamRow
from citysoc.state import losses
from citysoc.state.values import stamp

if TYPE_CHECKING:
    from citysoc.reports.computing.sources import Sources


def streams(sources: Sources) -> tuple[tuple[StreamRow, ...], dict[str, int]]:
    """Return the streams that do not speak as they should, worst first, and how many are in which state."""
    counts = dict.fromkeys(("ok", "late", "silent", "never"), 0)
    quiet = []
    for row in states(sources.state, expected_streams(sources.config), now=sources.judged_at):
        if not row.expected or sources.agency not in {None, row.agency}:
            continue
        counts[row.state] += 1
        if row.state != "ok":
            last = stamp(row.last_arrival) if row.last_arrival else None
            name = sources.agency_name(row.agency)
            quiet.append(StreamRow(row.stream, row.agency, name, row.source, row.state, last))
    order = {"never": 0, "silent": 1, "late": 2}
    return tuple(sorted(quiet, key=lambda row: (order[row.state], row.stream))), counts


def completeness(sources: Sources) -> Completeness:
    """Return what became of the records that arrived in the period."""
    names = ("received", "stored", "duplicate", "quarantined", "rejected")
    sums = ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in names)
    only = "" if sources.agency is None else " AND stream IN (SELECT stream FROM streams WHERE agency = ?)"
    row = sources.state.rows(
        f"SELECT {sums} FROM counters WHERE hour >= ? AND hour < ?{only}",  # noqa: S608  fixed names
        (*sources.span(), *([sources.agency] if sources.agency else [])),
    )[0]
    return Completeness(*(row[name] for name in names))


def left_out(sources: Sources) -> int:
    """Return how many events and groups correlations left out in the period; of one agency, its late events."""
    span = {"since": sources.period.since, "until": sources.period.until}
    if sources.agency is None:
        return sum(sum(lost.values()) for lost in losses.by_rule(sources.state, **span).values())
    return sum(
        sum(lost.values())
        for stream, lost in losses.by_stream(sources.state, **span).items()
        if stream.partition("/")[0] == sources.agency
    )


def as_of(sources: Sources) -> str | None:
    """Return when the last record arrived, RFC 3339; None without records."""
    rows = sources.state.rows("SELECT max(last_arrival) AS at FROM streams")
    return rows[0]["at"] if rows else None
