"""Any number of a vendor's lines without files: for benchmarks and for trying a parser."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

from citysoc.config.agencies import Agency, Antivirus
from citysoc.errors import UsageError
from citysoc.simulation import background, city
from citysoc.simulation.formats import zeek
from citysoc.simulation.stamps import Stamps

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMATS = tuple(sorted(name for name in background.KINDS if name not in {"csv", "text", "xlsx", "avreport"}))
"""The formats whose records are single lines."""

_STEP = 250
"""Milliseconds between two records."""


def header(name: str) -> bytes:
    """Return the lines that must stand before a format's records; nothing for most."""
    return zeek.header(name.removeprefix("zeek-"), "2026-10-01-00-00-00") if name.startswith("zeek-") else b""


def lines(
    name: str, count: int | None = None, *, seed: int = 1, machines: int = 500, month: str = "2026-10"
) -> Iterator[bytes]:
    """Yield records of normal life in order of time; after a month's end time begins anew.

    Args:
        name: one of ``FORMATS``.
        count: how many; None for ever.
        seed: the same seed gives the same lines.
        machines: how many machines they are about: more machines, more distinct values.
        month: ``YYYY-MM``.

    Raises:
        UsageError: there is no such format, or the month is none.
    """
    if name not in FORMATS:
        raise UsageError(f"There is no simulated format {name!r}.", hint=f"Use one of: {', '.join(FORMATS)}.")
    stamps = Stamps(month)
    agency = Agency(id="co-quan-mau", name="Cơ quan mẫu", antivirus=Antivirus(machines=machines))
    site = city.build([agency], seed).sites[0]
    return _lines(random.Random(f"{seed}/events/{name}"), name, count, stamps, site)


def _lines(
    rng: random.Random, name: str, count: int | None, stamps: Stamps, site: city.Site
) -> Iterator[bytes]:
    kinds = background.KINDS[name]
    weights = [kind.share for kind in kinds]
    steps = itertools.count() if count is None else iter(range(count))
    while chunk := list(itertools.islice(steps, 1000)):
        # Always a thousand draws, so that a shorter run is the beginning of a longer one.
        for step, kind in zip(chunk, rng.choices(kinds, weights, k=1000), strict=False):
            at = step * _STEP % stamps.length
            line = kind.write(rng, stamps, at, site)
            if isinstance(line, bytes):
                yield line
