"""The fields of events that are looked up, and as what."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ADDRESSES = (
    *("source.ip", "destination.ip", "client.ip", "server.ip"),
    *("source.nat.ip", "destination.nat.ip"),
)
DOMAINS = (
    *("dns.question.name", "url.domain", "destination.domain", "source.domain"),
    *("tls.client.server_name", "destination.address", "source.address"),
)
URLS = ("url.full", "url.original", "http.request.referrer")
HASHES = (
    *("file.hash.md5", "file.hash.sha1", "file.hash.sha256"),
    *("process.hash.md5", "process.hash.sha1", "process.hash.sha256"),
    *("dll.hash.md5", "dll.hash.sha256", "tls.server.hash.sha1"),
)
MAILS = ("user.email",)
LISTS = {
    "dns.resolved_ip": "addresses",
    "dns.answers.data": "domains",
    "related.hash": "hashes",
    "email.from.address": "mails",
    "email.to.address": "mails",
}
"""Fields that hold several values, and as what they are looked up."""
FIELDS: Mapping[str, str] = {
    **dict.fromkeys(ADDRESSES, "addresses"),
    **dict.fromkeys(DOMAINS, "domains"),
    **dict.fromkeys(HASHES, "hashes"),
    **dict.fromkeys(MAILS, "mails"),
}
"""Fields that hold one value, beside ``URLS``."""
