"""Tell others: the outbox and the webhook."""

from __future__ import annotations
