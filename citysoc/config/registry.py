"""The registry of agencies: found by id, by name as people write it, by address."""

from __future__ import annotations

import functools
import ipaddress
import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.config.fold import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from citysoc.config.agencies import Agency

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_PREFIX = re.compile(r"(ubnd|uy ban nhan dan|phuong|xa|thi tran|so|p\.|x\.)\s*(?=\S)")
_CACHED_ADDRESSES = 1 << 16


class Registry:
    """The agencies, in the order of their file.

    Where networks overlap (``load`` refuses that) the smaller one wins, then the earlier agency.
    """

    def __init__(self, agencies: Iterable[Agency] = ()) -> None:
        self.agencies: tuple[Agency, ...] = tuple(agencies)
        self._by_id = {agency.id: agency for agency in reversed(self.agencies)}
        self._senders = {s: a for a in reversed(self.agencies) for s in a.senders}
        self._ranges = {version: _Ranges(self.agencies, version) for version in (4, 6)}
        # One cache a registry; it goes when the registry goes.
        self._cached_address = functools.lru_cache(maxsize=_CACHED_ADDRESSES)(self._find_address)

    def __iter__(self) -> Iterator[Agency]:
        return iter(self.agencies)

    def __len__(self) -> int:
        return len(self.agencies)

    def __contains__(self, agency_id: object) -> bool:
        return agency_id in self._by_id

    def __reduce__(self) -> tuple[Any, ...]:
        return Registry, (self.agencies,)

    def by_id(self, agency_id: str) -> Agency | None:
        """Return the agency with that id."""
        return self._by_id.get(agency_id)

    def by_name(self, text: str) -> Agency | None:
        """Return the agency that ``text`` names: its id, its names, an alias, in any way of writing.

        Marks, case, spaces and hyphens do not count. Where nothing fits, the words for the kind of
        body (Ủy ban nhân dân, phường, xã, Sở …) are left out on both sides, then i and y are the same;
        each only where one agency alone fits.
        """
        if found := self._by_id.get(text):
            return found
        key = fold(text)
        for index, shape in zip(self._names, _SHAPES, strict=True):
            if (agency := index.get(shape(key))) is not None:
                return agency
        return None

    def by_address(self, text: str) -> Agency | None:
        """Return the agency of an address, v4 or v6; None when it is nobody's, or no address.

        An agency's ``senders`` win over all networks.
        """
        return self._cached_address(text)

    @functools.cached_property
    def _names(self) -> tuple[dict[str, Agency | None], ...]:
        names = [(fold(name), a) for a in self.agencies for name in (a.name, a.name_en, *a.aliases) if name]
        names += [(fold(a.id), a) for a in self.agencies]
        return tuple(_unique((shape(name), a) for name, a in names) for shape in _SHAPES)

    def _find_address(self, text: str) -> Agency | None:
        try:
            address: Address = ipaddress.ip_address(text)
        except ValueError:
            return None
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or ipaddress.IPv6Address(int(address))
        return self._senders.get(str(address)) or self._ranges[address.version].find(int(address))


class _Ranges:
    """The networks of one IP version, laid flat: sorted starts, and who owns from each start on."""

    __slots__ = ("owners", "starts")

    def __init__(self, agencies: tuple[Agency, ...], version: int) -> None:
        self.starts: list[int] = []
        self.owners: list[Agency | None] = []
        networks = [
            (int(net.network_address), net.prefixlen, order, int(net.broadcast_address), agency)
            for order, agency in enumerate(agencies)
            for net in map(ipaddress.ip_network, agency.networks)
            if net.version == version
        ]
        # CIDR ranges are apart or one inside the other, so a stack of the open ones suffices.
        still_open: list[tuple[int, int, Agency]] = []
        for start, _length, _order, end, agency in sorted(networks, key=lambda n: n[:3]):
            self._close(still_open, start)
            if not still_open or still_open[-1][:2] != (end, start):  # of one network twice the first counts
                self._mark(start, agency)
                still_open.append((end, start, agency))
        self._close(still_open, None)

    def _close(self, still_open: list[tuple[int, int, Agency]], before: int | None) -> None:
        while still_open and (before is None or still_open[-1][0] < before):
            end, _start, _agency = still_open.pop()
            self._mark(end + 1, still_open[-1][2] if still_open else None)

    def _mark(self, start: int, owner: Agency | None) -> None:
        if self.starts and self.starts[-1] == start:
            self.owners[-1] = owner
        else:
            self.starts.append(start)
            self.owners.append(owner)

    def find(self, address: int) -> Agency | None:
        place = bisect_right(self.starts, address) - 1
        return self.owners[place] if place >= 0 else None


def _unique(pairs: Iterable[tuple[str, Agency]]) -> dict[str, Agency | None]:
    """Return key to agency; None where two agencies share the key."""
    index: dict[str, Agency | None] = {}
    for key, agency in pairs:
        known = index.setdefault(key, agency)
        if known is not None and known.id != agency.id:
            index[key] = None
    return index


def _strip(key: str) -> str:
    """Leave out the words for the kind of body at the beginning of a folded name."""
    while match := _PREFIX.match(key):
        if match[1].endswith(".") or key[match.end(1) : match.end(1) + 1] == " ":
            key = key[match.end() :]
        else:
            break
    return key


def _loose(key: str) -> str:
    return _strip(key).replace("y", "i")


_SHAPES: tuple[Callable[[str], str], ...] = (str, _strip, _loose)
"""From the name as it is to what it may also mean."""
