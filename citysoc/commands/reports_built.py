"""``citysoc reports list|show|issue|send``: the reports that were built."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any, TypeVar

import click

from citysoc import clock, i18n
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option
from citysoc.errors import StoreError, UsageError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from citysoc.config.reports import ReportTarget


Function = TypeVar("Function", bound="Callable[..., Any]")


def _built_options(function: Function) -> Function:
    """Add what names a report that was built: its period, and the agency where it is of one."""
    option = click.option("--agency", metavar="ID", help="The report of one agency.")
    return click.argument("name", metavar="PERIOD")(option(function))


@click.command("list")
@format_option
@pass_app
def list_(app: App, *, format_: str | None) -> None:
    """Show the reports that were built."""
    from citysoc.reports.build import existing
    from citysoc.reports.issued import issued_at

    rows = []
    for folder in existing(app.config):
        figures = _read(folder)["figures"]
        rows.append(
            {
                "period": figures["period"]["name"],
                "events": figures["cases"]["value"],
                "alerts": figures["alerts"]["value"],
                "incidents": figures["incidents"]["value"],
                "issued": _moment(issued_at(folder)),
                "folder": str(folder),
            }
        )
    columns = (
        Column("period", _("Period")),
        Column("events", _("Events"), kind="number"),
        Column("alerts", _("Alerts"), kind="number"),
        Column("incidents", _("Incidents"), kind="number"),
        Column("issued", _("Issued"), kind="time"),
        Column("folder", _("Folder")),
    )
    emit(rows, columns, format_)


@click.command("show")
@_built_options
@format_option
@pass_app
def show_(app: App, *, name: str, agency: str | None, format_: str | None) -> None:
    """Show the figures of a report that was built, each with what it means.

    PERIOD is its name: 2026-10, 2026-W41, 2026-Q4, 2026-H2, 2026, 2026-law.
    """
    figures = _read(_built(app, name, agency))
    meanings = figures["definitions"]
    rows = [
        {
            "figure": figure,
            "value": figures["figures"][figure]["value"],
            "before": figures["figures"][figure]["before"],
            "year_before": figures["figures"][figure]["year_before"],
            "lacking": _lacking(meanings[figure].get("completeness", {})),
            "meaning": meanings[figure][i18n.language()],
        }
        for figure in ("records", "cases", "attack", "spyware", "virus", "alerts", "incidents")
    ]
    columns = (
        Column("figure", _("Figure")),
        Column("value", _("Value"), kind="number"),
        Column("before", _("Period before"), kind="number"),
        Column("year_before", _("Year before"), kind="number"),
        Column("lacking", _("Streams lacking"), optional=True),
        Column("meaning", _("Meaning")),
    )
    emit(rows, columns, format_)


def _lacking(completeness: dict[str, Any]) -> str | None:
    """Return how many of the streams behind a figure were interrupted, ``3/230``; None where none was."""
    lacking, expected = (completeness.get(name) for name in ("streams_lacking", "streams_expected"))
    return f"{lacking}/{expected}" if lacking else None


@click.command("issue")
@_built_options
@pass_app
def issue_(app: App, *, name: str, agency: str | None) -> None:
    """Keep the figures of a report as those that were signed.

    When the period is built again, the report says which figures have changed since.
    """
    from citysoc.reports import issued
    from citysoc.reports.turn import turn

    with turn(app.config.reports_dir):  # never the figures of one build beside the documents of another
        click.echo(issued.issue(_built(app, name, agency), now=clock.now()))


@click.command("send")
@click.argument("name", metavar="PERIOD")
@click.option(
    "--to", "names", metavar="TARGET", multiple=True, help="Only to this target of reports.targets."
)
@click.option("--again", is_flag=True, help="Also where it has been delivered before.")
@format_option
@pass_app
def send_(app: App, *, name: str, names: tuple[str, ...], again: bool, format_: str | None) -> int:
    """Deliver a report that was built to the targets of the configuration, now.

    What does not arrive is tried again by the running service. Ends with code 1 where something was given up.
    """
    from citysoc.reports import publish
    from citysoc.reports.periods import named_period

    targets = _targets(app, names)
    _built(app, name, None)
    period = named_period(name, app.config.settings.service.timezone)
    now = clock.now()
    made = clock.iso(now) if again else publish.version(app.config)
    state = app.state(read_only=False)
    try:
        with state.transaction() as db:
            for target in targets:
                publish.ask(db, app.config, period, target, made=made, now=now)
        publish.deliver_due(app.config, state, now=now)
        rows = [row for row in publish.deliveries(state) if row["period"] == period.name]
    finally:
        state.close()
    shown = [
        dict(row) | {"due_at": _moment(row["due_at"])}
        for row in rows
        if row["target"] in {target.id for target in targets}
    ]
    emit(
        shown,
        (
            Column("target", _("Target")),
            Column("agency", _("Agency"), optional=True),
            Column("state", _("State"), kind="word"),
            Column("attempts", _("Attempts"), kind="number"),
            Column("due_at", _("Due"), kind="time"),
            Column("detail", _("Detail")),
        ),
        format_,
    )
    return 1 if any(row["state"] == "dead" for row in shown) else 0


def _targets(app: App, names: tuple[str, ...]) -> list[ReportTarget]:
    known = {target.id: target for target in app.config.settings.reports.targets}
    if not known:
        raise UsageError(
            _("The configuration names no target for reports."),
            hint=_("Set reports.targets in citysoc.yaml."),
        )
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            _("There is no target {name!r}.").format(name=unknown[0]),
            hint=_("There are: {names}.").format(names=", ".join(known)),
        )
    return [known[name] for name in names or known]


def _read(folder: Path) -> dict[str, Any]:
    """Return the figures of a built report as they were written."""
    path = folder / "figures.json"
    try:
        found = json.loads(path.read_bytes())
        if found["figures"]["period"]["name"] and found["definitions"]:
            return dict(found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path) from error
    raise _damaged(path)


def _damaged(path: Path) -> StoreError:
    return StoreError(
        _("the figures of the report cannot be read"),
        where=str(path),
        hint=_("Build the report again: citysoc reports build."),
    )


def _moment(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None


def _built(app: App, name: str, agency: str | None) -> Path:
    """Return the folder of a report that was built."""
    from citysoc.reports.build import folder_of
    from citysoc.reports.periods import named_period

    folder = folder_of(app.config, named_period(name, app.config.settings.service.timezone), agency)
    if not (folder / "figures.json").is_file():
        raise UsageError(
            _("The report of {period} was not built.").format(period=name),
            hint=_("See `citysoc reports list`."),
        )
    return folder
