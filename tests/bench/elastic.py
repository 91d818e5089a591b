"""Measure the store on Elasticsearch beside the server itself: the same documents, raw, on the same node, in turns.

``python -m tests.bench elastic_store`` starts a node of its own; without Maven or a JDK it says so and measures nothing.
"""

from __future__ import annotations

import concurrent.futures as cf
import http.client
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import orjson

from citysoc.config.models import Elastic
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
ROUNDS = 5
PARALLEL = 2
BULK_BYTES = 4 << 20


def elastic_store(_records: int) -> Iterator[Row]:
    """Time bulk and queries on a node of its own."""
    try:
        with node(Settings(quick=False, heap_mib=1024)) as running, tempfile.TemporaryDirectory() as folder:
            yield from _measured(running, Path(folder))
    except Unavailable as error:
        yield "the store on Elasticsearch", f"not measured: {error}", ""


def _measured(running: Node, home: Path) -> Iterator[Row]:
    import pyarrow.parquet as pq

    day = made.day(pq.read_table(made.template(home, EVENTS)), 0)
    batches = list(made.batches(day, COMMIT_ROWS))
    ours: list[float] = []
    raw: list[float] = []
    spent: list[float] = []
    whole: dict[str, list[float]] = {"ours": [], "raw": []}
    ready = [chunk for batch in batches for chunk in _chunks(batch, "PREFIX")]
    for number in range(ROUNDS + 1):
        store = _store(running, home, f"ours-{number}")
        store.begin()
        prefix = f"raw-{number}"
        chunks = [chunk.replace(b'"PREFIX-events', b'"%b-events' % prefix.encode()) for chunk in ready]
        _template(running, store, prefix)
        steps: list[Callable[[], None]] = [
            lambda: ours.append(_appended(store, batches, spent)),  # noqa: B023  called at once
            lambda: raw.append(_raw(running, chunks)),  # noqa: B023  called at once
        ]
        for name, step in zip(("ours", "raw"), steps, strict=True) if number % 2 else turned(steps):
            before = _server_seconds(running) + time.process_time()
            step()
            whole[name].append(_server_seconds(running) + time.process_time() - before)
        if number < ROUNDS:
            store.destroy()
            running.call("DELETE", f"raw-{number}-*")
    rates = [len(day) / seconds for seconds in ours[1:]], [len(day) / seconds for seconds in raw[1:]]
    ratios = [o / r for o, r in zip(*rates, strict=True)]
    yield "Elasticsearch: append in commits of 20,000", f"{statistics.median(rates[0]):,.0f} events/s", ""
    yield (
        "Elasticsearch: the same documents as raw NDJSON",
        f"{statistics.median(rates[1]):,.0f} events/s",
        "",
    )
    spread = f"{min(ratios):.0%} to {max(ratios):.0%}"
    yield "ratio, median of the rounds", f"{statistics.median(ratios):.0%} ({spread})", "≥ 80 %"
    cpu = [r / o for o, r in zip(whole["ours"][1:], whole["raw"][1:], strict=True)]
    spread = f"{min(cpu):.0%} to {max(cpu):.0%}"
    yield "the same in CPU time, server and client", f"{statistics.median(cpu):.0%} ({spread})", "≥ 80 %"
    yield "our own CPU for it", f"{len(day) / statistics.median(spent[1:]):,.0f} events/CPU-s", ""
    yield from _sizes(store, day, home)
    yield from _asked(store)


def turned(steps: list[Callable[[], None]]) -> Iterator[tuple[str, Callable[[], None]]]:
    """Return the raw way first."""
    return zip(("raw", "ours"), reversed(steps), strict=True)


def _server_seconds(running: Node) -> float:
    nodes = running.call("GET", "_nodes/_local/stats/process")["nodes"]
    return float(next(iter(nodes.values()))["process"]["cpu"]["total_in_millis"]) / 1000


def _store(running: Node, home: Path, prefix: str) -> ElasticStore:
    settings = Elastic(
        urls=(running.url,), prefix=prefix, bulk_bytes=BULK_BYTES, bulk_parallel=PARALLEL, refresh_seconds=30
    )
    return ElasticStore(settings, root=home, spool=home / prefix)


def _appended(store: ElasticStore, batches: list[pa.Table], spent: list[float]) -> float:
    started, before = time.perf_counter(), time.process_time()
    for number, batch in enumerate(batches, start=1):
        store.append(batch, number)
    seconds = time.perf_counter() - started
    spent.append(time.process_time() - before)
    if store.outside().rows:
        raise RuntimeError(store.outside().reason)
    return seconds


def _template(running: Node, like: ElasticStore, prefix: str) -> None:
    """Set indices up as ours are."""
    template = running.call("GET", f"_index_template/{like._settings.prefix}-events")
    body = template["index_templates"][0]["index_template"]
    body["index_patterns"], body["template"]["aliases"] = [f"{prefix}-events-*"], {}
    for name in ("created_date", "created_date_millis", "modified_date", "modified_date_millis"):
        body.pop(name, None)
    running.call("PUT", f"_index_template/{prefix}", body)


def _raw(running: Node, chunks: list[bytes]) -> float:
    """Send documents that are made already, with nothing but sockets."""
    port = int(running.url.rpartition(":")[2])
    started = time.perf_counter()
    with cf.ThreadPoolExecutor(PARALLEL) as threads:
        for status in threads.map(lambda chunk: _post(port, chunk), chunks):
            if status != 200:
                raise RuntimeError(f"the node answered {status}")
    return time.perf_counter() - started


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
