"""Build a report: compute its figures once, write them down, render the documents."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from citysoc import i18n, telemetry
from citysoc.i18n import _
from citysoc.reports import issued, record, sections, texts
from citysoc.reports.computing import compute
from citysoc.reports.periods import month_period

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from citysoc.config.load import Config
    from citysoc.reports.blocks import Document
    from citysoc.reports.figures import Figures, Period
    from citysoc.reports.issued import Difference
    from citysoc.state import State
    from citysoc.stores.base import EventStore

__all__ = ["Built", "build", "existing", "folder_of", "month_period"]

_log = telemetry.logger("reports")


@dataclass(frozen=True, slots=True)
class Built:
    """A report on disk.

    Args:
        figures: what it says.
        files: what was written: the figures as JSON first, then the documents.
        differences: what changed since the report was issued.
    """

    figures: Figures
    files: tuple[Path, ...]
    differences: tuple[Difference, ...] = ()


def build(
    config: Config,
    state: State,
    store: EventStore,
    period: Period,
    *,
    languages: Sequence[str],
    now: dt.datetime,
    formats: Sequence[str] | None = None,
    agency: str | None = None,
) -> Built:
    """Write the report of a period into the directory of reports, replacing an earlier one.

    The caller has the turn to build (:func:`citysoc.reports.turn.turn`): reports are built one at a time.

    The files are ``<first day>_<last day>/figures.json`` and ``report.<language>.<format>``; tables as CSV
    are in ``tables.<language>/``.

    Args:
        config: the registry, and what reports look like.
        state: alerts, incidents, streams.
        store: events.
        period: of which time.
        languages: vi, en.
        now: the moment for which streams are judged.
        formats: which documents; None for those of the configuration.
        agency: of one agency alone, in a folder of its own; None for the whole city.

    Raises:
        ConfigError: the unit's own texts or template cannot be used.
    """
    figures = compute(config, state, store, period, now=now, agency=agency)
    return write(config, figures, languages=languages, formats=formats, agency=agency)


def write(
    config: Config,
    figures: Figures,
    *,
    languages: Sequence[str],
    formats: Sequence[str] | None = None,
    agency: str | None = None,
) -> Built:
    """Write figures and their documents; see :func:`build`."""
    built = written(config, figures, languages=languages, formats=formats, agency=agency)
    told(built)
    return built


def told(built: Built) -> None:
    """Log that a report was built."""
    folder = str(built.files[0].parent)
    _log.info(
        "report.built", period=built.figures.period.name, folder=folder, differences=len(built.differences)
    )


def written(
    config: Config,
    figures: Figures,
    *,
    languages: Sequence[str],
    formats: Sequence[str] | None = None,
    agency: str | None = None,
) -> Built:
    """Write figures and their documents without a word about it: a process of a pool has no log."""
    folder = folder_of(config, figures.period, agency)
    folder.mkdir(parents=True, exist_ok=True)
    changed = issued.differences(folder, figures)
    own = {language: _own_texts(folder, language) for language in languages}
    built = Built(figures, (_write(folder / "figures.json", record.to_json(figures)),), changed)
    documents = [
        path
        for language in languages
        for path in _documents(
            config, built, language, own[language], formats or config.settings.reports.formats
        )
    ]
    return replace(built, files=(*built.files, *documents))


def _own_texts(folder: Path, language: str) -> Mapping[str, str]:
    with i18n.speaking(language):
        return texts.read(folder / f"texts.{language}.yaml", sections.KEYS, empty=_texts_head())


def _documents(
    config: Config, built: Built, language: str, own: Mapping[str, str], formats: Sequence[str]
) -> list[Path]:
    """Write the documents of a report whose figures are written, in one language; return their paths."""
    settings, figures, folder = config.settings.reports, built.figures, built.files[0].parent
    with i18n.speaking(language):
        said = issued.sentences(built.differences, issued.issued_at(folder), figures.period.timezone)
        document = sections.document(figures, settings, own, differences=said)
        template = config.root / settings.template if settings.template else None
        written: list[Path] = []
        for format_ in dict.fromkeys(formats):
            if format_ == "csv":
                written += _write_tables(document, folder / f"tables.{language}")
                continue
            content = _renderer(format_, figures, template)(document)
            written.append(_write(folder / f"report.{language}.{format_}", content))
    return written


def _texts_head() -> str:
    return _(
        "Your own words for the sections of this report. An empty text is written from the figures.\n"
        "This file is never written again: what you write here stays when the report is built again.\n"
        "An empty line parts paragraphs. Example:  tasks: Review the firewall rules of the wards."
    )


def _renderer(format_: str, figures: Figures, template: Path | None) -> Callable[[Document], bytes]:
    """Return what makes a document of one format; libraries are loaded with it."""
    if format_ == "html":
        from citysoc.reports import html

        return html.render
    if format_ == "pdf":
        from citysoc.reports import pdf

        return pdf.render
    if format_ == "docx":
        from citysoc.reports import word

        return lambda document: word.render(document, figures, template)
    from citysoc.reports import sheets

    return sheets.workbook


def _write_tables(document: Document, folder: Path) -> list[Path]:
    from citysoc.reports import sheets

    folder.mkdir(exist_ok=True)
    tables = [(f"{table.name}.csv", sheets.csv(table)) for table in document.tables()]
    for stale in {path.name for path in folder.glob("*.csv")} - {name for name, _content in tables}:
        (folder / stale).unlink()
    return [_write(folder / name, content) for name, content in tables]


def existing(config: Config) -> list[Path]:
    """Return the folders of the reports that were built, oldest period first."""
    folder = config.reports_dir
    return (
        sorted(path for path in folder.iterdir() if (path / "figures.json").is_file())
        if folder.is_dir()
        else []
    )


def folder_of(config: Config, period: Period, agency: str | None = None) -> Path:
    """Return where the report of a period lies: ``<first day>_<last day>`` in the directory of reports.

    The report of one agency lies in ``agencies/<id>`` below it.
    """
    zone = ZoneInfo(period.timezone)
    first, last = period.since.astimezone(zone), (period.until - dt.timedelta(seconds=1)).astimezone(zone)
    folder = config.reports_dir / f"{first:%Y-%m-%d}_{last:%Y-%m-%d}"
    return folder / "agencies" / agency if agency else folder


def _write(path: Path, content: bytes) -> Path:
    """Replace a file at one stroke: a reader sees the old one or the new one, never half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)
    return path
