"""``citysoc store retain|history|backup|backups|restore``: what leaves the store, and what is kept of it elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from citysoc import clock
from citysoc.commands import progress
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option, local_time, number
from citysoc.commands.triage import by_option
from citysoc.errors import UsageError
from citysoc.i18n import _, ngettext

if TYPE_CHECKING:
    from citysoc.stores.local import LocalStore

_NAMED = 10
"""So many files are told by name."""

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("retain")
@click.option(
    "--days",
    type=click.IntRange(min=1),
    help="Keep so many days; the configuration's store.retention_days by default.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@by_option
@pass_app
def retain(app: App, *, days: int | None, yes: bool, who: str) -> None:
    """Remove what is older than the retention or does not fit into store.max_bytes, for good.

    What goes is written into the audit trail; `citysoc store history` shows it.
    """
    from citysoc.pipeline import upkeep

    settings, now = app.config.settings.store, clock.now()
    if not yes:
        for rule in upkeep.rules(settings, app.store, now, days=days):
            before = _("before {time}").format(time=local_time(rule.before))
            app.say(f"{rule.name}: {before} {rule.query}")
        click.confirm(_("Remove these events?"), abort=True, err=True)
    state = app.state(read_only=False)
    try:
        gone = upkeep.retain(settings, app.store, state, now=now, who=who, days=days)
    finally:
        state.close()
    for each in gone:
        app.say(
            f"{each.rule.name}: "
            + ngettext("{count} event removed.", "{count} events removed.", each.rows).format(
                count=number(each.rows)
            )
        )
    if not gone:
        app.say(_("Nothing had to go."))


@click.command("history")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many.")
@format_option
@pass_app
def history(app: App, *, limit: int, format_: str | None) -> None:
    """Show what left the store, newest first: by retention, or because a file was damaged."""
    rows = app.state().rows(
        "SELECT at, who, subject, action, detail FROM audit WHERE kind = 'store' ORDER BY id DESC LIMIT ?",
        (limit,),
    )
    emit(
        (dict(row) for row in rows),
        (
            Column("at", _("Time"), kind="time"),
            Column("who", _("Who")),
            Column("subject", _("What")),
            Column("action", _("Action")),
            Column("detail", _("Detail")),
        ),
        format_,
    )


@click.command("backup")
@click.argument("folder", metavar="DIR", type=_FOLDER)
@pass_app
def backup(app: App, *, folder: Path) -> None:
    """Copy the store and citysoc.db into DIR, consistent with each other; safe while the service runs.

    The configuration goes with them (no secrets: it only refers to them), indicators and models, too. Files that
    an earlier backup copied into DIR are not copied again.
    """
    from citysoc.pipeline.backup import backup as make

    store = local(app)
    state = app.state()
    try:
        total = store.status().files
        with progress.counting(_("Files"), total=total, quiet=app.quiet) as advance:
            made = make(store, state, folder, config=app.config, progress=advance)
    finally:
        state.close()
    text = ngettext(
        "Backup {name}: {count} record in {files} files.",
        "Backup {name}: {count} records in {files} files.",
        made.rows,
    )
    app.say(text.format(name=made.name, count=number(made.rows), files=number(len(made.files))))


@click.command("backups")
@click.argument("folder", metavar="DIR", type=_FOLDER)
@format_option
@pass_app
def backups(app: App, *, folder: Path, format_: str | None) -> None:  # noqa: ARG001  click gives it
    """Show the backups in DIR, oldest first."""
    from citysoc.pipeline.backup import backups as listed

    emit(
        (
            {
                "name": each.name,
                "made": each.made,
                "records": each.rows,
                "files": len(each.files),
                "bytes": sum(file.bytes for file in each.files),
            }
            for each in listed(folder)
        ),
        (
            Column("name", _("Name")),
            Column("made", _("Time"), kind="time"),
            Column("records", _("Records"), kind="number"),
            Column("files", _("Files"), kind="number"),
            Column("bytes", _("Bytes"), kind="number"),
        ),
        format_,
    )


@click.command("restore")
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--backup", "name", metavar="NAME", help="Which backup; the newest by default.")
@click.option(
    "--into",
    metavar="FOLDER",
    type=_FOLDER,
    help="Where nothing is yet: bring the backup's configuration here first, then the rest to where it says.",
)
@pass_app
def restore(app: App, *, folder: Path, name: str | None, into: Path | None) -> None:
    """Bring a backup back into a place without a store and without citysoc.db.

    Files of the configuration that are missing come back; those that are there stay as they are.

    Every file is checked against its digest. Ingest goes on where the backup was made: what came in since
    is pulled again from where it still is.
    """
    from citysoc.commands.services import writing_alone
    from citysoc.pipeline.backup import restore as bring_back
    from citysoc.pipeline.backup import restore_config

    other: list[str] = []
    if into is not None:
        main, other = restore_config(folder, into, name=name)
        if main is None:
            raise UsageError(
                _("This backup holds no configuration."),
                where=str(folder),
                hint=_("Make one with `citysoc init DIR`, and restore with --config."),
            )
        app = App(main, app.lang, app.quiet)
    store = local(app)
    with (
        writing_alone(app),
        progress.counting(_("Files"), quiet=app.quiet) as advance,
    ):
        made = bring_back(folder, store, app.config.state_path, name=name, progress=advance)
    if into is None:
        _main, other = restore_config(folder, app.config.root, name=made.name)
    if other:
        names = ", ".join(other[:_NAMED]) + (" …" if len(other) > _NAMED else "")
        app.say(_("These files are other than in the backup, and stay: {names}.").format(names=names))
    text = _("Backup {name} is back: {count} records in {files} files.")
    app.say(text.format(name=made.name, count=number(made.rows), files=number(len(made.files))))


def local(app: App) -> LocalStore:
    """Return the local store.

    Raises:
        UsageError: the store is another one.
    """
    from citysoc.stores.local import LocalStore

    if not isinstance(app.store, LocalStore):
        raise UsageError(_("This is for the local store."), hint=_("Elasticsearch has snapshots of its own."))
    return app.store
