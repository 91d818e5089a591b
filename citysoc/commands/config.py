"""``citysoc config``: check and show the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from citysoc.commands.context import App, pass_app
from citysoc.errors import ConfigError, UsageError
from citysoc.i18n import _

if TYPE_CHECKING:
    from citysoc.config.load import Config


@click.group()
def command() -> None:
    """Check and show the configuration."""


@command.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@pass_app
def check(app: App, path: Path | None) -> None:
    """Name every mistake of all files, with file and line; needs no network.

    PATH is a citysoc.yaml or its folder; the one in force by default. Exit code 3 when there is a mistake.
    """
    if path is not None:
        app.config_path = path
    config = app.config
    from citysoc.config.streams import streams

    _check_queries(config)
    text = _("No mistakes: {agencies} agencies, {sources} sources, {streams} expected streams.")
    counts = {"agencies": len(config.registry), "sources": len(config.sources)}
    app.say(text.format(streams=len(streams(config)), **counts))
    for note in _notes(config):
        app.say(note)


def _check_queries(config: Config) -> None:
    """Refuse saved queries and classes of retention that no store would understand.

    Raises:
        ConfigError: names the query and the column in it.
    """
    from citysoc.stores.query_fields import check_field
    from citysoc.stores.query_parse import parse

    asked = [(query.name, query.query, query.fields) for query in config.queries]
    asked += [(kept.name, kept.query, ()) for kept in config.settings.store.retention]
    for name, query, fields in asked:
        try:
            parse(query)
            for field in fields:
                check_field(field)
        except UsageError as error:
            raise ConfigError(
                _("The query {name} cannot be understood: {error}").format(name=name, error=error.message),
                where=error.where,
                hint=error.hint,
            ) from error


@command.command()
@click.option("--sources", "with_sources", is_flag=True, help="The sources too, with their defaults.")
@click.option(
    "-f",
    "--format",
    "format_",
    type=click.Choice(["yaml", "json"]),
    default="yaml",
    show_default=True,
    help="How to print.",
)
@pass_app
def show(app: App, with_sources: bool, format_: str) -> None:
    """Print the configuration in force, defaults included; secrets stay references."""
    config = app.config
    shown: dict[str, Any] = {"file": str(config.path), "data_dir": str(config.data_dir)}
    shown |= config.settings.model_dump(mode="json")
    if with_sources:
        # The files' own key `sources` names a folder; the sources themselves are what was asked for.
        shown["sources"] = [source.model_dump(mode="json") for source in config.sources]
    click.echo(_as_json(shown) if format_ == "json" else _as_yaml(shown), nl=False)


def _notes(config: Config) -> list[str]:
    """Return what is no mistake but good to know on this machine."""
    from citysoc.config.load import resolve_secret

    notes = []
    if config.example:
        notes.append(_("Note: the registry is an example; replace agencies.yaml."))
    for webhook in config.settings.webhooks:
        try:
            resolve_secret(webhook.secret, config.root)
        except ConfigError as error:
            notes.append(_("Note: webhook {id}: {problem}").format(id=webhook.id, problem=error))
    return notes


def _as_json(shown: dict[str, Any]) -> str:
    import orjson

    return orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode() + "\n"


def _as_yaml(shown: dict[str, Any]) -> str:
    import yaml

    return yaml.dump(shown, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False, width=100)
