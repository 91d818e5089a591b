"""``citysoc quarantine``: records that no parser understood."""

from __future__ import annotations

import click

from citysoc.commands.context import App, pass_app
from citysoc.commands.events_one import show_one
from citysoc.commands.output import Column, emit, format_option
from citysoc.commands.times import Span, span_options
from citysoc.i18n import _
from citysoc.stores.base import Question


@click.group("quarantine", short_help="Records that no parser understood.")
def command() -> None:
    """Records that were kept as they came because no parser understood them."""


@command.command("list")
@click.argument("query", default="")
@span_options
@click.option("--agency", metavar="ID", help="Only this agency.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="At most so many; 0 means all.",
)
@format_option
@pass_app
def list_(app: App, *, query: str, span: Span, agency: str | None, limit: int, format_: str | None) -> None:
    """Show quarantined records, newest first, with the reason of each."""
    columns = (
        Column("@timestamp", _("Time"), kind="time"),
        Column("event.id", _("Id")),
        Column("agency.id", _("Agency")),
        Column("citysoc.source", _("Source")),
        Column("citysoc.unparsed", _("Reason")),
        Column("citysoc.unparsed_detail", _("Detail")),
        Column("event.original", _("Record"), kind="excerpt"),
    )
    question = Question(query, span.since, span.until, agency, quarantine=True)
    fields = [column.name for column in columns]
    emit(app.store.search(question, fields=fields, limit=limit or None), columns, format_)


@command.command("show")
@click.argument("event_id", metavar="ID")
@format_option
@pass_app
def show(app: App, *, event_id: str, format_: str | None) -> None:
    """Show one quarantined record whole."""
    show_one(app, event_id, format_)
