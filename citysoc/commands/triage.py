"""What the commands of alerts, incidents and webhooks share: who acts, one thing shown whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

import click

from citysoc.alerts.records import title_in
from citysoc.commands import words
from citysoc.commands.output import Column, emit, is_table
from citysoc.flow import LEVELS
from citysoc.i18n import _, language

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from citysoc.commands.times import Span

Function = TypeVar("Function", bound="Callable[..., Any]")
SHORT_ID = 8
_CODES = frozenset({"state", "verdict", "action", "before", "after", "kind", "family"})


def _who(_context: click.Context, _option: click.Parameter, value: str | None) -> str:
    """Return who acts: ``--by``, else ``CITYSOC_USER``, else the account of the terminal."""
    names = (value, os.environ.get("CITYSOC_USER"), os.environ.get("USER"), os.environ.get("LOGNAME"))
    return next((name for name in names if name), "unknown")


def by_option(function: Function) -> Function:
    """Add ``--by``: who acts, as the audit trail writes it; it arrives as ``who``."""
    text = "Who does this, for the audit trail; CITYSOC_USER or your account by default."
    option = click.option("--by", "who", metavar="ROLE", callback=_who, help=text)
    return option(function)


def level_option(function: Function) -> Function:
    """Add ``-m/--min-level``."""
    option = click.option("-m", "--min-level", type=click.Choice(LEVELS), help="At least this level.")
    return option(function)


def time_option(function: Function) -> Function:
    """Add ``--time``: which time of alerts and incidents a span is about."""
    text = "What the span is about: detection, or the first event, as reports count; with --month: event."
    option = click.option("--time", "about", type=click.Choice(("detected", "event")), help=text)
    return option(function)


def by_event(about: str | None, span: Span) -> bool:
    """Return whether a span is about first events: a month is what the report of the month counts."""
    return about == "event" or (about is None and span.is_month)


def for_table(row: Mapping[str, Any], *, time: str) -> dict[str, Any]:
    """Return a row for a narrow table: a short id, minutes, the verdict beside the state."""
    state = f"{row['state']}/{row['verdict']}" if row.get("verdict") else row["state"]
    return {**row, "id": row["id"][:SHORT_ID], "state": state, time: minutes(row[time])}


def minutes(moment: dt.datetime | None) -> str:
    """Return a moment in Huế's time to the minute: ``05/10/2026 14:03``."""
    from citysoc.commands.output import local_time

    return local_time(moment)[:-3] if moment else ""


def emit_one(
    value: Mapping[str, Any], parts: Mapping[str, Sequence[Mapping[str, Any]]], format_: str | None
) -> None:
    """Show one thing whole: as a table field by field, its parts below; otherwise as one object."""
    if not is_table(format_):
        emit([{**value, **parts}], [Column(name) for name in (*value, *parts)], format_)
        return
    rows = [
        {"field": words.field(name), "value": _shown(name, item)}
        for name, item in value.items()
        if item not in (None, "", [], {}) and name != "title_vi"
    ]
    emit(rows, (Column("field", _("Field")), Column("value", _("Value"))), "table")
    for name, items in parts.items():
        if items:
            click.echo(words.field(name).capitalize())
            emit(items, [_column(key) for key in items[0]], "table")


def titled(row: Mapping[str, Any], format_: str | None) -> dict[str, Any]:
    """Return a row for a reader: its title in the language in force; JSON has both titles as they are."""
    title_vi = row.get("title_vi", "")
    if not is_table(format_) and format_ != "csv":
        return dict(row)
    title = title_in(language(), row["title"], title_vi)
    return {name: value for name, value in row.items() if name != "title_vi"} | {"title": title}


def _column(name: str) -> Column:
    kind = "level" if name in {"level", "severity"} else "word" if name in _CODES else "text"
    return Column(name, words.field(name), kind=kind)


def _shown(name: str, item: Any) -> Any:
    """Return a value for people: codes as words, lists and mappings in one line."""
    if name in {"level", "severity"}:
        return words.level(str(item))
    if name in _CODES:
        return words.word(str(item))
    return _line(item) if isinstance(item, dict | list) else item


def _line(item: dict[str, Any] | list[Any]) -> str:
    if isinstance(item, dict):
        return "; ".join(f"{name}={value}" for name, value in item.items())
    return ", ".join(str(part) for part in item)
