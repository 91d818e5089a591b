"""``citysoc reports``: the monthly report."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from citysoc import clock, i18n
from citysoc.commands import avreport
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option, number
from citysoc.commands.times import Span, span_options
from citysoc.errors import StoreError, UsageError
from citysoc.i18n import _, ngettext

if TYPE_CHECKING:
    from citysoc.config.reports import ReportTarget
    from citysoc.reports.build import Built
    from citysoc.reports.figures import Period

FORMATS = ("html", "pdf", "docx", "xlsx", "csv")


@click.group("reports", short_help="The monthly report.")
def command() -> None:
    """Figures of a period, computed once, as JSON and as documents."""


command.add_command(avreport.command)


@command.command("build")
@click.option(
    "--period", "name", metavar="NAME", help="2026-10, 2026-W41, 2026-Q4, 2026-H2, 2026 or 2026-law."
)
@span_options
@click.option(
    "--lang", "languages", type=click.Choice(i18n.LANGUAGES), multiple=True, help="vi, en, or both."
)
@click.option("--format", "formats", type=click.Choice(FORMATS), multiple=True, help="Only these documents.")
@click.option("--agency", metavar="ID", help="The report of one agency alone.")
@click.option("--each-agency", is_flag=True, help="The report of every agency, one after the other.")
@pass_app
def build_(
    app: App,
    *,
    name: str | None,
    span: Span,
    languages: tuple[str, ...],
    formats: tuple[str, ...],
    agency: str | None,
    each_agency: bool,
) -> None:
    """Build the report of a month or of any period; prints the files it wrote.

    \b
    citysoc reports build --month 2026-10 --lang vi
    citysoc reports build --period 2026-Q4 --format docx --format pdf
    citysoc reports build --month 2026-10 --each-agency
    citysoc reports build --since 2025-12-15 --until 2026-12-15
    """
    from citysoc.reports.build import build

    period = _period(app, name, span)
    if each_agency and agency:
        raise UsageError(_("--each-agency excludes --agency."))
    if agency and app.config.registry.by_id(agency) is None:
        raise UsageError(
            _("There is no agency {agency!r}.").format(agency=agency), hint=_("See `citysoc agencies list`.")
        )
    chosen = languages or (app.config.settings.service.language,)
    if each_agency:
        _build_each(app, period, chosen, formats)
        return
    built = build(
        app.config,
        app.state(),
        app.store,
        period,
        languages=chosen,
        now=clock.now(),
        formats=formats or None,
        agency=agency,
    )
    for path in built.files:
        click.echo(path)
    _tell(app, built)


def _build_each(app: App, period: Period, languages: tuple[str, ...], formats: tuple[str, ...]) -> None:
    from citysoc.commands.progress import counting
    from citysoc.reports.each import build_each

    options: dict[str, Any] = {"languages": languages, "now": clock.now(), "formats": formats or None}
    with counting(_("Reports"), total=len(app.config.registry), quiet=app.quiet) as advance:
        for built in build_each(app.config, app.state(), app.store, period, **options):
            click.echo(built.files[0].parent)
            advance(1)


def _tell(app: App, built: Built) -> None:
    from citysoc.reports import counts

    app.say(
        "; ".join(
            (
                counts.events(built.figures.cases.value),
                counts.alerts(built.figures.alerts.value),
                counts.incidents(built.figures.incidents.value),
            )
        )
        + "."
    )
    if built.differences:
        app.say(
            ngettext(
                "{count} figure differs from what was issued; the report says which.",
                "{count} figures differ from those that were issued; the report says which.",
                len(built.differences),
            ).format(count=number(len(built.differences)))
        )


@command.command("list")
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


@command.command("show")
@click.argument("name", metavar="PERIOD")
@click.option("--agency", metavar="ID", help="The report of one agency.")
@format_option
@pass_app
def show(app: App, *, name: str, agency: str | None, format_: str | None) -> None:
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
            "meaning": meanings[figure][i18n.language()],
        }
        for figure in ("records", "cases", "attack", "spyware", "virus", "alerts", "incidents")
    ]
    columns = (
        Column("figure", _("Figure")),
        Column("value", _("Value"), kind="number"),
        Column("before", _("Period before"), kind="number"),
        Column("year_before", _("Year before"), kind="number"),
        Column("meaning", _("Meaning")),
    )
    emit(rows, columns, format_)


@command.command("issue")
@click.argument("name", metavar="PERIOD")
@click.option("--agency", metavar="ID", help="The report of one agency.")
@pass_app
def issue(app: App, *, name: str, agency: str | None) -> None:
    """Keep the figures of a report as those that were signed.

    When the period is built again, the report says which figures have changed since.
    """
    from citysoc.reports import issued

    click.echo(issued.issue(_built(app, name, agency), now=clock.now()))


@command.command("send")
@click.argument("name", metavar="PERIOD")
@click.option(
    "--to", "names", metavar="TARGET", multiple=True, help="Only to this target of reports.targets."
)
@click.option("--again", is_flag=True, help="Also where it has been delivered before.")
@format_option
@pass_app
def send(app: App, *, name: str, names: tuple[str, ...], again: bool, format_: str | None) -> int:
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


@command.group("template")
def template() -> None:
    """Templates of the DOCX report, to be edited in a word processor."""


@template.command("export")
@click.argument("path", metavar="FILE.docx", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace an existing file.")
@pass_app
def export(app: App, *, path: Path, force: bool) -> None:
    """Write the layout of Decree 30/2020 as a template with placeholders.

    Edit it, then name it in citysoc.yaml under reports.template. A placeholder is a name between double
    braces; {{ figures.cases.value }} is a single figure.
    """
    from citysoc.reports.word import skeleton

    if path.exists() and not force:
        raise UsageError(_("{path} exists.").format(path=path), hint=_("Give --force to replace it."))
    path.write_bytes(skeleton.template())
    app.say(_("Edit it and name it in citysoc.yaml under reports.template."))


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


def _period(app: App, name: str | None, span: Span) -> Period:
    from citysoc.reports.figures import Period
    from citysoc.reports.periods import named_period

    zone = app.config.settings.service.timezone
    if name:
        if span.since or span.until:
            raise UsageError(_("--period excludes --month, --since and --until."))
        return named_period(name, zone)
    if span.since is None or span.until is None:
        raise UsageError(
            _("A report needs a period."), hint=_("Give --month 2026-10, or --since and --until.")
        )
    return Period(span.since, span.until, _name(span, zone), zone)


def _name(span: Span, timezone: str) -> str:
    """Return what people call a period: ``10/2026`` for a calendar month, else its first and last day."""
    from zoneinfo import ZoneInfo

    from citysoc.reports.periods import month_period

    if span.since is None or span.until is None:
        raise AssertionError("the caller has checked both ends")
    zone = ZoneInfo(timezone)
    first, last = span.since.astimezone(zone), (span.until - dt.timedelta(seconds=1)).astimezone(zone)
    month = month_period(first.year, first.month, timezone)
    if (month.since, month.until) == (span.since, span.until):
        return month.name
    return f"{first:%d/%m/%Y} - {last:%d/%m/%Y}"
