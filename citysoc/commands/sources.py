"""``citysoc sources``: who speaks, who is silent, and what became of each record."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from citysoc import clock
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option, number
from citysoc.commands.store_away import say_waiting
from citysoc.commands.times import Span, span_options
from citysoc.i18n import _
from citysoc.state import losses
from citysoc.state.values import stamp

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

STATES = ("ok", "late", "silent", "never")
FIGURES = ("received", "stored", "duplicate", "quarantined", "rejected")


@click.group("sources", short_help="Who speaks, who is silent, what became of each record.")
def command() -> None:
    """The streams of logs: one for each agency and source."""


@command.command("list")
@format_option
@pass_app
def list_(app: App, *, format_: str | None) -> None:
    """Show the sources of the configuration."""
    emit(
        (
            {
                "source": source.id,
                "kind": source.kind,
                "parser": source.parser,
                "agency": source.agency or "",
                "about": source.about,
                "enabled": source.enabled,
            }
            for source in app.config.sources
        ),
        (
            Column("source", _("Source")),
            Column("kind", _("Kind")),
            Column("parser", _("Parser")),
            Column("agency", _("Agency")),
            Column("about", _("About")),
        ),
        format_,
    )


@command.command("status")
@click.option("--agency", metavar="ID", help="Only this agency.")
@click.option(
    "--state", "wanted", type=click.Choice(STATES), multiple=True, help="Only streams in this state."
)
@span_options
@format_option
@pass_app
def status(app: App, *, agency: str | None, wanted: tuple[str, ...], span: Span, format_: str | None) -> int:
    """Show each stream's state and what became of its records.

    Too late: stored, but left out of correlations, because it came later than `lateness_seconds` of its source.

    Always: received = stored + duplicate + quarantined + rejected. The span is that of arrival;
    states are those at its end.
    Ends with code 1 when the figures of a stream do not add up.
    """
    rows = [row for row in _rows(app, span) if (not agency or row["agency"] == agency)]
    shown = [row for row in rows if not wanted or row["state"] in wanted]
    emit(shown, _columns(), format_)
    _sum_up(app, rows)
    return 0 if all(row["balanced"] for row in rows) else 1


def _columns() -> tuple[Column, ...]:
    return (
        Column("stream", _("Stream")),
        Column("state", _("State"), kind="word"),
        Column("last_arrival", _("Last arrival"), kind="time"),
        Column("received", _("Received"), kind="number"),
        Column("stored", _("Stored"), kind="number"),
        Column("duplicate", _("Duplicate"), kind="number"),
        Column("quarantined", _("Quarantined"), kind="number"),
        Column("rejected", _("Rejected"), kind="number"),
        Column("late_events", _("Too late"), kind="number"),
    )


def _rows(app: App, span: Span) -> list[dict[str, Any]]:
    from citysoc.alerts.streams import states
    from citysoc.config.streams import streams

    now = clock.now()
    judged_at = min(now, span.until or now)
    known = {row.stream: row for row in states(app.state(), streams(app.config), now=judged_at)}
    figures = _figures(app, span)
    late = losses.by_stream(app.state(), since=span.since, until=span.until)
    rows = []
    for stream in sorted(known.keys() | figures.keys() | late.keys()):
        row: dict[str, Any] = {"stream": stream, "agency": stream.partition("/")[0], "state": "ok"}
        if (found := known.get(stream)) is not None:
            row |= {"state": found.state, "expected": found.expected}
            row |= {"last_arrival": found.last_arrival, "last_event": found.last_event}
        row |= figures.get(stream, dict.fromkeys(FIGURES, 0))
        row["late_events"] = late[stream]["late"] if stream in late else 0
        row["balanced"] = row["received"] == sum(row[name] for name in FIGURES[1:])
        rows.append(row)
    return rows


def _figures(app: App, span: Span) -> dict[str, Mapping[str, int]]:
    sums = ", ".join(f"sum({name}) AS {name}" for name in FIGURES)
    rows = app.state().rows(
        f"SELECT stream, {sums} FROM counters WHERE hour >= ? AND hour < ? GROUP BY stream",  # noqa: S608  fixed names
        (_edge(span.since, "0"), _edge(span.until, "9")),
    )
    return {row["stream"]: {name: row[name] for name in FIGURES} for row in rows}


def _edge(moment: dt.datetime | None, otherwise: str) -> str:
    return stamp(moment) if moment else otherwise


def _sum_up(app: App, rows: list[dict[str, Any]]) -> None:
    counts = Counter(row["state"] for row in rows)
    app.say(
        _("{total} streams: {ok} ok, {late} late, {silent} silent, {never} never seen.").format(
            total=number(len(rows)), **{name: number(counts[name]) for name in STATES}
        )
    )
    say_waiting(app)
    totals = {name: sum(row[name] for row in rows) for name in FIGURES}
    app.say(
        _(
            "{received} received = {stored} stored + {duplicate} duplicate"
            " + {quarantined} quarantined + {rejected} rejected"
        ).format(**{name: number(value) for name, value in totals.items()})
    )
    for row in rows:
        if not row["balanced"]:
            app.say(_("The figures of {stream} do not add up.").format(stream=row["stream"]))
