"""The root command: finds a command group by its noun and loads it only when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any, cast

import click

import citysoc
from citysoc import i18n
from citysoc.commands.context import App
from citysoc.errors import CitysocError
from citysoc.i18n import _

COMMANDS = {
    "demo": "A simulated month of the city through the whole pipeline.",
    "init": "Write a starter configuration.",
    "run": "The service: collect, detect, alert, report, until stopped.",
    "ingest": "Put files into the store.",
    "parse": "Print the ECS events of files; no store.",
    "detect": "Print the findings of rules on files; no store.",
    "events": "Search, count and export stored events.",
    "alerts": "What the rules found, and what became of it.",
    "incidents": "Alerts that belong together, with their clocks.",
    "rules": "Check, test and explain detection rules.",
    "anomaly": "The model that finds who left their own habit.",
    "intel": "Feeds of indicators: addresses, names, files known to be bad.",
    "classify": "Say what a threat name or a signature is, and why.",
    "agencies": "The registry of agencies.",
    "sources": "The streams of logs: who speaks, who is silent, what became of each record.",
    "reports": "The monthly report.",
    "webhooks": "Receivers of alerts and their deliveries.",
    "quarantine": "Records that no parser understood.",
    "store": "The event store's health.",
    "jobs": "What the schedule did, and its gaps.",
    "config": "Check and show the configuration.",
}


class Root(click.Group):
    """Loads ``citysoc.commands.<noun>`` when its command is called, never before."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the nouns in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"citysoc.commands.{cmd_name}")
        return cast("click.Command", module.command)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader that has enough (`| head`) is no error, though click would say so."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Keep the interpreter from flushing again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without loading any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(citysoc.__version__, prog_name="citysoc")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The configuration; citysoc.yaml here or in a folder above by default.",
)
@click.option(
    "--lang",
    type=click.Choice(i18n.LANGUAGES),
    help="The language of messages; from the environment by default.",
)
@click.option("-q", "--quiet", is_flag=True, help="No talk on stderr.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="The lowest level of log events on stderr.",
)
@click.pass_context
def root(ctx: click.Context, config_path: Path | None, lang: str | None, quiet: bool, log_level: str) -> None:
    """Security operations log analytics for a city's public bodies.

    Collect logs of many agencies, turn them into ECS events, meet them with Sigma rules, store
    and ask them, alert, and write the monthly report.
    """
    chosen = lang or i18n.from_environment()
    i18n.set_language(chosen)
    ctx.obj = App(config_path=config_path, lang=chosen, quiet=quiet)
    os.environ["CITYSOC_LOG_LEVEL"] = log_level  # telemetry reads it, here and in worker processes


def main(args: list[str] | None = None) -> None:
    """Run the command line and end the process with the right exit code.

    Codes: 0 fine, 1 failed, 2 usage, 3 configuration, 4 partial data, 130 interrupted.
    """
    sys.exit(_run(args))


def _run(args: list[str] | None) -> int:
    try:
        result: Any = root.main(args=args, prog_name="citysoc", standalone_mode=False)
    except CitysocError as error:
        for problem in getattr(error, "problems", ()) or (error,):
            _complain(problem)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("", err=True)
        return 130
    except OSError as error:
        return _refused(error) if error.strerror else _unexpected(error)  # a library's own has no strerror
    except Exception as error:  # noqa: BLE001  the last boundary: a person gets a sentence, not a traceback
        return _unexpected(error)
    return result if isinstance(result, int) else 0


def _complain(error: CitysocError) -> None:
    from citysoc.commands.output import printable

    place = f"{error.where}: " if error.where else ""
    click.echo(printable(f"citysoc: {place}{error.message}"), err=True)
    if error.hint:
        click.echo(printable(f"  → {error.hint}"), err=True)


def _refused(error: OSError) -> int:
    """Say what the machine refuses: a full disk, a missing permission."""
    if os.environ.get("CITYSOC_DEBUG"):
        raise error
    place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else None
    _complain(CitysocError(f"{error.strerror or type(error).__name__}.", where=place))
    return 1


def _unexpected(error: Exception) -> int:
    if os.environ.get("CITYSOC_DEBUG"):
        raise error
    _complain(
        CitysocError(
            _("unexpected {kind}: {error}").format(kind=type(error).__name__, error=error),
            hint=_("This is a bug. Set CITYSOC_DEBUG=1 to see where it happened."),
        )
    )
    return 1
