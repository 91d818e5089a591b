"""Campaigns that no single record gives away, planted into the city's habits; for the anomaly model.

Each is written as events beside the ordinary life of ``habits``, with what it is about: the model is
right when it names one of these entities while the campaign runs.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc import clock
from citysoc.enrich.working_hours import is_working_day
from citysoc.simulation import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import pyarrow as pa

    from citysoc.simulation.town import Town

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Campaign:
    """One planted campaign.

    Args:
        id: kind and number.
        kind: one of ``KINDS``.
        agency: its agency's id.
        entities: what it is about: machines (name and address), accounts, addresses outside.
        start: its first event.
        end: its last event.
        events: its events, in order of time.
    """

    id: str
    kind: str
    agency: str
    entities: frozenset[str]
    start: dt.datetime
    end: dt.datetime
    events: pa.Table


@dataclass(frozen=True, slots=True)
class _Stage:
    """Where a campaign happens: a machine, others of its agency, dice."""

    town: Town
    rng: np.random.Generator
    host: int
    others: np.ndarray

    @property
    def outside(self) -> str:
        """An address of its own, of 198.51.100.0/24 (RFC 5737)."""
        return f"198.51.100.{self.host % 250 + 1}"

    def copies(self, count: int) -> np.ndarray:
        """Return the machine so many times."""
        import numpy as np

        return np.full(count, self.host)


def slow_scan(stage: _Stage) -> tuple[list[Block], set[str]]:
    """A machine knocks at the file service of others, a few an hour, for a day and a night."""
    count = 150
    at = 9 * _HOUR + _spaced(stage.rng, count, 10 * _MINUTE, 0.5)
    victims = stage.rng.choice(stage.others, count)
    to = stage.town.address[victims]
    ports = stage.rng.choice([445, 3389, 22], count)
    block = columns.connections(
        stage.town, stage.copies(count), at, to=to, port=ports, sent=60, received=0, denied=True
    )
    return [block], set()


def beacon(stage: _Stage) -> tuple[list[Block], set[str]]:
    """A machine calls a place that nobody knows every ten minutes, for two days and nights."""
    count = 280
    at = 10 * _HOUR + _spaced(stage.rng, count, 10 * _MINUTE, 0.04)
    sent = stage.rng.integers(350, 700, count)
    block = columns.connections(
        stage.town, stage.copies(count), at, to=stage.outside, port=443, sent=sent, received=420
    )
    return [block], {stage.outside}


def spray(stage: _Stage) -> tuple[list[Block], set[str]]:
    """One machine tries one password on every account of the agency, one in two minutes."""
    import numpy as np

    users = np.unique(stage.town.user[stage.others])[:40]
    at = 14 * _HOUR + _spaced(stage.rng, len(users), 110 * _SECOND, 0.3)
    target = np.full(len(users), stage.others[0])
    source = str(stage.town.address[stage.host])
    block = columns.logons(stage.town, target, at, user=users, success=False, source=[source] * len(users))
    return [block], {str(stage.town.name[stage.others[0]])}


def night_exfiltration(stage: _Stage) -> tuple[list[Block], set[str]]:
    """For three nights a machine sends gigabytes to an ordinary-looking place."""
    import numpy as np

    at = np.concatenate(
        [night * _DAY + 25 * _HOUR + _spaced(stage.rng, 12, 9 * _MINUTE, 0.2) for night in range(3)]
    )
    sent = stage.rng.integers(180_000_000, 420_000_000, len(at))
    place = str(columns.place(stage.host % 500))
    block = columns.connections(
        stage.town, stage.copies(len(at)), at, to=place, port=443, sent=sent, received=900_000
    )
    return [block], {place}


def worm(stage: _Stage) -> tuple[list[Block], set[str]]:
    """The same worm comes to machine after machine of an agency within five hours."""
    import numpy as np

    hosts = np.concatenate([[stage.host], stage.others[:17]])
    at = 8 * _HOUR + _spaced(stage.rng, len(hosts), 14 * _MINUTE, 0.5)
    outcome = np.where(np.arange(len(hosts)) % 6 == 5, "failed", "deleted")
    found = columns.detections(stage.town, hosts, at, name="VBS.ShortcutLan.Worm", outcome=outcome)
    return [found], {str(name) for name in stage.town.name[hosts]}


def protection_off(stage: _Stage) -> tuple[list[Block], set[str]]:
    """The guard is switched off on a few machines, one after the other."""
    import numpy as np

    hosts = np.concatenate([[stage.host], stage.others[:3]])
    at = 11 * _HOUR + _spaced(stage.rng, len(hosts), 4 * _MINUTE, 0.5)
    block = {
        "at": at,
        **columns.agency_columns(stage.town, hosts),
        "event.module": "windows",
        "event.dataset": "windows.defender",
        "event.code": "5001",
        "host.name": stage.town.name[hosts],
    }
    return [block], {str(name) for name in stage.town.name[hosts]}


def admin_tool(stage: _Stage) -> tuple[list[Block], set[str]]:
    """A tool that nobody uses appears on three machines, under an account that never worked there."""
    import numpy as np

    hosts = np.repeat(np.concatenate([[stage.host], stage.others[:2]]), 5)
    at = 15 * _HOUR + _spaced(stage.rng, len(hosts), 6 * _MINUTE, 0.5)
    user = "quantri.tam"
    logon = columns.logons(stage.town, hosts[::5], at[::5] - _MINUTE, user=[user] * 3, success=True)
    image = f"C:\\ProgramData\\dieukhien-{stage.host}.exe"
    runs = columns.programs(stage.town, hosts, at, image=[image] * len(hosts), user=[user] * len(hosts))
    calls = columns.connections(
        stage.town, hosts[::5], at[::5] + _MINUTE, to=stage.outside, port=5938, sent=9000, received=24_000
    )
    named = {str(name) for name in stage.town.name[hosts]} | set(map(str, stage.town.address[hosts]))
    return [logon, runs, calls], named | {user, stage.outside}


def dns_tunnel(stage: _Stage) -> tuple[list[Block], set[str]]:
    """Files leave in names: hundreds of long names below one domain."""
    count = 420
    at = 13 * _HOUR + _spaced(stage.rng, count, 20 * _SECOND, 0.5)
    letters = stage.rng.integers(0, 32, (count, 44))
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    names = ["".join(alphabet[n] for n in row) + ".t.kho-anh.example" for row in letters]
    return [columns.questions(stage.town, stage.copies(count), at, name=names)], set()


def made_names(stage: _Stage) -> tuple[list[Block], set[str]]:
    """A program looks for its master under made-up names; hardly any exists."""
    import numpy as np

    count = 120
    at = 16 * _HOUR + _spaced(stage.rng, count, 45 * _SECOND, 0.4)
    letters = stage.rng.integers(0, 26, (count, 13))
    names = ["".join(chr(97 + n) for n in row) + ".example" for row in letters]
    missing = np.arange(count) % 40 != 39
    return [columns.questions(stage.town, stage.copies(count), at, name=names, missing=missing)], set()


KINDS: dict[str, Callable[[_Stage], tuple[list[Block], set[str]]]] = {
    "slow-scan": slow_scan,
    "beacon": beacon,
    "spray": spray,
    "night-exfiltration": night_exfiltration,
    "worm": worm,
    "protection-off": protection_off,
    "admin-tool": admin_tool,
    "dns-tunnel": dns_tunnel,
    "made-names": made_names,
}
"""Every kind of campaign and what writes it."""


def plant(
    town: Town, first: dt.date, days: int, seed: int, *, each: int = 3, kinds: Sequence[str] = tuple(KINDS)
) -> list[Campaign]:
    """Plant campaigns, each at another agency.

    Args:
        town: the machines.
        first: the first day on which one may begin.
        days: so many days.
        seed: the same seed gives the same campaigns.
        each: so many of each kind.
        kinds: which kinds.
    """
    import numpy as np

    rng = np.random.default_rng([seed, 3])
    working = [
        d for d in (first + dt.timedelta(days=n) for n in range(max(1, days - 3))) if is_working_day(d)
    ]
    planted, taken = [], set[int]()
    for kind in kinds:
        for number in range(each):
            host = _choose(town, rng, kind, taken)
            if host is None:
                continue
            taken.add(int(town.agency[host]))
            others = np.flatnonzero(
                (town.agency == town.agency[host]) & (np.arange(len(town.agency)) != host)
            )
            stage = _Stage(town, rng, host, rng.permutation(others))
            date = working[int(rng.integers(len(working)))] if working else first
            planted.append(_written(kind, number, stage, date))
    return planted


def _choose(town: Town, rng: np.random.Generator, kind: str, taken: set[int]) -> int | None:
    """Return a machine where the campaign can be seen at all, of an agency that has none yet."""
    import numpy as np

    size = np.bincount(town.agency)[town.agency]
    fits = (size >= 12) & ~np.isin(town.agency, list(taken))
    if kind in {"spray", "protection-off", "admin-tool"}:
        fits &= town.windows
    if kind in {"dns-tunnel", "made-names"}:
        fits &= town.dns
    fits &= ~(town.backup | town.agent)
    return int(rng.choice(np.flatnonzero(fits))) if fits.any() else None


def _written(kind: str, number: int, stage: _Stage, date: dt.date) -> Campaign:
    blocks, about = KINDS[kind](stage)
    start = dt.datetime.combine(date, dt.time(), clock.HUE)
    events = columns.together(blocks, int(start.timestamp()) * _SECOND)
    moments = events["@timestamp"]
    town = stage.town
    own = {str(town.name[stage.host]), str(town.address[stage.host]), str(town.user[stage.host])}
    named = {text.casefold() for text in own | about}
    return Campaign(
        id=f"{kind}-{number}",
        kind=kind,
        agency=str(town.built.sites[town.agency[stage.host]].agency.id),
        entities=frozenset(named),
        start=moments[0].as_py(),
        end=moments[-1].as_py(),
        events=events,
    )


def _spaced(rng: np.random.Generator, count: int, gap: int, jitter: float) -> np.ndarray:
    """Return moments with a mean gap, each gap off by up to ``jitter`` of it."""
    import numpy as np

    gaps = gap * (1 + jitter * rng.uniform(-1, 1, count))
    result: np.ndarray = (np.cumsum(gaps) - gaps[0]).astype(np.int64)
    return result
