"""Reports on schedule: which are due, built once a period and template, delivered until they arrive.

Reports that were missed while the service was down are built at the next start; a zero month is reported
like any other. Deliveries are rows of the state database, written in the transaction that says the report
was built, so that none is lost and none is sent twice.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc import telemetry
from citysoc.errors import CitysocError
from citysoc.i18n import _
from citysoc.reports import sections
from citysoc.reports.build import build, folder_of
from citysoc.reports.delivery import Package, deliver
from citysoc.reports.due import due, missed
from citysoc.reports.each import build_each
from citysoc.reports.turn import turn
from citysoc.state.values import clean, stamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from citysoc.config.load import Config
    from citysoc.config.reports import ReportTarget
    from citysoc.reports.figures import Period
    from citysoc.state import State
    from citysoc.stores.base import EventStore

_log = telemetry.logger("reports")

LAYOUT = 1
"""Raised when reports are laid out so differently that a period should be reported again."""
MAX_ATTEMPTS = 20
FIRST_WAIT_SECONDS = 60
LONGEST_WAIT_SECONDS = 6 * 3600


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a round of deliveries came to."""

    sent: int = 0
    again: int = 0
    dead: int = 0


def version(config: Config) -> str:
    """Return what tells one way of making reports from another: our layout, the user's template."""
    digest = hashlib.blake2b(f"layout {LAYOUT}".encode(), digest_size=16)
    if template := config.settings.reports.template:
        path = config.root / template
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def publish(config: Config, state: State, store: EventStore, *, now: dt.datetime) -> list[str]:
    """Build every report that is due and not built; return their periods' names.

    Two that do this at once do it one after the other, and the second finds that there is nothing left to do.
    """
    if not any(_is_lacking(config, state, newest) for newest in due(config, now)):
        return []
    built = []
    _look_at_template(config)
    with turn(config.reports_dir):
        for newest in due(config, now):
            if not _is_lacking(config, state, newest):
                continue
            for period in missed(newest, lambda period: bool(_versions(state, period))):
                _publish(config, state, store, period, now)
                built.append(period.name)
    return built


def _is_lacking(config: Config, state: State, period: Period) -> bool:
    return version(config) not in _versions(state, period)


def _versions(state: State, period: Period) -> set[str]:
    """Return in which versions the report of a period was built."""
    rows = state.rows(
        "SELECT version FROM reports WHERE since = ? AND until = ?",
        (stamp(period.since), stamp(period.until)),
    )
    return {row["version"] for row in rows}


def _look_at_template(config: Config) -> None:
    """Warn of what reports lack because the unit's own template has no place for it."""
    template = config.settings.reports.template
    if template is None:
        return
    from citysoc.reports import word

    if lacking := word.left_out(config.root / template, sections.KEYS):
        _log.warning("report.template_lacks", template=str(template), sections=", ".join(lacking))


def _publish(config: Config, state: State, store: EventStore, period: Period, now: dt.datetime) -> None:
    settings = config.settings.reports
    languages = sorted({config.settings.service.language, *(target.language for target in settings.targets)})
    formats = sorted({*settings.formats, *(name for target in settings.targets for name in target.formats)})
    options: dict[str, Any] = {"languages": languages, "now": now, "formats": formats}
    build(config, state, store, period, **options)
    if settings.each_agency or any(target.scope == "agencies" for target in settings.targets):
        for _built in build_each(config, state, store, period, **options):
            pass
    made = version(config)
    with state.transaction() as db:
        db.execute(
            "INSERT INTO reports (since, until, version, built_at) VALUES (?, ?, ?, ?)",
            (stamp(period.since), stamp(period.until), made, stamp(now)),
        )
        for target in settings.targets:
            ask(db, config, period, target, made=made, now=now)
    _log.info("report.published", period=period.name, targets=len(settings.targets))


def ask(
    db: sqlite3.Connection,
    config: Config,
    period: Period,
    target: ReportTarget,
    *,
    made: str,
    now: dt.datetime,
) -> int:
    """Write down that a built report goes to a target; asking again for the same changes nothing.

    Args:
        db: the connection of the open transaction.
        config: the registry.
        period: of the report.
        target: where to.
        made: what tells this report from another of the period; part of the delivery's id.
        now: the present.

    Returns:
        How many deliveries were written.
    """
    agencies = [""] if target.scope == "city" else [agency.id for agency in config.registry]
    rows = []
    for agency in agencies:
        text = "\0".join((stamp(period.since), stamp(period.until), agency, target.id, made))
        id_ = "rep_" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        folder = folder_of(config, period, agency or None).relative_to(config.reports_dir)
        rows.append((id_, period.name, agency, target.id, folder.as_posix(), stamp(now)))
    before = db.total_changes
    db.executemany(
        "INSERT INTO report_deliveries (id, period, agency, target, folder, due_at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        rows,
    )
    return db.total_changes - before


def deliver_due(config: Config, state: State, *, now: dt.datetime, limit: int = 1000) -> Delivered:
    """Try the deliveries that are due, each once."""
    targets = {target.id: target for target in config.settings.reports.targets}
    rows = state.rows(
        "SELECT * FROM report_deliveries WHERE state = 'pending' AND due_at <= ? ORDER BY due_at, id LIMIT ?",
        (stamp(now), limit),
    )
    counts = {"delivered": 0, "pending": 0, "dead": 0}
    for row in rows:
        outcome, detail = _attempt(config, state, targets.get(row["target"]), row, now)
        if outcome == "pending" and row["attempts"] + 1 >= MAX_ATTEMPTS:
            outcome = "dead"
        counts[outcome] += 1
        _write_down(state, row, outcome, detail, now)
    return Delivered(counts["delivered"], counts["pending"], counts["dead"])


def _attempt(
    config: Config, state: State, target: ReportTarget | None, row: sqlite3.Row, now: dt.datetime
) -> tuple[str, str]:
    if target is None:
        return "dead", _("The target is no longer in the configuration.")
    folder = config.reports_dir / row["folder"]
    files = tuple(files_of(folder, target))
    if not files:
        return "dead", _("There is no document to send in {folder}.").format(folder=folder)
    package = Package(row["id"], row["period"], row["agency"], folder, row["folder"], files)
    try:
        return "delivered", deliver(config, state, target, package, now=now)
    except CitysocError as error:
        _log.warning("report.not_delivered", target=target.id, period=row["period"], error=str(error))
        return ("pending" if error.transient else "dead"), str(error)
    except OSError as error:  # a document that is written again at this moment
        _log.warning("report.not_delivered", target=target.id, period=row["period"], error=str(error))
        return "pending", _("The documents cannot be read: {error}.").format(error=error.strerror or error)
    except ValueError as error:  # a name that a protocol or the file system cannot carry: the others go on
        _log.warning("report.not_delivered", target=target.id, period=row["period"], error=str(error))
        return "dead", _("It cannot be sent: {error}.").format(error=error)


def files_of(folder: Path, target: ReportTarget) -> Iterator[Path]:
    """Yield the documents of a built report that a target wants and that are there."""
    for format_ in target.formats:
        if format_ == "csv":
            yield from sorted((folder / f"tables.{target.language}").glob("*.csv"))
        elif (path := folder / f"report.{target.language}.{format_}").is_file():
            yield path


def _write_down(state: State, row: sqlite3.Row, outcome: str, detail: str, now: dt.datetime) -> None:
    wait = min(FIRST_WAIT_SECONDS * 2 ** row["attempts"], LONGEST_WAIT_SECONDS)
    due_at = now + dt.timedelta(seconds=wait if outcome == "pending" else 0)
    with state.transaction() as db:
        db.execute(
            "UPDATE report_deliveries SET state = ?, attempts = attempts + 1, due_at = ?, ended_at = ?, detail = ?"
            " WHERE id = ?",
            (
                outcome,
                stamp(due_at),
                None if outcome == "pending" else stamp(now),
                clean(detail, 300),
                row["id"],
            ),
        )


def deliveries(state: State, folders: Sequence[str] | None = None) -> list[sqlite3.Row]:
    """Return the deliveries, newest period first; of some folders alone where they are given."""
    rows = state.rows("SELECT * FROM report_deliveries ORDER BY folder DESC, target, id")
    return [row for row in rows if folders is None or row["folder"] in folders]
