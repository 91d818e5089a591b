"""Fetches a feed: bounded in size and time, certificates checked, never led into our own network.

Every hop is judged as webhooks are (``notify.addresses``): a name is resolved once, all its addresses must be allowed,
and the connection goes to one of these very addresses. Redirects go at most three hops, and not from https to http;
secrets in headers go to the first host only.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import citysoc
from citysoc.config.load import resolve_secret
from citysoc.errors import CitysocError, InputError
from citysoc.i18n import _
from citysoc.notify import addresses

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from citysoc.config.intel import Feed

MAX_HOPS = 3
_MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What names the edition that was fetched: headers to ask with the next time."""

    etag: str
    modified: str


def fetch(
    feed: Feed,
    target: Path,
    *,
    root: Path,
    etag: str = "",
    modified: str = "",
    accept: str = "",
    resolver: addresses.Resolver = addresses.resolve,
) -> Answer | None:
    """Write a feed's newest edition into a file; None where the server says that nothing is new.

    Args:
        feed: has a URL.
        target: the file.
        root: what paths of secrets and certificates are relative to.
        etag: of the edition that we have.
        modified: its ``Last-Modified``.
        accept: the media type to ask for; any where it is empty.
        resolver: how to find a host's addresses.

    Raises:
        InputError: it cannot be fetched; transient where it may work later.
    """
    import httpx

    asked = {"if-none-match": etag} if etag else {"if-modified-since": modified} if modified else {}
    asked |= {"accept": accept} if accept else {}
    try:
        return asyncio.run(_fetch(feed, target, root, asked, resolver))
    except TimeoutError as error:
        raise InputError(
            _("The feed took longer than {seconds} s.").format(seconds=f"{feed.timeout_seconds:g}"),
            transient=True,
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise InputError(
            _("The feed cannot be fetched: {why}.").format(why=_short(why)), transient=True
        ) from error


async def _fetch(
    feed: Feed, target: Path, root: Path, asked: dict[str, str], resolver: addresses.Resolver
) -> Answer | None:
    import httpx

    secrets = {name: resolve_secret(reference, root) for name, reference in feed.headers.items()}
    verify = ssl.create_default_context(cafile=root / feed.ca_file) if feed.ca_file else True
    url = httpx.URL(feed.url or "")
    async with (
        asyncio.timeout(feed.timeout_seconds),
        httpx.AsyncClient(verify=verify, follow_redirects=False, trust_env=False, timeout=30) as client,
    ):
        for _hop in range(MAX_HOPS + 1):
            same = (url.scheme, url.host, url.port) == _origin(feed)
            response = await _send(client, url, feed, asked | (secrets if same else {}), resolver)
            try:
                if response.status_code == 304:
                    return None
                if response.status_code in {301, 302, 303, 307, 308}:
                    url = _next(url, response)
                    continue
                if response.status_code != 200:
                    raise InputError(
                        _("The feed's server answers {status}.").format(status=response.status_code),
                        transient=response.status_code >= 500,
                    )
                await _save(response, target, feed.max_bytes)
                headers = response.headers
                return Answer(
                    headers.get("etag", "")[:_MAX_TEXT], headers.get("last-modified", "")[:_MAX_TEXT]
                )
            finally:
                await response.aclose()
    raise InputError(_("The feed is redirected too often."))


def _origin(feed: Feed) -> tuple[str, str, int | None]:
    import httpx

    url = httpx.URL(feed.url or "")
    return url.scheme, url.host, url.port


async def _send(
    client: httpx.AsyncClient,
    url: httpx.URL,
    feed: Feed,
    headers: dict[str, str],
    resolver: addresses.Resolver,
) -> httpx.Response:
    """Resolve, judge, connect to what was resolved."""
    import httpx

    host = url.raw_host.decode("ascii")
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        places = await addresses.reachable(
            host, port, allow_private_network=feed.allow_private_network, resolver=resolver
        )
    except CitysocError as error:
        raise InputError(error.message, hint=error.hint, transient=error.transient) from error
    own = {"host": url.netloc.decode("ascii"), "user-agent": f"citysoc/{citysoc.__version__}"}
    # The address goes into the URL, the name into Host, SNI and the certificate's check.
    extensions = {} if places == [host] else {"sni_hostname": host}
    for place in places:
        request = client.build_request(
            "GET", url.copy_with(host=place), headers={**headers, **own}, extensions=extensions
        )
        try:
            return await client.send(request, stream=True, follow_redirects=False)
        except httpx.ConnectError:
            if place == places[-1]:
                raise
    raise InputError(_("The feed's server has no address."), transient=True)


def _next(url: httpx.URL, response: httpx.Response) -> httpx.URL:
    location = response.headers.get("location", "")
    target = url.join(location[:2000])
    if (
        not location
        or target.scheme not in {"http", "https"}
        or (url.scheme == "https" and target.scheme == "http")
    ):
        raise InputError(_("The feed is redirected to where we do not go."))
    return target


async def _save(response: httpx.Response, target: Path, max_bytes: int) -> None:
    """Write an answer into a file; what it unpacks to counts, so a packed bomb is cut off too."""
    size = 0
    with target.open("wb") as file:
        async for chunk in response.aiter_bytes(64 << 10):
            size += len(chunk)
            if size > max_bytes:
                raise InputError(_("The feed is larger than {limit} bytes.").format(limit=max_bytes))
            file.write(chunk)


def _short(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:_MAX_TEXT]).rstrip(". ")
