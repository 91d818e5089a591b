"""What people do all day: they visit places, ask for names, log on, run programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.simulation.columns import connections, logons, place, programs, questions
from citysoc.simulation.town import PLACES

if TYPE_CHECKING:
    import datetime as dt

    import numpy as np

    from citysoc.simulation.town import Town

_HOUR = 3_600_000_000
_PROGRAMS = (
    *("svchost.exe", "winword.exe", "excel.exe", "chrome.exe", "unikeynt.exe", "taskhostw.exe"),
    *("notepad.exe", "powershell.exe", "outlook.exe", "acrord32.exe", "zalo.exe", "foxitreader.exe"),
    *("misa.exe", "egov.exe", "cmd.exe", "mmc.exe", "msedge.exe", "onedrive.exe", "teams.exe", "winrar.exe"),
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


def people(town: Town, rng: np.random.Generator, busy: np.ndarray, date: dt.date) -> list[dict[str, Any]]:
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
