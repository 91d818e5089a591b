"""Measure the store on Elasticsearch beside the server itself: the same documents, raw, on the same node, in turns.

``python -m tests.bench elastic_store`` starts a node of its own; without Maven or a JDK it says so and measures nothing.
"""

from __future__ import annotations

import concurrent.futures as cf
import http.client
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import orjson

from citysoc.config.stores import Elastic
from citysoc.stores.base import Metric, Question
from citysoc.stores.elastic import ElasticStore
from citysoc.stores.elastic_chunks import chunks
from citysoc.stores.elastic_encode import encoded
from citysoc.stores.local import LocalStore
from tests.bench import store_events as made
from tests.elastic_node import Node, Settings, Unavailable, node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

Row: TypeAlias = tuple[str, str, str]
EVENTS = 60_000
COMMIT_ROWS = 20_000
WARM = 2
ROUNDS = 11
QUIET_SECONDS = 20.0
PARALLEL = 2
BULK_BYTES = 4 << 20


def elastic_store(_records: int) -> Iterator[Row]:
    """Time bulk and queries on a node of its own."""
    try:
        with node(Settings(quick=False, heap_mib=1024)) as running, tempfile.TemporaryDirectory() as folder:
            yield from _measured(running, Path(folder))
    except Unavailable as error:
        yield "the store on Elasticsearch", f"not measured: {error}", ""


@dataclass(frozen=True, slots=True)
class _Run:
    """What storing the events once took: by the clock, of this process, and of it and the server together."""

    seconds: float
    own: float
    whole: float


@dataclass(frozen=True, slots=True)
class _Turns:
    """Runs in turns: raw, ours, raw, ours and so on."""

    raw: list[_Run]
    ours: list[_Run]

    def ratios(self, cost: Callable[[_Run], float]) -> list[float]:
        """Return raw against ours, each of ours beside the mean of the raw ones before and after it.

        What the machine does besides then meets both alike, also where it grows or ceases on the way.
        """
        after = [*self.raw[1:], self.raw[-1]]
        turns = zip(self.raw, self.ours, after, strict=True)
        return [(cost(before) + cost(behind)) / 2 / cost(ours) for before, ours, behind in turns]


def _measured(running: Node, home: Path) -> Iterator[Row]:
    import pyarrow.parquet as pq

    day = made.day(pq.read_table(made.template(home, EVENTS)), 0)
    batches = list(made.batches(day, COMMIT_ROWS))
    ready = [chunk for batch in batches for chunk in _chunks(batch, "PREFIX")]
    runs = _Turns([], [])
    for number in range(-WARM, ROUNDS):
        store = _store(running, home, f"ours-{number + WARM}")
        store.begin()
        prefix = f"raw-{number + WARM}"
        chunks = [chunk.replace(b'"PREFIX-events', b'"%b-events' % prefix.encode()) for chunk in ready]
        _template(running, store, prefix)
        raw = _timed(running, lambda: _raw(running, chunks))  # noqa: B023  called at once
        ours = _timed(running, lambda: _append(store, batches))  # noqa: B023  called at once
        if number >= 0:
            runs.raw.append(raw)
            runs.ours.append(ours)
        running.call("DELETE", f"{prefix}-*")
        if number < ROUNDS - 1:
            store.destroy()
    yield from _compared(runs, len(day))
    yield from _sizes(store, day, home)
    yield from _asked(store)


def _timed(running: Node, step: Callable[[], None]) -> _Run:
    """Time a step on a quiet server; the segments and merges that it leaves behind count as its CPU time.

    They are asked for at once: a refresh by the clock would come in the middle of the next step.
    """
    _quiet(running)
    server, own, started = _server_seconds(running), time.process_time(), time.perf_counter()
    step()
    seconds, own = time.perf_counter() - started, time.process_time() - own
    running.call("POST", "_refresh")
    _quiet(running)
    return _Run(seconds, own, own + _server_seconds(running) - server)


def _quiet(running: Node) -> None:
    """Wait until the server has done what it was given before."""
    ends = time.monotonic() + QUIET_SECONDS
    before = _server_seconds(running)
    while time.monotonic() < ends:
        time.sleep(0.4)
        after = _server_seconds(running)
        if after - before < 0.1:
            return
        before = after


def _compared(runs: _Turns, events: int) -> Iterator[Row]:
    for name, found in (
        ("append in commits of 20,000", runs.ours),
        ("the same documents as raw NDJSON", runs.raw),
    ):
        rate = events / statistics.median(run.seconds for run in found)
        yield f"Elasticsearch: {name}", f"{rate:,.0f} events/s", ""
    yield "ratio, median of the turns", _spread(runs.ratios(lambda run: run.seconds)), "≥ 80 %"
    yield "the same in CPU time, server and client", _spread(runs.ratios(lambda run: run.whole)), "≥ 80 %"
    fastest = min(run.seconds for run in runs.raw) / min(run.seconds for run in runs.ours)
    yield "the fastest turn of each", f"{fastest:.0%}", "≥ 80 %"
    own = statistics.median(run.own for run in runs.ours)
    yield "our own CPU for it", f"{events / own:,.0f} events/CPU-s", ""


def _spread(ratios: list[float]) -> str:
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.0%} (the middle half of {len(ratios)}: {low:.0%} to {high:.0%})"


def _server_seconds(running: Node) -> float:
    """Return the server's CPU time so far, from the system: its own statistics are up to a second old."""
    fields = Path(f"/proc/{running.pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _store(running: Node, home: Path, prefix: str) -> ElasticStore:
    settings = Elastic(
        urls=(running.url,), prefix=prefix, bulk_bytes=BULK_BYTES, bulk_parallel=PARALLEL, refresh_seconds=30
    )
    return ElasticStore(settings, root=home, spool=home / prefix)


def _append(store: ElasticStore, batches: list[pa.Table]) -> None:
    for number, batch in enumerate(batches, start=1):
        store.append(batch, number)
    store.settle()
    if store.outside().rows:
        raise RuntimeError(store.outside().reason)


def _template(running: Node, like: ElasticStore, prefix: str) -> None:
    """Set indices up as ours are."""
    template = running.call("GET", f"_index_template/{like._settings.prefix}-events")
    body = template["index_templates"][0]["index_template"]
    body["index_patterns"], body["template"]["aliases"] = [f"{prefix}-events-*"], {}
    for name in ("created_date", "created_date_millis", "modified_date", "modified_date_millis"):
        body.pop(name, None)
    running.call("PUT", f"_index_template/{prefix}", body)


def _raw(running: Node, chunks: list[bytes]) -> None:
    """Send documents that are made already, with nothing but sockets."""
    port = int(running.url.rpartition(":")[2])
    with cf.ThreadPoolExecutor(PARALLEL) as threads:
        for status in threads.map(lambda chunk: _post(port, chunk), chunks):
            if status != 200:
                raise RuntimeError(f"the node answered {status}")


def _chunks(batch: pa.Table, prefix: str) -> Iterator[bytes]:
    return (chunk.body for chunk in chunks(encoded(batch, prefix), BULK_BYTES))


def _post(port: int, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"content-type": "application/x-ndjson"}
    connection.request("POST", "/_bulk?filter_path=errors", body, headers)
    answer = connection.getresponse()
    errors = orjson.loads(answer.read())["errors"]
    connection.close()
    return 500 if errors else answer.status


def _sizes(store: ElasticStore, day: pa.Table, home: Path) -> Iterator[Row]:
    import zstandard

    store.refresh()
    store.cluster.ask("POST", f"/{store.indices}/_forcemerge", seconds=600, max_num_segments=1)
    store.cluster.ask("POST", f"/{store.indices}/_flush")
    elastic = store.status().bytes / len(day)
    local = LocalStore(home / "local")
    for number, batch in enumerate(made.batches(day, COMMIT_ROWS), start=1):
        local.append(batch, number)
    local.compact()
    lines = "\n".join(day["event.original"].to_pylist()).encode()
    raw = len(zstandard.ZstdCompressor(level=3).compress(lines)) / len(day)
    mine = local.status().bytes / len(day)
    yield "bytes an event, Elasticsearch best_compression, merged", f"{elastic:.0f} B", ""
    yield "bytes an event, local store", f"{mine:.0f} B", ""
    yield "bytes an event, raw lines, zstd -3", f"{raw:.0f} B", ""
    yield "local store against Elasticsearch", f"{mine / elastic:.2f}", "< 0.33"


def _asked(store: ElasticStore) -> Iterator[Row]:
    some = next(store.search(Question("source.ip:10.0.0.0/8"), limit=1))
    by_class = {"by": ("agency.id", "citysoc.class")}
    asked: dict[str, Callable[[], object]] = {
        "an address: count": lambda: store.count(Question(f"source.ip:{some['source.ip']}")),
        "newest 100 events": lambda: len(list(store.search(Question(), limit=100))),
        "a substring: count": lambda: store.count(Question("policyid=77")),
        "agency and class": lambda: len(store.aggregate(Question(), **by_class)),
        "p95 and cardinality by class": lambda: len(
            store.aggregate(
                Question(),
                by=("citysoc.class",),
                metrics=(Metric("p95", "source.bytes"), Metric("cardinality", "source.ip")),
            )
        ),
    }
    for name, ask in asked.items():
        ask()
        times = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            ask()
            times.append(time.perf_counter() - started)
        yield f"Elasticsearch, {EVENTS:,} events: {name}", f"{statistics.median(times) * 1000:,.0f} ms", ""
