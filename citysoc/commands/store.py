"""``citysoc store``: the event store's health."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

import click

from citysoc import clock
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option, local_time, number
from citysoc.commands.store_away import PARTIAL, outside, place, status_if_there
from citysoc.errors import StoreError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.group("store", short_help="The event store's health.")
def command() -> None:
    """Look after the stored events."""


@command.command("status")
@format_option
@pass_app
def status(app: App, *, format_: str | None) -> int:
    """Show how much is stored, and of what time; ends with code 4 where the store is away."""
    found = status_if_there(app)
    waiting = outside(app)
    row: Mapping[str, object] = {
        **(dataclasses.asdict(found) if found else {}),
        **({"waiting": waiting.rows, "away_since": waiting.away_since} if waiting else {}),
        "path": place(app),
    }
    columns = (
        Column("events", _("Events"), kind="number"),
        Column("quarantined", _("Quarantined"), kind="number"),
        Column("files", _("Files"), kind="number"),
        Column("bytes", _("Bytes"), kind="number"),
        Column("first", _("First"), kind="time"),
        Column("last", _("Last"), kind="time"),
        *((Column("waiting", _("Waiting"), kind="number"),) if waiting else ()),
        Column("path", _("Path")),
    )
    emit([row], columns, format_)
    return 0 if found else PARTIAL


@command.command("compact")
@pass_app
def compact(app: App) -> None:
    """Rewrite small files into larger ones; safe while the service runs."""
    removed = app.store.compact()
    app.say(_("{count} files fewer.").format(count=number(removed)))


@command.command("retain")
@click.option(
    "--days",
    type=click.IntRange(min=1),
    help="Keep so many days; the configuration's store.retention_days by default.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_app
def retain(app: App, *, days: int | None, yes: bool) -> None:
    """Remove events that are older than the retention, for good."""
    kept = days or app.config.settings.store.retention_days
    before = clock.now() - dt.timedelta(days=kept)
    if not yes:
        question = _("Remove all events before {time}?").format(time=local_time(before))
        click.confirm(question, abort=True, err=True)
    removed = app.store.retain(before)
    app.say(_("{count} events removed.").format(count=number(removed)))


@command.command("verify")
@format_option
@pass_app
def verify(app: App, *, format_: str | None) -> None:
    """Read every file: sizes, counts, and that no event is stored twice."""
    problems = app.store.verify()
    if problems:
        emit([{"problem": problem} for problem in problems], (Column("problem", _("Problem")),), format_)
        raise StoreError(
            _("The store has {count} problems.").format(count=len(problems)),
            where=place(app),
            hint=_("Restore the files that are named from a backup."),
        )
    app.say(_("All is well: {count} events.").format(count=number(app.store.status().events)))
