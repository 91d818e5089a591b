"""The service: collects on schedule and by listening, until it is told to stop.

One process owns input, the store and the state. Stopping is orderly: collectors first, then what is
on the line is committed, then deliveries under way end. A kill at any instant is safe as well
(see ``state.progress``).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from citysoc import clock, schedule, telemetry
from citysoc.alerts import silence
from citysoc.alerts.mirror import mirror
from citysoc.collectors.syslog import SyslogCollector
from citysoc.config.load import resolve_secret
from citysoc.config.models import FilesSource, SyslogSource
from citysoc.config.streams import streams
from citysoc.detectors.anomaly import run as anomaly
from citysoc.errors import SourceError, StoreError
from citysoc.flow import UNKNOWN_AGENCY
from citysoc.notify.webhook import deliver
from citysoc.pipeline import intelligence
from citysoc.pipeline.commit import Committer
from citysoc.pipeline.correlating import Correlating
from citysoc.pipeline.line import Line
from citysoc.pipeline.pull import file_collectors, pull
from citysoc.pipeline.refused import follow
from citysoc.pipeline.rulebook import JOB as RULES
from citysoc.pipeline.rulebook import Rulebook
from citysoc.pipeline.upkeep import retain
from citysoc.pipeline.work import ended_filters, refused_rules
from citysoc.reports import publish
from citysoc.state import progress
from citysoc.state.outbox import prune
from citysoc.stores.buffered import Buffered
from citysoc.stores.elastic import ElasticStore
from citysoc.stores.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from citysoc.collectors.base import Emit
    from citysoc.config.intel import Feed
    from citysoc.config.load import Config
    from citysoc.detectors.sigma import Loaded
    from citysoc.flow import Batch
    from citysoc.pipeline.rulebook import Sources
    from citysoc.pipeline.work import Work
    from citysoc.state import State
    from citysoc.stores.base import EventStore

_log = telemetry.logger("service")

DELIVERY_SECONDS = 5
REPORT_DELIVERY_SECONDS = 60.0
DRAIN_SECONDS = 5
MIRROR_SECONDS = 10
WATCH_SECONDS = 60
FILTERS_SECONDS = 1800
CATCH_UP_SECONDS = 300
"""After a start, streams get so long to catch up before their silence is an alarm."""
LISTEN_AGAIN_SECONDS = 10
_ERROR_LENGTH = 500
LAST_DELIVERY_SECONDS = 10
SPARE_THREADS = 12
KEPT_MESSAGES_DAYS = 90
KEPT_COUNTERS_DAYS = 800
"""Two years and a month: reports compare with the year before."""
SCORING_CRON = {"minute": 7}
"""Each hour, when the hour before has come in."""
LEARNING_CRON = {"day_of_week": "sun", "hour": 4}
RETENTION_CRON = {"hour": 3, "minute": 15}


@dataclass(frozen=True, slots=True)
class Service:
    """Everything the service works with.

    Args:
        config: the configuration.
        work: what the workers need.
        state: the state database, opened for writing.
        store: the event store.
        sources: where the rules come from, so that a running service follows them; None: they stay as they are.
    """

    config: Config
    work: Work
    state: State
    store: EventStore
    sources: Sources | None = None

    @property
    def committer(self) -> Committer:
        """What makes batches durable."""
        settings = self.config.settings
        return Committer(
            self.state,
            self.store,
            settings.alerts,
            settings.webhooks,
            correlating=Correlating(
                self.state,
                self.work,
                lateness_by_source={source.id: source.lateness_seconds for source in self.config.sources},
            ),
            overrides=self.work.overrides,
        )

    def line(
        self,
        *,
        workers: int | None = None,
        on_failure: Callable[[], None] | None = None,
        loaded: Loaded | None = None,
    ) -> Line:
        """Open a line; ``workers`` None means as configured.

        What a killed process left behind is finished or dropped first.

        Args:
            workers: see ``pipeline.Line``; None means as configured.
            on_failure: see ``pipeline.Line``.
            loaded: see ``pipeline.Line``.
        """
        service = self.config.settings.service
        committer = self.committer
        committer.recover()
        return Line(
            self.work,
            committer,
            workers=service.workers if workers is None else workers,
            commit_records=service.commit_records,
            commit_seconds=service.commit_seconds,
            on_failure=on_failure,
            loaded=loaded,
        )

    async def deliver(self) -> str | None:
        """Send what is due to the webhooks; return one line on it, None when nothing was due."""
        sent = await deliver(
            self.state,
            self.config.settings.webhooks,
            resolve_secret=lambda reference: resolve_secret(reference, self.config.root),
            now=clock.now,
        )
        total = sent.sent + sent.retried + sent.dead
        return f"sent {sent.sent}, to be tried again {sent.retried}, given up {sent.dead}" if total else None

    def watch(self, now: dt.datetime, *, alarms_from: dt.datetime | None = None) -> str | None:
        """Find streams that fell silent or spoke again; return one line on it.

        Args:
            now: the present.
            alarms_from: raise nothing before this, so that sources can catch up after a stop.
        """
        with self.state.transaction() as db:
            changes = silence.watch(
                db,
                streams(self.config),
                now=now,
                webhooks=self.config.settings.webhooks,
                alarms_from=alarms_from,
            )
        return f"{len(changes)} streams changed" if changes else None

    def report(self, now: dt.datetime) -> str | None:
        """Build the reports that are due and not there; return one line on it."""
        built = publish.publish(self.config, self.state, self.store, now=now)
        return f"reports of {', '.join(built)}" if built else None

    def deliver_reports(self, now: dt.datetime) -> str | None:
        """Send the reports that wait for it; return one line on it, None when none did."""
        done = publish.deliver_due(self.config, self.state, now=now)
        if not (done.sent or done.again or done.dead):
            return None
        return f"sent {done.sent}, to be tried again {done.again}, given up {done.dead}"

    def mirror(self) -> int:
        """Copy changed alerts, incidents and audit entries to the store; return how many.

        While the cluster is away nothing is sent; the next time takes up what is left.
        """
        if not isinstance(self.store, ElasticStore) or self.store.outside().away_since:
            return 0
        return mirror(self.state, self.store)


async def run(service: Service, *, until: asyncio.Event | None = None) -> None:
    """Run until a signal, or until ``until`` is set.

    Raises:
        CitysocError: what stopped the line.
    """
    stop = until or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError, RuntimeError):  # not the main thread: a test
            loop.add_signal_handler(number, stop.set)
    # A pull holds its thread as long as it lasts; listeners and the rest must never wait for one.
    threads = len(service.config.sources) + SPARE_THREADS
    loop.set_default_executor(ThreadPoolExecutor(threads, thread_name_prefix="service"))

    def failed() -> None:
        loop.call_soon_threadsafe(stop.set)

    rulebook = await asyncio.to_thread(Rulebook, service.sources, service.work) if service.sources else None
    line = await asyncio.to_thread(
        service.line, on_failure=failed, loaded=rulebook.loaded if rulebook else None
    )
    scheduler = None
    try:
        scheduler = schedule.start(
            service.state,
            [*jobs(service, line), *(_rule_jobs(service, line, rulebook) if rulebook else ())],
            timezone=service.config.settings.service.timezone,
        )
        if rulebook:
            _at_hangup(loop, scheduler)
        async with listening(service, line, on_failure=stop.set):
            _log.info("service.started", sources=len(service.config.sources))
            for reason in await asyncio.to_thread(refused_rules, service.work):
                _log.warning("rule.refused", reason=reason)
            await stop.wait()
    finally:
        _log.info("service.stopping")
        if scheduler is not None:
            scheduler.shutdown(wait=False)
        await asyncio.to_thread(line.close)
    with contextlib.suppress(TimeoutError):  # what is not sent now is sent after the next start
        async with asyncio.timeout(LAST_DELIVERY_SECONDS):
            await service.deliver()


@contextlib.asynccontextmanager
async def listening(
    service: Service, line: Line, *, on_failure: Callable[[], None]
) -> AsyncIterator[list[SyslogCollector]]:
    """Keep the listeners of the configuration open inside the block; yield them.

    One that cannot listen is tried again and again; it stops nobody else.
    """

    async def emit(batch: Batch) -> None:
        await asyncio.to_thread(line.feed, batch)

    collectors = [
        _listener(source, service.config)
        for source in service.config.sources
        if isinstance(source, SyslogSource) and source.enabled
    ]
    tasks = [asyncio.create_task(_serve(collector, emit)) for collector in collectors]
    for task in tasks:
        task.add_done_callback(lambda done: None if done.cancelled() else on_failure())
    try:
        yield collectors
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _serve(collector: SyslogCollector, emit: Emit) -> None:
    """Listen until cancelled, also when the address is free only later."""
    while True:
        try:
            await collector.serve(emit)
        except SourceError as error:
            _log.error("source.failed", source=collector.source.id, error=str(error))
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)


def _listener(source: SyslogSource, config: Config) -> SyslogCollector:
    def agency_of(address: str) -> str:
        if source.agency:
            return source.agency
        agency = config.registry.by_address(address)
        return agency.id if agency else UNKNOWN_AGENCY

    return SyslogCollector(source=source, agency_of=agency_of)


def jobs(service: Service, line: Line) -> list[schedule.Job]:
    """Return what the running service does on schedule."""
    found = [
        schedule.Job(f"pull {source.id}", _pulling(service, line, source), every_seconds=source.every_seconds)
        for source in service.config.sources
        if isinstance(source, FilesSource) and source.enabled
    ]

    async def delivery(_since: dt.datetime, _until: dt.datetime) -> str | None:
        return await service.deliver()

    alarms_from = clock.now() + dt.timedelta(seconds=CATCH_UP_SECONDS)

    async def watching(_since: dt.datetime, until: dt.datetime) -> str | None:
        return await asyncio.to_thread(service.watch, until, alarms_from=alarms_from)

    async def compaction(_since: dt.datetime, _until: dt.datetime) -> str | None:
        if not isinstance(service.store, LocalStore):
            removed = await asyncio.to_thread(service.store.compact)
        else:
            removed = (await _apart(service.config, "store", "compact"))["fewer"]
        return f"{removed} files fewer" if removed else None

    async def filters(since: dt.datetime, until: dt.datetime) -> str | None:
        ended = await asyncio.to_thread(ended_filters, service.work, since, until)
        for line_ in ended:
            _log.warning("filter.expired", filter=line_)
        return f"{len(ended)} filters expired" if ended else None

    async def retention(_since: dt.datetime, until: dt.datetime) -> str | None:
        with service.state.transaction() as db:
            prune(db, before=until - dt.timedelta(days=KEPT_MESSAGES_DAYS))
        before = until - dt.timedelta(days=service.config.settings.store.retention_days)
        with service.state.transaction() as db:
            progress.prune(
                db, seen_before=before, counters_before=until - dt.timedelta(days=KEPT_COUNTERS_DAYS)
            )
        gone = await asyncio.to_thread(
            retain,
            service.config.settings.store,
            service.store,
            service.state,
            now=until,
            who="retain",
        )
        return ", ".join(f"{each.rule.name}: {each.rows} removed" for each in gone) or None

    async def report(_since: dt.datetime, until: dt.datetime) -> str | None:
        return await asyncio.to_thread(service.report, until)

    async def report_delivery(_since: dt.datetime, until: dt.datetime) -> str | None:
        return await asyncio.to_thread(service.deliver_reports, until)

    hour, minute = service.config.settings.reports.day_of_month_time.split(":")
    return [
        *found,
        *_cluster_jobs(service),
        *_intel_jobs(service),
        schedule.Job("deliver", delivery, every_seconds=DELIVERY_SECONDS),
        schedule.Job("watch", watching, every_seconds=WATCH_SECONDS),
        schedule.Job("filters", filters, every_seconds=FILTERS_SECONDS),
        schedule.Job(
            "compact", compaction, every_seconds=service.config.settings.store.compact_every_seconds
        ),
        schedule.Job("retain", retention, cron=RETENTION_CRON),
        *_anomaly_jobs(service),
        schedule.Job("report", report, cron={"hour": int(hour), "minute": int(minute)}),
        schedule.Job("report delivery", report_delivery, every_seconds=REPORT_DELIVERY_SECONDS),
    ]


def _rule_jobs(service: Service, line: Line, rulebook: Rulebook) -> list[schedule.Job]:
    """Return what keeps the rules of the line those of the files."""
    seconds = service.config.settings.rules.reload_seconds

    async def following(_since: dt.datetime, _until: dt.datetime) -> str | None:
        return await asyncio.to_thread(rulebook.look, line)

    return [schedule.Job(RULES, following, every_seconds=seconds)] if seconds else []


def _at_hangup(loop: asyncio.AbstractEventLoop, scheduler: Any) -> None:
    """Look at the rules at once on SIGHUP; in a terminal that closes it ends the service, as ever."""

    def look() -> None:
        job = scheduler.get_job(RULES)
        if job is not None:
            job.modify(next_run_time=clock.now())

    if not os.isatty(0):
        with contextlib.suppress(ValueError, RuntimeError):  # not the main thread: a test
            loop.add_signal_handler(signal.SIGHUP, look)


def _cluster_jobs(service: Service) -> list[schedule.Job]:
    """Return what a store across a network needs besides."""

    async def draining(_since: dt.datetime, _until: dt.datetime) -> str | None:
        left = await asyncio.to_thread(service.store.drain) if isinstance(service.store, Buffered) else 0
        await asyncio.to_thread(follow, service.state, service.store)
        return f"{left} commits wait" if left else None

    async def mirroring(_since: dt.datetime, _until: dt.datetime) -> str | None:
        sent = await asyncio.to_thread(service.mirror)
        return f"{sent} copies" if sent else None

    if not isinstance(service.store, Buffered):
        return []
    return [
        schedule.Job("drain", draining, every_seconds=DRAIN_SECONDS),
        schedule.Job("mirror", mirroring, every_seconds=MIRROR_SECONDS),
    ]


async def _apart(config: Config, *arguments: str) -> dict[str, Any]:
    """Let a process of its own run a citysoc command; return the object that it prints.

    Merging files and learning take some hundred megabytes and a core for a while: neither may be missing where
    events come in. A kill at any instant leaves store and model as they were.

    Raises:
        StoreError: it failed.
    """
    command = [sys.executable, "-m", "citysoc", "--config", str(config.path), "--lang", "en"]
    # Not asyncio's processes: their pipes outlive a loop that is closing.
    process = subprocess.Popen(  # noqa: S603  our own command; starting it takes a millisecond
        [*command, *arguments, "--nice"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        out, err = await asyncio.to_thread(process.communicate)
    except asyncio.CancelledError:
        process.kill()
        raise
    if not out:
        raise StoreError(err.decode(errors="replace").strip()[-_ERROR_LENGTH:], transient=True)
    found: dict[str, Any] = orjson.loads(out)
    return found


def _anomaly_jobs(service: Service) -> list[schedule.Job]:
    async def scoring(_since: dt.datetime, until: dt.datetime) -> str | None:
        if not await asyncio.to_thread(anomaly.ready, service.config):
            return None
        told = await _apart(
            service.config, "anomaly", "score", "--new", "--brief", "--until", clock.iso(until)
        )
        parts = [f"{told['new']} new anomalies of {told['anomalies']}"] if told["new"] else []
        parts += [f"{what} drifted" for what in told["drifted"]]
        return ", ".join(parts) or None

    async def learning(_since: dt.datetime, until: dt.datetime) -> str | None:
        if not await asyncio.to_thread(anomaly.should_train, service.config, service.store, until):
            return None
        told = await _apart(service.config, "anomaly", "train")
        verdict = "in use" if told["promoted"] else "refused: worse than the model in use"
        return f"average precision {told['average_precision']:.3f} on the replay, {verdict}"

    return [
        schedule.Job("anomaly score", scoring, cron=SCORING_CRON),
        schedule.Job("anomaly train", learning, cron=LEARNING_CRON),
    ]


def _intel_jobs(service: Service) -> list[schedule.Job]:
    """Return the refreshes of the configuration's feeds of indicators, one after the other."""
    turn = asyncio.Lock()

    def refreshing(feed: Feed) -> Callable[[dt.datetime, dt.datetime], Awaitable[str | None]]:
        async def work(_since: dt.datetime, until: dt.datetime) -> str | None:
            async with turn:
                return await asyncio.to_thread(
                    intelligence.scheduled, service.config, service.store, service.state, feed, until
                )

        return work

    return [
        schedule.Job(f"intel {feed.id}", refreshing(feed), every_seconds=feed.every_seconds)
        for feed in service.config.settings.intel.feeds
        if feed.enabled
    ]


def _pulling(
    service: Service, line: Line, source: FilesSource
) -> Callable[[dt.datetime, dt.datetime], Awaitable[Any]]:
    collectors = file_collectors(source, service.config)

    async def work(_since: dt.datetime, _until: dt.datetime) -> str | None:
        pulled = await asyncio.to_thread(pull, line, service.state, collectors)
        if pulled.failures:
            names = ", ".join(sorted(pulled.failures))
            return f"{pulled.records} records; could not read {names}"
        return f"{pulled.records} records" if pulled.records else None

    return work
