"""The rule engine: events a CPU-second, from the bytes of a batch to findings; rules of the folder of real data.

All figures are of one process and of CPU time, and hold what comes with a start: indexes are made and values are seen
for the first time within what is measured. Peers are measured in ``sigma_peers``.
"""

from __future__ import annotations

import datetime as dt
import itertools
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.detectors.sigma import SigmaDetector, load
from citysoc.flow import Batch, Unread
from citysoc.parsers.run import parse_batch
from citysoc.pipeline.loaded import settle
from citysoc.pipeline.work import Work
from citysoc.pipeline.worker import Worker
from tests.bench import sigma_events
from tests.corpus import CORPUS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.bench.measures import Row

RULES = tuple(CORPUS / "sigma" / name for name in ("rules", "rules-emerging-threats", "rules-threat-hunting"))
MAX_EVENTS = 1_000_000
_BATCH = 4000
"""About what collectors put in a batch (4 MiB) where a record has 1 KB."""
_ABSENT: Row = ("sigma: the rules of ../shared/data/sigma are absent", "skipped", "")


def rules_of(product: str | None) -> list[Path]:
    """Return the rule files, of one product or all."""
    files = sorted(path for folder in RULES for path in folder.rglob("*.yml"))
    wanted = f"product: {product}".encode()
    return files if product is None else [path for path in files if wanted in path.read_bytes()]


def _detector(paths: list[Path], cache: Path) -> tuple[SigmaDetector, float]:
    started = time.process_time()
    detector = load(paths, cache_dir=cache).detector
    assert isinstance(detector, SigmaDetector)
    return detector, time.process_time() - started


def batches(lines: Iterable[bytes], parser: str) -> Iterator[Batch]:
    """Yield lines as the batches of a collector."""
    source = iter(lines)
    offset = itertools.count()
    while records := tuple(itertools.islice(source, _BATCH)):
        yield Batch(
            stream="bench/events",
            agency="bench",
            parser=parser,
            records=records,
            offsets=tuple(itertools.islice(offset, len(records))),
            arrived=dt.datetime(2026, 11, 17, tzinfo=dt.UTC),
            path="bench.log",
            identity="bench",
        )


def _run(
    lines: Iterable[bytes], parser: str, detector: SigmaDetector | None
) -> tuple[int, float, float, int]:
    """Return events, seconds of parsing, seconds of detection and findings."""
    settle()  # as a worker does once it has its rules
    events = findings = 0
    parsing = detection = 0.0
    for batch in batches(lines, parser):
        started = time.process_time()
        parsed = parse_batch(batch)
        between = time.process_time()
        if detector is not None:
            findings += len(detector.detect(parsed))
        parsing += between - started
        detection += time.process_time() - between
        events += len(parsed)
    return events, parsing, detection, findings


def _uncut(lines: Iterable[bytes], parser: str) -> Iterator[tuple[Batch, int]]:
    """Yield lines as `detect` gets them from a file, uncut, and how many they are."""
    begin = 0
    for batch in batches(lines, parser):
        data = b"".join(line + b"\n" for line in batch.records)
        end = begin + len(data)
        unread = Unread(begin, end, data)
        yield replace(batch, records=(), offsets=(), unread=unread), len(batch.records)
        begin = end


def _judge(lines: Iterable[bytes], worker: Worker, parser: str = "windows") -> tuple[int, float, float, int]:
    """Return events, seconds, seconds of the second half, and findings, from bytes to findings as `detect` does."""
    taken: list[float] = []
    events = findings = 0
    counts: list[int] = []
    for batch, count in _uncut(lines, parser):
        started = time.process_time()
        findings += len(worker.judged(batch)[0])
        taken.append(time.process_time() - started)
        counts.append(count)
        events += count
    half = len(taken) // 2
    steady = sum(taken[half:]) / sum(counts[half:])
    return events, sum(taken), steady, findings


def _judged(what: str, figures: tuple[int, float, float, int], goal: str = "") -> Row:
    events, seconds, steady, findings = figures
    split = (
        f"{seconds / events * 1e6:.1f} µs, {steady * 1e6:.1f} past the start, {findings / events:.2f} found"
    )
    return f"{what} ({split})", f"{events / seconds:,.0f} events/s", goal


def _row(what: str, figures: tuple[int, float, float, int], goal: str = "") -> Row:
    events, parsing, detection, findings = figures
    told = f"{events / (parsing + detection):,.0f} events/s"
    split = f"{parsing / events * 1e6:.1f} + {detection / events * 1e6:.1f} µs, {findings / events:.2f} found"
    return f"{what} ({split})", told, goal


def sigma_windows(records: int) -> Iterator[Row]:
    """Measure Windows events against all Windows rules, half of them, and none."""
    if not CORPUS.is_dir():
        yield _ABSENT
        return
    count = min(records, MAX_EVENTS)
    with tempfile.TemporaryDirectory() as folder:
        paths = rules_of("windows")
        cache = Path(folder)
        detector, cold = _detector(paths, cache)
        yield f"sigma: compile {detector.rules:,} Windows rules, cold", f"{cold:.1f} s CPU", "< 20 s"
        _detector(paths, cache)
        yield (
            "sigma: parse only, flat JSON",
            *_row("", _run(sigma_events.windows(count), "windows", None))[1:],
        )
        worker = Worker(Work(rules=tuple(paths), cache_dir=cache, much=True))
        for shape in ("flat", "beat"):
            worker.detector = SigmaDetector(detector.plans, cache)
            lines = sigma_events.windows(count, shape=shape)
            yield _judged(f"sigma: {shape} JSON to findings", _judge(lines, worker), "≥ 60,000 events/s")
        worker.detector = SigmaDetector(detector.plans[::2], cache)
        yield _judged("sigma: the same, half of the rules", _judge(sigma_events.windows(count), worker))
        worker.detector = SigmaDetector(detector.plans, cache)
        yield _row(
            "sigma: made into whole events first", _run(sigma_events.windows(count), "windows", detector)
        )
        quiet = _judge(sigma_events.quiet(count), worker)
        started = time.process_time()
        for line in sigma_events.quiet(1):
            for _ in range(count):
                orjson.loads(line)
        parsing = (time.process_time() - started) / count
        yield (
            "sigma: an event that no rule reads, beyond reading its JSON",
            f"{(quiet[1] / quiet[0] - parsing) * 1e6:.1f} µs",
            "< 10 µs",
        )
        events = [
            event
            for batch in batches(sigma_events.windows(20_000), "windows")
            for event in parse_batch(batch)
        ]
        detector.detect(events)
        started = time.process_time()
        detector.detect(events)
        told = (time.process_time() - started) / len(events) * 1e6
        yield "sigma: detection where every value was seen before", f"{told:.1f} µs an event", ""


def sigma_network(records: int) -> Iterator[Row]:
    """Measure events of network devices against all rules."""
    if not CORPUS.is_dir():
        yield _ABSENT
        return
    with tempfile.TemporaryDirectory() as folder:
        detector, _seconds = _detector(rules_of(None), Path(folder))
        for kind in sigma_events.NETWORK:
            lines = list(sigma_events.network(kind, min(records, MAX_EVENTS) // 4))
            yield _row(
                f"sigma: {kind} lines to findings, {detector.rules:,} rules", _run(lines, "auto", detector)
            )


def sigma_start(_records: int) -> Iterator[Row]:
    """Measure a warm start with all rules, and how much memory a process needs."""
    if not CORPUS.is_dir():
        yield _ABSENT
        return
    with tempfile.TemporaryDirectory() as folder:
        for what in ("cold", "warm"):
            told = subprocess.run(
                [sys.executable, "-m", "tests.bench.sigma", folder],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.split()
            yield f"sigma: {what} start, {told[0]} rules to the detector", f"{told[1]} s CPU", "< 0.5 s warm"
            yield f"sigma: {what} start, to the findings of the first event", f"{told[2]} s CPU", ""
        yield "sigma: peak memory, all rules, 60,000 events", f"{told[3]} MiB", "< 400 MiB"


def _start(cache: str) -> list[Any]:
    """Load all rules and judge events: rules, seconds to load, seconds to the first finding, peak memory."""
    detector, seconds = _detector(rules_of(None), Path(cache))
    started = time.process_time()
    _run(sigma_events.windows(1), "windows", detector)
    first = time.process_time() - started
    _run(sigma_events.windows(60_000), "windows", detector)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return [f"{detector.rules:,}", f"{seconds:.2f}", f"{seconds + first:.2f}", peak]


if __name__ == "__main__":
    sys.stdout.write(" ".join(map(str, _start(sys.argv[1]))))
