"""What is there of threat intelligence: its feeds and warning lists, and what they know of a value."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import orjson

from citysoc import clock
from citysoc.detectors.intel import RULE, importing, warning_lists
from citysoc.detectors.intel.database import Database
from citysoc.detectors.intel.table import load
from citysoc.detectors.intel.values import masked, pack, split_url, typed, unpack
from citysoc.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from citysoc.config.load import Config
    from citysoc.detectors.intel.database import Record
    from citysoc.detectors.intel.warning_lists import Warnings


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
