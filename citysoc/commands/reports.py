"""``citysoc reports``: the monthly report."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from citysoc import clock, i18n
from citysoc.commands import avreport, reports_built
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import number
from citysoc.commands.times import Span, span_options
from citysoc.errors import UsageError
from citysoc.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from citysoc.reports.build import Built
    from citysoc.reports.figures import Period

FORMATS = ("html", "pdf", "docx", "xlsx", "csv")


@click.group("reports", short_help="The monthly report.")
def command() -> None:
    """Figures of a period, computed once, as JSON and as documents."""


command.add_command(avreport.command)
for _built_command in (reports_built.list_, reports_built.show_, reports_built.issue_, reports_built.send_):
    command.add_command(_built_command)


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
    from citysoc.reports.turn import turn

    period = _period(app, name, span)
    _look_at_template(app, formats or app.config.settings.reports.formats)
    if each_agency and agency:
        raise UsageError(_("--each-agency excludes --agency."))
    if agency and app.config.registry.by_id(agency) is None:
        raise UsageError(
            _("There is no agency {agency!r}.").format(agency=agency), hint=_("See `citysoc agencies list`.")
        )
    chosen = languages or (app.config.settings.service.language,)
    with turn(app.config.reports_dir, waiting=_waiting(app)):
        if each_agency:
            _build_each(app, period, chosen, formats)
        else:
            _build_one(app, period, chosen, formats, agency)


def _build_one(
    app: App, period: Period, languages: tuple[str, ...], formats: tuple[str, ...], agency: str | None
) -> None:
    from citysoc.reports.build import build

    options: dict[str, Any] = {"languages": languages, "now": clock.now(), "formats": formats or None}
    built = build(app.config, app.state(), app.store, period, agency=agency, **options)
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


def _look_at_template(app: App, formats: Sequence[str]) -> None:
    """Say what the reports of the unit's own template will lack.

    Raises:
        ConfigError: it cannot be used.
    """
    template = app.config.settings.reports.template
    if template and "docx" in formats:
        _say_what_is_left_out(app, app.config.root / template)


def _say_what_is_left_out(app: App, template: Path) -> tuple[str, ...]:
    from citysoc.reports import sections, word

    lacking = word.left_out(template, sections.KEYS)
    if lacking:
        app.say(
            _("The template has no place for {names}: reports made of it lack them.").format(
                names=", ".join(lacking)
            )
        )
    return lacking


def _waiting(app: App) -> Callable[[str], None]:
    """Return what tells that another process is building, and that this one waits for it."""

    def tell(process: str) -> None:
        app.say(_("Another process ({process}) is building reports; waiting for it.").format(process=process))

    return tell


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


@template.command("check")
@click.argument("path", metavar="FILE.docx", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_app
def check_(app: App, *, path: Path) -> int:
    """Say whether a template can be used, and what reports made of it lack.

    Ends with code 3 where a placeholder means nothing, with 1 where sections or annexes have no place.
    """
    if _say_what_is_left_out(app, path):
        return 1
    app.say(_("Every section and the annexes have a place."))
    return 0


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
