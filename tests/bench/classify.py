"""What classification costs: an event of a simulated month on the way in, a name seen again, a name never seen."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from citysoc.config.load import load_agencies
from citysoc.enrich import model, names
from citysoc.enrich.classify import classify
from citysoc.parsers.run import parse_batch
from citysoc.pipeline.pull import batches_of
from citysoc.simulation.write import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from citysoc.flow import Event

_EXAMPLE = Path(__file__).parents[2] / "citysoc" / "config" / "example" / "agencies.yaml"
_RUNS = 5


def classification(records: int) -> Iterator[tuple[str, str, str]]:
    """Time classification by CPU, the best of several runs, and count what decided."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        simulate(load_agencies(_EXAMPLE), records=min(records, 100_000), directory=home, seed=7)
        batches = batches_of((home / "inbox",), parser_name="auto", agency="x", parser_options={})
        events = [event for batch in batches for event in parse_batch(batch)]
    best = min(_seconds(events) for _ in range(_RUNS))
    yield f"classification of {len(events):,} events", f"{best / len(events) * 1e6:.2f} µs an event", ""
    yield from _decided(events)
    fresh = [f"Win32/Quilmara{number:x}.{chr(65 + number % 26)}" for number in range(2000)]
    yield "a threat name never seen, tables and model", _each(lambda: [*map(names.malware, fresh)], fresh), ""
    yield "a threat name seen before", _each(lambda: [*map(names.malware, fresh)], fresh), ""
    script = "import time; from citysoc.enrich import model; t=time.process_time(); model.heads(); print(time.process_time()-t)"
    loaded = subprocess.run(
        [sys.executable, "-c", f"import numpy; {script}"], check=True, capture_output=True
    )
    yield "reading the model", f"{float(loaded.stdout) * 1000:.1f} ms", "< 50 ms"
    yield "size of the model", f"{model.FILE.stat().st_size / 1024:.0f} KiB", ""


def _seconds(events: list[Event]) -> float:
    own = [dict(event) for event in events]
    started = time.process_time()
    classify(own)
    return time.process_time() - started


def _each(step: Callable[[], object], of: list[str]) -> str:
    started = time.process_time()
    step()
    return f"{(time.process_time() - started) / len(of) * 1e6:.2f} µs a name"


def _decided(events: list[Event]) -> Iterator[tuple[str, str, str]]:
    own = [dict(event) for event in events]
    classify(own)
    cases = [event for event in own if "citysoc.threat" in event]
    steps: dict[str, int] = {}
    for event in cases:
        step = str(event["citysoc.reason"]).partition(":")[0]
        steps[step] = steps.get(step, 0) + 1
    for step, count in sorted(steps.items(), key=lambda item: -item[1]):
        yield f"  cases decided by {step}", f"{count:,} ({count * 100 / len(cases):.1f} %)", ""
