"""``citysoc rules check``: whether every rule can be honoured."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option
from citysoc.commands.rules_list import row_of
from citysoc.commands.rulesets import PATHS, loaded
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@click.command("check")
@PATHS
@format_option
@pass_app
def command(app: App, *, paths: Sequence[Path], format_: str | None) -> None:
    """Say of every rule whether it is evaluated in full; exit with 1 if one is refused.

    ok: evaluated in full. degraded: evaluated, but less than it asks for. refused: not evaluated. Overrides of the
    configuration that cannot be used are named, too.
    """
    found = loaded(app, paths)
    total = Counter(one.status for one in found.checks)
    emit(
        map(row_of, found.checks),
        (
            Column("status", _("Status"), kind="word"),
            Column("rule", _("Rule")),
            Column("title", _("Title")),
            Column("path", _("File")),
            Column("line", _("Line")),
            Column("reason", _("Reason")),
        ),
        format_,
    )
    for problem in found.problems:
        app.say(problem)
    app.say(
        _("{rules} rules: {ok} ok, {degraded} degraded, {refused} refused.").format(
            rules=len(found.checks), **{status: total[status] for status in ("ok", "degraded", "refused")}
        )
    )
    if total["refused"] or found.problems:
        raise click.exceptions.Exit(1)
