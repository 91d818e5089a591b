"""Feeds from where they lie into the table that workers match with; the past asked about what is new."""

from __future__ import annotations

import contextlib
import datetime as dt
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citysoc import clock, telemetry
from citysoc.detectors.intel import history, importing
from citysoc.detectors.intel.database import Database, Terms
from citysoc.errors import CitysocError, InputError
from citysoc.i18n import _
from citysoc.pipeline.feed_parts import MANIFEST, fetch_edition, forget_parts, join_folder
from citysoc.pipeline.indicators import folder_of, warnings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from citysoc.config.intel import Feed
    from citysoc.config.load import Config
    from citysoc.detectors.intel.history import Found
    from citysoc.detectors.intel.importing import Result
    from citysoc.state import State
    from citysoc.stores.base import EventStore

_log = telemetry.logger("pipeline.intelligence")


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a refresh.

    Args:
        feed: the feed's name.
        result: what was imported; None where nothing is new, or it failed.
        error: why it failed; the feed is as it was.
        problems: what is wrong with warning lists.
    """

    feed: str
    result: Result | None = None
    error: str = ""
    problems: tuple[str, ...] = ()


def refresh(config: Config, feed: Feed, *, force: bool = False) -> Done:
    """Take a feed's newest edition; one that fails leaves the feed as it was, and is written down.

    Args:
        config: the configuration.
        feed: the feed.
        force: take it also where it says that nothing is new.
    """
    folder = folder_of(config)
    origin = feed.url or str(feed.path)
    terms = Terms(feed.id, origin, feed.confidence, feed.expires_days, feed.threat_class or "", feed.replace)
    try:
        with importing.writing(folder) as database:
            try:
                with _edition(config, feed, database, force=force) as (path, facts):
                    if path is None:
                        database.note_refresh(feed.id, {"attempted_at": _now(), "error": "", **facts})
                        return Done(feed.id)
                    warnings = warnings_of(config)
                    result = importing.import_file(
                        database, path, terms, warnings=warnings, format_=_form(feed)
                    )
                    database.note_refresh(feed.id, facts)
                    importing.publish(database, folder, warnings)
            except (CitysocError, OSError) as error:
                facts = {"attempted_at": _now(), "error": str(error)[:500]}
                configured = any(one.id == feed.id for one in config.settings.intel.feeds)
                database.note_refresh(feed.id, facts, make=configured, origin=origin)
                raise
    except (CitysocError, OSError) as error:
        return Done(feed.id, error=str(error))
    _log.info("feed.refreshed", feed=feed.id, indicators=result.imported.total, new=result.imported.new)
    return Done(feed.id, result, problems=tuple(warnings.problems))


def _now() -> int:
    return int(clock.now().timestamp())


@contextlib.contextmanager
def _edition(
    config: Config, feed: Feed, database: Database, *, force: bool
) -> Iterator[tuple[Path | None, dict[str, Any]]]:
    """Yield the file of a feed's newest edition, and what names that edition; no file where nothing is new."""
    rows = database.rows("SELECT etag, modified, refreshed_at FROM feeds WHERE name = ?", (feed.id,))
    known = rows[0] if rows and rows[0]["refreshed_at"] and not force else None
    if feed.path is not None:
        path = config.root / feed.path
        try:
            facts = (path / MANIFEST if path.is_dir() else path).stat()
        except OSError as error:
            raise InputError(
                _("The feed cannot be read: {reason}.").format(reason=error.strerror), where=str(path)
            ) from error
        modified = f"{facts.st_mtime_ns} {facts.st_size}"
        unchanged = (
            known is not None and known["modified"] == modified and _is_young(known["refreshed_at"], feed)
        )
        if path.is_dir() and not unchanged:
            with tempfile.TemporaryDirectory(prefix="citysoc-intel-") as folder:
                join_folder(path, whole := Path(folder) / "feed")
                yield whole, {"modified": modified}
            return
        yield (None if unchanged else path), {"modified": modified}
        return
    with tempfile.TemporaryDirectory(prefix="citysoc-intel-") as folder:
        path = Path(folder) / "feed"
        # An edition that the server calls unchanged is taken again before its indicators expire.
        young = known is not None and _is_young(known["refreshed_at"], feed)
        etag, last = (known["etag"], known["modified"]) if known is not None and young else ("", "")
        parts = _parts(config, feed.id)
        answer = fetch_edition(feed, path, root=config.root, parts=parts, etag=etag, modified=last)
        yield (
            (None if answer is None else path),
            ({} if answer is None else {"etag": answer.etag, "modified": answer.modified}),
        )


def _form(feed: Feed) -> str:
    """Return the form of a feed's file: pages of TAXII are put together as one envelope of STIX."""
    return "stix" if feed.format == "taxii" else feed.format


def _parts(config: Config, feed: str) -> Path:
    return folder_of(config) / "parts" / feed


def _is_young(refreshed_at: int, feed: Feed) -> bool:
    """Return whether what was taken then has more than half of its days left."""
    return _now() - refreshed_at < feed.expires_days * 86_400 // 2


def hunt(
    config: Config,
    store: EventStore,
    stamps: Mapping[str, int],
    *,
    since: dt.datetime,
    until: dt.datetime,
    state: State | None = None,
) -> Found:
    """Return what the past holds of new indicators, and make alerts of it.

    Args:
        config: the configuration.
        store: holds the events.
        stamps: feed to the second of its import.
        since: the first moment.
        until: the first that no longer counts.
        state: opened for writing; None makes no alerts.
    """
    settings = config.settings
    span = history.Span(since, until)
    database = Database(importing.database_path(folder_of(config)), read_only=True)
    try:
        found = history.hunt(store, database, stamps, span)
        if state is not None and found.rows:
            how = history.Alerting(
                state,
                settings.alerts,
                settings.webhooks,
                settings.intel.window_seconds,
                settings.intel.min_confidence,
            )
            history.alert(store, database, found, span, how)
    finally:
        database.close()
    return found


def scheduled(config: Config, store: EventStore, state: State, feed: Feed, now: dt.datetime) -> str | None:
    """Refresh a feed on schedule, and look for what is new in the past; return one line on it.

    Raises:
        InputError: the refresh failed.
    """
    done = refresh(config, feed)
    if done.error:
        raise InputError(done.error)
    if done.result is None:
        return None
    line = f"{done.result.imported.total} indicators, {done.result.imported.new} new, {done.result.imported.gone} gone"
    intel = config.settings.intel
    if not (intel.history_days and done.result.imported.new):
        return line
    since = now - dt.timedelta(days=intel.history_days)
    found = hunt(
        config,
        store,
        {feed.id: done.result.stamp},
        since=since,
        until=now,
        state=state if intel.history_alerts else None,
    )
    return f"{line}; in {intel.history_days} days {found.events} events, {found.alerts} alerts"


def remove(config: Config, feed: str) -> int:
    """Remove a feed; return how many indicators it had.

    Raises:
        InputError: there is no such feed.
    """
    with importing.writing(folder_of(config)) as database:
        count = database.remove(feed)
        if count is None:
            raise InputError(
                _("There is no feed {feed}.").format(feed=repr(feed)), hint=_("See `citysoc intel list`.")
            )
        importing.publish(database, folder_of(config), warnings_of(config))
    forget_parts(_parts(config, feed))
    return count
