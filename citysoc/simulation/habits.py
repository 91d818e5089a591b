"""Weeks of the city's ordinary life as events, each machine with habits of its own; for the anomaly model.

The text formats of the simulation are for collectors and parsers; a model wants months of many machines,
so here events are drawn as columns. What makes it hard to find an attack in them is drawn too: servers
that send copies away each night, agents that call home at even intervals, duty at hospitals, evenings
before payday, new programs rolled out, floods of wrong passwords after a change of passwords, scanners
from the Internet, large uploads by day, machines where the same malware comes again and again.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc import clock
from citysoc.simulation import city as cities
from citysoc.simulation.calendar import intensity

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import pyarrow as pa

    from citysoc.config.models import Agency

PLACES = 600
"""Ordinary places on the Internet, of 198.18.0.0/16 (RFC 2544)."""
SCANNERS = 900
"""Scanners, of 192.0.2.0/24 and 198.19.0.0/16."""
_SECOND = 1_000_000
_HOUR = 3600 * _SECOND
_DUTY = frozenset({"hospital"})
_PROGRAMS = (
    *("svchost.exe", "winword.exe", "excel.exe", "chrome.exe", "unikeynt.exe", "taskhostw.exe"),
    *("notepad.exe", "powershell.exe", "outlook.exe", "acrord32.exe", "zalo.exe", "foxitreader.exe"),
    *("misa.exe", "egov.exe", "cmd.exe", "mmc.exe", "msedge.exe", "onedrive.exe", "teams.exe", "winrar.exe"),
)
_MALWARE = (
    *("W32.AIDetectMalware", "W32.SalityVG.PE", "LNK.USBShortcutVN.Worm", "W32.VirutNS.PE"),
    *("X97M.LarouxHC.Macro", "JS.RedirLoad.Trojan", "HW32.Packed", "W32.KeyGenX.Trojan"),
)
_WORDS = (
    *(
        "dichvucong",
        "tintuc",
        "thoitiet",
        "vanban",
        "mail",
        "hoctap",
        "bando",
        "capnhat",
        "taichinh",
        "baochi",
    ),
    *("giaoduc", "suckhoe", "ngansach", "cdn", "anh", "video", "baohiem", "thue", "hoadon", "datdai"),
)


@dataclass(frozen=True, slots=True)
class Town:
    """The machines of a city as columns, one row a machine.

    Args:
        built: the city.
        agency: the number of each machine's agency.
        name: short names.
        address: inside addresses.
        user: accounts.
        pace: how busy each machine is, events a working hour.
        duty: whether it works around the clock.
        favourites: (machines, 8) numbers of places it likes.
        windows: whether its agency sends Windows logs.
        dns: whether its agency sends DNS logs.
        backup: whether it sends copies away each night.
        agent: whether an agent on it calls a rare place at even intervals.
        sickly: how often malware is found on it, detections a working hour.
    """

    built: cities.City
    agency: np.ndarray
    name: np.ndarray
    address: np.ndarray
    user: np.ndarray
    pace: np.ndarray
    duty: np.ndarray
    favourites: np.ndarray
    windows: np.ndarray
    dns: np.ndarray
    backup: np.ndarray
    agent: np.ndarray
    sickly: np.ndarray


def settle(agencies: Iterable[Agency], seed: int, *, pace: float = 2.0) -> Town:
    """Give every machine of a registry its habits.

    Args:
        agencies: the registry.
        seed: the same seed gives the same habits.
        pace: events of the median machine in a working hour.
    """
    import numpy as np

    built = cities.build(agencies, seed)
    rng = np.random.default_rng([seed, 1])
    hosts = [(n, host) for n, site in enumerate(built.sites) for host in site.hosts]
    count, sites = len(hosts), len(built.sites)
    agency = np.array([n for n, _ in hosts])
    mood = rng.lognormal(0, 0.35, sites)
    server = rng.random(count)
    common = (rng.random((count, 8)) ** 2.5 * 80).astype(int)
    own = 80 + (agency[:, None] * 7 + (rng.random((count, 8)) * 9).astype(int)) % (PLACES - 80)
    return Town(
        built=built,
        agency=agency,
        name=np.array([host.name for _, host in hosts]),
        address=np.array([host.address for _, host in hosts]),
        user=np.array([host.user for _, host in hosts]),
        pace=pace * rng.lognormal(0, 0.6, count) * mood[agency],
        duty=np.array([built.sites[n].agency.level in _DUTY for n, _ in hosts]) & (rng.random(count) < 0.4),
        favourites=np.where(rng.random((count, 8)) < 0.3, own, common),
        windows=(rng.random(sites) < 0.6)[agency],
        dns=(rng.random(sites) < 0.5)[agency],
        backup=server < 0.006,
        agent=server > 0.994,
        sickly=np.where(rng.random(count) < 0.08, 0.08, 0.0015) * rng.lognormal(0, 0.5, count),
    )


def day(town: Town, date: dt.date, seed: int) -> pa.Table:
    """Return one local day of ordinary life, in order of time; columns of ``ecs.schema`` that are used.

    Args:
        town: what ``settle`` gave.
        date: the local day.
        seed: the same seed and day give the same events.
    """
    import numpy as np

    rng = np.random.default_rng([seed, 2, date.toordinal()])
    busy = np.array(intensity(date))
    blocks = [
        *_people(town, rng, busy, date),
        _noise(town, rng),
        _backups(town, rng),
        _agents(town, rng),
        _scans(town, rng),
        _detections(town, rng, busy),
        _uploads(town, rng, busy),
        _neighbours(town, rng, busy),
        _care(town, rng, busy),
        _found_at_once(town, rng, busy),
    ]
    start = int(dt.datetime.combine(date, dt.time(), clock.HUE).timestamp()) * _SECOND
    return together([block for block in blocks if block is not None], start)


def together(blocks: list[dict[str, Any]], start: int) -> pa.Table:
    """Return blocks of columns as one table in order of time.

    Args:
        blocks: columns by name; ``at`` is microseconds since ``start``.
        start: microseconds since 1970.
    """
    import numpy as np
    import pyarrow as pa

    from citysoc.ecs.schema import schema

    tables = []
    for block in blocks:
        count = len(block["at"])
        columns = {
            "@timestamp": pa.array(start + np.asarray(block["at"], np.int64), pa.timestamp("us", "UTC"))
        }
        for name, values in block.items():
            if name != "at":
                columns[name] = _column(values, schema().field(name).type, count)
        tables.append(pa.table(columns))
    return pa.concat_tables(tables, promote_options="default").sort_by("@timestamp")


def _column(values: Any, kind: pa.DataType, count: int) -> pa.Array:
    import pyarrow as pa

    if not count:
        return pa.array([], kind)
    if isinstance(values, str | int):
        return pa.array([values], kind).take(pa.array([0] * count, pa.int32()))
    if isinstance(values, list) and pa.types.is_list(kind):
        return pa.array([values], kind).take(pa.array([0] * count, pa.int32()))
    return pa.array(values, kind)


def place(number: np.ndarray | int) -> Any:
    """Return the address of a place, or of many."""
    import numpy as np

    numbers = np.atleast_1d(number)
    texts = np.array([f"198.18.{n // 250}.{n % 250 + 1}" for n in numbers])
    return texts if np.ndim(number) else str(texts[0])


def agency_columns(town: Town, hosts: np.ndarray) -> dict[str, Any]:
    """Return the columns that name the agency of machines."""
    import numpy as np

    ids = np.array([site.agency.id for site in town.built.sites])
    levels = np.array([site.agency.level for site in town.built.sites])
    return {"agency.id": ids[town.agency[hosts]], "agency.level": levels[town.agency[hosts]]}


def connections(
    town: Town,
    hosts: np.ndarray,
    at: np.ndarray,
    *,
    to: np.ndarray | str,
    port: np.ndarray | int,
    sent: np.ndarray | int,
    received: np.ndarray | int,
    denied: bool = False,
) -> dict[str, Any]:
    """Return what firewalls say of machines' connections."""
    return {
        "at": at,
        **agency_columns(town, hosts),
        "event.module": "fortigate",
        "event.dataset": "fortigate.traffic",
        "event.category": ["network"],
        "source.ip": town.address[hosts],
        "destination.ip": to,
        "destination.port": port,
        "source.bytes": sent,
        "destination.bytes": received,
        "citysoc.outcome": "blocked" if denied else "allowed",
    }


def logons(
    town: Town,
    hosts: np.ndarray,
    at: np.ndarray,
    *,
    user: Any,
    success: np.ndarray | bool,
    source: Any = None,
) -> dict[str, Any]:
    """Return what Windows says of log-ons on machines."""
    import numpy as np

    outcome = np.where(np.broadcast_to(success, at.shape), "success", "failure")
    block = {
        "at": at,
        **agency_columns(town, hosts),
        "event.module": "windows",
        "event.dataset": "windows.security",
        "event.category": ["authentication"],
        "event.outcome": outcome,
        "host.name": town.name[hosts],
        "user.name": user,
    }
    return block if source is None else {**block, "source.ip": source}


def programs(
    town: Town, hosts: np.ndarray, at: np.ndarray, *, image: Any, user: Any = None
) -> dict[str, Any]:
    """Return what Windows says of programs that started."""
    return {
        "at": at,
        **agency_columns(town, hosts),
        "event.module": "windows",
        "event.dataset": "windows.sysmon",
        "event.category": ["process"],
        "host.name": town.name[hosts],
        "user.name": town.user[hosts] if user is None else user,
        "process.executable": image,
    }


def questions(
    town: Town, hosts: np.ndarray, at: np.ndarray, *, name: Any, missing: Any = False
) -> dict[str, Any]:
    """Return what a name server says of machines' questions."""
    import numpy as np

    return {
        "at": at,
        **agency_columns(town, hosts),
        "event.module": "zeek",
        "event.dataset": "zeek.dns",
        "event.category": ["network"],
        "source.ip": town.address[hosts],
        "destination.port": 53,
        "dns.question.name": name,
        "dns.response_code": np.where(np.broadcast_to(missing, at.shape), "NXDOMAIN", "NOERROR"),
    }


def detections(town: Town, hosts: np.ndarray, at: np.ndarray, *, name: Any, outcome: Any) -> dict[str, Any]:
    """Return what the antivirus found."""
    return {
        "at": at,
        **agency_columns(town, hosts),
        "event.module": "antivirus",
        "event.dataset": "antivirus.detection",
        "event.category": ["malware"],
        "host.name": town.name[hosts],
        "user.name": town.user[hosts],
        "threat.software.name": name,
        "citysoc.outcome": outcome,
    }


def _people(town: Town, rng: np.random.Generator, busy: np.ndarray, date: dt.date) -> list[dict[str, Any]]:
    """Return what people do: they visit, ask for names, log on, run programs."""
    import numpy as np

    curve = np.where(town.duty[:, None], 0.45, busy[None, :])
    if date.day in {24, 25, 26} and busy.max() > 0.5:  # the evenings before payday
        accountants = np.char.startswith(town.user, "ketoan")
        curve = np.where(accountants[:, None] & (np.arange(24) >= 17) & (np.arange(24) < 21), 0.6, curve)
    curve = curve * rng.lognormal(-0.05, 0.35, (len(town.pace), 1))
    absent = rng.random(len(town.pace)) < 0.12
    counts = rng.poisson(town.pace[:, None] * np.where(absent[:, None], curve * 0.02, curve))
    hosts = np.repeat(np.arange(len(town.pace)), counts.sum(axis=1))
    hours = np.repeat(np.tile(np.arange(24), len(town.pace)), counts.ravel())
    at = hours * _HOUR + (rng.random(len(hosts)) * _HOUR).astype(np.int64)
    what = rng.random(len(hosts))
    windows, dns = town.windows[hosts], town.dns[hosts]
    starts = windows & (what < 0.18)
    logs = windows & (what >= 0.18) & (what < 0.30)
    asks = dns & (what >= 0.30) & (what < 0.55)
    visits = ~(starts | logs | asks)
    return [
        _visits(town, rng, hosts[visits], at[visits]),
        _programs(town, rng, hosts[starts], at[starts], date),
        _logons(town, rng, hosts[logs], at[logs], date),
        _asks(town, rng, hosts[asks], at[asks]),
    ]


def _visits(town: Town, rng: np.random.Generator, hosts: np.ndarray, at: np.ndarray) -> dict[str, Any]:
    import numpy as np

    liked = town.favourites[hosts, (rng.random(len(hosts)) ** 1.5 * 8).astype(int)]
    other = (rng.random(len(hosts)) ** 1.6 * PLACES).astype(int)
    table = place(np.arange(PLACES))
    to = table[np.where(rng.random(len(hosts)) < 0.06, other, liked)].astype("U40")
    fresh = rng.random(len(hosts)) < 0.012  # places where nobody was before
    to[fresh] = [f"2001:db8:{a:x}:{b:x}::1" for a, b in rng.integers(0, 65_536, (fresh.sum(), 2))]
    received = rng.lognormal(9.2, 2.0, len(hosts))
    sent = received / 9 + rng.lognormal(7, 1.2, len(hosts))
    refused = rng.random(len(hosts)) < 0.02
    port = np.array([443] * 90 + [80] * 7 + [993, 5228, 8443])[rng.integers(0, 100, len(hosts))]
    rare = rng.random(len(hosts)) < 0.0006
    block = connections(
        town,
        hosts,
        at,
        to=to,
        port=np.where(rare, rng.integers(1025, 30_000, len(hosts)), port),
        sent=np.where(refused, 0, sent).astype(np.int64),
        received=np.where(refused, 0, received).astype(np.int64),
    )
    return {**block, "citysoc.outcome": np.where(refused, "blocked", "allowed")}


def _programs(
    town: Town, rng: np.random.Generator, hosts: np.ndarray, at: np.ndarray, date: dt.date
) -> dict[str, Any]:
    import numpy as np

    usual = (hosts * 5 + (rng.random(len(hosts)) ** 1.6 * 9).astype(int)) % len(_PROGRAMS)
    image = np.array(_PROGRAMS)[usual]
    # Each fortnight a program is rolled out to a third of the machines.
    wave = date.toordinal() // 14
    new = (hosts * 7919 + wave * 104_729) % 3 == 0
    image = np.where(new & (rng.random(len(hosts)) < 0.05), f"capnhat-{wave % 40}.exe", image)
    setup = rng.random(len(hosts)) < 0.0015  # what people install for themselves
    image = np.where(setup, np.char.add("caidat-", (hosts % 9973).astype("U6")), image)
    return programs(town, hosts, at, image=image)


def _logons(
    town: Town, rng: np.random.Generator, hosts: np.ndarray, at: np.ndarray, date: dt.date
) -> dict[str, Any]:
    import numpy as np

    # On the first working days of a fortnight passwords change, and are mistyped.
    wrong = 0.22 if date.toordinal() % 14 == 1 else 0.05
    colleague = rng.random(len(hosts)) < 0.015
    near = np.minimum(hosts + 1 + (rng.random(len(hosts)) * 3).astype(int), len(town.user) - 1)
    user = np.where(colleague, town.user[near], town.user[hosts])
    return logons(
        town, hosts, at, user=user, success=rng.random(len(hosts)) >= wrong, source=town.address[hosts]
    )


def _asks(town: Town, rng: np.random.Generator, hosts: np.ndarray, at: np.ndarray) -> dict[str, Any]:
    import numpy as np

    liked = town.favourites[hosts, (rng.random(len(hosts)) ** 1.5 * 8).astype(int)]
    names = np.array([f"www.{_WORDS[n % 20]}{n // 20 or ''}.example" for n in range(PLACES)])
    hashed = np.array([f"{rng.integers(2**48):012x}.cdn{n}.example" for n in range(200)])
    cdn = rng.random(len(hosts)) < 0.03
    name = np.where(cdn, hashed[rng.integers(0, 200, len(hosts))], names[liked])
    return questions(town, hosts, at, name=name, missing=rng.random(len(hosts)) < 0.03)


def _noise(town: Town, rng: np.random.Generator) -> dict[str, Any]:
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


def _backups(town: Town, rng: np.random.Generator) -> dict[str, Any]:
    import numpy as np

    hosts = np.repeat(np.flatnonzero(town.backup), 6)
    begin = (hosts * 37 % 4 + 1) * _HOUR + (np.arange(len(hosts)) % 6) * 420 * _SECOND
    size = (4e7 * (1 + hosts % 9) * rng.lognormal(0, 0.4, len(hosts))).astype(np.int64)
    at = begin + rng.integers(0, 200 * _SECOND, len(hosts))
    return connections(town, hosts, at, to=place(580 + hosts % 12), port=443, sent=size, received=size // 400)


def _agents(town: Town, rng: np.random.Generator) -> dict[str, Any]:
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


def _scans(town: Town, rng: np.random.Generator) -> dict[str, Any]:
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


def _detections(town: Town, rng: np.random.Generator, busy: np.ndarray) -> dict[str, Any]:
    import numpy as np

    counts = rng.poisson(town.sickly[:, None] * busy[None, :])
    hosts = np.repeat(np.arange(len(town.pace)), counts.sum(axis=1))
    hours = np.repeat(np.tile(np.arange(24), len(town.pace)), counts.ravel())
    at = hours * _HOUR + (rng.random(len(hosts)) * _HOUR).astype(np.int64)
    names = np.array(_MALWARE)[(hosts + (rng.random(len(hosts)) ** 3 * 8).astype(int)) % len(_MALWARE)]
    outcome = np.where(rng.random(len(hosts)) < 0.04, "failed", "deleted")
    return detections(town, hosts, at, name=names, outcome=outcome)


def _uploads(town: Town, rng: np.random.Generator, busy: np.ndarray) -> dict[str, Any] | None:
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


def _neighbours(town: Town, rng: np.random.Generator, busy: np.ndarray) -> dict[str, Any]:
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


def _care(town: Town, rng: np.random.Generator, busy: np.ndarray) -> dict[str, Any] | None:
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


def _found_at_once(town: Town, rng: np.random.Generator, busy: np.ndarray) -> dict[str, Any] | None:
    """Return what new signatures find at once on some machines of one agency; every fourth day or so."""
    import numpy as np

    if busy.max() < 0.5 or rng.random() > 0.25:
        return None
    agency = int(rng.integers(len(town.built.sites)))
    ours = rng.permutation(np.flatnonzero(town.agency == agency))[: int(rng.integers(3, 7))]
    at = rng.integers(8 * _HOUR, 10 * _HOUR, len(ours))
    return detections(town, ours, at, name="W32.AIDetectMalware", outcome="deleted")
