"""What machines say by themselves, and what is done to them: noise, copies by night, agents, scans, malware, care."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.simulation.columns import agency_columns, connections, detections, place

if TYPE_CHECKING:
    import numpy as np

    from citysoc.simulation.town import Town

SCANNERS = 900
"""Scanners, of 192.0.2.0/24 and 198.19.0.0/16."""
_SECOND = 1_000_000
_HOUR = 3600 * _SECOND
_MALWARE = (
    *("W32.AIDetectMalware", "W32.SalityVG.PE", "LNK.USBShortcutVN.Worm", "W32.VirutNS.PE"),
    *("X97M.LarouxHC.Macro", "JS.RedirLoad.Trojan", "HW32.Packed", "W32.KeyGenX.Trojan"),
)


def noise(town: Town, rng: np.random.Generator) -> dict[str, Any]:
    """Return what machines that are never switched off say by themselves."""
    import numpy as np

    awake = np.flatnonzero(np.arange(len(town.pace)) * 2_654_435_761 % 100 < 15)
    counts = rng.poisson(0.35, (len(awake), 24))
    hosts = np.repeat(awake, counts.sum(axis=1))
    hours = np.repeat(np.tile(np.arange(24), len(awake)), counts.ravel())
    at = hours * _HOUR + (rng.random(len(hosts)) * _HOUR).astype(np.int64)
    return connections(
        town,
        hosts,
        at,
        to=place(hosts % 6),
        port=443,
        sent=rng.integers(400, 3000, len(hosts)),
        received=rng.integers(800, 9000, len(hosts)),
    )


def backups(town: Town, rng: np.random.Generator) -> dict[str, Any]:
    """Return the copies that servers send away each night."""
    import numpy as np

    hosts = np.repeat(np.flatnonzero(town.backup), 6)
    begin = (hosts * 37 % 4 + 1) * _HOUR + (np.arange(len(hosts)) % 6) * 420 * _SECOND
    size = (4e7 * (1 + hosts % 9) * rng.lognormal(0, 0.4, len(hosts))).astype(np.int64)
    at = begin + rng.integers(0, 200 * _SECOND, len(hosts))
    return connections(town, hosts, at, to=place(580 + hosts % 12), port=443, sent=size, received=size // 400)


def agents(town: Town, rng: np.random.Generator) -> dict[str, Any]:
    """Return what agents say that call home at even intervals."""
    import numpy as np

    chosen = np.flatnonzero(town.agent)
    every = (300 + chosen * 61 % 900) * _SECOND
    hosts = np.repeat(chosen, 24 * _HOUR // every)
    number = (
        np.concatenate([np.arange(24 * _HOUR // step) for step in every]) if len(chosen) else np.array([])
    )
    step = np.repeat(every, 24 * _HOUR // every)
    at = (number * step + rng.normal(0, 4 * _SECOND, len(hosts))).clip(0, 24 * _HOUR - 1).astype(np.int64)
    return connections(
        town,
        hosts,
        at,
        to=place(1000 + hosts),
        port=443,
        sent=rng.integers(300, 900, len(hosts)),
        received=600,
    )


def scans(town: Town, rng: np.random.Generator) -> dict[str, Any]:
    """Return the scanners of the Internet, of which one a day goes through the whole city."""
    import numpy as np

    sites = len(town.built.sites)
    count = rng.poisson(28 * sites)
    number = (rng.random(count) ** 2.2 * SCANNERS).astype(int)
    number = np.where(number < SCANNERS // 3, number, number + int(rng.integers(0, 60)) * 3)
    hosts = rng.integers(0, len(town.pace), count)
    at = (rng.random(count) * 24 * _HOUR).astype(np.int64)
    # Each day one scanner goes through the whole city within an hour.
    sweep = rng.permutation(len(town.pace))[: sites * 3 // 2]
    number = np.concatenate([number, np.full(len(sweep), 5000 + int(rng.integers(0, 400)))])
    moment = int(rng.integers(0, 22)) * _HOUR
    at = np.concatenate([at, moment + rng.integers(0, _HOUR, len(sweep))])
    hosts = np.concatenate([hosts, sweep])
    ports = np.array([23, 445, 22, 3389, 80, 8080, 443, 5060, 1433, 8443])
    port = ports[(rng.random(len(hosts)) ** 1.8 * len(ports)).astype(int)]
    block = connections(town, hosts, at, to="", port=port, sent=40, received=0, denied=True)
    known = np.array([f"198.19.{n // 250 % 256}.{n % 250 + 1}" for n in range(5500)])
    return {**block, "source.ip": known[number], "destination.ip": town.address[hosts]}


def malware(town: Town, rng: np.random.Generator, busy: np.ndarray) -> dict[str, Any]:
    """Return what the antivirus finds on an ordinary day; on some machines the same again and again."""
    import numpy as np

    counts = rng.poisson(town.sickly[:, None] * busy[None, :])
    hosts = np.repeat(np.arange(len(town.pace)), counts.sum(axis=1))
    hours = np.repeat(np.tile(np.arange(24), len(town.pace)), counts.ravel())
    at = hours * _HOUR + (rng.random(len(hosts)) * _HOUR).astype(np.int64)
    names = np.array(_MALWARE)[(hosts + (rng.random(len(hosts)) ** 3 * 8).astype(int)) % len(_MALWARE)]
    outcome = np.where(rng.random(len(hosts)) < 0.04, "failed", "deleted")
    return detections(town, hosts, at, name=names, outcome=outcome)


def uploads(town: Town, rng: np.random.Generator, busy: np.ndarray) -> dict[str, Any] | None:
    """Return the large files that offices send by day: films of meetings, maps."""
    import numpy as np

    if busy.max() < 0.5:
        return None
    count = max(1, len(town.pace) // 1500)
    hosts = rng.integers(0, len(town.pace), count)
    at = rng.integers(8 * _HOUR, 16 * _HOUR, count)
    size = rng.lognormal(18.5, 0.7, count).astype(np.int64)
    return connections(
        town, hosts, at, to=place(rng.integers(0, 30, count)), port=443, sent=size, received=40_000
    )


def neighbours(town: Town, rng: np.random.Generator, busy: np.ndarray) -> dict[str, Any]:
    """Return what goes to printers and file servers, and the rounds of those who look after machines."""
    import numpy as np

    users = np.flatnonzero(np.arange(len(town.pace)) * 40_503 % 100 < 30)
    counts = rng.poisson(0.25 * busy[None, :], (len(users), 24))
    hosts = np.repeat(users, counts.sum(axis=1))
    hours = np.repeat(np.tile(np.arange(24), len(users)), counts.ravel())
    first = np.searchsorted(town.agency, town.agency[hosts])
    to = town.address[np.minimum(first + hosts % 2, len(town.pace) - 1)]
    port = np.where(hosts % 3 == 0, 9100, 445)
    if busy.max() > 0.5:
        carers = rng.permutation(np.flatnonzero(np.char.startswith(town.user, "cntt")))
        carers = carers[: max(1, len(carers) // 90)]
        round_ = np.repeat(carers, 6)
        start = np.searchsorted(town.agency, town.agency[round_])
        size = np.bincount(town.agency, minlength=len(town.built.sites))[town.agency[round_]]
        hosts = np.concatenate([hosts, round_])
        hours = np.concatenate([hours, np.repeat(rng.integers(8, 16, len(carers)), 6)])
        to = np.concatenate([to, town.address[start + (rng.random(len(round_)) * size).astype(int)]])
        port = np.concatenate([port, np.full(len(round_), 3389)])
    at = hours * _HOUR + (rng.random(len(hosts)) * _HOUR).astype(np.int64)
    return connections(town, hosts, at, to=to, port=port, sent=20_000, received=4000)


def care(town: Town, rng: np.random.Generator, busy: np.ndarray) -> dict[str, Any] | None:
    """Return the guards that are switched off for a repair, two or three machines a day in the whole city."""
    import numpy as np

    seen = np.flatnonzero(town.windows)
    count = int(rng.poisson(2.5 * busy.max() * len(town.pace) / 10_000))
    if not count or not len(seen):
        return None
    hosts = rng.choice(seen, count)
    return {
        "at": rng.integers(8 * _HOUR, 16 * _HOUR, count),
        **agency_columns(town, hosts),
        "event.module": "windows",
        "event.dataset": "windows.defender",
        "event.code": "5001",
        "host.name": town.name[hosts],
    }


def found_at_once(town: Town, rng: np.random.Generator, busy: np.ndarray) -> dict[str, Any] | None:
    """Return what new signatures find at once on some machines of one agency; every fourth day or so."""
    import numpy as np

    if busy.max() < 0.5 or rng.random() > 0.25:
        return None
    agency = int(rng.integers(len(town.built.sites)))
    ours = rng.permutation(np.flatnonzero(town.agency == agency))[: int(rng.integers(3, 7))]
    at = rng.integers(8 * _HOUR, 10 * _HOUR, len(ours))
    return detections(town, ours, at, name="W32.AIDetectMalware", outcome="deleted")
