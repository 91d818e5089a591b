"""Which values of events are indicators: each distinct value is examined once and remembered.

What is examined meets the shared table first; only what the table does not rule out is looked up in ``intel.db``.
Memories are bounded, and go when a new generation of the table comes.
"""

from __future__ import annotations

import socket
import zlib
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from citysoc.detectors.intel.table import SEEDS
from citysoc.detectors.intel.values import canonical_domain, canonical_mail, masked, pack, split_url, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from citysoc.detectors.intel.database import Record
    from citysoc.detectors.intel.table import Table

Hits: TypeAlias = "dict[object, tuple[Record, ...]]"
"""Value of an event to what is known of it."""
Records: TypeAlias = "Callable[[list[tuple[str, str]]], list[Record]]"

REMEMBERED = 1 << 17
"""So many values of each kind are remembered."""
_REMEMBERED_HITS = 1 << 15
_MAX_VALUE = 4096
_MAX_NETLOC = 400
"""A host has at most 253 characters; before it may stand a user, behind it a port."""
_MAX_SUFFIXES = 12
_HASH_LENGTHS = frozenset({32, 40, 64})
_packed4 = partial(socket.inet_pton, socket.AF_INET)
_DOMAIN, _URL, _HOST = SEEDS["domain"], SEEDS["url"], SEEDS["host"]


class Memory:
    """What was examined of one kind of value."""

    __slots__ = ("clean", "hits")

    def __init__(self) -> None:
        self.clean: set[object] = set()
        self.hits: Hits = {}

    def news(self, values: set[object]) -> set[object]:
        """Return the values that were not examined yet."""
        return values - self.clean - self.hits.keys() if self.hits else values - self.clean

    def learn(self, values: Iterable[object], hits: Hits) -> None:
        """Remember what examining came to."""
        if len(self.clean) > REMEMBERED:
            self.clean.clear()
        if len(self.hits) > _REMEMBERED_HITS:
            self.hits.clear()
        self.clean.update(values if not hits else (value for value in values if value not in hits))
        self.hits.update(hits)

    def known(self, values: set[object]) -> Hits:
        """Return those of the values that are indicators."""
        if not self.hits or values.isdisjoint(self.hits):
            return {}
        return {value: self.hits[value] for value in values if value in self.hits}


class Lookup:
    """Examines values against one generation of the table.

    Args:
        table: the generation.
        records: gives what is known of kinds and values, those that are warned about left out.
    """

    def __init__(self, table: Table, records: Records) -> None:
        self.table = table
        self._records = records
        self._addresses, self._domains, self._hashes, self._mails = Memory(), Memory(), Memory(), Memory()
        self._with_urls = Memory()
        self._hosts: dict[str, bool] = {}
        self._parents: dict[bytes, list[tuple[str, str]]] = {}

    def addresses(self, values: set[object]) -> Hits:
        """Return those of the values that are addresses in a feed."""
        return self._known(self._addresses, values, self._examine_addresses)

    def domains(self, values: set[object]) -> Hits:
        """Return those of the values that are domains in a feed, or below one, or addresses in a feed."""
        return self._known(self._domains, values, self._examine_domains)

    def hashes(self, values: set[object]) -> Hits:
        """Return those of the values that are hashes in a feed."""
        return self._known(self._hashes, values, self._examine_hashes)

    def mails(self, values: set[object]) -> Hits:
        """Return those of the values that are mail addresses in a feed, or of a domain in one."""
        return self._known(self._mails, values, self._examine_mails)

    def urls(self, values: set[object]) -> Hits:
        """Return those of the values that are absolute URLs in a feed, or lead to a host in one.

        URLs repeat little, their hosts much: so hosts are remembered.
        """
        texts = [value for value in values if type(value) is str and "://" in value]
        suspect = self._suspect_hosts({text.split("/", 3)[2] for text in texts})
        if not suspect:
            return {}
        return {
            text: found
            for text in texts
            if text.split("/", 3)[2] in suspect and (found := self._of_url(text))
        }

    def with_urls(self, hosts: set[object]) -> set[object]:
        """Return those of the hosts of which a feed may hold URLs."""
        known = self._with_urls
        news = known.news(hosts)
        if news:
            may_hold = self.table.may_hold
            texts = [host for host in news if isinstance(host, str) and len(host) <= _MAX_VALUE]
            folded = {one: one.lower().rstrip(".").encode("utf-8", "replace") for one in texts}
            known.learn(news, {one: () for one, raw in folded.items() if may_hold(raw, _HOST)})
        return set(known.known(hosts))

    def _known(
        self, memory: Memory, values: set[object], examine: Callable[[Collection[object]], Hits]
    ) -> Hits:
        news = memory.news(values)
        if news:
            memory.learn(news, examine(news))
        return memory.known(values)

    # Addresses

    def _examine_addresses(self, values: Collection[object]) -> Hits:
        import numpy as np

        table, listed = self.table, list(values)
        try:
            packed = b"".join(map(_packed4, listed))
        except (OSError, TypeError, ValueError):
            return self._examine_mixed(listed)
        if not len(table.starts):
            return {}
        numbers = np.frombuffer(packed, ">u4").astype(np.uint32)
        places = np.searchsorted(table.starts, numbers, side="right")
        inside = (places > 0) & (numbers <= table.ends[places - 1])
        return self._of_addresses(
            {listed[n]: packed[4 * n : 4 * n + 4] for n in np.flatnonzero(inside).tolist()}
        )

    def _examine_mixed(self, listed: list[object]) -> Hits:
        """Examine addresses of both versions, and what is none."""
        four: dict[str, object] = {}
        candidates: dict[object, bytes] = {}
        for value in listed:
            packed = pack(value) if isinstance(value, str) and len(value) < 64 else None
            if packed is None:
                continue
            if len(packed) == 4:
                four[unpack(packed)] = value
            elif self._may_hold6(packed):
                candidates[value] = packed
        hits = self._of_addresses(candidates)
        if four:
            found = self._examine_addresses(four.keys())
            hits |= {four[str(text)]: records for text, records in found.items()}
        return hits

    def _may_hold6(self, packed: bytes) -> bool:
        seed = SEEDS["network"]
        return any(
            self.table.may_hold(masked(packed, length), seed + length) for length in self.table.prefixes6
        )

    def _of_addresses(self, candidates: dict[object, bytes]) -> Hits:
        hits: Hits = {}
        for value, packed in candidates.items():
            lengths = range(8, 32) if len(packed) == 4 else self.table.prefixes6
            wanted = [("network", f"{unpack(masked(packed, length))}/{length}") for length in lengths]
            if found := self._records([("address", unpack(packed)), *wanted]):
                hits[value] = tuple(found)
        return hits

    # Domains

    def _examine_domains(self, values: Collection[object]) -> Hits:
        hits: Hits = {}
        bits, mask, crc = self.table.bits, self.table.mask, zlib.crc32
        parents = self._parents
        if len(parents) > REMEMBERED:
            parents.clear()
        for value in values:
            if not isinstance(value, str) or not value or len(value) > _MAX_VALUE:
                continue
            if value[-1].isdigit() or ":" in value:
                host = value if ":" not in value or pack(value) else value.rpartition(":")[0]
                if found := self.addresses({host}):
                    hits[value] = found[host]
                    continue
            name = value.lower().rstrip(".") if value.isascii() else canonical_domain(value) or ""
            raw = name.encode("ascii", "ignore")
            place = crc(raw, _DOMAIN) & mask
            parent = raw.partition(b".")[2]
            candidates = parents.get(parent)
            if candidates is None:
                candidates = parents[parent] = self._candidates(parent)
            if bits[place >> 3] >> (place & 7) & 1:
                candidates = [("domain", raw.decode("ascii")), *candidates]
            if candidates and (found_of := self._records(candidates)):
                hits[value] = tuple(found_of)
        return hits

    def _candidates(self, name: bytes) -> list[tuple[str, str]]:
        """Return a domain and those above it that may be among the indicators."""
        found = []
        for _number in range(_MAX_SUFFIXES):
            if b"." not in name:
                break
            if self.table.may_hold(name, _DOMAIN):
                found.append(("domain", name.decode("ascii")))
            name = name.partition(b".")[2]
        return found

    # Hashes and mail addresses

    def _examine_hashes(self, values: Collection[object]) -> Hits:
        folded = {v: v.lower() for v in values if isinstance(v, str) and len(v) in _HASH_LENGTHS}
        may_hold, seed = self.table.may_hold, SEEDS["hash"]
        hits: Hits = {}
        for value, text in folded.items():
            if may_hold(text.encode("utf-8", "replace"), seed) and (found := self._records([("hash", text)])):
                hits[value] = tuple(found)
        return hits

    def _examine_mails(self, values: Collection[object]) -> Hits:
        hits: Hits = {}
        for value in values:
            mail = canonical_mail(value) if isinstance(value, str) and "@" in value else None
            if mail is None:
                continue
            domain = mail.rpartition("@")[2]
            found = list(self.domains({domain}).get(domain, ()))
            if self.table.may_hold(mail.encode("utf-8", "replace"), SEEDS["email"]):
                found = [*self._records([("email", mail)]), *found]
            if found:
                hits[value] = tuple(found)
        return hits

    # URLs

    def _suspect_hosts(self, netlocs: set[str]) -> set[str]:
        """Return what stands before the path of URLs that need a closer look."""
        known = self._hosts
        if len(known) > REMEMBERED:
            known.clear()
        news = {one: _host_of_netloc(one) for one in netlocs if one not in known and len(one) <= _MAX_NETLOC}
        if news:
            hosts: set[object] = set(news.values())
            suspect = self.with_urls(hosts) | self.domains(hosts).keys()
            known.update({netloc: host in suspect for netloc, host in news.items()})
        return {netloc for netloc in netlocs if known.get(netloc)}

    def _of_url(self, text: str) -> tuple[Record, ...]:
        url = split_url(text)
        if url is None:
            return ()
        wanted = [("url", path) for path in dict.fromkeys((url.path + url.query, url.path))]
        may_hold = self.table.may_hold
        wanted = [one for one in wanted if may_hold(one[1].encode("utf-8", "replace"), _URL)]
        found = self._records(wanted) if wanted else []
        return (*found, *self.domains({url.host}).get(url.host, ()))


def _host_of_netloc(netloc: str) -> str:
    """Return the host of what stands before the path of a URL; empty where there is none."""
    if "[" in netloc or "@" in netloc or not netloc.isascii() or "?" in netloc or "#" in netloc:
        url = split_url(f"http://{netloc}")
        return url.host if url else ""
    return netloc.partition(":")[0].lower().rstrip(".")
