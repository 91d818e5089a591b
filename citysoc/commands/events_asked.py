"""``citysoc events sql`` and ``saved``: questions in SQL, and questions that are kept in the configuration."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from citysoc.commands.context import App, pass_app
from citysoc.commands.events_common import More, finished, first
from citysoc.commands.events_spans import seconds
from citysoc.commands.output import Column, emit, format_option
from citysoc.errors import UsageError
from citysoc.i18n import _, language

if TYPE_CHECKING:
    from citysoc.config.queries import SavedQuery


@click.command("sql")
@click.argument("statement")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="At most so many rows; 0 means all.",
)
@click.option("--timeout", metavar="TIME", default="5m", show_default=True, help="Give up after so long.")
@format_option
@pass_app
def sql(app: App, *, statement: str, limit: int, timeout: str, format_: str | None) -> int:
    """Ask the local store one SELECT in DuckDB's SQL; - reads it from standard input.

    The views are events and quarantine; columns are ECS names in double quotes. The statement
    can change nothing and reads no other file.

    \b
    citysoc events sql 'SELECT "agency.id", count(*) FROM events GROUP BY 1 ORDER BY 2 DESC'
    """
    from citysoc.stores.local import LocalStore

    store = app.store
    if not isinstance(store, LocalStore):
        raise UsageError(_("Only the local store can be asked in SQL."))
    text = sys.stdin.read() if statement == "-" else statement
    names, rows = store.sql(text, timeout_seconds=seconds(timeout))
    more = More()
    emit(first(rows, limit, more), [Column(name) for name in names], format_)
    if more.seen:
        app.say(_("There are more than {limit} rows; --limit 0 shows all of them.").format(limit=limit))
    return finished(app)


@click.command("saved")
@format_option
@pass_app
def saved(app: App, *, format_: str | None) -> None:
    """Show the saved queries of queries.yaml; `events search --saved NAME` asks one."""
    emit(
        (
            {
                "name": query.name,
                "title": query.title.in_language(language()),
                "query": query.query,
                "fields": list(query.fields),
            }
            for query in app.config.queries
        ),
        (
            Column("name", _("Name")),
            Column("title", _("Title")),
            Column("query", _("Query")),
            Column("fields", _("Fields"), optional=True),
        ),
        format_,
    )


def named(app: App, name: str) -> SavedQuery:
    """Return the saved query of a name.

    Raises:
        UsageError: there is none.
    """
    for query in app.config.queries:
        if query.name == name:
            return query
    raise UsageError(
        _("There is no saved query {name}.").format(name=repr(name)),
        where=str(app.config.root / app.config.settings.queries),
        hint=_("`citysoc events saved` lists them."),
    )
