"""Deliver what is due: one pass over the outbox, every webhook on its own.

A slow or ill receiver delays nobody else: each webhook is a task of its own, sends a few messages at
a time, and is left alone for the rest of the pass once it seems ill. Order is not promised; a message
that is refused does not hold back the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from citysoc import telemetry
from citysoc.errors import CitysocError
from citysoc.notify import addresses, claims
from citysoc.notify.attempt import Outcome, attempt, open_client

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence

    import httpx

    from citysoc.config.models import Webhook
    from citysoc.notify.claims import Claimed
    from citysoc.state import State

AT_A_TIME = 4
PASS_SECONDS = 30.0
_log = telemetry.logger("notify")
_random = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a pass came to: numbers of attempts."""

    sent: int = 0
    retried: int = 0
    dead: int = 0

    def __add__(self, other: Delivered) -> Delivered:
        return Delivered(self.sent + other.sent, self.retried + other.retried, self.dead + other.dead)


_COUNTED = {"delivered": Delivered(sent=1), "pending": Delivered(retried=1), "dead": Delivered(dead=1)}


@dataclass(frozen=True, slots=True)
class _Line:
    """What speaks to one webhook in a pass: a client and a secret, or why there is none."""

    webhook: Webhook
    client: httpx.AsyncClient | None = None
    secret: str = dataclasses.field(default="", repr=False)
    fault: Outcome | None = None


@dataclass(frozen=True, slots=True)
class _Pass:
    """What a pass works with."""

    state: State
    resolve_secret: Callable[[str], str]
    now: Callable[[], dt.datetime]
    ends: float
    client: httpx.AsyncClient | None
    resolver: addresses.Resolver


async def deliver(
    state: State,
    webhooks: Sequence[Webhook],
    *,
    resolve_secret: Callable[[str], str],
    now: Callable[[], dt.datetime],
    client: httpx.AsyncClient | None = None,
    resolver: addresses.Resolver = addresses.resolve,
) -> Delivered:
    """Make the deliveries that are due; return at once when there are none.

    Args:
        state: the state database; it is never held while the network is waited for.
        webhooks: all webhooks of the configuration; what waits for any other becomes a dead letter.
        resolve_secret: gives the secret of a reference; asked anew in every pass.
        now: the clock.
        client: used for all webhooks in place of one per webhook, for tests.
        resolver: how to find a host's addresses.
    """
    waiting = await asyncio.to_thread(claims.due, state, now())
    if not waiting:
        return Delivered()
    known = {webhook.id: webhook for webhook in webhooks}
    work = _Pass(state, resolve_secret, now, time.monotonic() + PASS_SECONDS, client, resolver)
    total = Delivered()
    for name in [name for name in waiting if name not in known]:
        reason = "the webhook is not configured"
        total += Delivered(
            dead=await asyncio.to_thread(claims.give_up, state, name, now=now(), reason=reason)
        )
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_serve(work, known[name])) for name in waiting if name in known]
    for task in tasks:
        total += task.result()
    _log.info("pass.done", sent=total.sent, retried=total.retried, dead=total.dead)
    return total


async def _serve(work: _Pass, webhook: Webhook) -> Delivered:
    """Deliver to one webhook until nothing is due, it seems ill, or the pass took long enough."""
    total = Delivered()
    async with contextlib.AsyncExitStack() as stack:
        line = await _line(work, webhook, stack)
        limit = 1 if line.fault else AT_A_TIME
        while time.monotonic() < work.ends:
            claimed = await asyncio.to_thread(claims.claim, work.state, webhook, now=work.now(), limit=limit)
            if not claimed:
                break
            results = await asyncio.gather(*(_one(work, line, item) for item in claimed))
            for counted, _ in results:
                total += counted
            if any(unwell for _, unwell in results):
                break
    return total


async def _line(work: _Pass, webhook: Webhook, stack: contextlib.AsyncExitStack) -> _Line:
    """Return what speaks to a webhook, or the fault of ours that keeps it from speaking."""
    try:
        secret = work.resolve_secret(webhook.secret)
        client = work.client or await stack.enter_async_context(open_client(webhook))
    except CitysocError as error:
        return _Line(webhook, fault=Outcome("retry", str(error), unwell=True))
    return _Line(webhook, client, secret)


async def _one(work: _Pass, line: _Line, claimed: Claimed) -> tuple[Delivered, bool]:
    """Make one attempt and write down what came of it; say also whether the receiver seems ill."""
    if line.client is None:
        outcome = line.fault or Outcome("retry", unwell=True)
    else:
        outcome = await attempt(
            line.client,
            line.webhook,
            claimed.message,
            claimed.body,
            secret=line.secret,
            now=work.now(),
            resolver=work.resolver,
        )
    delay = claims.backoff_seconds(claimed.number, _random.random())
    delay = max(delay, outcome.retry_after_seconds or 0.0)
    after = await asyncio.to_thread(
        claims.settle, work.state, claimed, outcome, now=work.now(), delay_seconds=delay
    )
    _log.info(
        "attempt.ended",
        webhook=claimed.webhook,
        message=claimed.message,
        number=claimed.number,
        outcome=after,
        status=outcome.status,
        reason=outcome.reason or None,
    )
    return _COUNTED[after], outcome.unwell
