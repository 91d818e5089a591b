"""What goes wrong on purpose: sources that fall silent, torn lines, wrong clocks, repeated exports.

Every defect is counted exactly, so that a test can demand that nothing was lost on the way.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from citysoc.simulation.stamps import DAY, HOUR, MINUTE
from citysoc.simulation.truth import Defect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.simulation.city import Stream

_SHARE_SILENT = 0.008
_SHARE_NEVER = 0.006
_SHARE_SKEWED = 0.004
_SHARE_LATE = 0.005
_SHARE_BROKEN = 0.03
_SHARE_REPEATING = 0.3
_SHIFTS = (
    (11 * MINUTE, "11 minutes fast"),
    (-7 * HOUR, "seven hours slow: set to UTC"),
    (-DAY, "a day slow"),
)
_TEXT_VENDORS = frozenset({"fortigate", "suricata", "webaccess", "winlog"})


@dataclass(frozen=True, slots=True)
class Faults:
    """Which streams have which fault.

    Args:
        never: streams that never speak.
        silent: stream to the day (from 0) on which it stops.
        shifts: stream to the milliseconds its clock is off.
        late: streams of which one file comes late.
        breaking: streams with torn, garbled or wrongly encoded lines.
        repeating: antivirus streams whose exports overlap.
        defects: the same for people, without those that the writer counts.
    """

    never: frozenset[str] = frozenset()
    silent: dict[str, int] = field(default_factory=dict)
    shifts: dict[str, int] = field(default_factory=dict)
    late: frozenset[str] = frozenset()
    breaking: frozenset[str] = frozenset()
    repeating: frozenset[str] = frozenset()
    defects: tuple[Defect, ...] = ()

    def sound(self, stream: Stream) -> bool:
        """Return whether the stream speaks all the month by a right clock."""
        return stream.id not in self.never and stream.id not in self.silent and stream.id not in self.shifts


def choose(streams: Sequence[Stream], days: int, seed: int) -> Faults:
    """Choose the streams that go wrong; a city with few streams has few faults or none.

    Args:
        streams: all streams of the city.
        days: the days of the month.
        seed: the simulation's seed.
    """
    rng = random.Random(f"{seed}/defects")
    left = list(streams)
    rng.shuffle(left)
    never = _take(left, len(streams) * _SHARE_NEVER)
    silent = {s.id: rng.randrange(5, days - 5) for s in _take(left, len(streams) * _SHARE_SILENT)}
    skewed = _take([s for s in left if s.vendor == "fortigate"], len(streams) * _SHARE_SKEWED)
    shifts = {s.id: _SHIFTS[n % len(_SHIFTS)][0] for n, s in enumerate(skewed)}
    files = [s for s in left if s.source not in {"syslog", "antivirus"} and s.id not in shifts]
    late = _take(files, len(streams) * _SHARE_LATE)
    breaking = _take([s for s in files if s.vendor in _TEXT_VENDORS], len(streams) * _SHARE_BROKEN)
    consoles = [s for s in left if s.vendor in {"csv", "text", "xlsx"}]
    repeating = _take(consoles, len(consoles) * _SHARE_REPEATING)
    defects = [Defect("never", s.id, 0, "Expected, but nothing ever comes.") for s in never]
    defects += [Defect("silent", s, 0, f"Falls silent after day {day}.") for s, day in silent.items()]
    defects += [
        Defect("skew", s.id, 0, f"Its clock is {_SHIFTS[n % len(_SHIFTS)][1]}.") for n, s in enumerate(skewed)
    ]
    return Faults(
        never=frozenset(s.id for s in never),
        silent=silent,
        shifts=shifts,
        late=frozenset(s.id for s in late),
        breaking=frozenset(s.id for s in breaking),
        repeating=frozenset(s.id for s in repeating),
        defects=tuple(defects),
    )


def _take(streams: list[Stream], share: float) -> list[Stream]:
    """Take some streams away from the end of the list and return them."""
    taken = [streams.pop() for _ in range(min(len(streams), round(share)))]
    return sorted(taken, key=lambda stream: stream.id)


def torn(line: bytes) -> bytes:
    """Return what is left of a record when the disk was full: its first half, cut in a word."""
    return line[: len(line) // 2]


def garbage(rng: random.Random) -> bytes:
    """Return bytes that are no text and no format: what a failing disk or a wrong file leaves."""
    return bytes(rng.choice(_NOISE) for _ in range(rng.randrange(40, 300)))


_NOISE = bytes([*range(1, 9), *range(0x80, 0x100)])


def wrongly_encoded(line: bytes) -> bytes:
    """Return the record with a word in the old Windows encoding, which is no valid UTF-8."""
    for place in (b'policyname="', b'user="', b" Mozilla", b'msg="'):
        if place in line:
            return line.replace(place, place + "Kế toán ".encode("cp1258", "replace"), 1)
    return line
