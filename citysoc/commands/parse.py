"""``citysoc parse``: the ECS events of files on stdout."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from citysoc.commands.context import App, pass_app
from citysoc.commands.logsource import logsource_option, parser_options
from citysoc.commands.output import Column, emit, format_option
from citysoc.i18n import ngettext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citysoc.flow import Batch, Event


@click.command("parse", short_help="Print the ECS events of files; no store.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--as", "parser_name", default="auto", metavar="PARSER", help="Use this parser instead of looking."
)
@click.option("--agency", default="unknown", metavar="ID", help="Whose logs these are.")
@click.option("--unparsed", is_flag=True, help="Print the records that no parser understood, too.")
@click.option("--limit", type=click.IntRange(min=0), default=0, help="Stop after so many; 0 means all.")
@logsource_option
@format_option
@pass_app
def command(
    app: App,
    *,
    paths: tuple[Path, ...],
    parser_name: str,
    agency: str,
    logsource: str | None,
    unparsed: bool,
    limit: int,
    format_: str | None,
) -> int:
    """Print the ECS events of PATHS (files, directories, .gz, .zip, .zst).

    \b
    citysoc parse fw.log | head
    citysoc parse --as fortigate fw.log -f table
    """
    from citysoc.pipeline.pull import batches_of

    counts: Counter[str] = Counter()
    batches = batches_of(
        paths, parser_name=parser_name, agency=agency, parser_options=parser_options(logsource)
    )
    rows = _events(batches, counts, unparsed=unparsed)
    emit(islice(rows, limit or None), _COLUMNS, format_)
    app.say(
        ngettext(
            "{events} event; records not parsed: {unparsed}.",
            "{events} events; records not parsed: {unparsed}.",
            counts["event"],
        ).format(events=counts["event"], unparsed=counts.total() - counts["event"])
    )
    for reason, count in sorted(counts.items()):
        if reason != "event":
            app.say(f"  {reason}: {count}")
    return 0 if counts["event"] or not counts else 1


_COLUMNS = tuple(
    Column(name)
    for name in ("@timestamp", "event.dataset", "event.action", "host.name", "source.ip", "message")
)


def _events(batches: Iterator[Batch], counts: Counter[str], *, unparsed: bool) -> Iterator[Event]:
    from citysoc.enrich.classify import classify
    from citysoc.parsers.run import parse_batch

    for batch in batches:
        events = parse_batch(batch)
        classify(events)
        for event in events:
            reason = event.get("citysoc.unparsed")
            counts[reason or "event"] += 1
            if reason is None or unparsed:
                yield event
