"""Feeds from where they lie into the table that workers match with; the past asked about what is new."""

from __future__ import annotations

import contextlib
import datetime as dt
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from citysoc import clock, telemetry
from citysoc.detectors.intel import RULE, history, importing, warning_lists
from citysoc.detectors.intel.database import Database, Terms
from citysoc.detectors.intel.table import load
from citysoc.detectors.intel.values import masked, pack, split_url, typed, unpack
from citysoc.errors import CitysocError, InputError, StoreError
from citysoc.i18n import _
from citysoc.pipeline.feed_parts import MANIFEST, fetch_edition, forget_parts, join_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from citysoc.config.intel import Feed
    from citysoc.config.load import Config
    from citysoc.detectors.intel.database import Record
    from citysoc.detectors.intel.history import Found
    from citysoc.detectors.intel.importing import Result
    from citysoc.detectors.intel.warning_lists import Warnings
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


def folder_of(config: Config) -> Path:
    """Return where indicators and their table live."""
    return config.data_dir / "intel"


def warnings_of(config: Config) -> Warnings:
    """Return the warning lists of a configuration: the city's own networks, ours, the house's."""
    intel = config.settings.intel
    return warning_lists.load_lists(
        [config.root / path for path in intel.warning_lists],
        [network for agency in config.registry for network in agency.networks],
        shipped=intel.shipped_warning_lists,
    )


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
                facts = {"attempted_at": _now(), "error": str(error)[:500], "origin": origin}
                configured = any(one.id == feed.id for one in config.settings.intel.feeds)
                database.note_refresh(feed.id, facts, make=configured)
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


def feeds(config: Config, *, now: dt.datetime) -> list[dict[str, Any]]:
    """Return one row a feed, those of the configuration that were never fetched too."""
    rows = {one.id: _row(one.id, one.url or str(one.path)) for one in config.settings.intel.feeds}
    path = importing.database_path(folder_of(config))
    if path.exists():
        database = Database(path, read_only=True)
        try:
            counts = {
                row[0]: (row[1], row[2] or 0, row[3])
                for row in database.rows(
                    "SELECT feed, count(*), sum(expires <= ?), sum(warned IS NOT NULL) FROM indicators GROUP BY feed",
                    (int(now.timestamp()),),
                )
            }
            for one in database.rows("SELECT * FROM feeds ORDER BY name"):
                row = rows.setdefault(one["name"], _row(one["name"], one["origin"]))
                row["indicators"], row["expired"], row["warned"] = counts.get(one["id"], (0, 0, 0))
                skipped = orjson.loads(one["skipped"])
                row |= {
                    "format": one["format"],
                    "confidence": one["confidence"],
                    "skipped": sum(skipped.values()),
                    "skipped_by_reason": skipped,
                    "refreshed_at": _moment(one["refreshed_at"]),
                    "attempted_at": _moment(one["attempted_at"]),
                    "error": one["error"],
                }
        finally:
            database.close()
    for name, hits in _hits(config).items():
        if name in rows:
            rows[name]["hits"] = hits
    return [rows[name] for name in sorted(rows)]


def _row(name: str, origin: str) -> dict[str, Any]:
    return {
        "feed": name,
        "indicators": 0,
        "expired": 0,
        "warned": 0,
        "skipped": 0,
        "skipped_by_reason": {},
        "confidence": None,
        "hits": 0,
        "format": "",
        "origin": origin,
        "refreshed_at": None,
        "attempted_at": None,
        "error": "",
    }


def _moment(seconds: int | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, clock.UTC)


def _hits(config: Config) -> dict[str, int]:
    """Return feed to how many findings it made, by the alerts that remember them."""
    from citysoc.state import State

    if not config.state_path.exists():
        return {}
    state = State(config.state_path, read_only=True)
    try:
        rows = state.rows(
            "SELECT rule, sum(count) AS hits FROM alerts WHERE rule LIKE ? GROUP BY rule", (f"{RULE}%",)
        )
    finally:
        state.close()
    return {row["rule"].removeprefix(RULE): row["hits"] for row in rows}


def health(config: Config) -> list[str]:
    """Return what is wrong with the table, a sentence each."""
    path = importing.table_path(folder_of(config))
    if not importing.database_path(folder_of(config)).exists():
        return []
    try:
        load(path)
    except StoreError as error:
        return [str(error)]
    return []


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


def held(config: Config) -> dict[str, int]:
    """Return warning list to how many indicators it keeps out of matching."""
    path = importing.database_path(folder_of(config))
    if not path.exists():
        return {}
    database = Database(path, read_only=True)
    try:
        sql = "SELECT warned, count(*) FROM indicators WHERE warned IS NOT NULL GROUP BY warned"
        return {row[0]: row[1] for row in database.rows(sql)}
    finally:
        database.close()


def known(config: Config, values: Iterable[str]) -> list[tuple[str, list[Record], list[str]]]:
    """Return of each value what feeds know of it, and the warning lists that hold it."""
    path = importing.database_path(folder_of(config))
    warnings = warnings_of(config)
    database = Database(path, read_only=True) if path.exists() else None
    found = []
    try:
        for text in values:
            kind, value = typed(text)
            records = database.records(_asked(kind, value)) if database and kind else []
            found.append((text, records, warnings.all_of(kind, value) if kind else []))
    finally:
        if database:
            database.close()
    return found


def _asked(kind: str, value: str) -> list[tuple[str, str]]:
    """Return the indicators that a value would match: itself, networks around it, names above it."""
    asked = [(kind, value)]
    if kind == "url":
        url = split_url(f"http://{value}")
        path, ask, _query = value.partition("?")
        asked += [("url", path)] if ask else []
        host = typed(url.host) if url else None
        return asked + (_asked(host.kind, host.value) if host and host.kind else [])
    if kind == "address":
        packed = pack(value) or b""
        bits = len(packed) * 8
        asked += [
            ("network", f"{unpack(masked(packed, n))}/{n}") for n in range(8 if bits == 32 else 19, bits)
        ]
    name = value.rpartition("@")[2] if kind == "email" else value
    if kind in {"domain", "email"}:
        labels = name.split(".")
        asked += [("domain", ".".join(labels[n:])) for n in range(len(labels) - 1)]
    return list(dict.fromkeys(asked))
