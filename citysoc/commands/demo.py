"""``citysoc demo``: a simulated month of the city through the whole pipeline."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from citysoc.commands.context import App, pass_app
from citysoc.commands.output import LEVEL_STYLES, number, printable
from citysoc.errors import UsageError
from citysoc.i18n import _, language

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.table import Table

    from citysoc.demo.play import Played
    from citysoc.demo.verdict import Verdict

MARK = ".citysoc-demo"
"""Marks a directory that a demonstration made, and that the next one may replace."""


@click.command("demo", short_help="A simulated month of the city through the whole pipeline.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-data"),
    show_default=True,
    help="Where everything goes; an earlier demonstration there is replaced.",
)
@click.option(
    "--records",
    type=click.IntRange(1000, 20_000_000),
    default=200_000,
    show_default=True,
    help="About how many records.",
)
@click.option("--month", default="2026-10", show_default=True, metavar="YYYY-MM", help="A month of the past.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same month.")
@pass_app
def command(app: App, *, directory: Path, records: int, month: str, seed: int) -> int:
    """Simulate a month of Huế's agencies and run it through the real pipeline.

    Logs are written to files and sent to a syslog socket, pulled by the collectors, parsed, matched
    with the shipped rules, stored, alerted to a local receiver that checks the signatures, and
    summed up in a report in Vietnamese. Ends with code 1 when a record or a planted attack that
    rules should find was lost.
    """
    from citysoc.commands.rulesets import work_of
    from citysoc.commands.times import month as month_span
    from citysoc.demo.play import Scenario, play
    from citysoc.stores.local import LocalStore

    month_span(month)
    _make_room(directory)
    with _Bars(quiet=app.quiet) as bars:
        played = asyncio.run(
            play(directory, work_of, LocalStore, Scenario(month, records, seed), progress=bars)
        )
    _show(played, directory)
    return 0 if _good(played) else 1


def _make_room(directory: Path) -> None:
    """Empty a directory that an earlier demonstration made; refuse any other that has something in it."""
    if directory.exists() and any(directory.iterdir()):
        if not (directory / MARK).exists():
            raise UsageError(
                _("This directory is not empty and no demonstration made it."),
                where=str(directory),
                hint=_("Choose another one with --directory."),
            )
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MARK).touch()


class _Bars:
    """Progress bars on stderr, one a stage; plain lines where nobody watches."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._watched = sys.stderr.isatty() and not quiet
        self._quiet = quiet
        self._progress = Progress(
            TextColumn("{task.description}", style="bold"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(file=sys.stderr),
            disable=not self._watched,
        )

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def stage(self, title: str, total: int | None) -> Callable[[int], None]:
        """Begin a stage; the function it returns moves its bar."""
        titles = {
            "simulate": _("Writing a month of logs"),
            "pipeline": _("Collecting, parsing, detecting, storing"),
            "deliver": _("Sending signed webhooks"),
        }
        text = titles.get(title, title)
        if not self._watched and not self._quiet:
            click.echo(f"{text} ...", err=True)
        task = self._progress.add_task(text, total=total)
        return lambda count: self._progress.update(task, advance=count)


def _good(played: Played) -> bool:
    figures, truth = played.figures, played.truth
    accounted = figures["received"] == truth.written == sum(figures.values()) - figures["received"]
    expected = (verdict for verdict in played.verdicts if verdict.planted.needs == "rule")
    return accounted and played.refused == 0 and all(verdict.found for verdict in expected)


def _show(played: Played, directory: Path) -> None:
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 150)
    console.print()
    console.print(_summary(played))
    console.print(_planted(played.verdicts))
    _commands(console, played, directory)


def _summary(played: Played) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, title=_("The month in figures"), title_justify="left", title_style="bold")
    table.add_column(_("What"))
    table.add_column(_("Figure"), justify="right")
    table.add_column(_("Of it"))
    for row in _figures(played):
        table.add_row(*row)
    return table


def _figures(played: Played) -> list[tuple[str, str, str]]:
    """Return what the month was, a row each: what, how many, and of what kinds."""
    f, figures = played.figures, played.built.figures
    return [
        (
            _("Records received"),
            number(f["received"]),
            _(
                "{stored} stored, {duplicate} duplicate, {quarantined} quarantined, {rejected} rejected"
            ).format(
                **{name: number(f[name]) for name in ("stored", "duplicate", "quarantined", "rejected")}
            ),
        ),
        (
            _("Written by the simulation"),
            number(played.truth.written),
            _("{repeated} rows repeated and {broken} broken on purpose").format(
                repeated=number(played.truth.repeated), broken=number(played.truth.broken)
            ),
        ),
        (
            _("Attack, spyware and virus events"),
            number(figures.cases.value),
            _("{attack} attacks, {spyware} spyware, {virus} viruses").format(
                attack=number(figures.attack.value),
                spyware=number(figures.spyware.value),
                virus=number(figures.virus.value),
            ),
        ),
        (_("Alerts"), number(figures.alerts.value), _levels(played)),
        (_("Incidents"), number(figures.incidents.value), _("each with its 24-hour and 72-hour clock")),
        (
            _("Expected streams"),
            number(sum(played.states.values())),
            _("{ok} ok, {late} late, {silent} silent, {never} never seen").format(
                **{name: number(played.states.get(name, 0)) for name in ("ok", "late", "silent", "never")}
            ),
        ),
        (
            _("Webhook messages"),
            number(sum(played.accepted.values())),
            _("signatures right: all")
            if not played.refused
            else _("signatures wrong: {count}").format(count=played.refused),
        ),
        (_("Seconds"), number(round(sum(played.seconds.values()), 1)), _stages(played.seconds)),
    ]


def _levels(played: Played) -> str:
    from citysoc.reports.text import level_name

    return ", ".join(
        f"{number(row.count)} {level_name(row.key).lower()}" for row in played.built.figures.levels
    )


def _stages(seconds: dict[str, float]) -> str:
    names = {
        "simulate": _("simulation"),
        "pipeline": _("pipeline"),
        "deliver": _("delivery"),
        "report": _("report"),
    }
    return ", ".join(
        f"{names.get(stage, stage)} {number(round(value, 1))}" for stage, value in seconds.items()
    )


def _planted(verdicts: tuple[Verdict, ...]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from citysoc.reports.text import class_name

    title = _("Planted attacks: {found} of {total} found").format(
        found=sum(verdict.found for verdict in verdicts), total=len(verdicts)
    )
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    for heading in (_("Attack"), _("Class"), _("Agency"), _("Result")):
        table.add_column(heading, overflow="fold")
    needs = {"correlation": _("missed: needs a correlation"), "anomaly": _("missed: needs the anomaly model")}
    for verdict in verdicts:
        planted: Any = verdict.planted
        if verdict.found:
            result = Text(printable(verdict.rules[0]), style="green")
        else:
            result = Text(
                needs.get(planted.needs, _("MISSED")),
                style="yellow" if planted.needs in needs else LEVEL_STYLES["critical"],
            )
        table.add_row(planted.kind, class_name(planted.cls), planted.agency, result)
    return table


def _commands(console: Console, played: Played, directory: Path) -> None:
    # The documents in the reader's language, the page first; of the other language the page alone.
    reports = sorted(
        (
            path
            for path in played.built.files
            if path.name.startswith("report.") and (path.suffix == ".html" or f".{language()}." in path.name)
        ),
        key=lambda path: (f".{language()}." not in path.name, path.suffix != ".html", path.name),
    )
    config = f"citysoc --config {directory / 'citysoc.yaml'}"
    for report in reports:
        shown = os.path.relpath(report) if report.is_relative_to(Path.cwd()) else report
        console.print(_("The report: {path}").format(path=shown), soft_wrap=True)
    console.print(_("Try next:"), style="bold")
    for text in (
        f"{config} alerts list -m high",
        f"{config} events search 'citysoc.outcome:failed' --month {played.truth.month}",
        f"{config} sources status --month {played.truth.month} --state silent --state never",
    ):
        console.print(f"  {text}", soft_wrap=True, markup=False)
