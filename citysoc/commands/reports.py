"""``citysoc reports``: the monthly report."""

from __future__ import annotations

import json

import click

from citysoc import clock, i18n
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option, number
from citysoc.commands.times import Span, span_options
from citysoc.errors import UsageError
from citysoc.i18n import _


@click.group("reports", short_help="The monthly report.")
def command() -> None:
    """Figures of a period, computed once, as JSON and as documents."""


@command.command("build")
@span_options
@click.option(
    "--lang", "languages", type=click.Choice(i18n.LANGUAGES), multiple=True, help="vi, en, or both."
)
@pass_app
def build_(app: App, *, span: Span, languages: tuple[str, ...]) -> None:
    """Build the report of a month or of any period; prints the files it wrote.

    \b
    citysoc reports build --month 2026-10 --lang vi
    citysoc reports build --since 2025-12-15 --until 2026-12-15
    """
    from citysoc.reports.build import build
    from citysoc.reports.figures import Period

    if span.since is None or span.until is None:
        raise UsageError(
            _("A report needs a period."), hint=_("Give --month 2026-10, or --since and --until.")
        )
    zone = app.config.settings.service.timezone
    period = Period(span.since, span.until, _name(span, zone), zone)
    chosen = languages or (app.config.settings.service.language,)
    built = build(app.config, app.state(), app.store, period, languages=chosen, now=clock.now())
    for path in built.files:
        click.echo(path)
    app.say(
        _("{cases} events with a class, {alerts} alerts, {incidents} incidents.").format(
            cases=number(built.figures.cases.value),
            alerts=number(built.figures.alerts.value),
            incidents=number(built.figures.incidents.value),
        )
    )


@command.command("list")
@format_option
@pass_app
def list_(app: App, *, format_: str | None) -> None:
    """Show the reports that were built."""
    from citysoc.reports.build import existing

    rows = []
    for folder in existing(app.config):
        figures = json.loads((folder / "figures.json").read_bytes())["figures"]
        rows.append(
            {
                "period": figures["period"]["name"],
                "events": figures["cases"]["value"],
                "alerts": figures["alerts"]["value"],
                "incidents": figures["incidents"]["value"],
                "folder": str(folder),
            }
        )
    columns = (
        Column("period", _("Period")),
        Column("events", _("Events"), kind="number"),
        Column("alerts", _("Alerts"), kind="number"),
        Column("incidents", _("Incidents"), kind="number"),
        Column("folder", _("Folder")),
    )
    emit(rows, columns, format_)


def _name(span: Span, timezone: str) -> str:
    """Return what people call a period: ``10/2026`` for a calendar month, else its first and last day."""
    import datetime as dt
    from zoneinfo import ZoneInfo

    from citysoc.reports.build import month_period

    if span.since is None or span.until is None:
        raise AssertionError("the caller has checked both ends")
    zone = ZoneInfo(timezone)
    first, last = span.since.astimezone(zone), (span.until - dt.timedelta(seconds=1)).astimezone(zone)
    month = month_period(first.year, first.month, timezone)
    if (month.since, month.until) == (span.since, span.until):
        return month.name
    return f"{first:%d/%m/%Y} - {last:%d/%m/%Y}"
