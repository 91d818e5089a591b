"""Measure the local store: append, size, compaction, queries, queries while it is written.

``python -m tests.bench.store --events 20000000`` measures in full; a directory given with ``--directory``
keeps the store, and a second run there only asks it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.stores.local import LocalStore
from tests.bench import store_events as made

if TYPE_CHECKING:
    from collections.abc import Iterator

Row: TypeAlias = tuple[str, str, str]
COMMIT_ROWS = 20_000
RUNS = 5


def local_store(events: int, *, days: int = 30, directory: Path | None = None) -> Iterator[Row]:
    """Yield what was measured: what, figure, goal."""
    with tempfile.TemporaryDirectory() as folder:
        home = directory or Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        template = made.template(home, events // days)
        if not (home / "store").exists():
            yield from _written(home, template, days)
        yield from _asked(home)


def store_local(records: int) -> Iterator[Row]:
    """Measure the local store with ten times the records of the other measurements, over ten days."""
    yield from local_store(10 * records, days=10)


def _written(home: Path, template: Path, days: int) -> Iterator[Row]:
    import pyarrow.parquet as pq
    import zstandard

    store = LocalStore(home / "store")
    rows = pq.read_table(template)
    append = compact = 0.0
    number = raw = 0
    for count in range(days):
        day = made.day(rows, count)
        started = time.process_time()
        for batch in made.batches(day, COMMIT_ROWS):
            number += 1
            store.append(batch, number)
        append += time.process_time() - started
        started = time.process_time()
        store.compact()
        compact += time.process_time() - started
        if count == 0:
            lines = "\n".join(day["event.original"].to_pylist()).encode()
            raw = len(zstandard.ZstdCompressor(level=3).compress(lines))
    status = store.status()
    total = status.events + status.quarantined
    facts = {"events": total, "append": append, "compact": compact, "bytes": status.bytes, "raw": raw * days}
    yield "events, files", f"{total:,} in {status.files:,}", ""
    yield f"append, commits of {COMMIT_ROWS:,}", f"{total / append:,.0f} events/CPU-s", "≥ 60,000"
    yield "compaction and sealing", f"{total / compact:,.0f} events/CPU-s", ""
    yield "bytes an event on disk", f"{status.bytes / total:.1f} B", ""
    yield "bytes an event, raw lines, zstd -3", f"{raw * days / total:.1f} B", ""
    yield "ratio", f"{status.bytes / (raw * days):.2f}", "< 1.5"
    (home / "facts.json").write_text(json.dumps(facts))


ASKED = """
import datetime as dt, json, statistics, sys, time
from pathlib import Path
from citysoc.stores.base import Metric, Question
from citysoc.stores.local import LocalStore

first = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
day, month = first + dt.timedelta(days=1), first + dt.timedelta(days=30)
week = day + dt.timedelta(days=7)
one = day + dt.timedelta(days=1)
store = LocalStore(Path(sys.argv[1]))
some = next(store.search(Question("event.dataset:fortigate.traffic AND source.ip:10.0.0.0/8", day, one), limit=1))
agency, address, known = some["agency.id"], some["source.ip"], some["event.id"]
asked = {
    "address, agency, 7 days: 100 events": lambda: len(list(store.search(
        Question(f"source.ip:{address}", day, week, agency), limit=100))),
    "address, agency, 7 days: count": lambda: store.count(Question(f"source.ip:{address}", day, week, agency)),
    "address, all days: count": lambda: store.count(Question(f"source.ip:{address}", first, month)),
    "newest 100 events": lambda: len(list(store.search(Question(), limit=100))),
    "substring, 1 day": lambda: store.count(Question("policyid=77", day, one)),
    "substring, all days": lambda: store.count(Question("policyid=77", first, month)),
    "Vietnamese substring, 1 day": lambda: store.count(Question('"đã CÁCH ly"', day, one)),
    "Vietnamese substring, all days": lambda: store.count(Question('"đã CÁCH ly"', first, month)),
    "agency and class, all days": lambda: len(store.aggregate(
        Question("", first, month), by=["agency.id", "citysoc.class"])),
    "p95 and cardinality by class, all days": lambda: len(store.aggregate(
        Question("", first, month), by=["citysoc.class"],
        metrics=[Metric("p95", "source.bytes"), Metric("cardinality", "source.ip")])),
    "one event by its id": lambda: store.get(known) is not None,
    "100,000 events, oldest first, all fields": lambda: sum(
        batch.num_rows for batch in __import__("itertools").islice(store.scan(Question("", day, one)), 50)),
}
only = sys.argv[3:]
for name, ask in asked.items():
    if only and name not in only:
        continue
    found, times = ask(), []
    for _ in range(int(sys.argv[2])):
        started = time.perf_counter(), time.process_time()
        ask()
        times.append((time.perf_counter() - started[0], time.process_time() - started[1]))
    wall, cpu = (statistics.median(column) for column in zip(*times))
    print(json.dumps({"name": name, "found": found, "seconds": wall, "cpu": cpu}), flush=True)
status = Path("/proc/self/status").read_text()  # the resource module would count the parent's memory too
print(json.dumps({"name": "memory", "found": int(status.split("VmHWM:")[1].split()[0]) // 1024}))
"""
GOALS = {
    "address, agency, 7 days: 100 events": "< 0.5 s",
    "address, agency, 7 days: count": "< 0.5 s",
    "substring, 1 day": "< 1 s",
    "substring, all days": "< 10 s",
    "Vietnamese substring, 1 day": "< 1 s",
    "Vietnamese substring, all days": "< 10 s",
    "agency and class, all days": "< 1.5 s",
}
WRITING = """
import sys, time
from pathlib import Path
import pyarrow.parquet as pq
from citysoc.stores.local import LocalStore
from tests.bench import store_events as made

store = LocalStore(Path(sys.argv[1]))
rows = made.day(pq.read_table(sys.argv[2]).slice(0, 200_000), 31)
number = store.last_commit()
while True:
    for batch in made.batches(rows, 20_000):
        number += 1
        started = time.perf_counter()
        store.append(batch, number)
        print(number, flush=True)
        time.sleep(max(0, 2 - (time.perf_counter() - started)))
"""


def _ask(store: Path, *only: str, runs: int = RUNS) -> dict[str, dict[str, Any]]:
    command = [sys.executable, "-c", ASKED, str(store), str(runs), *only]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}


def _asked(home: Path) -> Iterator[Row]:
    found = _ask(home / "store")
    memory = found.pop("memory")["found"]
    for name, row in found.items():
        figure = f"{row['seconds']:.2f} s ({row['cpu']:.2f} CPU)"
        yield f"{name} ({row['found']:,})", figure, GOALS.get(name, "")
    yield "memory of the asking process", f"{memory:,} MiB", "< 1024 MiB"
    names = list(GOALS)
    template = next(home.glob("day-*.parquet"))
    with subprocess.Popen(
        [sys.executable, "-c", WRITING, str(home / "store"), str(template)], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        try:
            loaded = _ask(home / "store", *names)
        finally:
            writer.kill()
    slower = [loaded[name]["seconds"] / found[name]["seconds"] - 1 for name in names]
    yield "queries while 10,000 events/s are stored, slower by", f"{statistics.median(slower):.0%}", "< 30 %"


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.store", description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    for what, figure, goal in local_store(options.events, days=options.days, directory=options.directory):
        sys.stdout.write(f"{what:<58} {figure:>24}   {goal}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
