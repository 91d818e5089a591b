"""What an indicator is, and how its value is written: defanged forms read, one spelling for each thing.

Feeds and events pass through the same functions, so that what is the same is spelled the same.
"""

from __future__ import annotations

import functools
import re
import socket
from typing import NamedTuple
from urllib.parse import quote

KINDS = ("address", "network", "domain", "url", "hash", "email")
MAX_CHARS = 2048
MIN_PREFIX = {4: 8, 6: 19}
"""Larger networks are no indicator: they are a mistake of the feed. No registry hands out more than a /19 of IPv6."""

_HEX = re.compile(r"(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64})")
_HASH_NAME = re.compile(r"(?i)(?:md5|sha-?1|sha-?256)[:=]\s*")
_DOMAIN = re.compile(r"(?=.{4,253}$)(?:[a-z0-9_-]{1,63}\.)+(?:xn--[a-z0-9-]{1,59}|[a-z][a-z0-9-]{1,62})")
_LOCAL_PART = re.compile(r"[^\s@\"<>(),;:\\\[\]]{1,64}")
_PORT = re.compile(r"(?:[0-9]{1,5})?")
_FANGS = re.compile(r"[\[({]\s*(\.|dot|:|://|@|at|/)\s*[\])}]", re.IGNORECASE)
_WORDS = {"dot": ".", "at": "@"}
_SCHEME = re.compile(r"(?:h(?:xx|tt|XX|\*\*|TT)p|f[xt]p)(s?)(?=:|\[)", re.IGNORECASE)
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})")
_DEFAULT_PORTS = {"http": "80", "https": "443", "ftp": "21"}
_UNRESERVED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")


class Typed(NamedTuple):
    """A value with its kind; without a kind, ``value`` says why there is none."""

    kind: str
    value: str


class Url(NamedTuple):
    """The parts of a URL that count: what is before ``://`` and behind ``#`` does not.

    Args:
        host: folded, a bare address included.
        path: ``host[:port]/path``.
        query: the query with its ``?``; empty where there is none.
    """

    host: str
    path: str
    query: str


def typed(text: str, hint: str = "") -> Typed:
    """Return what a text of a feed names.

    Args:
        text: as the feed writes it, defanged or not.
        hint: the kind that the feed says it is; what does not fit it is refused. Empty: told by the value.
    """
    if len(text) > 2 * MAX_CHARS:
        return Typed("", "too_long")
    text = refang(text.strip().strip("\"'"))
    if not text:
        return Typed("", "empty")
    if len(text) > MAX_CHARS:
        return Typed("", "too_long")
    if not text.isprintable():
        return Typed("", "unprintable")
    found = _typed(text)
    if hint and found.kind and found.kind != hint and (found.kind, hint) not in _TOLERATED:
        return Typed("", "other_kind")
    return found


_TOLERATED = frozenset(
    {
        ("network", "address"),
        ("address", "network"),
        ("address", "domain"),
        ("domain", "url"),
        ("address", "url"),
    }
)


def _typed(text: str) -> Typed:  # noqa: PLR0911  one way out for each kind
    if "://" in text:
        return _typed_url(text)
    if (address := canonical_address(text)) is not None:
        return Typed("address", address)
    bare = _HASH_NAME.sub("", text)
    if len(bare) in {32, 40, 64} and _HEX.fullmatch(bare):
        return Typed("hash", bare.lower())
    host, slash, rest = text.partition("/")
    if slash:
        if rest.isascii() and rest.isdigit() and (packed := pack(host)) is not None:
            return _typed_network(packed, rest)
        return _typed_url(f"http://{text}") if "." in host and " " not in text else _NOTHING
    if "@" in text:
        return Typed("email", mail) if (mail := canonical_mail(text)) else _NOTHING
    host, colon, port = text.rpartition(":")
    if colon and port.isascii() and port.isdigit():
        if (address := canonical_address(host)) is not None:
            return Typed("address", address)
        text = host
    if (domain := canonical_domain(text)) is not None:
        return Typed("domain", domain)
    return Typed("", "single_label") if text.isascii() and text.replace("-", "").isalnum() else _NOTHING


_NOTHING = Typed("", "no_indicator")


def refang(text: str) -> str:
    """Return a text with its defanged parts made whole.

    >>> refang("hxxps[:]//evil[.]example(dot)com/a")
    'https://evil.example.com/a'
    """
    if "[" in text or "(" in text or "{" in text:
        text = _FANGS.sub(lambda match: _WORDS.get(match[1].lower(), match[1]), text)
    if match := _SCHEME.match(text):
        start = "f" if text[0] in "fF" else "htt"
        text = f"{start}{'t' if start == 'f' else ''}p{match[1].lower()}{text[match.end() :]}"
    return text


def pack(text: str) -> bytes | None:
    """Return an address as 4 or 16 bytes, IPv4 in IPv6 as IPv4; None where it is none."""
    try:
        if ":" not in text:
            return socket.inet_pton(socket.AF_INET, text)
        packed = socket.inet_pton(socket.AF_INET6, text.strip("[]").partition("%")[0])
    except (OSError, ValueError):
        return None
    return packed[12:] if packed.startswith(_MAPPED) else packed


_MAPPED = bytes(10) + b"\xff\xff"


def canonical_address(text: str) -> str | None:
    """Return an address in its one spelling; None where it is none."""
    packed = pack(text)
    return None if packed is None else unpack(packed)


def unpack(packed: bytes) -> str:
    """Return the text of a packed address."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def masked(packed: bytes, prefix: int) -> bytes:
    """Return the first address of the network of an address."""
    size = len(packed)
    number = int.from_bytes(packed, "big") >> (size * 8 - prefix) << (size * 8 - prefix)
    return number.to_bytes(size, "big")


def _typed_network(packed: bytes, prefix_text: str) -> Typed:
    bits = len(packed) * 8
    prefix = int(prefix_text[:4])
    if prefix > bits:
        return _NOTHING
    if prefix == bits:
        return Typed("address", unpack(packed))
    if prefix < MIN_PREFIX[4 if bits == 32 else 6]:
        return Typed("", "too_broad")
    return Typed("network", f"{unpack(masked(packed, prefix))}/{prefix}")


def canonical_domain(text: str) -> str | None:
    """Return a domain of two labels or more: lower case, IDNA, no dots around, no ``*.``; None where it is none."""
    folded = text.lower().removeprefix("*.").strip(".")
    if not folded.isascii():
        folded = _ascii_name(folded[:254]) or ""
    return folded if _DOMAIN.fullmatch(folded) else None


@functools.lru_cache(maxsize=4096)
def _ascii_name(text: str) -> str | None:
    """Return an international name in its ASCII form (RFC 3490); None where there is none."""
    if len(text) > 253:
        return None
    try:
        return text.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None


def canonical_host(text: str) -> str | None:
    """Return a host of an event as indicators are written: a domain or an address; None where it is neither."""
    return canonical_address(text) or canonical_domain(text)


def canonical_mail(text: str) -> str | None:
    """Return a mail address in lower case, its domain as domains are; None where it is none."""
    if len(text) > 320:
        return None
    local, _at, host = text.removeprefix("mailto:").strip("<> ").rpartition("@")
    domain = canonical_domain(host)
    return f"{local.lower()}@{domain}" if domain and _LOCAL_PART.fullmatch(local) else None


def split_url(text: str) -> Url | None:
    """Return the parts of an absolute URL that count; None where it is none.

    Host and scheme are folded, the port that the scheme has anyway is dropped, so are user and fragment,
    and escapes are written in one way (RFC 3986 §6.2.2).
    """
    if len(text) > 2 * MAX_CHARS:
        return None
    scheme, mark, rest = text.partition("://")
    if not mark:
        return None
    rest = rest.partition("#")[0]
    cut = next((place for place, c in enumerate(rest) if c in "/?\\"), len(rest))
    netloc, tail = rest[:cut].rpartition("@")[2], rest[cut:]
    if netloc.startswith("["):
        name, _bracket, port = netloc[1:].partition("]")
        port = port.removeprefix(":")
    else:
        name, _colon, port = netloc.partition(":")
    host = canonical_host(name)
    if host is None or not _PORT.fullmatch(port):
        return None
    shown = f"[{host}]" if ":" in host else host
    if port and port.lstrip("0") != _DEFAULT_PORTS.get(scheme.lower()):
        shown = f"{shown}:{port.lstrip('0') or '0'}"
    path, ask, query = tail.partition("?")
    path = path.replace("\\", "/") or "/"
    return Url(host, shown + _escaped(path), f"?{_escaped(query)}" if ask and query else "")


def _typed_url(text: str) -> Typed:
    if " " in text:
        return _NOTHING
    url = split_url(text)
    return _NOTHING if url is None else Typed("url", url.path + url.query)


def _escaped(text: str) -> str:
    """Return a path or a query with its escapes in one spelling."""
    if "%" in text:
        text = _ESCAPE.sub(_one_escape, text)
    return (
        text
        if text.isascii()
        else quote(text.encode("utf-8", "replace"), safe="%/:@!$&'()*+,;=~-._?[]|^{}\"<>` ")
    )


def _one_escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else f"%{match[1].upper()}"
