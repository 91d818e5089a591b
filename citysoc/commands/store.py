"""``citysoc store``: the event store's health."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import click

from citysoc import clock
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option, number
from citysoc.commands.store_away import PARTIAL, outside, place, status_if_there
from citysoc.commands.store_keep import backup, backups, history, local, restore, retain
from citysoc.commands.store_migrate import migrate
from citysoc.commands.store_selftest import selftest
from citysoc.commands.triage import by_option
from citysoc.errors import StoreError
from citysoc.i18n import _, ngettext

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
@click.option("--nice", is_flag=True, help="Leave the processor to others.")
@format_option
@pass_app
def compact(app: App, *, nice: bool, format_: str | None) -> None:
    """Merge small files, seal days that are over; safe while the service runs, which does it by itself."""
    if nice:
        os.nice(10)
    removed = app.store.compact()
    emit([{"fewer": removed}], (Column("fewer", _("Files fewer"), kind="number"),), format_)


@command.command("verify")
@click.option("--isolate", is_flag=True, help="Take damaged files out of the table; the rest answers again.")
@by_option
@format_option
@pass_app
def verify(app: App, *, isolate: bool, who: str, format_: str | None) -> int:
    """Read every file: sizes, digests, counts, and that no event is stored twice.

    Damaged files that are isolated lie in the store's folder _isolated; `citysoc store history` tells of
    them. Ends with code 1 when something is wrong, with 4 when that was isolated.
    """
    problems = local(app).verify(isolate=True) if isolate else app.store.verify()
    if not problems:
        held = app.store.status().events
        app.say(
            ngettext("All is well: {count} event.", "All is well: {count} events.", held).format(
                count=number(held)
            )
        )
        return 0
    emit([{"problem": problem} for problem in problems], (Column("problem", _("Problem")),), format_)
    if isolate:
        _note(app, problems, who)
        app.say(_("Damaged files are isolated; the rest is readable."))
        return PARTIAL
    raise StoreError(
        ngettext("The store has {count} problem.", "The store has {count} problems.", len(problems)).format(
            count=len(problems)
        ),
        where=place(app),
        hint=_("Restore the files that are named from a backup, or put them aside with --isolate."),
    )


def _note(app: App, problems: list[str], who: str) -> None:
    from citysoc.alerts.lives import record

    state = app.state(read_only=False)
    try:
        with state.transaction() as db:
            for problem in problems:
                name, _colon, what = problem.partition(": ")
                record(db, "store", name, "isolated", who=who, now=clock.now(), detail=what)
    finally:
        state.close()


for _other in (backup, backups, history, restore, retain):
    command.add_command(_other)
command.add_command(migrate)
command.add_command(selftest)
