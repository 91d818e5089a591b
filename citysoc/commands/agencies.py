"""``citysoc agencies``: the registry of agencies."""

from __future__ import annotations

import difflib
import ipaddress
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from citysoc.commands import words
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option
from citysoc.config.fold import fold
from citysoc.errors import UsageError
from citysoc.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citysoc.config.agencies import Agency
    from citysoc.config.registry import Registry


@click.group()
def command() -> None:
    """The registry of agencies."""


@command.command("list")
@click.argument("text", required=False)
@click.option("--level", "levels", multiple=True, metavar="LEVEL", help="Only this kind of body.")
@click.option("--expects", "source", metavar="SOURCE", help="Only agencies that expect this source.")
@click.option("--antivirus", is_flag=True, help="Only agencies with centrally managed antivirus.")
@format_option
@pass_app
def list_(
    app: App,
    *,
    text: str | None,
    levels: tuple[str, ...],
    source: str | None,
    antivirus: bool,
    format_: str | None,
) -> None:
    """List the agencies, in the order of the registry; with TEXT those whose name has it.

    Marks and case do not count: `thuan hoa` finds Thuận Hóa.
    """
    part = fold(text or "")
    rows = (
        _row(agency)
        for agency in app.config.registry
        if (not levels or agency.level in levels)
        and (source is None or source in agency.expects)
        and (not antivirus or agency.antivirus is not None)
        and (not part or any(part in fold(name) for name in _all_names(agency)))
    )
    emit(rows, _columns(app), format_)


@command.command()
@click.argument("who")
@format_option
@pass_app
def show(app: App, who: str, format_: str | None) -> None:
    """Show one agency, found by its id, an address, or a name as people write it."""
    registry = app.config.registry
    agency = registry.by_address(who) or registry.by_name(who)
    if agency is None:
        raise _unknown(registry, who)
    row = _row(agency)
    if format_ == "table" or (format_ is None and sys.stdout.isatty()):
        pairs = (
            {"key": _label(key), "value": words.word(value) if key == "level" else value}
            for key, value in row.items()
            if value not in (None, "", [])
        )
        emit(pairs, (Column("key", _("Key")), Column("value", _("Value"))), "table")
    else:
        emit([row], _columns(app), format_)


@command.command()
@click.argument("path", required=False, type=click.Path(path_type=Path, dir_okay=False))
@format_option
@pass_app
def check(app: App, path: Path | None, format_: str | None) -> None:
    """Name the mistakes of a registry (exit code 3), then what looks forgotten in it.

    PATH is an agencies.yaml; the one in force by default.
    """
    from citysoc.config.load import load_agencies

    registry = load_agencies(path) if path else app.config.registry
    app.say(
        ngettext("{count} agency, no mistakes.", "{count} agencies, no mistakes.", len(registry)).format(
            count=len(registry)
        )
    )
    remarks = list(_remarks(registry))
    if remarks:
        emit(remarks, (Column("agency", _("Agency")), Column("remark", _("Remark"))), format_)


def _label(key: str) -> str:
    return _("level (kind of body)") if key == "level" else words.field(key)


def _columns(app: App) -> tuple[Column, ...]:
    return (
        Column("id", _("Id")),
        Column("name_en" if app.lang == "en" else "name", _("Name")),
        Column("level", _("Kind of body"), kind="word"),
        Column("networks", _("Networks")),
        Column("expects", _("Expects")),
        Column("machines", _("Machines"), kind="number"),
    )


def _row(agency: Agency) -> dict[str, Any]:
    row = agency.model_dump(mode="json", exclude={"antivirus"})
    row["name_en"] = agency.name_en or agency.name
    row["machines"] = agency.antivirus.machines if agency.antivirus else None
    return row


def _all_names(agency: Agency) -> tuple[str, ...]:
    return (agency.id, agency.name, agency.name_en, *agency.aliases)


def _unknown(registry: Registry, who: str) -> UsageError:
    try:
        ipaddress.ip_address(who)
    except ValueError:
        pass
    else:
        add = _("Add its network to agencies.yaml.")
        return UsageError(_("The address {address} belongs to no agency.").format(address=who), hint=add)
    names = {fold(name): agency.id for agency in registry for name in _all_names(agency) if name}
    part = fold(who)
    holding = [agency for name, agency in names.items() if part and part in name]
    near = holding or [names[name] for name in difflib.get_close_matches(part, names, n=3)]
    ids = ", ".join(list(dict.fromkeys(near))[:5])
    message = _("{who} names no agency, or more than one.").format(who=repr(who[:100]))
    hint = _("Did you mean {ids}?").format(ids=ids) if ids else _("`citysoc agencies list` shows them.")
    return UsageError(message, hint=hint)


def _remarks(registry: Registry) -> Iterator[dict[str, str]]:
    """Find what is allowed but looks forgotten."""
    for agency in registry:
        if not agency.networks and not agency.senders:
            yield _remark(agency, _("has no networks: its syslog cannot be recognised"))
        if not agency.expects:
            yield _remark(agency, _("expects no source: its silence is no alarm"))
        machines = agency.antivirus.machines if agency.antivirus else 0
        room = sum(ipaddress.ip_network(network).num_addresses for network in agency.networks)
        if agency.networks and machines > room:
            text = _("has {machines} machines but only {room} addresses")
            yield _remark(agency, text.format(machines=machines, room=room))


def _remark(agency: Agency, text: str) -> dict[str, str]:
    return {"agency": agency.id, "name": agency.name, "remark": text}
