"""``citysoc jobs``: what the schedule did, and its gaps."""

from __future__ import annotations

import datetime as dt

import click

from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option
from citysoc.i18n import _


@click.group("jobs", short_help="What the schedule did, and its gaps.")
def command() -> None:
    """Runs of scheduled jobs, with the interval that each covered."""


@command.command("list")
@click.option("--job", "name", metavar="NAME", help="Only this job.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=50, show_default=True, help="At most so many; 0 means all."
)
@format_option
@pass_app
def list_(app: App, *, name: str | None, limit: int, format_: str | None) -> None:
    """Show the runs of jobs, newest first; ``gap`` marks time that no run covered."""
    rows = app.state().rows(
        "SELECT name, covers_from, covers_until, started_at, ended_at, outcome, detail,"
        " lag(covers_until) OVER (PARTITION BY name ORDER BY id) AS before FROM jobs"
        " WHERE :name IS NULL OR name = :name ORDER BY started_at DESC, id DESC LIMIT :limit",
        {"name": name, "limit": limit or -1},
    )
    columns = (
        Column("job", _("Job")),
        Column("outcome", _("Outcome"), kind="word"),
        Column("from", _("From")),
        Column("until", _("Until")),
        Column("gap", _("Gap")),
        Column("detail", _("Detail")),
    )
    emit(
        (
            {
                "job": row["name"],
                "outcome": row["outcome"],
                "from": _time(row["covers_from"]),
                "until": _time(row["covers_until"]),
                "gap": bool(row["before"] and row["covers_from"] > row["before"]),
                "detail": row["detail"] or "",
            }
            for row in rows
        ),
        columns,
        format_,
    )


def _time(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None
