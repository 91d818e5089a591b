"""Threat intelligence: importing 1,000,000 indicators, and what meeting them costs an event.

120,437 lines of a real list of addresses where the folder of real data is there, the rest generated: domains, URLs,
hashes, networks. Events are those of parsers, so that the figures hold the fields that events really have.
"""

from __future__ import annotations

import datetime as dt
import gzip
import random
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citysoc.clock import UTC
from citysoc.detectors.intel import Matcher, importing, warning_lists
from citysoc.detectors.intel.database import Terms
from citysoc.detectors.intel.table import load
from tests.corpus import CORPUS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from citysoc.flow import Event
    from tests.bench.measures import Row

INDICATORS = 1_000_000
EVENTS = 200_000
_BATCH = 1000
_AT = dt.datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def intel(_records: int) -> Iterator[Row]:
    """Measure import, memory and matching."""
    with tempfile.TemporaryDirectory(prefix="citysoc-bench-") as name:
        folder = Path(name)
        chance = random.Random(7)
        listed = _feed(folder / "feed.txt", chance)
        yield from _imported(folder)
        yield from _matched(folder, listed, chance)


def _feed(path: Path, chance: random.Random) -> list[str]:
    """Write a feed; return the addresses in it."""
    listed = []
    packed = CORPUS / "intel" / "ipsum.txt.gz"
    if packed.exists():
        with gzip.open(packed, "rt", encoding="utf-8") as file:
            listed = [line.split("\t")[0] for line in file if not line.startswith("#")]
    while len(listed) < INDICATORS // 4:
        listed.append(_address(chance))
    makers: list[Callable[[], str]] = [
        lambda: f"{chance.getrandbits(48):x}.{chance.choice(('top', 'com', 'vn'))}",
        lambda: f"http://{chance.getrandbits(40):x}.com/{chance.getrandbits(40):x}",
        lambda: f"{chance.getrandbits(256):064x}",
        lambda: f"{_address(chance).rpartition('.')[0]}.0/28",
    ]
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{one}\n" for one in listed)
        for number in range(INDICATORS - len(listed)):
            file.write(f"{makers[number % 20 if number % 20 == 3 else number % 3]()}\n")
    return listed


def _address(chance: random.Random) -> str:
    number = chance.randrange(1 << 24, 224 << 24)
    return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _imported(folder: Path) -> Iterator[Row]:
    warnings = warning_lists.load_lists([], ["113.161.0.0/16"])
    with importing.writing(folder / "intel") as database:
        began = time.process_time()
        result = importing.import_file(database, folder / "feed.txt", Terms("bench"), warnings=warnings)
        read = time.process_time() - began
        kinds = importing.publish(database, folder / "intel", warnings)
        whole = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    size = (folder / "intel" / "table.bin").stat().st_size >> 20
    yield f"intel: import of {INDICATORS:,} indicators", f"{whole:.1f} s CPU", ""
    yield "intel: of that reading, warning lists, database", f"{read:.1f} s CPU", ""
    yield (
        "intel: indicators matched / kept out by warning lists",
        f"{sum(kinds.values()):,} / {result.warned:,}",
        "",
    )
    yield "intel: process at its largest while importing", f"{peak} MiB", ""
    yield "intel: table, shared between workers", f"{size} MiB", ""


def _matched(folder: Path, listed: list[str], chance: random.Random) -> Iterator[Row]:
    began = time.process_time()
    table = load(folder / "intel" / "table.bin")
    yield "intel: mapping and checking the table", f"{(time.process_time() - began) * 1000:.0f} ms CPU", ""
    yield "intel: filter's false alarms, to be looked up", f"{_false(table, chance):.2f} %", ""
    # One of a thousand events is a hit.
    for what, make in (
        ("firewall, 5,000 outside addresses", _firewall(_pool(listed, chance))),
        ("firewall, every outside address new", _firewall(lambda: _address(chance))),
        ("DNS, every name new", lambda n: _dns(n, chance)),
        ("proxy, every URL new, 20,000 hosts", lambda n: _proxy(n, chance)),
        ("processes, hashes of 3,000 files", _process),
        ("the five mixed", None),
    ):
        events = _mixed(listed, chance) if make is None else [make(n) for n in range(EVENTS)]
        cost, found = _cost(folder, events)
        yield f"intel: {what}", f"{cost:.2f} µs an event", "< 3 µs"
        yield f"intel:   findings of {EVENTS:,} events", f"{found:,}", ""
        del events


def _cost(folder: Path, events: list[Event]) -> tuple[float, int]:
    """Return CPU microseconds an event, findings made, with nothing remembered at the start."""
    matcher = Matcher(folder / "intel")
    matcher.mark([{"source.ip": "10.0.0.1"}])  # maps the table
    found = 0
    began = time.process_time()
    for start in range(0, len(events), _BATCH):
        part = events[start : start + _BATCH]
        matcher.mark(part)
        found += len(matcher.findings(part))
    return (time.process_time() - began) / len(events) * 1e6, found


def _false(table: Any, chance: random.Random) -> float:
    tries = 200_000
    wrong = sum(table.may_hold(f"{chance.getrandbits(60):x}.vn".encode(), 1) for _number in range(tries))
    return wrong * 100 / tries


def _pool(listed: list[str], chance: random.Random) -> Callable[[], str]:
    pool = [_address(chance) for _number in range(5000)] + chance.choices(listed, k=5)
    return lambda: chance.choice(pool)


_COMMON = {
    "ecs.version": "9.4",
    "event.kind": "event",
    "event.category": ["network"],
    "event.type": ["connection"],
    "agency.id": "so-y-te",
    "agency.name": "Sở Y tế",
    "agency.level": "department",
    "citysoc.source": "so-y-te/firewall",
    "citysoc.parser": "fortigate",
    "citysoc.time_source": "event",
    "log.file.path": "/var/log/x.log",
    "event.ingested": _AT,
    "observer.name": "fw-1",
}


def _event(number: int, **fields: object) -> Event:
    own = {name.replace("__", "."): value for name, value in fields.items()}
    return {
        "@timestamp": _AT,
        "event.id": f"{number:032x}",
        **_COMMON,
        "log.offset": number,
        "event.original": f"the line {number}",
        **own,
    }


def _firewall(outside: Callable[[], str]) -> Callable[[int], Event]:
    def make(number: int) -> Event:
        return _event(
            number,
            event__module="fortigate",
            event__dataset="fortigate.traffic",
            event__action="accept",
            source__ip=f"10.{number % 7}.{number % 211}.{number % 251}",
            source__port=number % 60_000,
            destination__ip=outside(),
            destination__port=443,
            network__transport="tcp",
            source__bytes=number,
            destination__bytes=number,
            fortigate__policyid=7,
            fortigate__vd="root",
            fortigate__subtype="forward",
        )

    return make


def _dns(number: int, chance: random.Random) -> Event:
    return _event(
        number,
        event__module="zeek",
        event__dataset="zeek.dns",
        source__ip=f"10.1.{number % 200}.{number % 250}",
        destination__ip="10.1.0.2",
        dns__question__name=f"{chance.getrandbits(40):x}.cdn.service.vn",
        dns__question__type="A",
        dns__response_code="NOERROR",
    )


def _proxy(number: int, chance: random.Random) -> Event:
    host = f"h{chance.randrange(20_000)}.web.vn"
    return _event(
        number,
        event__module="webaccess",
        event__dataset="webaccess.squid",
        source__ip=f"10.1.{number % 200}.{number % 250}",
        url__full=f"http://{host}/{number}/index.html?q={number}",
        url__original=f"http://{host}/{number}/index.html?q={number}",
        url__domain=host,
        url__path=f"/{number}/index.html",
        http__request__method="GET",
        http__response__status_code=200,
    )


def _process(number: int) -> Event:
    return _event(
        number,
        event__module="windows",
        event__dataset="windows.sysmon",
        host__name=f"PC-{number % 5661}",
        process__executable="C:\\Windows\\System32\\svchost.exe",
        process__hash__sha256=f"{number % 3000:064x}",
        process__hash__md5=f"{number % 3000:032x}",
        user__name="an",
    )


def _mixed(listed: list[str], chance: random.Random) -> list[Event]:
    old, new = _firewall(_pool(listed, chance)), _firewall(lambda: _address(chance))
    makers: list[Callable[[int], Event]] = [
        old,
        new,
        lambda n: _dns(n, chance),
        lambda n: _proxy(n, chance),
        _process,
    ]
    # A batch is of one stream, so events of one kind come together.
    return [makers[n // _BATCH % len(makers)](n) for n in range(EVENTS)]
