"""Build a report: compute its figures once, write them down, render the documents."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from citysoc import telemetry
from citysoc.enrich.working_hours import first_working_day
from citysoc.reports import html
from citysoc.reports.compute import compute
from citysoc.reports.figures import Period

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from citysoc.config.load import Config
    from citysoc.reports.figures import Figures
    from citysoc.state import State
    from citysoc.stores.base import EventStore

_log = telemetry.logger("reports")


@dataclass(frozen=True, slots=True)
class Built:
    """A report on disk.

    Args:
        figures: what it says.
        files: what was written: the figures as JSON first, then the documents.
    """

    figures: Figures
    files: tuple[Path, ...]


def month_period(year: int, month: int, timezone: str) -> Period:
    """Return the period of a calendar month in a zone; its name is ``10/2026``."""
    zone = ZoneInfo(timezone)
    first = dt.datetime(year, month, 1, tzinfo=zone)
    after = dt.datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone)
    return Period(first.astimezone(dt.UTC), after.astimezone(dt.UTC), f"{month:02}/{year}", timezone)


def build(
    config: Config,
    state: State,
    store: EventStore,
    period: Period,
    *,
    languages: Sequence[str],
    now: dt.datetime,
) -> Built:
    """Write the report of a period into the directory of reports, replacing an earlier one.

    The files are ``<first day>_<last day>/figures.json`` and ``report.<language>.html``.
    """
    figures = compute(config, state, store, period, now=now)
    folder = config.reports_dir / _folder(period)
    folder.mkdir(parents=True, exist_ok=True)
    files = [_write(folder / "figures.json", figures.to_json())]
    for language in languages:
        page = html.render(figures, config.settings.reports, language=language)
        files.append(_write(folder / f"report.{language}.html", page))
    _log.info("report.built", period=period.name, folder=str(folder))
    return Built(figures, tuple(files))


def existing(config: Config) -> list[Path]:
    """Return the folders of the reports that were built, oldest period first."""
    folder = config.reports_dir
    return (
        sorted(path for path in folder.iterdir() if (path / "figures.json").is_file())
        if folder.is_dir()
        else []
    )


def is_built(config: Config, period: Period) -> bool:
    """Return whether the report of a period is on disk."""
    return (config.reports_dir / _folder(period) / "figures.json").is_file()


def due_month(moment: dt.datetime, timezone: str) -> Period | None:
    """Return the month whose report is due: the last one, from this month's first working day on."""
    local = moment.astimezone(ZoneInfo(timezone))
    if local.date() < first_working_day(local.year, local.month):
        return None
    year, month = (local.year, local.month - 1) if local.month > 1 else (local.year - 1, 12)
    return month_period(year, month, timezone)


def _folder(period: Period) -> str:
    zone = ZoneInfo(period.timezone)
    first, last = period.since.astimezone(zone), (period.until - dt.timedelta(seconds=1)).astimezone(zone)
    return f"{first:%Y-%m-%d}_{last:%Y-%m-%d}"


def _write(path: Path, content: bytes) -> Path:
    """Replace a file at one stroke: a reader sees the old one or the new one, never half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)
    return path
