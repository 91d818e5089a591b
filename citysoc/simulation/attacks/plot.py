"""One attack while it is being written: where it may happen, when, and what it has left so far."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Literal, TypeAlias

from citysoc.clock import iso
from citysoc.enrich import working_hours
from citysoc.simulation.formats.facts import Flow
from citysoc.simulation.stamps import DAY, HOUR, MINUTE, SECOND, Stamps
from citysoc.simulation.truth import Planted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.simulation.city import Host, Site, Stream
    from citysoc.simulation.formats.antivirus import Detection

Payload: TypeAlias = "bytes | Detection"
"""A rendered record, or a row whose export gives it its shape later."""


class Plot:
    """One attack in the making.

    Args:
        kind: what it is.
        cls: its class code.
        needs: what it takes to see it.
        chain: the attack it is a step of, empty when it stands alone. Steps share agency and day.
        step: its place in the chain.
        seed: the simulation's seed.
        stamps: the month.
        streams: the streams that may carry it.
    """

    def __init__(
        self,
        *,
        kind: str,
        cls: str,
        needs: Literal["rule", "correlation", "anomaly"],
        chain: str,
        step: int,
        seed: int,
        stamps: Stamps,
        streams: Sequence[Stream],
    ) -> None:
        self.kind = kind
        self.stamps = stamps
        self.items: dict[str, list[tuple[int, Payload]]] = {}
        self.rng = random.Random(f"{seed}/attack/{kind}")
        self._place = random.Random(f"{seed}/place/{chain or kind}")
        self._cls = cls
        self._needs = needs
        self._chain = chain
        self._step = step
        self._streams = streams
        self._entities: dict[str, None] = {}
        self._telling = 0
        self.agencies: dict[str, None] = {}

    def find(self, source: str, vendors: Sequence[str] = (), *, also: str = "") -> Stream | None:
        """Return the stream where the attack happens, None when the city has none like it.

        Args:
            source: the source it must have.
            vendors: the formats it may have; any when empty.
            also: a second source that its agency should have; given up when nobody has both.
        """
        fitting = self.all(source, vendors)
        having = {stream.site.number for stream in self._streams if stream.source == also}
        both = [stream for stream in fitting if stream.site.number in having]
        candidates = both or fitting
        return self._place.choice(candidates) if candidates else None

    def all(self, source: str, vendors: Sequence[str] = ()) -> list[Stream]:
        """Return every stream of a source in the given formats, any when empty."""
        return [s for s in self._streams if s.source == source and (not vendors or s.vendor in vendors)]

    def beside(self, site: Site, source: str, vendors: Sequence[str] = ()) -> Stream | None:
        """Return the stream of another source at the same agency, None when it has none."""
        return next((s for s in self.all(source, vendors) if s.site is site), None)

    def host(self, site: Site) -> Host:
        """Return the machine where the attack happens; the steps of a chain share it."""
        return self._place.choice(site.hosts)

    def office_hours(self) -> int:
        """Return a moment of office hours; the steps of a chain follow each other on one day."""
        day = self._working_day()
        if self._chain:
            return day * DAY + 8 * HOUR + self._step * 25 * MINUTE
        start, end = self._place.choice(working_hours.working_hours(self._date(day)))
        return day * DAY + int(self._place.uniform(start, end - 0.5) * HOUR)

    def night(self, hour: float = 1.5) -> int:
        """Return a moment of a night that begins after a working day."""
        return self._working_day() * DAY + int((hour + self._place.random()) * HOUR)

    def _working_day(self) -> int:
        # Not the last days: an attack may go on for some days.
        days = [d for d in range(1, self.stamps.days - 5) if working_hours.is_working_day(self._date(d))]
        return self._place.choice(days)

    def _date(self, day: int) -> dt.date:
        return self.stamps.first + dt.timedelta(days=day)

    def attacker(self) -> str:
        """Return an address on the Internet, of 198.51.100.0/24 (RFC 5737)."""
        address = f"198.51.100.{self.rng.randrange(1, 255)}"
        self.about(f"ip:{address}")
        return address

    def flow(
        self,
        src: str,
        dst: str,
        port: int,
        *,
        proto: str = "TCP",
        sent: int = 0,
        received: int = 0,
        seconds: int = 0,
        inbound: bool = False,
    ) -> Flow:
        """Return a conversation with a made-up source port and number."""
        sport, number = self.rng.randrange(1024, 65535), self.rng.randrange(1, 10**9)
        return Flow(src, sport, dst, port, proto, sent, received, seconds, number, inbound)

    def about(self, *entities: str) -> None:
        """Note whom or what the attack is about."""
        self._entities |= dict.fromkeys(entities)

    def about_host(self, host: Host) -> None:
        """Note a machine by the short name that consoles show and the full one that Windows writes."""
        self.about(f"host:{host.name}", f"host:{host.computer.name}")

    def put(self, stream: Stream, at: int, payload: Payload, *, telling: bool = True) -> None:
        """Add a record; ``telling`` when it says by itself that something is wrong."""
        self.items.setdefault(stream.id, []).append((at, payload))
        self.agencies.setdefault(stream.site.agency.id)
        self._telling += telling

    def planted(self) -> Planted | None:
        """Return what was planted, None when the city had no place for it."""
        moments = [at for items in self.items.values() for at, _ in items]
        if not moments:
            return None
        return Planted(
            id=f"{self.stamps.month}-{self.kind}",
            kind=self.kind,
            cls=self._cls,
            agency=next(iter(self.agencies)),
            agencies=tuple(self.agencies),
            entities=tuple(self._entities),
            # Whole seconds, so that the texts sort as the moments do.
            start=iso(self.stamps.moment(min(moments) // SECOND * SECOND)),
            end=iso(self.stamps.moment(-(-max(moments) // SECOND) * SECOND)),
            records=len(moments),
            telling=self._telling if self._needs == "rule" else 0,
            streams={stream: len(items) for stream, items in self.items.items()},
            needs=self._needs,
            chain=self._chain,
        )
