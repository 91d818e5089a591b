"""``citysoc events export``: events into a file that appears when it is complete."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from citysoc.commands import progress
from citysoc.commands.context import App, pass_app
from citysoc.commands.events_common import COLUMNS, columns, fields, finished
from citysoc.commands.output import emit, to_json
from citysoc.commands.times import Span, span_options
from citysoc.ecs.fields import FIELDS
from citysoc.errors import InputError, UsageError
from citysoc.i18n import _, ngettext
from citysoc.stores.base import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import pyarrow as pa

    from citysoc.flow import Event

FORMATS = ("ndjson", "csv", "parquet")
_BATCH = 2048


@click.command("export")
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
    type=click.Choice(FORMATS),
    help="How to write; by the file's name by default.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@span_options
@click.option("--agency", metavar="ID", help="Only this agency.")
@click.option("--fields", "names", metavar="A,B", help="Only these fields.")
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
    names: str | None,
) -> int:
    """Write all events that match QUERY into a file, oldest first.

    The file appears when it is complete, readable by you alone. In CSV, text that a spreadsheet
    would take for a formula gets a quotation mark before it. Ends with code 4 when files of the store
    are damaged and their events are missing.
    """
    suffix = output.suffix.lower().removeprefix(".")
    chosen = format_ or (suffix if suffix in FORMATS else "ndjson")
    shown = fields(names) or (COLUMNS if chosen == "csv" else ())
    question = Question(query, span.since, span.until, agency)
    with new_file(output, replace=force) as path, progress.counting(_("Events"), quiet=app.quiet) as advance:
        if chosen == "parquet":
            count = _parquet(app, question, shown, path, advance)
        else:
            found = app.store.search(question, fields=shown, newest_first=False)
            with (
                path.open("w", encoding="utf-8") as file,
                contextlib.redirect_stdout(file),
            ):
                count = emit(_told(found, advance), columns(shown or COLUMNS), chosen)
    app.say(
        ngettext("{count} event written to {path}.", "{count} events written to {path}.", count).format(
            count=count, path=output
        )
    )
    return finished(app)


def _told(events: Iterable[Event], advance: Callable[[int], None]) -> Iterator[Event]:
    number = 0
    for number, event in enumerate(events, start=1):
        if not number % 1000:
            advance(1000)
        yield event
    advance(number % 1000)


def _parquet(
    app: App, question: Question, names: tuple[str, ...], path: Path, advance: Callable[[int], None]
) -> int:
    """Write events as Parquet: the store's own columns, or a column for each wanted field."""
    import pyarrow.parquet as pq

    from citysoc.ecs.schema import schema

    known = all(name in FIELDS for name in names)
    batches = app.store.scan(question, fields=names) if known else _made(app, question, names)
    wanted = schema() if not names else _columns(names)
    count = 0
    with pq.ParquetWriter(path, wanted, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch.select(wanted.names))
            count += batch.num_rows
            advance(batch.num_rows)
    return count


def _columns(names: tuple[str, ...]) -> pa.Schema:
    import pyarrow as pa

    from citysoc.ecs.schema import schema

    return pa.schema([schema().field(n) if n in FIELDS else pa.field(n, pa.string()) for n in names])


def _made(app: App, question: Question, names: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """Yield batches with fields outside the dictionary, as text."""
    import pyarrow as pa

    gathered: list[Event] = []
    events = app.store.search(question, fields=names, newest_first=False)
    for event in events:
        gathered.append(event)
        if len(gathered) == _BATCH:
            yield pa.RecordBatch.from_pylist([_flat(e, names) for e in gathered], _columns(names))
            gathered = []
    if gathered:
        yield pa.RecordBatch.from_pylist([_flat(e, names) for e in gathered], _columns(names))


def _flat(event: Event, names: tuple[str, ...]) -> Mapping[str, Any]:
    return {name: event.get(name) if name in FIELDS else _text(event.get(name)) for name in names}


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return to_json({"": value})[4:-1].decode()


@contextlib.contextmanager
def new_file(path: Path, *, replace: bool) -> Iterator[Path]:
    """Yield a path to write to; the file appears under its own name when the block ends well.

    Raises:
        UsageError: the file exists and may not be replaced.
        InputError: it cannot be written.
    """
    exists = UsageError(_("The file exists already."), where=str(path), hint=_("Use --force to replace it."))
    if path.exists() and not replace:
        raise exists
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise InputError(
            _("The file cannot be written: {error}.").format(error=error.strerror), where=str(path)
        ) from error
    temporary = Path(name)
    try:
        yield temporary
        if replace:
            temporary.replace(path)
        else:
            path.hardlink_to(temporary)  # unlike a rename this never replaces a file
    except FileExistsError as error:
        raise exists from error
    finally:
        temporary.unlink(missing_ok=True)
