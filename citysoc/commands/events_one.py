"""``citysoc events show`` and ``tail``: one event with its neighbours, and what is stored just now."""

from __future__ import annotations

import dataclasses
import datetime as dt
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from citysoc import clock
from citysoc.commands.context import App, pass_app
from citysoc.commands.events_common import COLUMNS, columns, fields, finished, phrase, tabular
from citysoc.commands.events_spans import seconds
from citysoc.commands.output import Column, emit, format_option, local_time, printable, to_json
from citysoc.errors import InputError
from citysoc.i18n import _, ngettext
from citysoc.stores.base import Question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citysoc.flow import Event

_LINE = ("agency.id", "event.dataset", "event.action", "source.ip", "destination.ip", "user.name")


@click.command("show")
@click.argument("event_id", metavar="ID")
@click.option(
    "--around",
    metavar="TIME",
    help="Also what the same host, or else the same agency, did so long before and after: 30s, 5m, 1h.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many neighbours."
)
@format_option
@pass_app
def show(app: App, *, event_id: str, around: str | None, limit: int, format_: str | None) -> int:
    """Show one event with all of its fields, and its neighbours in time."""
    event = show_one(app, event_id, format_)
    if around is not None:
        neighbours = list(_neighbours(app, event, dt.timedelta(seconds=seconds(around)), limit))
        app.say(
            ngettext("{count} neighbour:", "{count} neighbours:", len(neighbours)).format(
                count=len(neighbours)
            )
        )
        if neighbours:
            emit(neighbours, columns(COLUMNS), format_)
    return finished(app)


def show_one(app: App, event_id: str, format_: str | None) -> Event:
    """Print one stored record: for people a line for each field, else one object.

    Raises:
        InputError: there is no such record.
    """
    event = app.store.get(event_id)
    if event is None:
        raise InputError(_("There is no event with the id {id}.").format(id=repr(event_id)))
    if tabular(format_):
        rows = [{"field": name, "value": event[name]} for name in sorted(event)]
        emit(rows, (Column("field", _("Field")), Column("value", _("Value"))), format_)
    else:
        emit([event], (), format_)
    return event


def _neighbours(app: App, event: Event, reach: dt.timedelta, limit: int) -> Iterator[Event]:
    """Yield the events beside one in time, oldest first, without itself; the nearest where there are many."""
    host = event.get("host.name")
    moment: dt.datetime = event["@timestamp"]
    question = Question(
        f"host.name:{phrase(host)}" if isinstance(host, str) else "", agency=event.get("agency.id")
    )
    before = dataclasses.replace(question, since=moment - reach, until=moment)
    after = dataclasses.replace(question, since=moment, until=moment + reach)
    half = (limit + 1) // 2
    earlier = list(app.store.search(before, limit=half))
    yield from reversed(earlier)
    left = limit - len(earlier)
    later = app.store.search(after, newest_first=False, limit=left + 1)
    others = (other for other in later if other["event.id"] != event["event.id"])
    for _number, other in zip(range(left), others, strict=False):
        yield other


@click.command("tail")
@click.argument("query", default="")
@click.option("--agency", metavar="ID", help="Only this agency.")
@click.option("--fields", "names", metavar="A,B", help="Only these fields.")
@click.option(
    "--last",
    type=click.IntRange(min=0, max=10_000),
    default=10,
    show_default=True,
    help="Begin with so many.",
)
@click.option("--for", "for_", metavar="TIME", help="End after 30s, 5m, 1h; without it Ctrl-C ends it.")
@click.option(
    "--every", metavar="TIME", default="2s", show_default=True, help="How often to look for new ones."
)
@click.option(
    "-f", "--format", "format_", type=click.Choice(["line", "ndjson"]), help="A terminal gets lines."
)
@pass_app
def tail(
    app: App,
    *,
    query: str,
    agency: str | None,
    names: str | None,
    last: int,
    for_: str | None,
    every: str,
    format_: str | None,
) -> int:
    """Show events that match QUERY as they are stored, in the order in which they come."""
    question = Question(query, agency=agency)
    lines = (format_ or ("line" if sys.stdout.isatty() else "ndjson")) == "line"
    shown = fields(names) or ((*_LINE, "message") if lines else ())
    until = clock.now() + dt.timedelta(seconds=seconds(for_)) if for_ else None
    pause = seconds(every)
    mark = app.store.news(question, since=None, fields=shown).mark
    if last:
        for event in reversed(list(app.store.search(question, fields=shown, limit=last))):
            _print(event, shown, lines=lines)
    while until is None or clock.now() < until:
        news = app.store.news(question, since=mark, fields=shown)
        mark = news.mark
        for event in news.events:
            _print(event, shown, lines=lines)
        left = (until - clock.now()).total_seconds() if until else pause
        time.sleep(max(0.0, min(pause, left)))
    return finished(app)


def _print(event: Event, shown: tuple[str, ...], *, lines: bool) -> None:
    text = _line(event, shown) if lines else to_json(event).decode()
    click.echo(text)


def _line(event: Event, shown: tuple[str, ...]) -> str:
    values = (_word(event[name]) for name in shown if name in event and name != "@timestamp")
    return " ".join([local_time(event["@timestamp"]), *values])


def _word(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return printable(text)
