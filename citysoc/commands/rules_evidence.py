"""``citysoc rules test``: every rule on its own hits and misses, as a table and as JUnit XML."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option, is_table, printable
from citysoc.commands.rulesets import PATHS, config_or_none, directories, house_words, own_folder
from citysoc.errors import UsageError
from citysoc.i18n import _, language

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.detectors.sigma.evidence import Trial

_SHOWN_FAILURES = 10


@click.command("test")
@PATHS
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the results as JUnit XML, too.",
)
@click.option("--failed", "only_failed", is_flag=True, help="Show only rules that fail.")
@format_option
@pass_app
def command(
    app: App, *, paths: Sequence[Path], junit: Path | None, only_failed: bool, format_: str | None
) -> None:
    """Try every rule on the events beside it; exit with 1 if one fails or there is none.

    Beside x.yml lie x.hits.ndjson and x.misses.ndjson, one flat ECS event a line. A rule without both fails.
    For a correlation they hold lists of events, an empty line between two lists; "@timestamp": "+90s"
    is 90 seconds after the first of its list. Without PATH, rule sets of others (`rules add`) are left out.
    """
    from citysoc.detectors.sigma.evidence import trials

    tried = list(trials(list(paths) or directories(app), aside=_aside(app, paths), **house_words(app)))
    failed = [trial for trial in tried if trial.failures]
    if junit is not None:
        _write(junit, tried)
    table = is_table(format_)
    emit(
        (_row(trial) for trial in tried if trial.failures or not only_failed),
        (
            Column("status", _("Status"), kind="word"),
            Column("title", _("Title")),
            Column("hits", _("Hits"), kind="number"),
            Column("misses", _("Misses"), kind="number"),
            Column("path", _("File")),
            *(() if table else (Column("reason", _("Reason")),)),
        ),
        format_,
    )
    if table:
        _tell(failed)
    if not tried:
        app.say(_("There is no rule here, so nothing was tested."))
    else:
        app.say(
            _("{passed} rules passed, {failed} failed.").format(
                passed=len(tried) - len(failed), failed=len(failed)
            )
        )
    if failed or not tried:
        raise click.exceptions.Exit(1)


def _aside(app: App, paths: Sequence[Path]) -> list[Path]:
    """Return the folders of rule sets of others, which bring no evidence, unless paths are named."""
    from citysoc.detectors.sigma.states import manifest_files

    config = None if paths else config_or_none(app)
    return [path.parent for path in manifest_files(own_folder(config))] if config else []


def _row(trial: Trial) -> dict[str, object]:
    return {
        "status": "failed" if trial.failures else "passed",
        "rule": trial.rule,
        "title": _title(trial),
        "kind": trial.kind,
        "path": str(trial.path),
        "hits": trial.hits,
        "misses": trial.misses,
        "reason": "; ".join(trial.failures),
        "failures": list(trial.failures),
    }


def _title(trial: Trial) -> str:
    """Return a rule's title in the language of the command."""
    return (language() == "vi" and trial.title_vi) or trial.title


def _tell(failed: Sequence[Trial]) -> None:
    """Write what is wrong below the table, a line each: reasons are too long for its cells."""
    for trial in failed:
        click.echo(click.style(f"{printable(_title(trial))}  {trial.path}", bold=True))
        for reason in trial.failures[:_SHOWN_FAILURES]:
            click.echo(f"  - {printable(reason)}")
        if (more := len(trial.failures) - _SHOWN_FAILURES) > 0:
            click.echo("  - " + _("and {count} more").format(count=more))


def _write(path: Path, tried: Sequence[Trial]) -> None:
    from citysoc.commands.junit import document

    try:
        path.write_bytes(document(tried))
    except OSError as error:
        message = _("Cannot write: {reason}.").format(reason=error.strerror or error)
        raise UsageError(message, where=str(path)) from error
