"""Web server access logs in the "combined" format of Apache httpd and nginx."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from citysoc.simulation.stamps import Stamps


def request(
    stamps: Stamps,
    at: int,
    *,
    address: str,
    method: str = "GET",
    target: str = "/",
    status: int = 200,
    size: int = 0,
    referrer: str = "-",
    agent: str = "-",
    user: str = "-",
) -> bytes:
    """Render one request."""
    return (
        f'{address} - {user} [{stamps.apache(at)}] "{method} {target} HTTP/1.1" {status} {size} '
        f'"{referrer}" "{agent}"'
    ).encode()
