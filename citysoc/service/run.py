"""The service from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from citysoc import clock, schedule, telemetry
from citysoc.pipeline.loaded import refused_rules
from citysoc.pipeline.rulebook import JOB as RULES
from citysoc.pipeline.rulebook import Rulebook
from citysoc.service.jobs import jobs, rule_jobs
from citysoc.service.listening import listening

if TYPE_CHECKING:
    from citysoc.service.service import Service

_log = telemetry.logger("service")
_LAST_DELIVERY_SECONDS = 10
_SPARE_THREADS = 12


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
    threads = len(service.config.sources) + _SPARE_THREADS
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
            [*jobs(service, line), *(rule_jobs(service, line, rulebook) if rulebook else ())],
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
        async with asyncio.timeout(_LAST_DELIVERY_SECONDS):
            await service.deliver()


def _at_hangup(loop: asyncio.AbstractEventLoop, scheduler: Any) -> None:
    """Look at the rules at once on SIGHUP; in a terminal that closes it ends the service, as ever."""

    def look() -> None:
        job = scheduler.get_job(RULES)
        if job is not None:
            job.modify(next_run_time=clock.now())

    if not os.isatty(0):
        with contextlib.suppress(ValueError, RuntimeError):  # not the main thread: a test
            loop.add_signal_handler(signal.SIGHUP, look)
