"""The table: what all workers share of the indicators, one file that is mapped into memory.

IPv4 addresses and networks lie there exactly, as sorted ranges that do not touch. Everything else is a bit of a
filter, found by a checksum of its value: a value whose bit is not set is in no feed, one whose bit is set is looked up
in ``intel.db``. A new generation replaces the file as a whole; its last 32 bytes are a digest of all before.

Layout: ``CITYTBL1``, the header's length (4 bytes, little endian), the header (JSON: generation, counts, places of the
parts), the parts, the digest (BLAKE2b-256).
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from citysoc import clock
from citysoc.detectors.intel.values import masked, pack
from citysoc.errors import StoreError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from citysoc.detectors.intel.database import Database

_MAGIC = b"CITYTBL1"
_DIGEST_BYTES = 32
_BITS_EACH = 128
"""So many bits of the filter for one value: one in 128 of the values that no feed knows is looked up for nothing."""
_MIN_BITS, _MAX_BITS = 1 << 16, 1 << 32
SEEDS = {"domain": 1, "url": 2, "host": 3, "hash": 4, "email": 5, "address": 6, "network": 7}
"""Where the checksum of each kind begins, so that one value of two kinds has two bits."""
LATE_SECONDS = 30 * 86_400
"""Expired indicators stay so long, for events that arrive late; their own time decides whether they match."""


@dataclass(frozen=True, slots=True)
class Table:
    """A generation of the table, mapped.

    Args:
        generation: its number.
        starts: first addresses of the IPv4 ranges, ascending.
        ends: their last addresses.
        bits: the filter.
        mask: how many bits of a checksum count.
        prefixes6: the lengths of IPv6 networks, the longest first.
        kinds: kind to how many indicators.
    """

    generation: int
    starts: npt.NDArray[np.uint32]
    ends: npt.NDArray[np.uint32]
    bits: memoryview
    mask: int
    prefixes6: tuple[int, ...]
    kinds: dict[str, int]

    def may_hold(self, value: bytes, seed: int) -> bool:
        """Return whether a value may be among the indicators; False is certain."""
        place = zlib.crc32(value, seed) & self.mask
        return bool(self.bits[place >> 3] >> (place & 7) & 1)


def build(database: Database, path: Path, *, now: int | None = None) -> dict[str, int]:
    """Write a new generation of the table; return kind to how many indicators are in it.

    Args:
        database: the indicators; those that expired long ago or that a warning list holds stay out.
        path: the file, replaced as a whole.
        now: seconds of the epoch.
    """
    moment = int(clock.now().timestamp()) if now is None else now
    generation = int(database.meta("generation") or 0) + 1
    rows = database.stream(
        "SELECT DISTINCT kind, value FROM indicators WHERE warned IS NULL AND coalesce(expires, ?) >= ?",
        (moment, moment - LATE_SECONDS),
    )
    kinds = write(path, ((row[0], row[1]) for row in rows), generation=generation)
    database.remember("generation", str(generation))
    return kinds


def write(path: Path, pairs: Iterable[tuple[str, str]], *, generation: int) -> dict[str, int]:
    """Write a table of kinds and values in place of the file; return kind to how many they are."""
    content, kinds = _content(pairs, generation)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return kinds


def _content(pairs: Iterable[tuple[str, str]], generation: int) -> tuple[bytes, dict[str, int]]:
    import array

    import numpy as np

    starts, ends, sums = array.array("I"), array.array("I"), array.array("I")
    kinds: dict[str, int] = {}
    prefixes6: set[int] = set()
    for kind, value in pairs:
        kinds[kind] = kinds.get(kind, 0) + 1
        if kind in {"address", "network"}:
            _add_address(value, starts, ends, sums, prefixes6)
            continue
        sums.append(zlib.crc32(value.encode(), SEEDS[kind]))
        if kind == "url":
            sums.append(zlib.crc32(host_of(value).encode(), SEEDS["host"]))
    low, high = _merged(np.frombuffer(starts, np.uint32), np.frombuffer(ends, np.uint32))
    size = _MIN_BITS
    while size < _BITS_EACH * len(sums) and size < _MAX_BITS:
        size *= 2
    places = np.frombuffer(sums, np.uint32) & np.uint32(size - 1)
    bits = np.zeros(size >> 3, np.uint8)
    np.bitwise_or.at(bits, places >> 3, (1 << (places & 7)).astype(np.uint8))
    parts = [low.tobytes(), high.tobytes(), bits.tobytes()]
    header = orjson.dumps(
        {
            "generation": generation,
            "kinds": kinds,
            "prefixes6": sorted(prefixes6, reverse=True),
            "sizes": [len(part) for part in parts],
        }
    )
    header += b" " * (-(len(_MAGIC) + 4 + len(header)) % 8)
    body = b"".join((_MAGIC, struct.pack("<I", len(header)), header, *parts))
    return body + hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest(), kinds


def _add_address(value: str, starts: Any, ends: Any, sums: Any, prefixes6: set[int]) -> None:
    host, _slash, length = value.partition("/")
    packed = pack(host)
    if packed is None:
        return
    if len(packed) == 16:
        prefix = int(length or 128)
        prefixes6.add(prefix)
        sums.append(zlib.crc32(masked(packed, prefix), SEEDS["network"] + prefix))
        return
    first = int.from_bytes(packed, "big")
    starts.append(first)
    ends.append(first | ((1 << (32 - int(length or 32))) - 1))


def _merged(
    starts: npt.NDArray[np.uint32], ends: npt.NDArray[np.uint32]
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return ranges in order, those that overlap as one."""
    import numpy as np

    if not len(starts):
        return starts, ends
    order = np.argsort(starts, kind="stable")
    low, high = starts[order], np.maximum.accumulate(ends[order])
    first = np.concatenate(([True], low[1:] > high[:-1]))
    last = np.concatenate((first[1:], [True]))
    return low[first], high[last]


def host_of(path: str) -> str:
    """Return the host of a URL as indicators hold it: ``host[:port]/path``."""
    netloc = path.partition("/")[0]
    return netloc[1:].partition("]")[0] if netloc.startswith("[") else netloc.partition(":")[0]


def load(path: Path) -> Table:
    """Map a table.

    Raises:
        StoreError: it is absent or damaged.
    """
    import numpy as np

    try:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
        raise StoreError(
            _("The table of indicators cannot be read: {error}.").format(error=error), where=str(path)
        ) from error
    view = memoryview(data)
    body = view[:-_DIGEST_BYTES]
    if (
        len(data) < _DIGEST_BYTES + len(_MAGIC) + 4
        or hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest() != view[-_DIGEST_BYTES:]
        or body[: len(_MAGIC)] != _MAGIC
    ):
        raise StoreError(
            _("The table of indicators is damaged: its digest does not fit."),
            where=str(path),
            hint=_("Any `citysoc intel import` writes it anew."),
        )
    (length,) = struct.unpack_from("<I", body, len(_MAGIC))
    begin = len(_MAGIC) + 4 + length
    header = orjson.loads(bytes(body[len(_MAGIC) + 4 : begin]))
    parts = []
    for size in header["sizes"]:
        parts.append(body[begin : begin + size])
        begin += size
    return Table(
        generation=header["generation"],
        starts=np.frombuffer(parts[0], np.uint32),
        ends=np.frombuffer(parts[1], np.uint32),
        bits=parts[2],
        mask=len(parts[2]) * 8 - 1,
        prefixes6=tuple(header["prefixes6"]),
        kinds=header["kinds"],
    )
