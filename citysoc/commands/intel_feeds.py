"""``citysoc intel list``, ``remove`` and ``warnings``: the feeds, and what is left out of them."""

from __future__ import annotations

from pathlib import Path

import click

from citysoc import clock
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option, is_table, local_time, number
from citysoc.i18n import _, ngettext


@click.command("list")
@format_option
@pass_app
def list_(app: App, *, format_: str | None) -> None:
    """Show the feeds: how many indicators, of them expired or on warning lists, the last refresh, and what they hit."""
    from citysoc.pipeline import indicators

    rows = indicators.feeds(app.config, now=clock.now())
    if not is_table(format_):
        emit(rows, [Column(name) for name in (rows[0] if rows else ("feed",))], format_)
    else:
        emit(
            [
                {**row, "refreshed_at": local_time(row["refreshed_at"]) if row["refreshed_at"] else ""}
                for row in rows
            ],
            (
                Column("feed", _("Feed")),
                Column("indicators", _("Indicators"), kind="number"),
                Column("expired", _("Expired"), kind="number"),
                Column("warned", _("Warned"), kind="number"),
                Column("skipped", _("Left out"), kind="number"),
                Column("confidence", _("Confidence"), kind="number"),
                Column("hits", _("Hits"), kind="number"),
                Column("refreshed_at", _("Refreshed")),
                Column("error", _("Failure"), optional=True),
            ),
            format_,
        )
    for problem in indicators.health(app.config):
        app.say(problem)


@click.command("remove")
@click.argument("feed", metavar="FEED")
@pass_app
def remove(app: App, *, feed: str) -> None:
    """Remove a feed with all its indicators.

    A feed of the configuration comes back with its next refresh: take it out there first.
    """
    from citysoc.pipeline import intelligence

    count = intelligence.remove(app.config, feed)
    app.say(
        ngettext("{feed}: {count} indicator removed.", "{feed}: {count} indicators removed.", count).format(
            feed=feed, count=number(count)
        )
    )
    if any(one.id == feed for one in app.config.settings.intel.feeds):
        app.say(_("The configuration still has this feed: its next refresh brings it back."))


@click.command("warnings")
@format_option
@pass_app
def warnings(app: App, *, format_: str | None) -> int:
    """Show the warning lists in use, and how many indicators each keeps out of matching."""
    from citysoc.detectors.intel.warning_lists import SHIPPED
    from citysoc.pipeline import indicators

    lists = indicators.warnings_of(app.config)
    held = indicators.held(app.config)
    rows = [
        {
            "name": one.name,
            "type": one.type,
            "kinds": sorted(one.kinds),
            "entries": len(one.entries),
            "held": held.get(one.name, 0),
            "path": "citysoc" if Path(one.path).is_relative_to(SHIPPED) else one.path,
        }
        for one in lists.lists
    ]
    emit(
        rows,
        (
            Column("name", _("Warning list")),
            Column("type", _("Type")),
            Column("kinds", _("Speaks of")),
            Column("entries", _("Entries"), kind="number"),
            Column("held", _("Kept out"), kind="number"),
            Column("path", _("From")),
        ),
        format_,
    )
    for problem in lists.problems:
        app.say(problem)
    return 4 if lists.problems else 0
