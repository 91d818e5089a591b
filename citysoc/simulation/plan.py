"""The month before it is written: which stream says how much and when, and what was planted in it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from citysoc.simulation import attacks, background, calendar, city, defects
from citysoc.simulation.stamps import DAY, HOUR, Stamps

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator

    from citysoc.config.agencies import Agency
    from citysoc.simulation.attacks.plot import Payload
    from citysoc.simulation.city import City, Stream
    from citysoc.simulation.truth import Planted

SHARES = {
    "firewall": 0.56,
    "syslog": 0.06,
    "ids": 0.09,
    "dns": 0.08,
    "web": 0.07,
    "windows": 0.09,
    "antivirus": 0.05,
}
"""Each source's share of a month's records."""

WEEK = 7 * DAY

REPORTED_MACHINES = 3
"""Machines of an agency whose state an AVReport tells."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One month as it will be written.

    Args:
        stamps: the month's times.
        city: the agencies' equipment.
        seed: the seed of everything.
        faults: what goes wrong.
        planted: the attacks.
        items: stream to the attacks' records in it.
        amounts: stream to its records of normal life, beside those that every stream must say.
    """

    stamps: Stamps
    city: City
    seed: int
    faults: defects.Faults
    planted: tuple[Planted, ...]
    items: dict[str, list[tuple[int, Payload]]]
    amounts: dict[str, int]

    def speaking(self) -> list[Stream]:
        """Return the streams that say anything at all."""
        return [stream for stream in self.city.streams if stream.id not in self.faults.never]

    def lines(self, stream: Stream, kinds: Counter[str]) -> list[tuple[int, Payload]]:
        """Return the stream's records in order of time; what they are is counted in ``kinds``."""
        rng = random.Random(f"{self.seed}/background/{stream.id}")
        end = self.end(stream)
        known = background.KINDS[stream.vendor]
        chosen = rng.choices(known, [kind.share for kind in known], k=self.amounts[stream.id])
        kinds.update(f"{stream.vendor}.{kind.name}" for kind in chosen)
        busy = self._office_moments(rng, sum(kind.office for kind in chosen), end)
        drawn = [(next(busy) if kind.office else int(rng.random() * end), kind) for kind in chosen]
        # What speaks at any hour keeps the stream alive: nobody logs on at midnight for that.
        steady = next((kind for kind in known if not kind.office), known[0])
        regular = [(at, steady) for at in self.regular(rng, end)]
        kinds[f"{stream.vendor}.{steady.name}"] += len(regular)
        shift, stamps, site = self.faults.shifts.get(stream.id, 0), self.stamps, stream.site
        records = [(at, kind.write(rng, stamps, at + shift, site)) for at, kind in drawn + regular]
        records += self.items.get(stream.id, ())
        records.sort(key=lambda record: record[0])
        return records

    def end(self, stream: Stream) -> int:
        """Return the moment after which the stream says nothing."""
        return self.faults.silent.get(stream.id, self.stamps.days) * DAY

    def regular(self, rng: random.Random, end: int) -> list[int]:
        """Return one moment a week, so that nobody healthy looks silent, and one at the very end."""
        starts = range(0, end, WEEK)
        weekly = [start + int(rng.random() * min(WEEK, end - start)) for start in starts]
        return [*weekly, end - int(rng.random() * 2 * HOUR) - 1]

    def _office_moments(self, rng: random.Random, count: int, end: int) -> Iterator[int]:
        hours = range(end // HOUR)
        weights = calendar.month_intensity(self.stamps.first, self.stamps.days)[: len(hours)]
        chosen = rng.choices(hours, cum_weights=tuple(accumulate(weights)), k=count)
        return iter([hour * HOUR + int(rng.random() * HOUR) for hour in chosen])


def make(agencies: Iterable[Agency], *, month: str, records: int, seed: int) -> Plan:
    """Plan a month.

    Args:
        agencies: the registry.
        month: ``YYYY-MM``.
        records: how many good records to write, attacks included; never fewer than it takes for
            every stream to speak each week.
        seed: the same seed gives the same month.

    Raises:
        UsageError: the month is none.
    """
    stamps = Stamps(month)
    built = city.build(agencies, seed)
    faults = defects.choose(built.streams, stamps.days, seed)
    sound = [stream for stream in built.streams if faults.sound(stream)]
    planted, items = attacks.plant(stamps, sound, seed)
    speaking = [stream for stream in built.streams if stream.id not in faults.never]
    regular = sum(_regular(stream, faults.silent.get(stream.id, stamps.days)) for stream in speaking)
    left = max(0, records - regular - sum(fact.records for fact in planted))
    return Plan(
        stamps=stamps,
        city=built,
        seed=seed,
        faults=faults,
        planted=planted,
        items=items,
        amounts=_share_out(speaking, left),
    )


def _regular(stream: Stream, days: int) -> int:
    """Return how many records a stream leaves in any case: one a week and one at the end."""
    weeks = -(-days // 7)
    if stream.vendor != "avreport":
        return weeks + 1
    # Each report tells the figure of updates and some machines' updates; their guard counts once.
    machines = len(stream.site.hosts[:REPORTED_MACHINES])
    return weeks + 1 + weeks * (1 + machines) + machines


def _share_out(streams: list[Stream], records: int) -> dict[str, int]:
    """Share records out by source and weight; rounding loses none of them."""
    totals: dict[str, float] = {}
    for stream in streams:
        totals[stream.source] = totals.get(stream.source, 0.0) + stream.weight
    whole = sum(SHARES[source] for source in totals)
    amounts, done, told = {}, 0.0, 0
    for stream in streams:
        done += records * SHARES[stream.source] / whole * stream.weight / totals[stream.source]
        amounts[stream.id] = round(done) - told
        told += amounts[stream.id]
    return amounts
