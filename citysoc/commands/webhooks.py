"""``citysoc webhooks``: receivers of alerts, and what became of each delivery."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

import click

from citysoc import clock
from citysoc.alerts import lives
from citysoc.alerts.queries import value_of
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option
from citysoc.commands.triage import by_option
from citysoc.errors import UsageError
from citysoc.i18n import _, ngettext
from citysoc.state.outbox import body

if TYPE_CHECKING:
    from citysoc.config.models import Webhook
    from citysoc.notify.attempt import Outcome
    from citysoc.notify.webhook import Delivered
    from citysoc.state import State

DELIVERY_STATES = ("pending", "sending", "delivered", "dead")


@click.group("webhooks", short_help="Receivers of alerts and their deliveries.")
def command() -> None:
    """Webhooks: who is told of alerts and incidents.

    Messages are signed as Standard Webhooks describe. A message keeps its id at every attempt and
    at every replay, so that a receiver can tell it has seen it.
    """


@command.command("list")
@format_option
@pass_app
def list_(app: App, *, format_: str | None) -> None:
    """Show the webhooks of the configuration and how many deliveries are in which state."""
    counts: dict[tuple[str, str], int] = {}
    if app.config.state_path.exists():
        state = app.state()
        try:
            rows = state.rows("SELECT webhook, state, count(*) AS number FROM deliveries GROUP BY 1, 2")
        finally:
            state.close()
        counts = {(row["webhook"], row["state"]): row["number"] for row in rows}
    columns = (
        Column("id", _("Webhook")),
        Column("receiver", _("Receiver")),
        Column("min_level", _("Level"), kind="level"),
        Column("events", _("Events")),
        Column("pending", _("Pending"), kind="number"),
        Column("delivered", _("Delivered"), kind="number"),
        Column("dead", _("Dead"), kind="number"),
    )
    emit((_listed(webhook, counts) for webhook in app.config.settings.webhooks), columns, format_)


def _listed(webhook: Webhook, counts: dict[tuple[str, str], int]) -> dict[str, Any]:
    import httpx

    url = httpx.URL(webhook.url)
    return {
        "id": webhook.id,
        # Paths and queries of webhooks often hold a token: only the receiver's name is shown.
        "receiver": f"{url.scheme}://{url.netloc.decode('ascii')}",
        "min_level": webhook.min_level,
        "events": list(webhook.events),
        "agencies": list(webhook.agencies),
        "rules": list(webhook.rules),
        **{state: counts.get((webhook.id, state), 0) for state in DELIVERY_STATES},
    }


@command.command("test")
@click.argument("webhook", metavar="ID")
@pass_app
def test(app: App, *, webhook: str) -> int:
    """Send one signed test message now and say what the receiver answered; nothing is retried."""
    from citysoc.config.load import resolve_secret

    receiver = _webhook(app, webhook)
    secret = resolve_secret(receiver.secret, app.config.root)
    outcome = asyncio.run(_send_test(receiver, secret))
    if outcome.kind == "delivered":
        app.say(_("Accepted: HTTP {status}.").format(status=outcome.status))
        return 0
    app.say(_("Not accepted: {reason}.").format(reason=outcome.reason.rstrip(".")))
    return 1


async def _send_test(webhook: Webhook, secret: str) -> Outcome:
    from citysoc.notify.attempt import attempt, open_client

    now = clock.now()
    message = body("webhook.test", {"schema": "citysoc.test/1", "webhook": webhook.id}, now)
    async with open_client(webhook) as client:
        name = f"msg_test_{secrets.token_hex(8)}"
        return await attempt(client, webhook, name, message, secret=secret, now=now)


@command.command("deliveries")
@click.option("--webhook", metavar="ID", help="To this webhook.")
@click.option("--state", "wanted", type=click.Choice(DELIVERY_STATES), help="In this state.")
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="0 for all.")
@format_option
@pass_app
def deliveries(app: App, *, webhook: str | None, wanted: str | None, limit: int, format_: str | None) -> None:
    """Show deliveries, the latest message first."""
    state = app.state()
    try:
        rows = state.rows(
            "SELECT d.message, d.webhook, o.event, o.subject, d.state, d.attempts, d.status, d.reason,"
            " o.created_at, d.due_at, d.ended_at FROM deliveries d JOIN outbox o ON o.id = d.message"
            " WHERE d.webhook = coalesce(?, d.webhook) AND d.state = coalesce(?, d.state)"
            " ORDER BY o.created_at DESC, d.message, d.webhook LIMIT ?",
            (webhook, wanted, limit or -1),
        )
    finally:
        state.close()
    columns = (
        Column("message", _("Message")),
        Column("webhook", _("Webhook")),
        Column("event", _("Event")),
        Column("state", _("State"), kind="word"),
        Column("attempts", _("Attempts"), kind="number"),
        Column("reason", _("Reason")),
    )
    emit((value_of(row) for row in rows), columns, format_)


@command.command("replay")
@click.argument("messages", metavar="[MESSAGE...]", nargs=-1)
@click.option("--webhook", metavar="ID", help="Only to this webhook.")
@click.option("--dead", is_flag=True, help="In place of messages: all dead letters.")
@click.option("--now", "at_once", is_flag=True, help="Deliver here and now; the service does it otherwise.")
@by_option
@pass_app
def replay(
    app: App, *, messages: tuple[str, ...], webhook: str | None, dead: bool, at_once: bool, who: str
) -> int:
    """Deliver messages once more, with the ids they have."""
    if dead == bool(messages):
        raise UsageError(_("Give either messages or --dead."))
    if webhook:
        _webhook(app, webhook)
    state = app.state(read_only=False)
    try:
        moved = _replay(app, state, messages, webhook, who)
        app.say(
            ngettext(
                "{count} delivery will be made again.", "{count} deliveries will be made again.", moved
            ).format(count=moved)
        )
        if not at_once or not moved:
            return 0 if moved or dead else 1
        done = asyncio.run(_deliver(app, state))
    finally:
        state.close()
    app.say(
        _("{sent} sent, {retried} to be retried, {dead} dead.").format(
            sent=done.sent, retried=done.retried, dead=done.dead
        )
    )
    return 0 if done.sent and not done.dead and not done.retried else 1


def _replay(app: App, state: State, messages: tuple[str, ...], webhook: str | None, who: str) -> int:
    from citysoc.notify import claims

    rows = state.rows("SELECT message, webhook, state FROM deliveries ORDER BY message, webhook")
    chosen = [
        (row["message"], row["webhook"])
        for row in rows
        if (not webhook or row["webhook"] == webhook)
        and (row["state"] == "dead" if not messages else row["message"].startswith(messages))
    ]
    budgets = {hook.id: hook.max_attempts for hook in app.config.settings.webhooks}
    moved = 0
    with state.transaction() as db:
        for message, name in chosen:
            if name not in budgets:
                continue
            if claims.replay(db, [(message, name)], budget=budgets[name], now=clock.now()):
                moved += 1
                lives.record(db, "webhook", name, "replay", who=who, now=clock.now(), detail=message)
    return moved


async def _deliver(app: App, state: State) -> Delivered:
    from citysoc.config.load import resolve_secret
    from citysoc.notify.webhook import deliver

    return await deliver(
        state,
        app.config.settings.webhooks,
        resolve_secret=lambda reference: resolve_secret(reference, app.config.root),
        now=clock.now,
    )


def _webhook(app: App, name: str) -> Webhook:
    for webhook in app.config.settings.webhooks:
        if webhook.id == name:
            return webhook
    raise UsageError(_("There is no webhook {id}.").format(id=name), hint="`citysoc webhooks list`")
