"""``citysoc store migrate``: from one store to the other."""

from __future__ import annotations

import click

from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option, number
from citysoc.commands.progress import counting
from citysoc.errors import UsageError
from citysoc.i18n import _

KINDS = ("local", "elasticsearch")


@click.command("migrate")
@click.option("--from", "source", type=click.Choice(KINDS), required=True, help="The store to read.")
@click.option("--to", "target", type=click.Choice(KINDS), required=True, help="The store to fill.")
@format_option
@pass_app
def migrate(app: App, *, source: str, target: str, format_: str | None) -> None:
    """Copy all events and quarantined records from one store to the other; nothing is removed.

    Each day is compared by its count and by a digest over the whole content of its events, in both
    stores. Days that are equal are not copied again: after an interruption run it once more. The
    service must not run meanwhile. When it ends well, set store.kind in citysoc.yaml.

    \b
    citysoc store migrate --from local --to elasticsearch
    """
    from citysoc.commands.services import writing_alone
    from citysoc.stores.migrate import days, settle
    from citysoc.stores.migrate import migrate as move
    from citysoc.stores.named import open_store

    if source == target:
        raise UsageError(_("The two stores are the same."))
    here, there = open_store(app.config, source), open_store(app.config, target)
    columns = (
        Column("day", _("Day")),
        Column("rows", _("Events"), kind="number"),
        Column("copied", _("Copied"), kind="number"),
        Column("own", _("Only in the target"), kind="number"),
        Column("digest", _("Digest")),
    )
    with writing_alone(app):
        settle(here)
        total = sum(days(here).values())
        with counting(_("Records"), total=total, quiet=app.quiet) as advance:
            moved = list(move(here, there, advance=advance))
    emit(
        (
            {
                "day": one.day.isoformat(),
                "rows": one.rows,
                "copied": one.copied,
                "own": one.own,
                "digest": one.digest,
            }
            for one in moved
        ),
        columns,
        format_,
    )
    app.say(
        _("{rows} events of {days} days are the same in both stores; {copied} were copied.").format(
            rows=number(sum(one.rows for one in moved)),
            days=number(len(moved)),
            copied=number(sum(one.copied for one in moved)),
        )
    )
    if app.config.settings.store.kind != target:
        app.say(_("To use it, write store: {{kind: {kind}}} in citysoc.yaml.").format(kind=target))
