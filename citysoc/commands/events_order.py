"""The order of ``events search``: by time, or by fields; pages go on behind a mark."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from citysoc import clock
from citysoc.commands.events_common import first
from citysoc.errors import UsageError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from citysoc.commands.context import App
    from citysoc.commands.events_common import More
    from citysoc.flow import Event
    from citysoc.stores.base import Question
    from citysoc.stores.order import Sort


def found(
    app: App,
    question: Question,
    *,
    sort: str,
    shown: Sequence[str],
    limit: int,
    after: str | None,
    more: More,
) -> tuple[Iterator[Mapping[str, Any]], Callable[[Mapping[str, Any]], str]]:
    """Return a page of events, and what makes the mark of its last one.

    Args:
        app: has the store.
        question: which events.
        sort: newest, oldest, or fields.
        shown: only these fields; all when empty.
        limit: at most so many, 0 means all.
        after: the mark of the page before.
        more: is told whether there are others.

    Raises:
        UsageError: the order, the mark or the query cannot be understood.
    """
    most = limit + 1 if limit else None
    if sort in ("newest", "oldest"):
        by_time = app.store.search(
            question, fields=shown, newest_first=sort == "newest", limit=most, after=_moment(after)
        )
        return first(by_time, limit, more), _time
    from citysoc.stores.order import mark, order, place

    sorts = order(sort)
    behind = place(after, sorts) if after is not None else None
    # What the order needs is read as well, for the mark, and not shown.
    read = tuple(dict.fromkeys((*shown, *(each.field for each in sorts)))) if shown else ()
    events = app.store.ordered(question, sorts, fields=read, limit=most, after=behind)
    return _narrowed(first(events, limit, more), shown, sorts), lambda event: mark(dict(event), sorts)


def _narrowed(
    events: Iterator[Mapping[str, Any]], shown: Sequence[str], sorts: Sequence[Sort]
) -> Iterator[Mapping[str, Any]]:
    unwanted = {each.field for each in sorts} - {*shown, "@timestamp", "event.id"} if shown else set()
    for event in events:
        yield {name: value for name, value in event.items() if name not in unwanted} if unwanted else event


def _time(event: Event | Mapping[str, Any]) -> str:
    return f"{clock.iso(event['@timestamp'])},{event['event.id']}"


def _moment(text: str | None) -> tuple[dt.datetime, str] | None:
    """Return where a page ended.

    Raises:
        UsageError: the text is no mark.
    """
    if text is None:
        return None
    moment, _comma, event_id = text.partition(",")
    try:
        time = dt.datetime.fromisoformat(moment)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None or not event_id:
        raise UsageError(
            _("{text} is no mark.").format(text=repr(text)),
            hint=_("Copy the mark that the page before ended with."),
        )
    return time.astimezone(dt.UTC), event_id
