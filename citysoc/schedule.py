"""What is done when: pulls, delivery, stream watch, compaction, retention, the monthly report.

Jobs run in APScheduler. A run that comes too late is still run once (coalesced), never skipped
silently: every run is written into the ``jobs`` table with the interval that it covers, and an
interval that no run covers is shown by ``citysoc jobs list`` as a gap.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc import clock, telemetry
from citysoc.errors import CitysocError
from citysoc.state.values import stamp

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Awaitable, Callable, Sequence

    from citysoc.state import State

_log = telemetry.logger("schedule")

KEPT_RUNS = 1000
"""How many runs of a job are remembered."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is done again and again.

    Args:
        name: its name in the ``jobs`` table.
        work: what to do; gets the interval that it covers; returns one line for the table, or None
            when there was nothing to do (such a run only moves the interval on).
        every_seconds: how often, for jobs with a period.
        cron: at which local times, for jobs with a calendar: APScheduler's cron fields.
    """

    name: str
    work: Callable[[dt.datetime, dt.datetime], Awaitable[str | None]]
    every_seconds: float | None = None
    cron: dict[str, Any] | None = None


def covered_until(state: State, name: str) -> dt.datetime | None:
    """Return up to when runs of a job covered, None when it never ran."""
    import datetime as dt

    rows = state.rows(
        "SELECT max(covers_until) AS until FROM jobs WHERE name = ? AND outcome IN ('done', 'nothing')",
        (name,),
    )
    return dt.datetime.fromisoformat(rows[0]["until"]) if rows[0]["until"] else None


async def run_once(state: State, job: Job) -> None:
    """Run a job now, for the interval since its last good run, and write down how it went.

    Whatever goes wrong is written down and logged; the interval stays uncovered, so the next run takes
    it again.
    """
    started = clock.now()
    since = covered_until(state, job.name) or started
    try:
        detail = await job.work(since, started)
        outcome = "nothing" if detail is None else "done"
    except CitysocError as error:
        outcome, detail = "failed", str(error)
        _log.warning("job.failed", job=job.name, error=str(error))
    except Exception as error:  # noqa: BLE001  around one job: a bug in it must be seen, and not end it
        outcome, detail = "failed", f"{type(error).__name__}: {error}"
        _log.exception("job.failed", job=job.name)
    except asyncio.CancelledError:
        # The service stops: the next start takes the interval again. Nobody waits for this task.
        _log.info("job.interrupted", job=job.name)
        return
    _record(state, job.name, since=since, started=started, outcome=outcome, detail=detail)


def _record(
    state: State, name: str, *, since: dt.datetime, started: dt.datetime, outcome: str, detail: str | None
) -> None:
    """Write a run down; a run with nothing to do after another such run only extends that one."""
    now = stamp(clock.now())
    with state.transaction() as db:
        last = db.execute(
            "SELECT id, outcome FROM jobs WHERE name = ? ORDER BY id DESC LIMIT 1", (name,)
        ).fetchone()
        if outcome == "nothing" and last and last["outcome"] == "nothing":
            db.execute(
                "UPDATE jobs SET covers_until = ?, started_at = ?, ended_at = ? WHERE id = ?",
                (stamp(started), stamp(started), now, last["id"]),
            )
            return
        db.execute(
            "INSERT INTO jobs (name, covers_from, covers_until, started_at, ended_at, outcome, detail)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (name, stamp(since), stamp(started), stamp(started), now, outcome, detail),
        )
        db.execute(
            "DELETE FROM jobs WHERE name = :name AND id <="
            " (SELECT id FROM jobs WHERE name = :name ORDER BY id DESC LIMIT 1 OFFSET :kept)"
            # The last good run says from where on nothing is covered, however long ago it was.
            " AND id <> (SELECT coalesce(max(id), 0) FROM jobs"
            " WHERE name = :name AND outcome IN ('done', 'nothing'))",
            {"name": name, "kept": KEPT_RUNS},
        )


def start(state: State, jobs: Sequence[Job], *, timezone: str) -> Any:
    """Start a scheduler for ``jobs`` in the running event loop; return it (it has ``shutdown``).

    Every job first runs at once: what was missed while the service was down is done then.
    """
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    # A job that is still at work when its next turn comes takes that time in its next run: no warning.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    scheduler = AsyncIOScheduler(
        timezone=timezone,
        # One run at a time; late runs become one; none is ever dropped for being late.
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    for job in jobs:
        trigger = (
            {"trigger": "cron", **job.cron}
            if job.cron
            else {"trigger": "interval", "seconds": job.every_seconds}
        )
        scheduler.add_job(
            run_once, args=(state, job), id=job.name, name=job.name, next_run_time=clock.now(), **trigger
        )
    scheduler.start()
    return scheduler
