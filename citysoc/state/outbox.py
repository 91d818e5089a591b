"""What is to be told to the outside is written here first, in the transaction that makes it true.

A *message* has one id for ever (``webhook-id`` of Standard Webhooks) and one body, the very bytes
that every attempt sends; a *delivery* is one message for one receiver. ``notify/`` sends them.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc import clock
from citysoc.flow import LEVELS
from citysoc.state.values import dump, stamp

if TYPE_CHECKING:
    import datetime as dt
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from citysoc.config.models import Webhook

RANK: Mapping[str, int] = {level: rank for rank, level in enumerate(LEVELS)}
"""Levels as numbers, 0 for informational."""


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell.

    Args:
        event: one of the event types a webhook can ask for, for example ``alert.created``.
        subject: the id of the alert, incident or stream.
        key: tells apart messages of the same event about the same subject: a revision, a time.
        level: what ``min_level`` of a webhook is compared with.
        agency: the agency's id.
        rules: the rules behind it.
        data: gives the payload's ``data``; called only when somebody wants the message.
        raised_from: the level it had before; receivers that heard of it then are left out.
        agencies: further agencies that are involved: receivers of theirs are told as well.
    """

    event: str
    subject: str
    level: str
    agency: str
    rules: tuple[str, ...]
    data: Callable[[], Mapping[str, Any]]
    key: str = ""
    raised_from: str | None = None
    agencies: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The message's id: the same message has the same id, whoever writes it."""
        text = f"{self.event}\0{self.subject}\0{self.key}".encode("utf-8", "replace")
        return "msg_" + hashlib.blake2b(text, digest_size=16).hexdigest()


def enqueue(
    db: sqlite3.Connection, messages: Iterable[Message], webhooks: Sequence[Webhook], now: dt.datetime
) -> int:
    """Write a delivery for every message and every webhook that asked for it.

    Must run inside the transaction that makes the messages true. Writing the same message again
    changes nothing.

    Returns:
        How many deliveries were asked for.
    """
    at = stamp(now)
    asked = [(message, wanting) for message in messages if (wanting := wanted_by(message, webhooks))]
    if not asked:
        return 0
    db.executemany(
        "INSERT INTO outbox (id, event, subject, body, created_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [(m.id, m.event, m.subject, body(m.event, m.data(), now), at) for m, _ in asked],
    )
    rows = [(m.id, webhook.id, at, webhook.max_attempts) for m, wanting in asked for webhook in wanting]
    db.executemany(
        "INSERT INTO deliveries (message, webhook, due_at, budget) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        rows,
    )
    return len(rows)


def body(event: str, data: Mapping[str, Any], now: dt.datetime) -> bytes:
    """Return the bytes to send: ``type``, ``timestamp`` and ``data``, as Standard Webhooks recommend."""
    return dump({"type": event, "timestamp": clock.iso(now), "data": data}).encode()


def wanted_by(message: Message, webhooks: Sequence[Webhook]) -> tuple[Webhook, ...]:
    """Return the webhooks that asked for a message.

    ``min_level`` does not hold back ``source.*``: a silent source is an alarm whatever its level.
    """
    return tuple(webhook for webhook in webhooks if _wants(webhook, message))


def _wants(webhook: Webhook, message: Message) -> bool:
    if message.event not in webhook.events:
        return False
    if webhook.agencies and not {message.agency, *message.agencies}.intersection(webhook.agencies):
        return False
    if webhook.rules and not set(webhook.rules).intersection(message.rules):
        return False
    if message.event.startswith("source."):
        return True
    least = _rank(webhook.min_level)
    if message.raised_from is not None and _rank(message.raised_from) >= least:
        return False
    return _rank(message.level) >= least


@functools.lru_cache(maxsize=64)
def _rank(level: str) -> int:
    return RANK.get(level, 0)


def prune(db: sqlite3.Connection, *, before: dt.datetime) -> int:
    """Remove messages written before a moment of which every delivery has ended well; return how many."""
    gone = db.execute(
        "DELETE FROM outbox WHERE created_at < ? AND NOT EXISTS"
        " (SELECT 1 FROM deliveries d WHERE d.message = outbox.id AND d.state <> 'delivered')",
        (stamp(before),),
    )
    return gone.rowcount
