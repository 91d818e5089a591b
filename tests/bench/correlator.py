"""How many matches the correlator takes in, type by type; what a commit of it costs; what its groups weigh.

CPU time of one process. *Quiet*: no window is full; *firing*: nearly every one is. A match is what a worker makes of an
event that a base rule matches; most events match none and never come this far.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.detectors.correlate import Clock, Correlator, Match
from citysoc.pipeline.loaded import settle
from citysoc.state import State, progress
from citysoc.state.progress import Changes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.measures import Row

MATCHES = 400_000
BATCH = 20_000
GROUPS = 5_000
SPAN = 300
LANE = "so-y-te/firewall|a.log"
GOAL = "≥ 200,000 matches/CPU-s"


def plan(kind: str, name: str = "top", **more: Any) -> dict[str, Any]:
    """Return a linked correlation, as ``sigma.load`` gives it."""
    slots = 3 if kind.startswith("temporal") else 1
    return {
        "id": name,
        "title": name,
        "level": "low",
        "tags": [],
        "title_vi": "",
        "type": kind,
        "span": SPAN,
        "rules": [f"r{n}" for n in range(slots)],
        "group_by": ["source.ip"],
        "fields": [],
        "compare": [["gte", 5]],
        "clauses": None,
        "percentile": None,
        "across_agencies": False,
        "generate": False,
        "entity": "source.ip",
        "window_seconds": SPAN,
        "quiet": False,
        "feeds": [],
        "children": [],
        "fingerprint": name,
        **more,
    }


def _shapes(*, firing: bool) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield a name and plans for each type."""
    many = 2 if firing else 10**6
    numbers = {"fields": ["network.bytes"], "compare": [["gte", -1 if firing else 10**9]]}
    yield "event_count", [plan("event_count", compare=[["gte", many]])]
    yield "value_count", [plan("value_count", fields=["user.name"], compare=[["gte", many]])]
    for kind in ("value_sum", "value_avg", "value_median"):
        yield kind, [plan(kind, **numbers)]
    yield "value_percentile", [plan("value_percentile", percentile=95, **numbers)]
    asked = [["gte", 2 if firing else 4]]
    yield "temporal", [plan("temporal", compare=asked)]
    # Quiet: what is asked for to come first never comes.
    ordered = [[[0, 1], []]] if firing else [[[3, 1], []]]
    yield "temporal_ordered", [plan("temporal_ordered", compare=[], clauses=ordered)]
    absent = [[[0], [3]]] if firing else [[[0], [1]]]
    yield "absence", [plan("temporal", compare=[], clauses=absent)]
    child = plan("event_count", "child", compare=[["gte", many]], quiet=True)
    chain = {"correlation": "child", "slot": 0, "takes": "", "places": [0]}
    yield "chained", [child, plan("event_count", compare=[["gte", 2]], children=[chain])]


def matches(plans: list[dict[str, Any]], number: int, groups: int) -> list[Match]:
    """Return matches of random groups, in order of time but for a few seconds."""
    rng = random.Random(7)
    fed = next(p for p in plans if not p["children"])
    kind = fed["type"]
    slots = len(fed["rules"])
    found = []
    for n in range(number):
        value: Any = ()
        if kind == "value_count":
            value = (f"user{rng.randrange(1000)}",)
        elif kind.startswith("value_"):
            value = (rng.randrange(100_000),)
        group = (f"203.0.{rng.randrange(groups) >> 8}.{rng.randrange(groups) & 255}",)
        found.append(
            Match(
                *(fed["id"], rng.randrange(slots), 1_700_000_000_000_000 + n * 5_000 + rng.randrange(10**7)),
                *(f"{rng.getrandbits(128):032x}", "so-y-te", group, group, value, LANE),
            )
        )
    return found


def _fed(plans: list[dict[str, Any]], found: list[Match], **options: Any) -> tuple[float, int]:
    """Return the CPU seconds of feeding matches in batches, and how many windows qualified."""
    one = Correlator(plans, **options)
    hits = 0
    parts = [found[start : start + BATCH] for start in range(0, len(found), BATCH)]
    newest = [max(match.time for match in part) for part in parts]  # workers know it
    settle()  # as where it runs
    started = time.process_time()
    for part, latest in zip(parts, newest, strict=True):
        clock = Clock(LANE, "so-y-te", latest, latest // 1_000_000)
        hits += sum(f.count for f in one.feed(part, [clock]))
        if options.get("saves"):
            one.delta()
    hits += sum(f.count for f in one.finish())
    return time.process_time() - started, hits


def correlator(_records: int) -> Iterator[Row]:
    """Measure each type, quiet and firing."""
    for firing in (False, True):
        for name, plans in _shapes(firing=firing):
            found = matches(plans, MATCHES, GROUPS)
            seconds, hits = _fed(plans, found)
            how = f"firing, {hits / MATCHES:.0%} qualify" if firing else "quiet"
            yield f"correlator, {name}, {how}", f"{MATCHES / seconds:,.0f} matches/s", GOAL
    plans = [plan("event_count", compare=[["gte", 2]])]
    seconds, _hits = _fed(plans, matches(plans, MATCHES, GROUPS), saves=True)
    yield "correlator, event_count, firing, with its state saved", f"{MATCHES / seconds:,.0f} matches/s", ""


def correlator_state(_records: int) -> Iterator[Row]:
    """Measure what a commit costs, and what groups weigh."""
    # In a process of its own: what others took before would hide what groups take.
    told = subprocess.run(
        [sys.executable, "-m", "tests.bench.correlator"], check=True, capture_output=True
    ).stdout
    yield from orjson.loads(told)
    yield from _commits()


def _commits() -> Iterator[Row]:
    """Measure commits with 100,000 live groups of which 100 change; 50 of them hold 8,000 events each."""
    one = Correlator(
        [plan("event_count", compare=[["gte", 10**6]], span=86_400)], saves=True, lateness_seconds=0
    )
    begun = 1_700_000_000_000_000
    with tempfile.TemporaryDirectory() as folder:
        state = State(Path(folder) / "citysoc.db")

        def commit(groups: list[str], at: int) -> tuple[float, float, int]:
            """Return the CPU seconds of the delta, those of the whole commit, the bytes written."""
            one.feed(*_batch(groups, at))
            started = time.process_time()
            changes = Changes(remembered=one.delta())
            told = time.process_time()
            with state.transaction() as db:
                number = progress.prepare(db, changes)
            with state.transaction() as db:
                progress.apply(db, number, changes)
            written = sum(len(name) + len(content or b"") for name, content in changes.remembered.items())
            return told - started, time.process_time() - started, written

        commit([f"group{n}" for n in range(100_000)], begun)
        for n in range(40):
            commit([f"group{n}" for n in range(50)] * 200, begun + (n + 1) * 1_000_000)
        figures = [commit([f"group{n}" for n in range(100)], begun + (n + 50) * 1_000_000) for n in range(20)]
        state.close()
    delta, whole, written = (sum(column) / len(figures) for column in zip(*figures, strict=True))
    what = "correlator, commit: 100 of 100,000 groups change, 50 hold 8,000"
    yield what, f"{delta * 1000:,.1f} ms, {whole * 1000:,.1f} with SQLite", ""
    yield "correlator, what such a commit writes", f"{written / 1024:,.0f} KiB", ""


def _weight() -> Iterator[Row]:
    """Measure a million live groups, and groups beyond the bound."""
    plans = [plan("event_count", compare=[["gte", 10**6]], span=86_400)]
    for bound, number, goal in ((1_000_000, 1_000_000, "< 1024 MiB"), (100_000, 400_000, "")):
        before = _resident()
        one = Correlator(plans, lateness_seconds=0, max_groups=bound)
        seconds = 0.0
        for start in range(0, number, BATCH):
            groups = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(start, start + BATCH)]
            fed = _batch(groups, 1_700_000_000_000_000 + start)
            started = time.process_time()
            one.feed(*fed)
            seconds += time.process_time() - started
        if bound == number:
            yield f"correlator, {len(one):,} live groups", f"{(_resident() - before) / 1024:,.0f} MiB", goal
            yield "correlator, matches of new groups", f"{number / seconds:,.0f} matches/s", ""
        else:
            what = f"correlator, new groups, {one.counts['evicted']:,} beyond the bound"
            yield what, f"{number / seconds:,.0f} matches/s", ""


def _batch(groups: list[str], at: int) -> tuple[list[Match], list[Clock]]:
    """Return one match for each group, a microsecond apart, all before the watermark."""
    found = [
        Match("top", 0, at + n, f"{at + n:032x}", "so-y-te", (group,), (group,), (), LANE)
        for n, group in enumerate(groups)
    ]
    last = at + len(groups)
    return found, [Clock(LANE, "so-y-te", last, last // 1_000_000 + 1)]


def _resident() -> float:
    """Return the peak of this process's memory in KiB.

    Not of ``getrusage``, whose peak a new program takes over from the process that started it.
    """
    status = Path("/proc/self/status").read_text("ascii")
    return float(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(list(_weight())))
