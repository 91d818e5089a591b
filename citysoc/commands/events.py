"""``citysoc events``: search, count and export stored events."""

from __future__ import annotations

from typing import Any, cast

import click

from citysoc.commands import events_asked, events_files, events_one, events_order
from citysoc.commands.context import App, pass_app
from citysoc.commands.events_common import COLUMNS, More, columns, fields, finished, tabular
from citysoc.commands.events_spans import seconds
from citysoc.commands.output import Column, emit, format_option
from citysoc.commands.times import Span, span_options
from citysoc.errors import UsageError
from citysoc.i18n import _
from citysoc.stores.base import Metric, Question

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
@click.option("--saved", metavar="NAME", help="Ask a saved query; QUERY narrows it further.")
@click.option("--fields", "names", metavar="A,B", help="Only these fields.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="At most so many; 0 means all.",
)
@click.option(
    "--sort",
    metavar="newest|oldest|A,-B",
    default="newest",
    show_default=True,
    help="Which event comes first: by time, or by fields, those with a - downwards.",
)
@click.option(
    "--after", metavar="MARK", help="Go on behind an event: the mark that the page before ended with."
)
@format_option
@pass_app
def search(
    app: App,
    *,
    query: str,
    span: Span,
    agency: str | None,
    saved: str | None,
    names: str | None,
    limit: int,
    sort: str,
    after: str | None,
    format_: str | None,
) -> int:
    """Show the events that match QUERY; without one, all of the span.

    Ends with code 4 when files of the store are damaged and their events are missing.
    """
    wanted = fields(names)
    if saved is not None:
        kept = events_asked.named(app, saved)
        query = f"({kept.query}) AND ({query})" if query.strip() else kept.query
        wanted = wanted or kept.fields
    shown = wanted or (COLUMNS if tabular(format_) else ())
    question = Question(query, span.since, span.until, agency)
    more = More()
    found, mark = events_order.found(
        app, question, sort=sort, shown=shown, limit=limit, after=after, more=more
    )
    emit(found, columns(shown or COLUMNS), format_)
    if more.seen and more.last:
        app.say(_("There are more than {limit} events; --limit 0 shows all of them.").format(limit=limit))
        app.say(_("The next page: --after {mark}").format(mark=mark(more.last)))
    return finished(app)


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
) -> int:
    """Count the events that match QUERY, or compute other figures of them, by groups."""
    groups = fields(by)
    computed = tuple(map(_metric, metrics)) or (Metric(),)
    rows = app.store.aggregate(
        Question(query, span.since, span.until, agency),
        by=groups,
        metrics=computed,
        interval_seconds=seconds(interval) if interval is not None else None,
        timezone=app.config.settings.service.timezone,
        limit=limit or None,
    )
    names = [m.kind if m.kind == "count" else f"{m.kind}:{m.field}" for m in computed]
    shown = [Column("time", _("Time"), kind="time")] if interval else []
    shown += [Column(name) for name in groups]
    shown += [Column(name, align="right", kind="number") for name in names]
    emit(rows, shown, format_)
    return finished(app)


def _metric(text: str) -> Metric:
    kind, _colon, field = text.partition(":")
    if kind not in _METRICS or (kind == "count") == bool(field):
        raise UsageError(
            _("{text} is no metric.").format(text=repr(text)),
            hint=_("Write count, cardinality:source.ip, sum:source.bytes or p95:source.bytes."),
        )
    return Metric(cast("Any", kind), field)


for _other in (
    events_one.show,
    events_one.tail,
    events_files.export,
    events_asked.saved,
    events_asked.sql,
):
    command.add_command(_other)
