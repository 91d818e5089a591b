"""What is measured: the command line's first answer, detection on a file, the pipeline end to end.

Each function yields rows: what, figure, goal. Times of whole processes are medians of several runs.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from citysoc.config.load import load_agencies
from citysoc.simulation.write import simulate
from tests.bench.anomaly import anomaly_city, anomaly_sets
from tests.bench.anomaly_variety import anomaly_variety
from tests.bench.classify import classification
from tests.bench.correlator import correlator, correlator_state
from tests.bench.elastic import elastic_store
from tests.bench.intel import intel
from tests.bench.reports import monthly_report
from tests.bench.sigma import sigma_network, sigma_start, sigma_windows
from tests.bench.sigma_peers import sigma_peers
from tests.bench.store import store_local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row: TypeAlias = tuple[str, str, str]
RUNS = 5
SAMPLES = Path(__file__).parents[1] / "parsers"
EXAMPLE = Path(__file__).parents[2] / "citysoc" / "config" / "example"


def citysoc(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the command line."""
    command = [sys.executable, "-m", "citysoc", "--lang", "en", *arguments]
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True)


def median_seconds(*arguments: str) -> float:
    """Return the median wall time of a command, after one run that warms caches."""
    citysoc(*arguments)
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        citysoc(*arguments)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def first_answer(_records: int) -> Iterator[Row]:
    """Time ``citysoc --help``."""
    yield "citysoc --help", f"{median_seconds('--help'):.2f} s", "< 0.3 s"


def small_file(_records: int) -> Iterator[Row]:
    """Time ``citysoc detect`` on one small file with a warm rule cache."""
    sample = min(SAMPLES.glob("fortigate/*.log"))
    yield (
        "citysoc detect FILE, shipped rules, warm",
        f"{median_seconds('detect', str(sample)):.2f} s",
        "< 1.5 s",
    )


def end_to_end(records: int) -> Iterator[Row]:
    """Time files → store with all shipped rules, two workers."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        citysoc("init", str(home / "city"))
        simulate(load_agencies(EXAMPLE / "agencies.yaml"), records=records, directory=home / "logs", seed=7)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        done = citysoc(
            "--config", str(home / "city" / "citysoc.yaml"), "ingest", str(home / "logs" / "inbox")
        )
        wall = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        stored = int(
            "".join(c for c in done.stderr.decode().partition(" received")[0].split("\n")[-1] if c.isdigit())
        )
        size = sum(f.stat().st_size for f in (home / "city" / "data" / "events").rglob("*.parquet"))
        yield f"end to end, {stored:,} records, wall", f"{stored / wall:,.0f} events/s", "≥ 10,000 events/s"
        yield "end to end, CPU of all processes", f"{stored / cpu:,.0f} events/CPU-s", ""
        yield (
            "end to end, peak memory of the largest process",
            f"{after.ru_maxrss / 1024:,.0f} MiB",
            "< 1024 MiB",
        )
        yield "bytes an event on disk", f"{size / stored:,.0f} B", ""


ALL: tuple[Callable[[int], Iterator[Row]], ...] = (
    first_answer,
    small_file,
    end_to_end,
    anomaly_sets,
    anomaly_variety,
    anomaly_city,
    store_local,
    sigma_start,
    sigma_windows,
    sigma_network,
    sigma_peers,
    classification,
    correlator,
    correlator_state,
    elastic_store,
    monthly_report,
    intel,
)
