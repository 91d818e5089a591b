"""``citysoc ingest``: files into the store, once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from citysoc.commands.context import App, pass_app
from citysoc.commands.output import number
from citysoc.commands.progress import counting
from citysoc.commands.store_away import PARTIAL, outside
from citysoc.i18n import _

if TYPE_CHECKING:
    from citysoc.pipeline.pull import Pulled
    from citysoc.state import State


@click.command("ingest", short_help="Put files into the store.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--agency", default="unknown", metavar="ID", help="Whose logs these are.")
@click.option(
    "--source", "source_id", default="import", show_default=True, metavar="ID", help="The stream's name."
)
@click.option(
    "--as", "parser_name", default="auto", metavar="PARSER", help="Use this parser instead of looking."
)
@click.option(
    "--workers", type=click.IntRange(min=0), default=0, help="Worker processes; 0 means one a core."
)
@pass_app
def command(
    app: App, *, paths: tuple[Path, ...], agency: str, source_id: str, parser_name: str, workers: int
) -> int:
    """Put PATHS (files, directories, .gz, .zip, .zst; any supported format) into the store.

    What was stored before is not stored again: a file that grew goes on where it ended. Ends with
    code 4 when some of the files could not be read, or when records still wait for a store that is away.

    \b
    citysoc ingest /var/log/fortigate --agency so-y-te --source firewall
    """
    from citysoc.commands.services import open_service
    from citysoc.errors import UsageError
    from citysoc.pipeline.pull import given_files, pull

    if agency != "unknown" and app.config.registry.by_id(agency) is None:
        raise UsageError(
            _("There is no agency {agency!r}.").format(agency=agency),
            hint=_("`citysoc agencies list` shows them."),
        )
    collector = given_files(paths, parser_name=parser_name, agency=agency, source=source_id)
    started = time.monotonic()
    with open_service(app) as service:
        before = _figures(service.state, collector.stream)
        with service.line(workers=workers) as line, counting(_("Records"), quiet=app.quiet) as advance:
            pulled = pull(
                line,
                service.state,
                [collector],
                on_batch=lambda batch: advance(batch.received),
                flush=True,
            )
            line.end()
        after = _figures(service.state, collector.stream)
    gained = {name: after[name] - before[name] for name in after}
    _say(app, gained, pulled, time.monotonic() - started)
    waiting = outside(app)
    return PARTIAL if pulled.failures or (waiting and waiting.rows) else 0


def _figures(state: State, stream: str) -> dict[str, int]:
    names = ("received", "stored", "duplicate", "quarantined", "rejected")
    sums = ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in names)
    row = state.rows(f"SELECT {sums} FROM counters WHERE stream = ?", (stream,))[0]  # noqa: S608  fixed names
    return {name: row[name] for name in names}


def _say(app: App, gained: dict[str, int], pulled: Pulled, seconds: float) -> None:
    app.say(
        _(
            "{received} received = {stored} stored + {duplicate} duplicate"
            " + {quarantined} quarantined + {rejected} rejected, in {seconds} s."
        ).format(**{name: number(value) for name, value in gained.items()}, seconds=number(round(seconds, 1)))
    )
    if gained["quarantined"] or gained["rejected"]:
        app.say(_("`citysoc quarantine list` shows what was not understood, and why."))
    for stream, problem in pulled.failures.items():
        app.say(f"{stream}: {problem}")
