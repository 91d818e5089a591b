"""Measure the monthly report: its figures, its documents, the reports of every agency, and their memory.

``python -m tests.bench.reports --events 60000000`` measures the month that is promised; with ``--directory``
the city is kept, and a second run there only asks it. Each step is a process of its own, so that its memory is
its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.config.load import load
from tests.bench.report_events import alert_month, store_month

if TYPE_CHECKING:
    from collections.abc import Iterator

Row: TypeAlias = tuple[str, str, str]
SMALL = 600_000
SOME_AGENCIES = 48

ASKED = """
import datetime as dt, itertools, json, os, sys, time
from pathlib import Path
from citysoc.config.load import load
from citysoc.reports.build import month_period, write
from citysoc.reports.computing import compute
from citysoc.reports.each import build_each
from citysoc.state import State
from citysoc.stores.local import LocalStore

config, step = load(Path(sys.argv[1])), sys.argv[2]
state, store = State(config.state_path), LocalStore(config.store_path)
period = month_period(2026, 10, "Asia/Ho_Chi_Minh")
now = dt.datetime(2026, 11, 3, tzinfo=dt.UTC)
formats = ("html", "pdf", "docx", "xlsx", "csv")

def used():
    times = os.times()
    return time.perf_counter(), times.user + times.system + times.children_user + times.children_system

figures = compute(config, state, store, period, now=now) if step == "documents" else None
started = used()
if step == "figures":
    found = compute(config, state, store, period, now=now).cases.value
elif step == "documents":
    found = len(write(config, figures, languages=("vi", "en"), formats=formats).files)
else:
    reports = build_each(config, state, store, period, languages=("vi",), now=now, formats=formats)
    found = sum(1 for _ in itertools.islice(reports, int(sys.argv[3])))
    reports.close()
wall, cpu = (after - before for after, before in zip(used(), started))
memory = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
print(json.dumps({"found": found, "seconds": wall, "cpu": cpu, "memory": memory}))
"""
STEPS = {
    "figures": ("figures of the month ({found:,} cases)", "< 60 s, < 2048 MiB"),
    "documents": ("documents in two languages ({found:,} files)", "< 15 s"),
    "each": ("reports of {found:,} agencies, all formats", "< 300 s"),
}


def monthly_report(_records: int) -> Iterator[Row]:
    """Yield what a small month gives, with the reports of a tenth of the agencies."""
    yield from reports(agencies=SOME_AGENCIES)


def reports(events: int = SMALL, *, agencies: int = 1000, directory: Path | None = None) -> Iterator[Row]:
    """Yield what was measured: what, figure, goal.

    Args:
        events: of the month.
        agencies: how many get a report of their own.
        directory: where the city is kept; None for nowhere.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = (directory or Path(folder)) / "city"
        if not home.exists():
            yield from _made(home, events)
        for step, (what, goal) in STEPS.items():
            row = _ask(home, step, agencies)
            figure = f"{row['seconds']:.1f} s ({row['cpu']:.1f} CPU), {row['memory']:,} MiB"
            yield what.format(**row), figure, goal


def _made(home: Path, events: int) -> Iterator[Row]:
    command = [sys.executable, "-m", "citysoc", "--lang", "en", "init", str(home)]
    subprocess.run(command, check=True, capture_output=True)
    config = load(home / "citysoc.yaml")
    started = time.perf_counter()
    total = store_month(config, events)
    alert_month(config)
    yield "events made and stored", f"{total:,} in {time.perf_counter() - started:,.0f} s", ""


def _ask(home: Path, step: str, agencies: int) -> dict[str, Any]:
    command = [sys.executable, "-c", ASKED, str(home / "citysoc.yaml"), step, str(agencies)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.reports", description=__doc__)
    parser.add_argument("--events", type=int, default=SMALL)
    parser.add_argument("--directory", type=Path, help="keep the city here, or ask the one that is here")
    options = parser.parse_args()
    for what, figure, goal in reports(options.events, directory=options.directory):
        sys.stdout.write(f"{what:<58} {figure:>34}   {goal}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
