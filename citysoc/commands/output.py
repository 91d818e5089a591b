"""Rows to the reader: a table for people, NDJSON for a pipe, JSON and CSV on request."""

from __future__ import annotations

import csv
import datetime as dt
import io
import sys
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click
import orjson

from citysoc import clock
from citysoc.commands import words
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Function = TypeVar("Function", bound="Callable[..., Any]")

FORMATS = ("table", "json", "ndjson", "csv")
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
_EXCERPT = 60
"""Characters of a long text that a table shows."""
LEVEL_STYLES = {
    "critical": "bold red",
    "high": "bold magenta",
    "medium": "bold yellow",
    "low": "green",
    "informational": "dim",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list.

    Args:
        name: the key of a row, and the key in JSON and CSV.
        title: the heading of the table, already in the reader's language; the name when empty.
        align: left or right.
        kind: text, word (a code, shown in the reader's language), level (one that is coloured), time
            (shown in Huế's time, on one line), number (grouped as the reader's language writes it), or
            excerpt (a table shows its beginning).
        optional: a table leaves the column out where no row has a value.
    """

    name: str
    title: str = ""
    align: str = "left"
    kind: str = "text"
    optional: bool = False


def format_option(function: Function) -> Function:
    """Add ``-f/--format`` to a command; it arrives as ``format_``, None when not given."""
    option = click.option(
        "-f",
        "--format",
        "format_",
        type=click.Choice(FORMATS),
        default=None,
        help="How to print; a terminal gets a table, a pipe gets NDJSON.",
    )
    return option(function)


def is_table(format_: str | None) -> bool:
    """Say whether people will read the output as a table."""
    return format_ == "table" or (format_ is None and sys.stdout.isatty())


def emit(rows: Iterable[Mapping[str, Any]], columns: Sequence[Column], format_: str | None) -> int:
    """Print rows on stdout; return how many there were.

    Args:
        rows: mappings; values are JSON-able, times are aware.
        columns: what a table and a CSV show, in order. JSON has every key of a row.
        format_: one of ``FORMATS``; None means a table on a terminal, NDJSON elsewhere.
    """
    return _WRITERS[chosen(format_)](rows, columns)


def chosen(format_: str | None) -> str:
    """Return the format to print in, where None leaves that to what stdout is."""
    return format_ or ("table" if sys.stdout.isatty() else "ndjson")


def printable(text: str) -> str:
    r"""Return text without characters that could drive a terminal or hide what it says.

    Control characters and those that turn the direction of writing are shown as ``\xNN``.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or unicodedata.category(c) == "Zs" else c.encode("unicode_escape").decode()
        for c in text
    )


def to_json(row: Any) -> bytes:
    """Return JSON, an object as a rule: times in RFC 3339 UTC, lone surrogates replaced, numbers beyond 64 bits as text."""
    try:
        return orjson.dumps(row, str, _OPTIONS)
    except TypeError:  # text that is no valid Unicode, a huge number: rare, so paid for only then
        return orjson.dumps(_clean(row), str, _OPTIONS)


def local_time(moment: dt.datetime) -> str:
    """Return a moment as people in Huế read it: ``05/10/2026 14:03:21``."""
    return f"{moment.astimezone(clock.HUE):%d/%m/%Y %H:%M:%S}"


def number(value: float) -> str:
    """Return a number grouped as the language in force writes it: 5.661 or 5,661."""
    from citysoc.i18n import language

    text = f"{value:,.2f}".rstrip("0").rstrip(".")
    return text.translate(str.maketrans(",.", ".,")) if language() == "vi" else text


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_clean(k): _clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(v) for v in value]
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return str(value)
    return value


def _json(rows: Iterable[Mapping[str, Any]], _columns: Sequence[Column]) -> int:
    listed = [orjson.loads(to_json(row)) for row in rows]
    click.echo(orjson.dumps(listed, option=orjson.OPT_INDENT_2).decode())
    return len(listed)


def _ndjson(rows: Iterable[Mapping[str, Any]], _columns: Sequence[Column]) -> int:
    out = sys.stdout.buffer
    count = 0
    for row in rows:
        out.write(to_json(row) + b"\n")
        count += 1
    out.flush()
    return count


def _csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[Column]) -> int:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([column.name for column in columns])
    count = 0
    for row in rows:
        writer.writerow([_cell(row.get(column.name)) for column in columns])
        count += 1
        if buffer.tell() > 1 << 16:
            _flush(buffer)
    _flush(buffer)
    return count


def _flush(buffer: io.StringIO) -> None:
    sys.stdout.buffer.write(buffer.getvalue().encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()
    buffer.seek(0)
    buffer.truncate()


def _cell(value: Any) -> str:
    """Return a value for a spreadsheet: text that it would take for a formula gets a quote before it."""
    text = _text(value)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} and not _is_number(value) else text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return clock.iso(value)
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    if isinstance(value, dict):
        return to_json(value).decode()
    return str(value)


def _shown(value: Any, column: Column) -> Any:
    from rich.text import Text

    if isinstance(value, bool):
        return Text(_("yes") if value else "")
    if isinstance(value, dt.datetime):
        return Text(local_time(value))
    if isinstance(value, int | float) and not isinstance(value, bool) and column.kind != "text":
        return Text(number(value))
    text = printable(_text(value)[: _EXCERPT + 1] if column.kind == "excerpt" else _text(value))
    if column.kind == "excerpt" and len(text) > _EXCERPT:
        return Text(f"{text[:_EXCERPT]}…")
    if column.kind == "level":
        return Text(words.level(text), style=LEVEL_STYLES.get(text, ""))
    return Text(words.word(text) if column.kind == "word" else text)


def _table(rows: Iterable[Mapping[str, Any]], columns: Sequence[Column]) -> int:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    listed = list(rows)
    shown = [c for c in columns if not c.optional or any(_text(row.get(c.name)) for row in listed)]
    for column in shown:
        right = column.align == "right" or column.kind == "number"
        table.add_column(
            column.title or column.name,
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=column.kind == "time",
        )
    for row in listed:
        table.add_row(*(_shown(row.get(column.name), column) for column in shown))
    if count := len(listed):
        width = None if sys.stdout.isatty() else 160
        Console(file=sys.stdout, highlight=False, width=width).print(table)
    else:
        click.echo(_("Nothing found."), err=True)
    return count


_WRITERS: dict[str, Callable[[Iterable[Mapping[str, Any]], Sequence[Column]], int]] = {
    "table": _table,
    "json": _json,
    "ndjson": _ndjson,
    "csv": _csv,
}
