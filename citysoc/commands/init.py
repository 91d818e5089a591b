"""``citysoc init``: write a starter configuration."""

from __future__ import annotations

from pathlib import Path

import click

from citysoc.commands.context import App, pass_app
from citysoc.errors import UsageError
from citysoc.i18n import _, ngettext

_EXAMPLE = Path(__file__).parents[1] / "config" / "example"


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option(
    "--small", is_flag=True, help="Three agencies for a first try instead of an example city of 483."
)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@pass_app
def command(app: App, directory: Path, small: bool, force: bool) -> None:
    """Write citysoc.yaml, agencies.yaml, queries.yaml, sources/ and an empty inbox/ into DIR.

    The agencies are an example to replace; everything works as written.
    """
    files = _files(small=small)
    existing = sorted(name for name in files if (directory / name).exists())
    if existing and not force:
        raise UsageError(
            _("These files are there already: {names}.").format(names=", ".join(existing)),
            where=str(directory),
            hint=_("Choose another folder, or overwrite them with --force."),
        )
    try:
        _write(directory, files)
    except OSError as error:
        message = _("Cannot write: {reason}.").format(reason=error.strerror)
        raise UsageError(message, where=str(error.filename or directory)) from error
    _next_steps(app, directory, files)


def _files(*, small: bool) -> dict[str, bytes]:
    """Return relative path to content of what a starter configuration has."""
    registry = "agencies-small.yaml" if small else "agencies.yaml"
    files = {
        "citysoc.yaml": (_EXAMPLE / "citysoc.yaml").read_bytes(),
        "agencies.yaml": (_EXAMPLE / registry).read_bytes(),
        "queries.yaml": (_EXAMPLE / "queries.yaml").read_bytes(),
    }
    for path in sorted((_EXAMPLE / "sources").glob("*.yaml")):
        files[f"sources/{path.name}"] = path.read_bytes()
    return files


def _write(directory: Path, files: dict[str, bytes]) -> None:
    (directory / "inbox").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


def _next_steps(app: App, directory: Path, files: dict[str, bytes]) -> None:
    app.say(
        ngettext(
            "Wrote {count} file into {directory}.", "Wrote {count} files into {directory}.", len(files)
        ).format(count=len(files), directory=directory)
    )
    app.say(_("Next:"))
    steps = (
        (f"cd {directory}", _("commands find citysoc.yaml here and in folders above")),
        ("citysoc config check", _("every mistake at once, with its line")),
        ("citysoc agencies list", _("the example agencies; replace them in agencies.yaml")),
        ("inbox/AGENCY/SOURCE/", _("put logs here, for example inbox/so-y-te/firewall/today.log")),
        ("citysoc run", _("collect, detect, alert, report, until stopped")),
    )
    width = max(len(step) for step, _about in steps)
    for step, about in steps:
        app.say(f"  {step:<{width}}  {about}")
