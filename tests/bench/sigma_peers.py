"""The rule engine beside its peers, on the same events and rules: rsigma's command, and pySigma's SQLite backend.

Commands are measured as they are run, all their processes and threads: once on one event, which is their start, and once on all.
What they find is compared by rule and event. SQLite is given fewer events: it looks at every event for every rule.
"""

from __future__ import annotations

import collections
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson
import yaml

from citysoc.detectors.sigma import load
from tests.bench import sigma_events
from tests.bench.sigma import MAX_EVENTS, rules_of
from tests.corpus import CORPUS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.bench.measures import Row

Pairs: TypeAlias = "set[tuple[str, int]]"
"""Rule ids with the record numbers of the events that they were found in."""

COMPARED = 20_000
IN_SQLITE = 2_000
_SHOWN = 6


def sigma_peers(records: int) -> Iterator[Row]:
    """Run the peers that are installed on the same events and rules."""
    if not CORPUS.is_dir():
        yield "sigma: the rules of ../shared/data/sigma are absent", "skipped", ""
        return
    count = min(records, MAX_EVENTS)
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules"
        rules.mkdir()
        for number, path in enumerate(rules_of("windows")):
            shutil.copy(path, rules / f"{number:05}.yml")
        events = {size: Path(folder) / f"{size}.ndjson" for size in (1, IN_SQLITE, COMPARED, count)}
        for size, path in events.items():
            with path.open("wb") as file:
                file.writelines(line + b"\n" for line in sigma_events.windows(size))
        home = {"XDG_CACHE_HOME": folder}
        ours = [
            sys.executable,
            "-m",
            "citysoc",
            "detect",
            "-r",
            str(rules),
            "--as",
            "windows",
            "-f",
            "ndjson",
        ]
        _run([*ours, "--workers", "1", str(events[1])], home)  # compiles the rules
        _run([*ours, "--workers", "1", str(events[COMPARED])], home)  # and their databases
        rate = yield from _measured(
            "this engine, one process", lambda path: [*ours, "--workers", "1", str(path)], events, count, home
        )
        yield from _two(ours, events[count], count, home)
        found = _ours(_run([*ours, "--workers", "1", str(events[COMPARED])], home), events[COMPARED])
        command = shutil.which("rsigma", path=f"{os.environ['PATH']}:{Path('.peers/bin').absolute()}")
        if command is None:
            yield (
                "sigma: rsigma is not installed (`make bench-peers` installs it where cargo is)",
                "skipped",
                "",
            )
        else:
            theirs = [command, "engine", "eval", "--logsource-routing", "--quiet", "-r", str(rules)]
            other = yield from _measured(
                "rsigma's command", lambda path: [*theirs, "-e", f"@{path}"], events, count
            )
            yield (
                "sigma: this engine to rsigma's command, without their starts",
                f"{rate / other:.2f} times",
                "≥ 3",
            )
            told = _run([*theirs, "--include-event", "-e", f"@{events[COMPARED]}"])
            yield from _compared("rsigma", found, _rsigma(told), rules)
        yield from _sqlite(rules, events[IN_SQLITE], found)


def _measured(
    what: str, command: Any, events: dict[int, Path], count: int, environment: dict[str, str] | None = None
) -> Iterator[Row]:
    """Measure a command on one event and on all; return its events a second past the start."""
    start, _peak, _wall = _cost(command(events[1]), environment)
    whole, peak, _wall = _cost(command(events[count]), environment)
    rate = count / (whole - start)
    yield (
        f"sigma: {what}, {count:,} events ({start:.2f} s start, {whole:.2f} s CPU, {peak:,} MiB)",
        f"{rate:,.0f} events/s",
        "",
    )
    return rate


def _two(ours: list[str], events: Path, count: int, home: dict[str, str]) -> Iterator[Row]:
    one, two = (_cost([*ours, "--workers", workers, str(events)], home) for workers in ("1", "2"))
    what = f"sigma: two worker processes to one, {count:,} events, wall, starts included"
    yield what, f"{one[2] / two[2]:.2f} times", "≥ 1.8"
    yield (
        "sigma: the same, one process's CPU to half of that of two and their parent",
        f"{2 * one[0] / two[0]:.2f} times",
        "",
    )


def _ours(told: bytes, events: Path) -> Pairs:
    numbers = {}
    offset = 0
    for line in events.read_bytes().splitlines(keepends=True):
        numbers[offset] = int(orjson.loads(line)["EventRecordID"])
        offset += len(line)
    return {(one["rule.id"], numbers[one["log.offset"]]) for one in map(orjson.loads, told.splitlines())}


def _rsigma(told: bytes) -> Pairs:
    return {
        (one["rule_id"], int(one["event"]["EventRecordID"])) for one in map(orjson.loads, told.splitlines())
    }


def _compared(name: str, ours: Pairs, theirs: Pairs, rules: Path) -> Iterator[Row]:
    """Say how findings differ, and of which rules."""
    titles = {
        str(document.get("id")): str(document.get("title"))
        for path in rules.iterdir()
        for document in yaml.load_all(path.read_bytes(), Loader=yaml.CSafeLoader)
    }
    yield f"sigma: rule-event pairs found by both, and by {name}", f"{len(ours & theirs):,}", ""
    for who, more in (("this engine", ours - theirs), (name, theirs - ours)):
        yield f"sigma: pairs only {who} finds", f"{len(more):,}", ""
        most = collections.Counter(rule for rule, _number in more).most_common(_SHOWN)
        for rule, count in most:
            yield f"    {titles.get(rule, rule)[:70]}", f"{count:,}", ""


def _sqlite(rules: Path, events: Path, found: Pairs) -> Iterator[Row]:
    """Ask SQLite what pySigma makes of every rule; what another logsource than the rule's has is left out by us."""
    queries = _queries(rules)
    rows = [orjson.loads(line) for line in events.read_bytes().splitlines()]
    started = time.process_time()
    database = _table(rows)
    loading = time.process_time() - started
    started = time.process_time()
    pairs: Pairs = set()
    failed = 0
    for rule, query in queries:
        try:
            pairs.update((rule, number) for (number,) in database.execute(query))
        except sqlite3.Error:  # a field that no event has, an operator that it lacks
            failed += 1
    asking = time.process_time() - started
    told = f"{len(rows) / (loading + asking):,.0f} events/s"
    yield (
        f"sigma: pySigma's SQLite backend, {len(rows):,} events, {len(queries):,} queries, {failed} fail",
        told,
        "",
    )
    seen = _seen(rules, rows)
    numbers = {int(row["EventRecordID"]) for row in rows}
    same = {(rule, number) for rule, number in found if number in numbers and rule in dict(queries)}
    yield from _compared("SQLite", same, {pair for pair in pairs if pair in seen}, rules)


def _queries(rules: Path) -> list[tuple[str, str]]:
    from sigma.backends.sqlite import sqliteBackend
    from sigma.collection import SigmaCollection
    from sigma.exceptions import SigmaError

    backend = sqliteBackend()
    queries = []
    for path in sorted(rules.iterdir()):
        try:
            collection = SigmaCollection.from_yaml(path.read_text("utf-8"))
            with warnings.catch_warnings(action="ignore"):
                converted = backend.convert(collection)
        except (SigmaError, NotImplementedError, AttributeError):  # what the backend does not support
            continue
        own = str(collection.rules[0].id)
        queries += [(own, query.replace("SELECT *", "SELECT EventRecordID", 1)) for query in converted]
    return queries


def _table(rows: list[dict[str, Any]]) -> sqlite3.Connection:
    names = sorted({name for row in rows for name in row}, key=str.lower)
    database = sqlite3.connect(":memory:")
    database.execute(f"CREATE TABLE logs ({', '.join(f'{chr(34)}{name}{chr(34)}' for name in names)})")
    marks = ", ".join("?" * len(names))
    database.executemany(
        f"INSERT INTO logs VALUES ({marks})", ([row.get(name) for name in names] for row in rows)
    )
    return database


def _seen(rules: Path, rows: Iterable[dict[str, Any]]) -> Pairs:
    """Return which rules see which events by their logsource."""
    from citysoc.detectors.sigma.routes import folded, sees
    from citysoc.parsers.run import parse_batch
    from tests.bench.sigma import batches

    detector = load([rules], cache_dir=None).detector
    names = {name for plan in detector.plans for part in plan["sees"] for other in part for name in other}
    seen: Pairs = set()
    for batch in batches(map(orjson.dumps, rows), "windows"):
        for event in parse_batch(batch):
            facts = {name: folded(event.get(name)) for name in names}
            number = int(event["winlog.record_id"])
            seen.update((plan["id"], number) for plan in detector.plans if sees(plan["sees"], facts))
    return seen


def _run(command: list[str], environment: dict[str, str] | None = None) -> bytes:
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | (environment or {}),
    )
    return done.stdout


def _cost(command: list[str], environment: dict[str, str] | None = None) -> tuple[float, int, float]:
    """Return the CPU seconds of a command and all its threads and processes, the peak of the largest in MiB, and wall seconds.

    The peak is never below what this process itself takes: a new program takes that over.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | (environment or {}),
    )
    _pid, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return used.ru_utime + used.ru_stime, used.ru_maxrss // 1024, wall
