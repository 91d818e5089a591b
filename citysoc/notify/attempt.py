"""One attempt to deliver one message to one webhook, and what its answer means.

Signed as Standard Webhooks describe (https://www.standardwebhooks.com): ``webhook-id``,
``webhook-timestamp`` and ``webhook-signature: v1,<base64 of HMAC-SHA256 over id.timestamp.body>``.
Redirects are not followed, proxies of the environment are not used, TLS is verified, the answer is
read up to a bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import email.utils
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import citysoc
from citysoc.errors import CitysocError, DeliveryError
from citysoc.notify import addresses
from citysoc.state.values import clean

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from citysoc.config.models import Webhook

MAX_ANSWER_BYTES = 64 << 10
MAX_RETRY_AFTER_SECONDS = 3600
RETRIED_STATUSES = frozenset({408, 425, 429})
"""Statuses of 4xx that may pass: Request Timeout, Too Early, Too Many Requests (RFC 9110, 8470, 6585)."""

_REASON_MAX = 300
_EXCERPT = 120


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to.

    Args:
        kind: delivered; retry: it may work later; dead: it never will.
        reason: one sentence for a person, "" when delivered.
        status: the status code of the answer, None without an answer.
        retry_after_seconds: what the receiver asked for, capped.
        unwell: the receiver as a whole seems ill: better leave it alone for now.
    """

    kind: Literal["delivered", "retry", "dead"]
    reason: str = ""
    status: int | None = None
    retry_after_seconds: float | None = None
    unwell: bool = False


@contextlib.asynccontextmanager
async def open_client(webhook: Webhook) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client for one webhook.

    Raises:
        DeliveryError: ``ca_file`` cannot be used.
    """
    import httpx

    try:
        verify = ssl.create_default_context(cafile=webhook.ca_file) if webhook.ca_file else True
    except OSError as error:  # ssl.SSLError is one
        raise DeliveryError(f"ca_file cannot be used: {error}.", where=webhook.id, transient=True) from error
    async with httpx.AsyncClient(
        verify=verify,
        follow_redirects=False,
        trust_env=False,
        timeout=webhook.timeout_seconds,
        limits=httpx.Limits(max_connections=8),
    ) as client:
        yield client


async def attempt(
    client: httpx.AsyncClient,
    webhook: Webhook,
    message_id: str,
    body: bytes,
    *,
    secret: str,
    now: dt.datetime,
    resolver: addresses.Resolver = addresses.resolve,
) -> Outcome:
    """Send a message once; never raises for what a receiver or the network does.

    Args:
        client: from ``open_client``.
        webhook: the receiver.
        message_id: the message's id, the same at every attempt.
        body: the bytes to send.
        secret: ``whsec_`` + base64.
        now: the time to sign with.
        resolver: how to find a host's addresses.
    """
    import httpx

    try:
        headers = sign(secret, message_id, body, now)
        async with asyncio.timeout(webhook.timeout_seconds):
            return await _send(client, webhook, body, headers=headers, now=now, resolver=resolver)
    except TimeoutError:
        return _failed(f"no answer within {webhook.timeout_seconds:g} s")
    except CitysocError as error:
        kind: Literal["retry", "dead"] = "retry" if error.transient else "dead"
        return Outcome(kind, _sentence(str(error)), unwell=error.transient)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
        return _failed(f"{type(error).__name__}: {error}")


def sign(secret: str, message_id: str, body: bytes, now: dt.datetime) -> dict[str, str]:
    """Return the headers that prove who sent a message and when.

    Raises:
        DeliveryError: the secret is no ``whsec_`` + base64.
    """
    from standardwebhooks.webhooks import EmptyWebhookSecretError
    from standardwebhooks.webhooks import Webhook as Signer

    moment = now.astimezone(dt.UTC)
    try:
        signature = Signer(secret).sign(message_id, moment, body.decode())
    except (ValueError, EmptyWebhookSecretError):  # binascii.Error is a ValueError; say nothing of the secret
        raise DeliveryError("The secret is no whsec_ + base64.", transient=True) from None
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": signature,
    }


async def _send(
    client: httpx.AsyncClient,
    webhook: Webhook,
    body: bytes,
    *,
    headers: dict[str, str],
    now: dt.datetime,
    resolver: addresses.Resolver,
) -> Outcome:
    """Resolve, connect to what was resolved, send, judge the answer."""
    import httpx

    url = httpx.URL(webhook.url)
    host = url.raw_host.decode("ascii")
    port = url.port or (443 if url.scheme == "https" else 80)
    places = await addresses.reachable(
        host, port, allow_private_network=webhook.allow_private_network, resolver=resolver
    )
    headers = headers | {
        "host": url.netloc.decode("ascii"),
        "content-type": "application/json",
        "user-agent": f"citysoc/{citysoc.__version__}",
        "accept-encoding": "identity",
    }
    # The address goes into the URL, the name into Host, SNI and the certificate's check.
    extensions = {} if places == [host] else {"sni_hostname": host}
    for place in places:
        request = client.build_request(
            "POST", url.copy_with(host=place), content=body, headers=headers, extensions=extensions
        )
        try:
            response = await client.send(request, stream=True, follow_redirects=False)
        except httpx.ConnectError:
            if place == places[-1]:
                raise
            continue
        try:
            return await _judge(response, now)
        finally:
            await response.aclose()
    raise DeliveryError("The receiver's name has no address.", transient=True)


async def _judge(response: httpx.Response, now: dt.datetime) -> Outcome:
    """Say what an answer means; its body is read only where it explains a failure."""
    status = response.status_code
    if 200 <= status < 300:
        return Outcome("delivered", status=status)
    excerpt = await _excerpt(response)
    reason = _sentence(f"HTTP {status}" + (f": {excerpt}" if excerpt else ""))
    if 400 <= status < 500 and status not in RETRIED_STATUSES:
        return Outcome("dead", reason, status)
    if 300 <= status < 400:
        return Outcome("retry", f"HTTP {status}: redirects are not followed", status, unwell=True)
    wait = retry_after(response.headers.get("retry-after"), now)
    return Outcome("retry", reason, status, wait, unwell=wait is not None or status != 500)


async def _excerpt(response: httpx.Response) -> str:
    """Return the beginning of an answer as text."""
    read = bytearray()
    async for chunk in response.aiter_raw(chunk_size=4096):
        read += chunk
        if len(read) >= min(MAX_ANSWER_BYTES, 4096):
            break
    return read[:MAX_ANSWER_BYTES].decode("utf-8", "replace")[:_EXCERPT].strip()


def retry_after(text: str | None, now: dt.datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` asks for, at most an hour; None where it says nothing.

    It is a number of seconds or an HTTP date (RFC 9110 §10.2.3).

    >>> retry_after("120", dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    120.0
    """
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), MAX_RETRY_AFTER_SECONDS))
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return min(max((moment - now).total_seconds(), 0.0), float(MAX_RETRY_AFTER_SECONDS))


def _failed(reason: str) -> Outcome:
    return Outcome("retry", _sentence(reason), unwell=True)


def _sentence(text: str) -> str:
    """Return a text of the network fit to be kept and shown: short, without control characters."""
    return clean("".join(c if c.isprintable() else " " for c in text[:_REASON_MAX]), _REASON_MAX)
