"""What the service does on schedule."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

from citysoc import clock, schedule, telemetry
from citysoc.config.sources import FilesSource
from citysoc.detectors.anomaly import run as anomaly
from citysoc.pipeline import intelligence
from citysoc.pipeline.loaded import ended_filters
from citysoc.pipeline.pull import file_collectors, pull
from citysoc.pipeline.refused import follow
from citysoc.pipeline.rulebook import JOB as RULES
from citysoc.pipeline.upkeep import retain
from citysoc.service.apart import apart
from citysoc.state import progress
from citysoc.state.outbox import prune
from citysoc.stores.buffered import Buffered
from citysoc.stores.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from citysoc.config.intel import Feed
    from citysoc.pipeline.line import Line
    from citysoc.pipeline.rulebook import Rulebook
    from citysoc.service.service import Service

_log = telemetry.logger("service")
_DELIVERY_SECONDS = 5
_REPORT_DELIVERY_SECONDS = 60.0
_DRAIN_SECONDS = 5
_MIRROR_SECONDS = 10
_WATCH_SECONDS = 60
_FILTERS_SECONDS = 1800
_CATCH_UP_SECONDS = 300
"""After a start, streams get so long to catch up before their silence is an alarm."""
_KEPT_MESSAGES_DAYS = 90
_KEPT_COUNTERS_DAYS = 800
"""Two years and a month: reports compare with the year before."""
_SCORING_CRON = {"minute": 7}
"""Each hour, when the hour before has come in."""
_LEARNING_CRON = {"day_of_week": "sun", "hour": 4}
_RETENTION_CRON = {"hour": 3, "minute": 15}


def jobs(service: Service, line: Line) -> list[schedule.Job]:
    """Return what the running service does on schedule, but for what keeps its rules those of the files."""
    return [
        *_pulls(service, line),
        *_cluster_jobs(service),
        *_intel_jobs(service),
        *_watch_jobs(service),
        *_upkeep_jobs(service),
        *_anomaly_jobs(service),
        *_report_jobs(service),
    ]


def rule_jobs(service: Service, line: Line, rulebook: Rulebook) -> list[schedule.Job]:
    """Return what keeps the rules of the line those of the files."""
    seconds = service.config.settings.rules.reload_seconds

    async def following(_since: dt.datetime, _until: dt.datetime) -> str | None:
        return await asyncio.to_thread(rulebook.look, line)

    return [schedule.Job(RULES, following, every_seconds=seconds)] if seconds else []


def _pulls(service: Service, line: Line) -> list[schedule.Job]:
    return [
        schedule.Job(f"pull {source.id}", _pulling(service, line, source), every_seconds=source.every_seconds)
        for source in service.config.sources
        if isinstance(source, FilesSource) and source.enabled
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


def _watch_jobs(service: Service) -> list[schedule.Job]:
    """Return what must not wait: deliveries, and the watch over streams and filters."""

    async def delivery(_since: dt.datetime, _until: dt.datetime) -> str | None:
        return await service.deliver()

    alarms_from = clock.now() + dt.timedelta(seconds=_CATCH_UP_SECONDS)

    async def watching(_since: dt.datetime, until: dt.datetime) -> str | None:
        return await asyncio.to_thread(service.watch, until, alarms_from=alarms_from)

    async def filters(since: dt.datetime, until: dt.datetime) -> str | None:
        ended = await asyncio.to_thread(ended_filters, service.work, since, until)
        for line_ in ended:
            _log.warning("filter.expired", filter=line_)
        return f"{len(ended)} filters expired" if ended else None

    return [
        schedule.Job("deliver", delivery, every_seconds=_DELIVERY_SECONDS),
        schedule.Job("watch", watching, every_seconds=_WATCH_SECONDS),
        schedule.Job("filters", filters, every_seconds=_FILTERS_SECONDS),
    ]


def _upkeep_jobs(service: Service) -> list[schedule.Job]:
    """Return what keeps the store and the state small."""

    async def compaction(_since: dt.datetime, _until: dt.datetime) -> str | None:
        if not isinstance(service.store, LocalStore):
            removed = await asyncio.to_thread(service.store.compact)
        else:
            removed = (await apart(service.config, "store", "compact"))["fewer"]
        return f"{removed} files fewer" if removed else None

    async def retention(_since: dt.datetime, until: dt.datetime) -> str | None:
        with service.state.transaction() as db:
            prune(db, before=until - dt.timedelta(days=_KEPT_MESSAGES_DAYS))
        before = until - dt.timedelta(days=service.config.settings.store.retention_days)
        with service.state.transaction() as db:
            progress.prune(
                db, seen_before=before, counters_before=until - dt.timedelta(days=_KEPT_COUNTERS_DAYS)
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

    store = service.config.settings.store
    return [
        schedule.Job("compact", compaction, every_seconds=store.compact_every_seconds),
        schedule.Job("retain", retention, cron=_RETENTION_CRON),
    ]


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
        schedule.Job("drain", draining, every_seconds=_DRAIN_SECONDS),
        schedule.Job("mirror", mirroring, every_seconds=_MIRROR_SECONDS),
    ]


def _anomaly_jobs(service: Service) -> list[schedule.Job]:
    async def scoring(_since: dt.datetime, until: dt.datetime) -> str | None:
        if not await asyncio.to_thread(anomaly.ready, service.config):
            return None
        told = await apart(
            service.config, "anomaly", "score", "--new", "--brief", "--until", clock.iso(until)
        )
        parts = [f"{told['new']} new anomalies of {told['anomalies']}"] if told["new"] else []
        parts += [f"{what} drifted" for what in told["drifted"]]
        return ", ".join(parts) or None

    async def learning(_since: dt.datetime, until: dt.datetime) -> str | None:
        if not await asyncio.to_thread(anomaly.should_train, service.config, service.store, until):
            return None
        told = await apart(service.config, "anomaly", "train")
        verdict = "in use" if told["promoted"] else "refused: worse than the model in use"
        return f"average precision {told['average_precision']:.3f} on the replay, {verdict}"

    return [
        schedule.Job("anomaly score", scoring, cron=_SCORING_CRON),
        schedule.Job("anomaly train", learning, cron=_LEARNING_CRON),
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


def _report_jobs(service: Service) -> list[schedule.Job]:
    """Return what builds the reports that are due, and sends them."""

    async def report(_since: dt.datetime, until: dt.datetime) -> str | None:
        return await asyncio.to_thread(service.report, until)

    async def report_delivery(_since: dt.datetime, until: dt.datetime) -> str | None:
        return await asyncio.to_thread(service.deliver_reports, until)

    hour, minute = service.config.settings.reports.day_of_month_time.split(":")
    return [
        schedule.Job("report", report, cron={"hour": int(hour), "minute": int(minute)}),
        schedule.Job("report delivery", report_delivery, every_seconds=_REPORT_DELIVERY_SECONDS),
    ]
