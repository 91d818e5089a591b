"""What the commands on events share: fields, columns, the last word on what is missing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from citysoc.commands.output import Column
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from citysoc.commands.context import App

COLUMNS = (
    "@timestamp",
    "agency.id",
    "event.dataset",
    "event.action",
    "citysoc.class",
    "source.ip",
    "destination.ip",
    "user.name",
    "message",
)
"""What a table of events shows where nobody asks for other fields."""

PARTIAL = 4
"""The exit code of an answer that is not whole."""


def finished(app: App) -> int:
    """Say what the answer had to leave out; return the exit code."""
    missing = app.store.left_out()
    for sentence in missing:
        app.say(_("Left out: {what}.").format(what=sentence))
    if missing:
        app.say(_("The answer is not whole. `citysoc store verify` tells more."))
    return PARTIAL if missing else 0


def tabular(format_: str | None) -> bool:
    """Return whether rows are shown as a table with chosen columns."""
    return (format_ or ("table" if sys.stdout.isatty() else "ndjson")) in ("table", "csv")


def columns(names: Sequence[str]) -> list[Column]:
    """Return a column for each field; of those that nobody asked for, empty ones need not be shown."""
    optional = tuple(names) == COLUMNS
    return [
        Column(name, kind="time" if name == "@timestamp" else "text", optional=optional) for name in names
    ]


def fields(text: str | None) -> tuple[str, ...]:
    """Return the names in ``A,B``."""
    return tuple(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))


class More:
    """Whether a list was cut short, and its last row."""

    seen = False
    last: Mapping[str, Any] | None = None


def first(rows: Iterator[Mapping[str, Any]], limit: int, more: More) -> Iterator[Mapping[str, Any]]:
    """Yield at most ``limit`` rows, all for 0; note in ``more`` whether there are others."""
    for number, row in enumerate(rows, start=1):
        if limit and number > limit:
            more.seen = True
            return
        more.last = row
        yield row


def phrase(text: str) -> str:
    """Return a text as a phrase of the query language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
