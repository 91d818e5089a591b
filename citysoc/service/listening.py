"""The listeners of the configuration, open as long as the service runs."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from citysoc import telemetry
from citysoc.collectors.syslog import SyslogCollector
from citysoc.config.sources import SyslogSource
from citysoc.errors import SourceError
from citysoc.flow import UNKNOWN_AGENCY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from citysoc.collectors.base import Emit
    from citysoc.config.load import Config
    from citysoc.flow import Batch
    from citysoc.pipeline.line import Line
    from citysoc.service.service import Service

_log = telemetry.logger("service")
_LISTEN_AGAIN_SECONDS = 10


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
            await asyncio.sleep(_LISTEN_AGAIN_SECONDS)


def _listener(source: SyslogSource, config: Config) -> SyslogCollector:
    def agency_of(address: str) -> str:
        if source.agency:
            return source.agency
        agency = config.registry.by_address(address)
        return agency.id if agency else UNKNOWN_AGENCY

    return SyslogCollector(source=source, agency_of=agency_of)
