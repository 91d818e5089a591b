"""Play a simulated month through the real pipeline, week by week, as it would have come in.

The clock is set to the end of each week, the week's files appear in the inboxes, the collectors pull
them; at the end the relays' syslog frames are sent to the real listener. So a stream that stopped in
the second week is silent at the end of the fourth, as in life.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import os
import secrets
import shutil
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import yaml

import citysoc.config
from citysoc import clock
from citysoc.config.load import load, load_agencies
from citysoc.config.sources import FilesSource
from citysoc.demo.receiver import receiving
from citysoc.demo.verdict import Verdict, judge
from citysoc.pipeline.pull import file_collectors, pull
from citysoc.reports.build import build, month_period
from citysoc.reports.turn import turn
from citysoc.service.listening import listening
from citysoc.service.service import Service
from citysoc.simulation import city
from citysoc.simulation.send import send
from citysoc.simulation.write import simulate, syslog_frames
from citysoc.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from citysoc.collectors.syslog import SyslogCollector
    from citysoc.config.load import Config
    from citysoc.demo.receiver import Receiver
    from citysoc.flow import Batch
    from citysoc.pipeline.line import Line
    from citysoc.pipeline.work import Work
    from citysoc.reports.build import Built
    from citysoc.reports.figures import Period
    from citysoc.simulation.truth import GroundTruth
    from citysoc.simulation.write import Frame
    from citysoc.stores.base import EventStore

_LAST_PULL = dt.timedelta(minutes=25)
"""So long before the month ends its last pull begins: what it brings arrives within the month."""
WEEK = dt.timedelta(days=7)
"""Logs rotate weekly in the simulated city, so the month is played week by week."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Which month is played.

    Args:
        month: ``YYYY-MM``, a month of the past.
        records: about how many.
        seed: the same seed gives the same month.
    """

    month: str = "2026-10"
    records: int = 200_000
    seed: int = 1

    def period(self, timezone: str) -> Period:
        """Return the month as a period."""
        return month_period(int(self.month[:4]), int(self.month[5:]), timezone)

    @property
    def arguments(self) -> dict[str, Any]:
        """What the simulation is called with."""
        return {"month": self.month, "records": self.records, "seed": self.seed}


class Progress(Protocol):
    """Shows how far a stage is."""

    def stage(self, title: str, total: int | None) -> Callable[[int], None]:
        """Begin a stage; the function it returns moves its bar."""


@dataclass(frozen=True, slots=True)
class Played:
    """What the demonstration brought.

    Args:
        config: its configuration, to go on with.
        truth: what was planted.
        verdicts: attack by attack, whether it was found.
        built: the report.
        accepted: webhook messages whose signature was right, by type.
        refused: messages whose signature was wrong.
        seconds: stage to duration.
        figures: conservation totals.
        states: stream state to number of streams.
    """

    config: Config
    truth: GroundTruth
    verdicts: tuple[Verdict, ...]
    built: Built
    accepted: dict[str, int]
    refused: int
    seconds: dict[str, float]
    figures: dict[str, int]
    states: dict[str, int] = field(default_factory=dict)


async def play(
    directory: Path,
    work: Callable[[Config], Work],
    open_store: Callable[[Path], EventStore],
    scenario: Scenario,
    *,
    progress: Progress,
) -> Played:
    """Simulate a month, pull it through the pipeline, deliver its alerts, build its report.

    Args:
        directory: an empty or absent directory for everything.
        work: from the configuration to what the workers need.
        open_store: from a path to the event store there.
        scenario: which month.
        progress: shows how far it is.
    """
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    seconds: dict[str, float] = {}
    with receiving(secret) as receiver:
        config = prepare(directory, url=receiver.url, secret=secret)
        with _timed(seconds, "simulate"):
            moved = progress.stage("simulate", scenario.records)
            truth = await asyncio.to_thread(
                simulate,
                config.registry,
                **scenario.arguments,
                directory=directory / "staging",
                progress=_absolute(moved),
            )
        config.data_dir.mkdir(parents=True, exist_ok=True)
        state = State(config.state_path)
        try:
            service = Service(config, work(config), state, open_store(config.store_path))
            with _timed(seconds, "pipeline"):
                await _month(service, directory, scenario, truth, progress)
            with _timed(seconds, "deliver"):
                await _deliver(service, progress)
            with _timed(seconds, "report"):
                built = await asyncio.to_thread(_report, service, scenario)
            return _played(service, truth, built, receiver, seconds)
        finally:
            state.close()


def prepare(directory: Path, *, url: str, secret: str) -> Config:
    """Write the demonstration's configuration: the example city, a local webhook, a free syslog port."""
    example = Path(citysoc.config.__file__).parent / "example"
    (directory / "inbox").mkdir(parents=True, exist_ok=True)
    shutil.copytree(example / "sources", directory / "sources", dirs_exist_ok=True)
    _write_registry(example / "agencies.yaml", directory / "agencies.yaml")
    syslog = directory / "sources" / "syslog.yaml"
    syslog.write_text(syslog.read_text(encoding="utf-8").replace("port: 5514", "port: 0"), encoding="utf-8")
    (directory / "webhook.secret").write_text(secret, encoding="utf-8")
    (directory / "webhook.secret").chmod(0o600)
    settings = {
        "reports": {
            "superior": "ỦY BAN NHÂN DÂN THÀNH PHỐ HUẾ",
            "superior_en": "PEOPLE'S COMMITTEE OF HUẾ CITY",
            "issuer": "TRUNG TÂM GIÁM SÁT AN NINH MẠNG",
            "issuer_en": "CYBERSECURITY MONITORING CENTRE",
            "place_en": "Huế City",
        },
        "webhooks": [
            {
                "id": "local-receiver",
                "url": url,
                "secret": "file:webhook.secret",
                "min_level": "high",
                "allow_private_network": True,
            }
        ],
    }
    (directory / "citysoc.yaml").write_text(
        yaml.safe_dump(settings, allow_unicode=True, sort_keys=False), encoding="utf-8"
    )
    return load(directory / "citysoc.yaml")


def _write_registry(example: Path, path: Path) -> None:
    """Write the example registry, with the loopback address that each simulated relay sends from."""
    agencies = city.with_relays(load_agencies(example))
    data = {
        "example": True,
        "agencies": [agency.model_dump(mode="json", exclude_defaults=True) for agency in agencies],
    }
    # JSON is YAML, written and read much faster.
    path.write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2))


async def _month(
    service: Service, directory: Path, scenario: Scenario, truth: GroundTruth, progress: Progress
) -> None:
    """Let the month pass week by week: files appear, relays send, collectors pull, silence is heard."""
    period = scenario.period(service.config.settings.service.timezone)
    moved = progress.stage("pipeline", truth.written)
    collectors = [
        collector
        for source in service.config.sources
        if isinstance(source, FilesSource)
        for collector in file_collectors(source, service.config)
    ]
    frames = deque(syslog_frames(service.config.registry, **scenario.arguments))
    with clock.pretending(period.since):
        service.watch(clock.now())  # from here on every stream is expected
    failed = asyncio.Event()
    with service.line() as line:
        async with listening(service, line, on_failure=failed.set) as listeners:
            for until in (*(period.since + WEEK * n for n in range(1, 5)), period.until):
                early = _LAST_PULL if until == period.until else -dt.timedelta(minutes=1)
                with clock.pretending(until - early):
                    await asyncio.to_thread(_reveal, directory, until.timestamp())
                    await asyncio.to_thread(
                        pull, line, service.state, collectors, on_batch=_counted(moved), flush=True
                    )
                    week = _until(frames, int((until - period.since).total_seconds() * 1000))
                    await _send(service, line, listeners, week)
                    moved(len(week))
                    service.watch(clock.now())
        line.end()
    shutil.rmtree(directory / "staging", ignore_errors=True)


def _reveal(directory: Path, until: float) -> None:
    """Move the files that were last written before a moment into the inboxes."""
    staging, inbox = directory / "staging" / "inbox", directory / "inbox"
    for folder, _, names in os.walk(staging):
        target = inbox / Path(folder).relative_to(staging)
        for name in names:
            source = Path(folder) / name
            if source.stat().st_mtime <= until:
                target.mkdir(parents=True, exist_ok=True)
                source.rename(target / name)


def _until(frames: deque[Frame], at: int) -> list[Frame]:
    """Take from ``frames`` those before a moment."""
    taken = []
    while frames and frames[0].at < at:
        taken.append(frames.popleft())
    return taken


async def _send(
    service: Service, line: Line, listeners: Sequence[SyslogCollector], frames: Sequence[Frame]
) -> None:
    """Send frames to the real listener, and wait until all of them are accounted for."""
    for listener in listeners:
        await asyncio.wait_for(listener.ready.wait(), 10)
        source = listener.source.id
        wanted = _received(service.state, source) + len(frames)
        await asyncio.to_thread(send, frames, host="127.0.0.1", ports=listener.bound)
        patience = time.monotonic() + 30
        await asyncio.sleep(listener.flush_seconds * 1.2)
        while _received(service.state, source) < wanted and time.monotonic() < patience:
            await asyncio.to_thread(line.flush)
            await asyncio.sleep(0.2)


def _received(state: State, source: str) -> int:
    rows = state.rows(
        "SELECT coalesce(sum(received), 0) AS n FROM counters WHERE stream LIKE ?", (f"%/{source}",)
    )
    return int(rows[0]["n"])


async def _deliver(service: Service, progress: Progress) -> None:
    """Send what is in the outbox; a refused message stays there for its next attempt."""
    waiting = _waiting(service.state)
    moved = progress.stage("deliver", waiting)
    while waiting:
        await service.deliver()
        waiting, before = _waiting(service.state), waiting
        moved(before - waiting)
        if waiting == before:
            break


def _waiting(state: State) -> int:
    rows = state.rows("SELECT count(*) AS n FROM deliveries WHERE state IN ('pending', 'sending')")
    return int(rows[0]["n"])


def _report(service: Service, scenario: Scenario) -> Built:
    period = scenario.period(service.config.settings.service.timezone)
    with turn(service.config.reports_dir):
        return build(
            service.config, service.state, service.store, period, languages=("vi", "en"), now=clock.now()
        )


def _played(
    service: Service, truth: GroundTruth, built: Built, receiver: Receiver, seconds: dict[str, float]
) -> Played:
    completeness = built.figures.completeness
    return Played(
        config=service.config,
        truth=truth,
        verdicts=judge(service.state, service.store, truth.planted),
        built=built,
        accepted=dict(receiver.accepted),
        refused=receiver.refused,
        seconds=seconds,
        figures={name: getattr(completeness, name) for name in completeness.__slots__},
        states=dict(built.figures.streams),
    )


def _absolute(moved: Callable[[int], None]) -> Callable[[int], None]:
    """Turn a bar that moves by steps into one that is told where it stands."""
    before = 0

    def at(position: int) -> None:
        nonlocal before
        moved(position - before)
        before = position

    return at


def _counted(moved: Callable[[int], None]) -> Callable[[Batch], None]:
    return lambda batch: moved(batch.received)


@contextlib.contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[stage] = time.monotonic() - started
