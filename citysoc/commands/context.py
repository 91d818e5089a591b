"""What a command may know of its surroundings: the configuration, the language."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from citysoc.errors import ConfigError
from citysoc.i18n import _

if TYPE_CHECKING:
    from citysoc.config.load import Config
    from citysoc.state import State
    from citysoc.stores.base import EventStore


@dataclass
class App:
    """The running command.

    Args:
        config_path: ``--config`` or ``CITYSOC_CONFIG``; None means ``citysoc.yaml`` here or above.
        lang: the language in force, vi or en.
        quiet: whether talk on stderr is unwanted.
    """

    config_path: Path | None = None
    lang: str = "en"
    quiet: bool = False

    @functools.cached_property
    def config(self) -> Config:
        """The configuration.

        Raises:
            ConfigError: there is none, or it has mistakes.
        """
        from citysoc.config.load import load
        from citysoc.parsers.registry import PARSERS

        return load(self.config_path or find_config(Path.cwd()), parsers=frozenset(PARSERS) | {"auto"})

    @functools.cached_property
    def store(self) -> EventStore:
        """The event store that the configuration names."""
        from citysoc.stores.named import open_store

        return open_store(self.config)

    def state(self, *, read_only: bool = True) -> State:
        """Open the state database."""
        from citysoc.state import State

        return State(self.config.state_path, read_only=read_only)

    def say(self, text: str) -> None:
        """Talk to the person on stderr."""
        if not self.quiet:
            click.echo(text, err=True)


pass_app = click.make_pass_decorator(App, ensure=True)


def find_config(start: Path) -> Path:
    """Return the configuration file: ``CITYSOC_CONFIG``, or ``citysoc.yaml`` here or in a folder above.

    Raises:
        ConfigError: there is none.
    """
    if named := os.environ.get("CITYSOC_CONFIG"):
        return Path(named)
    for folder in (start, *start.parents):
        if (path := folder / "citysoc.yaml").is_file():
            return path
    raise ConfigError(
        _("There is no citysoc.yaml here or in a folder above."),
        where=str(start),
        hint=_("Make one with `citysoc init DIR`, or name it with --config."),
    )
