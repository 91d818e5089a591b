"""``citysoc alerts``: what the rules found, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from citysoc import clock
from citysoc.alerts import lives, queries
from citysoc.alerts.queries import Filter
from citysoc.commands import words
from citysoc.commands.alert_parts import parts_of, without_parts
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option, is_table
from citysoc.commands.times import Span, span_options
from citysoc.commands.triage import (
    by_event,
    by_option,
    emit_one,
    for_table,
    level_option,
    time_option,
    titled,
)
from citysoc.errors import UsageError
from citysoc.flow import LEVELS
from citysoc.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from citysoc.state import State

BULK_MAX = 100_000


@click.group("alerts", short_help="What the rules found, and what became of it.")
def command() -> None:
    """Alerts: findings of the same rule and key, counted once.

    An id may be shortened to a unique beginning. --since and --until are about the time of detection, --month is
    about the first event of an alert, as the report of the month counts; see --time.
    """


@command.command("list")
@level_option
@click.option("--state", "states", type=click.Choice(lives.STATES), multiple=True, help="In this state.")
@click.option("--open", "only_open", is_flag=True, help="All that are not closed.")
@click.option(
    "--agency",
    "agencies",
    metavar="ID",
    multiple=True,
    help="Of this agency, or of several among which it is; `city`: of several.",
)
@click.option("--rule", "rules", metavar="ID", multiple=True, help="Of this rule.")
@click.option("--entity", metavar="KIND:VALUE", help="About this entity, for example host:pc-12.")
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="0 for all.")
@span_options
@time_option
@format_option
@pass_app
def list_(
    app: App,
    *,
    min_level: str | None,
    states: tuple[str, ...],
    only_open: bool,
    agencies: tuple[str, ...],
    rules: tuple[str, ...],
    entity: str | None,
    limit: int,
    span: Span,
    about: str | None,
    format_: str | None,
) -> None:
    """Show alerts, the latest detected first.

    Example: citysoc alerts list --open -m high --since 24h
    """
    chosen = (*states, *queries.OPEN) if only_open else states
    wanted = Filter(
        min_level, chosen, agencies, rules, entity, span.since, span.until, limit, by_event(about, span)
    )
    state = app.state()
    try:
        rows = queries.alerts(state, wanted)
    finally:
        state.close()
    if limit and len(rows) == limit:
        app.say(_("Only the latest {count} are shown; see --limit.").format(count=limit))
    rows = [titled(row, format_) for row in rows]
    shown = [_for_table(row) for row in rows] if is_table(format_) else rows
    emit(
        shown,
        (
            Column("id", _("Alert")),
            Column("level", _("Level"), kind="level"),
            Column("state", _("State"), kind="word"),
            Column("created_at", _("Detected"), kind="time"),
            Column("agency", _("Agency")),
            Column("count", _("Count"), kind="number"),
            Column("title", _("Title")),
        ),
        format_,
    )


def _for_table(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row for the table; what only several agencies show says how many they are."""
    shown = for_table(row, time="created_at")
    if row["agencies"]:
        shown["agency"] = f"{words.word(row['agency'])} ({len(row['agencies'])})"
    return shown


@command.command("show")
@click.argument("alert", metavar="ID")
@format_option
@pass_app
def show(app: App, *, alert: str, format_: str | None) -> None:
    """Show one alert with what matched and its audit trail."""
    state = app.state()
    try:
        id_ = queries.alert_id(state, alert)
        row = queries.value_of(state.rows("SELECT * FROM alerts WHERE id = ?", (id_,))[0])
        trail = queries.audit_of(state, "alert", id_)
        parts = parts_of(app, state, [row])
        if parts and is_table(format_):  # they stand below, one by one
            row["matched"] = without_parts(row["matched"])
    finally:
        state.close()
    emit_one(titled(row, format_), {"parts": parts, "audit": trail} if parts else {"audit": trail}, format_)


@command.command("ack")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--reason", default="", help="Why, in your words.")
@by_option
@pass_app
def ack(app: App, *, ids: tuple[str, ...], reason: str, who: str) -> int:
    """Acknowledge alerts: somebody has seen them."""
    return _move(app, ids, lives.Change("acknowledged", who, clock.now(), None, reason))


@command.command("work")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--reason", default="", help="Why, in your words.")
@by_option
@pass_app
def work(app: App, *, ids: tuple[str, ...], reason: str, who: str) -> int:
    """Take alerts in progress."""
    return _move(app, ids, lives.Change("in_progress", who, clock.now(), None, reason))


@command.command("close")
@click.argument("ids", metavar="[ID...]", nargs=-1)
@click.option("--verdict", type=click.Choice(lives.VERDICTS), required=True, help="What it was.")
@click.option("--reason", required=True, help="Why, in your words.")
@click.option("--query-rule", metavar="ID", help="In place of ids: all open alerts of this rule.")
@click.option("--agency", metavar="ID", help="In place of ids: all open alerts of this agency.")
@click.option("--max-level", type=click.Choice(LEVELS), help="With these: none above this level.")
@click.option("--dry-run", is_flag=True, help="Only say how many it would be.")
@span_options
@by_option
@pass_app
def close(
    app: App,
    *,
    ids: tuple[str, ...],
    verdict: str,
    reason: str,
    query_rule: str | None,
    agency: str | None,
    max_level: str | None,
    dry_run: bool,
    span: Span,
    who: str,
) -> int:
    """Close alerts with a verdict, one by one or many at once.

    Example: citysoc alerts close --query-rule RULE --agency so-y-te --verdict false_positive
    --reason "our own scanner" --dry-run
    """
    change = lives.Change("closed", who, clock.now(), verdict, reason)
    query = bool(query_rule or agency)
    if query == bool(ids):
        raise UsageError(_("Give either ids or --query-rule / --agency."))
    if not query and (max_level or span.since or span.until):
        raise UsageError(_("--max-level, --since and --until go with --query-rule or --agency."))
    if query:
        wanted = Filter(
            states=queries.OPEN,
            agencies=(agency,) if agency else (),
            rules=(query_rule,) if query_rule else (),
            since=span.since,
            until=span.until,
            limit=BULK_MAX,
            by_event=by_event(None, span),
        )
        ids = _matching(app, wanted, max_level)
    if dry_run:
        app.say(
            ngettext("{count} alert would be closed.", "{count} alerts would be closed.", len(ids)).format(
                count=len(ids)
            )
        )
        return 0
    return _move(app, ids, change, whole=query)


def _matching(app: App, wanted: Filter, max_level: str | None) -> tuple[str, ...]:
    state = app.state()
    try:
        rows = queries.alerts(state, wanted)
    finally:
        state.close()
    levels = LEVELS[: LEVELS.index(max_level) + 1] if max_level else LEVELS
    return tuple(row["id"] for row in rows if row["level"] in levels)


def _move(app: App, ids: Sequence[str], change: lives.Change, *, whole: bool = False) -> int:
    """Change alerts; say what became of each; return the exit code."""
    webhooks = app.config.settings.webhooks
    state: State = app.state(read_only=False)
    try:
        full = list(ids) if whole else [queries.alert_id(state, text) for text in ids]
        with state.transaction() as db:
            moved = lives.move_alerts(db, full, change, webhooks=webhooks)
    finally:
        state.close()
    changed = len(moved.changed)
    said: list[tuple[str, Any]] = [
        (ngettext("{count} alert changed.", "{count} alerts changed.", changed), changed)
    ]
    if moved.unchanged:
        said.append((_("{count} were so already."), len(moved.unchanged)))
    for text, count in said:
        app.say(text.format(count=count))
    for id_, is_now in moved.refused.items():
        app.say(_("{id} is {state}: refused.").format(id=id_, state=words.word(is_now)))
    return 1 if moved.refused else 0
