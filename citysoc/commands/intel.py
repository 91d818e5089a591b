"""``citysoc intel``: feeds of indicators, and what they know."""

from __future__ import annotations

import click

from citysoc.commands.intel_feeds import list_, remove, warnings
from citysoc.commands.intel_import import import_
from citysoc.commands.intel_known import check, show


@click.group("intel", short_help="Feeds of indicators, and what they know.")
def command() -> None:
    """Threat intelligence: addresses, names, files that are known to be bad.

    Feeds of the configuration are fetched by `citysoc run`; `intel import` takes any file or URL.
    """


for _command in (import_, list_, show, remove, warnings, check):
    command.add_command(_command)
