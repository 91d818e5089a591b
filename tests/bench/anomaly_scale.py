"""Measure the anomaly model on the whole city: features of a month, training, scoring an hour, and their memory.

``python -m tests.bench.anomaly_scale --agencies 483`` measures what is promised; with ``--directory`` the city is
kept, and a second run there only asks it: features are made again, and the new model is compared with the one of
before. Each step is a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.config.load import load
from citysoc.detectors.anomaly import run
from citysoc.state import State
from citysoc.stores.local import LocalStore
from tests.bench.anomaly_city import build

if TYPE_CHECKING:
    from collections.abc import Iterator

Row: TypeAlias = tuple[str, str, str]
SMALL = 48
BEFORE_THE_END = dt.timedelta(hours=61)
"""The hour that is scored ends so long before the last event: a Friday, from nine to ten."""

STEPS = {
    "features": ("features of 30 days ({found:,} events)", "< 300 s, < 2048 MiB"),
    "training": ("training on 30 days ({found:,} entities)", "< 300 s, < 2048 MiB"),
    "hour": ("scoring an hour ({found:,} anomalies)", "< 10 s, < 2048 MiB"),
    "late": ("scoring an hour and the 25 before it ({found:,} anomalies)", ""),
}


def anomaly_scale(_records: int) -> Iterator[Row]:
    """Yield the figures of a tenth of the city."""
    yield from scale()


def scale(agencies: int = SMALL, *, directory: Path | None = None, pace: float = 2.0) -> Iterator[Row]:
    """Yield what was measured: what, figure, goal.

    Args:
        agencies: of the city.
        directory: where the city is kept; None for nowhere.
        pace: events of the median machine in a working hour.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = (directory or Path(folder)) / "city"
        if not home.exists():
            yield from _made(home, agencies, pace)
        shutil.rmtree(run.table_folder(load(home / "citysoc.yaml")), ignore_errors=True)
        for step, (what, goal) in STEPS.items():
            row = _apart(home, step)
            figure = f"{row['seconds']:.1f} s ({row['cpu']:.1f} CPU), {row['memory']:,} MiB"
            yield what.format(**row), figure, goal


def _made(home: Path, agencies: int, pace: float) -> Iterator[Row]:
    command = [sys.executable, "-m", "citysoc", "--lang", "en", "init", str(home)]
    subprocess.run(command, check=True, capture_output=True)
    config = load(home / "citysoc.yaml")
    started = time.perf_counter()
    built = build(config.store_path, agencies=agencies, each=2, pace=pace)
    yield "events made and stored", f"{built.events:,} in {time.perf_counter() - started:,.0f} s", ""


def _apart(home: Path, step: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.anomaly_scale", "--directory", str(home), "--step", step]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def _step(home: Path, step: str) -> dict[str, Any]:
    """Do one step in this process; return what it found, its time and memory."""
    config = load(home / "citysoc.yaml")
    store = LocalStore(config.store_path)
    last = store.status().last
    if last is None:
        raise SystemExit(f"{home}: no events")
    until = last.replace(minute=0, second=0, microsecond=0)
    started = _used()
    if step == "features":
        found = run.refresh(config, store, until - run.WINDOW, until).events
    elif step == "training":
        trained = run.train_and_promote(config, store, since=until - run.WINDOW, until=until)
        found = sum(len(one.baseline.entities) for one in trained.model.kinds.values())
    else:
        end = until - BEFORE_THE_END
        since = end - (run.LATE if step == "late" else dt.timedelta(hours=1))
        state = State(config.state_path)
        found = len(run.score(config, store, state, since=since, until=end, now=end)[0])
        state.close()
    wall, cpu = (after - before for after, before in zip(_used(), started, strict=True))
    memory = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
    return {"found": found, "seconds": wall, "cpu": cpu, "memory": memory}


def _used() -> tuple[float, float]:
    times = os.times()
    return time.perf_counter(), times.user + times.system + times.children_user + times.children_system


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.anomaly_scale", description=__doc__)
    parser.add_argument("--agencies", type=int, default=SMALL)
    parser.add_argument(
        "--pace", type=float, default=2.0, help="events of the median machine in a working hour"
    )
    parser.add_argument("--directory", type=Path, help="keep the city here, or ask the one that is here")
    parser.add_argument("--step", choices=STEPS, help="only this, in the city of the directory; as JSON")
    options = parser.parse_args()
    if options.step:
        sys.stdout.write(json.dumps(_step(options.directory, options.step)))
        return
    for what, figure, goal in scale(options.agencies, directory=options.directory, pace=options.pace):
        sys.stdout.write(f"{what:<58} {figure:>34}   {goal}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
