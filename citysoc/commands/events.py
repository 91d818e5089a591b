"""``citysoc events``: search, count and export stored events."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option
from citysoc.commands.times import Span, span_options
from citysoc.errors import InputError, UsageError
from citysoc.i18n import _
from citysoc.stores.base import Metric, Question

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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

_INTERVAL = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_METRICS = ("count", "cardinality", "sum", "min", "max", "avg", "p50", "p90", "p95", "p99")


@click.group("events", short_help="Search, count and export stored events.")
def command() -> None:
    """Ask the stored events.

    A QUERY is written as in Kibana's Lucene: source.ip:10.1.0.0/16 AND NOT event.outcome:success,
    user.name:svc_*, destination.port:[1 TO 1024], url.path:*, agency:"Sở Y tế", "độc hại".
    """


@command.command("search")
@click.argument("query", default="")
@span_options
@click.option("--agency", metavar="ID", help="Only this agency.")
@click.option("--fields", metavar="A,B", help="Only these fields.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="At most so many; 0 means all.",
)
@click.option(
    "--sort",
    type=click.Choice(["newest", "oldest"]),
    default="newest",
    show_default=True,
    help="Which event comes first.",
)
@format_option
@pass_app
def search(
    app: App,
    *,
    query: str,
    span: Span,
    agency: str | None,
    fields: str | None,
    limit: int,
    sort: str,
    format_: str | None,
) -> None:
    """Show the events that match QUERY; without one, all of the span."""
    columns = _fields(fields) or (COLUMNS if _tabular(format_) else ())
    found = app.store.search(
        Question(query, span.since, span.until, agency),
        fields=columns,
        newest_first=sort == "newest",
        limit=limit + 1 if limit else None,
    )
    more = _More()
    emit(_first(found, limit, more), _columns(columns or COLUMNS), format_)
    if more.seen:
        app.say(_("There are more than {limit} events; --limit 0 shows all of them.").format(limit=limit))


@command.command("stats")
@click.argument("query", default="")
@click.option("--by", metavar="A,B", help="Group by these fields.")
@span_options
@click.option("--agency", metavar="ID", help="Only this agency.")
@click.option("--interval", metavar="TIME", help="One row for each 5m, 1h, 1d, 1w of local time.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="KIND[:FIELD]",
    help="count (default), cardinality:F, sum:F, min:F, max:F, avg:F, p50:F, p90:F, p95:F or p99:F; repeatable.",
)
@click.option("--limit", type=click.IntRange(min=0), default=0, help="At most so many rows; 0 means all.")
@format_option
@pass_app
def stats(
    app: App,
    *,
    query: str,
    by: str | None,
    span: Span,
    agency: str | None,
    interval: str | None,
    metrics: tuple[str, ...],
    limit: int,
    format_: str | None,
) -> None:
    """Count the events that match QUERY, or compute other figures of them, by groups."""
    groups = _fields(by)
    computed = tuple(map(_metric, metrics)) or (Metric(),)
    rows = app.store.aggregate(
        Question(query, span.since, span.until, agency),
        by=groups,
        metrics=computed,
        interval_seconds=_interval(interval),
        timezone=app.config.settings.service.timezone,
        limit=limit or None,
    )
    names = [m.kind if m.kind == "count" else f"{m.kind}:{m.field}" for m in computed]
    columns = [Column("time", _("Time"), kind="time")] if interval else []
    columns += [Column(name) for name in groups]
    columns += [Column(name, align="right", kind="number") for name in names]
    emit(rows, columns, format_)


@command.command("show")
@click.argument("event_id", metavar="ID")
@format_option
@pass_app
def show(app: App, *, event_id: str, format_: str | None) -> None:
    """Show one event with all of its fields."""
    show_one(app, event_id, format_)


def show_one(app: App, event_id: str, format_: str | None) -> None:
    """Print one stored record: for people a line for each field, else one object.

    Raises:
        InputError: there is no such record.
    """
    event = app.store.get(event_id)
    if event is None:
        raise InputError(_("There is no event with the id {id}.").format(id=repr(event_id)))
    if _tabular(format_):
        rows = [{"field": name, "value": event[name]} for name in sorted(event)]
        emit(rows, (Column("field", _("Field")), Column("value", _("Value"))), format_)
    else:
        emit([event], (), format_)


@command.command("export")
@click.argument("query", default="")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write.",
)
@click.option(
    "--format",
    "-f",
    "format_",
    type=click.Choice(["ndjson", "csv"]),
    help="How to write; by the file's name by default.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@span_options
@click.option("--agency", metavar="ID", help="Only this agency.")
@click.option("--fields", metavar="A,B", help="Only these fields.")
@pass_app
def export(
    app: App,
    *,
    query: str,
    output: Path,
    format_: str | None,
    force: bool,
    span: Span,
    agency: str | None,
    fields: str | None,
) -> None:
    """Write all events that match QUERY into a file, oldest first.

    The file appears when it is complete, readable by you alone. In CSV, text that a spreadsheet
    would take for a formula gets a quotation mark before it.
    """
    chosen = format_ or ("csv" if output.suffix.lower() == ".csv" else "ndjson")
    columns = _fields(fields) or (COLUMNS if chosen == "csv" else ())
    question = Question(query, span.since, span.until, agency)
    found = app.store.search(question, fields=columns, newest_first=False)
    with _new_file(output, replace=force):
        count = emit(found, _columns(columns or COLUMNS), chosen)
    app.say(_("{count} events written to {path}.").format(count=count, path=output))


@command.command("sql")
@click.argument("statement")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="At most so many rows; 0 means all.",
)
@format_option
@pass_app
def sql(app: App, *, statement: str, limit: int, format_: str | None) -> None:
    """Ask the local store one SELECT in DuckDB's SQL; - reads it from standard input.

    The views are events and quarantine; columns are ECS names in double quotes. The statement
    can change nothing and reads no other file.

    \b
    citysoc events sql 'SELECT "agency.id", count(*) FROM events GROUP BY 1 ORDER BY 2 DESC'
    """
    from citysoc.stores.local import LocalStore

    store = app.store
    if not isinstance(store, LocalStore):
        raise UsageError(_("Only the local store can be asked in SQL."))
    text = sys.stdin.read() if statement == "-" else statement
    names, rows = store.sql(text)
    more = _More()
    emit(_first(rows, limit, more), [Column(name) for name in names], format_)
    if more.seen:
        app.say(_("There are more than {limit} rows; --limit 0 shows all of them.").format(limit=limit))


class _More:
    """Whether a list was cut short."""

    seen = False


def _first(rows: Iterator[Mapping[str, Any]], limit: int, more: _More) -> Iterator[Mapping[str, Any]]:
    for number, row in enumerate(rows, start=1):
        if limit and number > limit:
            more.seen = True
            return
        yield row


def _tabular(format_: str | None) -> bool:
    return (format_ or ("table" if sys.stdout.isatty() else "ndjson")) in ("table", "csv")


def _columns(names: Sequence[str]) -> list[Column]:
    """Return a column for each field; of those that nobody asked for, empty ones need not be shown."""
    optional = tuple(names) == COLUMNS
    return [
        Column(name, kind="time" if name == "@timestamp" else "text", optional=optional) for name in names
    ]


def _fields(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))


def _metric(text: str) -> Metric:
    kind, _colon, field = text.partition(":")
    if kind not in _METRICS or (kind == "count") == bool(field):
        raise UsageError(
            _("{text} is no metric.").format(text=repr(text)),
            hint=_("Write count, cardinality:source.ip or sum:source.bytes."),
        )
    return Metric(cast("Any", kind), field)


def _interval(text: str | None) -> int | None:
    if text is None:
        return None
    if not (match := _INTERVAL.fullmatch(text)):
        raise UsageError(
            _("{text} is no interval.").format(text=repr(text)), hint=_("Write 30s, 5m, 1h, 1d or 1w.")
        )
    return int(match[1]) * _SECONDS[match[2]]


@contextlib.contextmanager
def _new_file(path: Path, *, replace: bool) -> Iterator[None]:
    """Send standard output into a file that appears under its name when the block ends well.

    Raises:
        UsageError: the file exists and may not be replaced.
        InputError: it cannot be written.
    """
    exists = UsageError(_("The file exists already."), where=str(path), hint=_("Use --force to replace it."))
    if path.exists() and not replace:
        raise exists
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise InputError(
            _("The file cannot be written: {error}.").format(error=error.strerror), where=str(path)
        ) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file, contextlib.redirect_stdout(file):
            yield
        if replace:
            temporary.replace(path)
        else:
            path.hardlink_to(temporary)  # unlike a rename this never replaces a file
    except FileExistsError as error:
        raise exists from error
    finally:
        temporary.unlink(missing_ok=True)
