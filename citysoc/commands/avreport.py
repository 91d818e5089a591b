"""``citysoc reports avreport``: malware data in the national exchange format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from citysoc import clock
from citysoc.commands.context import App, pass_app
from citysoc.errors import ConfigError, UsageError
from citysoc.i18n import _

if TYPE_CHECKING:
    from citysoc.reports.figures import Period

VARIANTS = ("edxml", "soap")


@click.group("avreport")
def command() -> None:
    """The period's malware data in the national exchange format (AVReport), unsigned.

    Nothing is ever sent by itself: documents are written to files, signed outside of citysoc, and sent by
    a command of its own.
    """


@command.command("build")
@click.argument("name", metavar="PERIOD")
@click.option(
    "--variant",
    type=click.Choice(VARIANTS),
    default="edxml",
    show_default=True,
    help="edXML of 2018 or SOAP of 2025.",
)
@click.option("--agency", metavar="ID", help="Only this agency's machines.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Where to; beside the report by default."
)
@pass_app
def build(
    app: App, *, name: str, variant: Literal["edxml", "soap"], agency: str | None, out: Path | None
) -> None:
    """Write the documents of a period (2026-10, 2026-W41, ...), each valid by our schema.

    \b
    citysoc reports avreport build 2026-10 --variant soap
    """
    from zoneinfo import ZoneInfo

    from citysoc.reports import counts
    from citysoc.reports.avreport.collect import snapshot
    from citysoc.reports.avreport.document import documents
    from citysoc.reports.build import folder_of
    from citysoc.reports.computing.sources import Sources
    from citysoc.reports.periods import named_period

    settings = app.config.settings.reports.avreport
    if not settings.organ_id:
        raise ConfigError(
            _("the sender has no identifier"),
            where=str(app.config.path),
            hint=_("Set reports.avreport.organ_id in citysoc.yaml, at most 13 letters."),
        )
    if agency and app.config.registry.by_id(agency) is None:
        raise UsageError(_("There is no agency {agency!r}.").format(agency=agency))
    period: Period = named_period(name, app.config.settings.service.timezone)
    now = min(clock.now(), period.until)
    found = snapshot(Sources(app.config, app.state(), app.store, period, now, agency))
    folder = out or folder_of(app.config, period, agency) / "avreport"
    at = period.until.astimezone(ZoneInfo(period.timezone))  # the subject is read by people
    written = list(documents(found, settings, variant=variant, at=at))
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(f"{variant}-*.xml"):
        stale.unlink()
    for position, content in enumerate(written, start=1):
        path = folder / f"{variant}-{position:04}.xml"
        path.write_bytes(content)
        click.echo(path)
    app.say(
        _("{detections} on {computers}; {files}, unsigned.").format(
            detections=counts.detections(found.detections),
            computers=counts.computers(found.infected),
            files=counts.files(len(written)),
        )
    )


@command.command("send")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--yes", is_flag=True, help="Send: without it the command only says what it would do.")
@pass_app
def send(app: App, *, files: tuple[Path, ...], yes: bool) -> int:
    """Send documents to the address of the configuration, with its client certificate.

    Sign them first where the centre asks for it. Without --yes nothing leaves the house.
    """
    from citysoc.reports.avreport.sending import send

    settings = app.config.settings.reports.avreport
    if not yes:
        for path in files:
            click.echo(_("would send {file} to {url}").format(file=path, url=settings.url or "?"))
        app.say(_("Nothing was sent. Give --yes to send."))
        return 0
    for path, status in send(settings, app.config.root, files):
        click.echo(f"{path}\t{status}")
    return 0
