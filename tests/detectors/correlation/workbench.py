"""Correlations on small events: ours, and the SQLite backend of pySigma as the oracle."""

from __future__ import annotations

import datetime as dt
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import yaml

from citysoc.detectors import sigma
from citysoc.detectors.correlate import Clock, Correlator, Feeds

EPOCH = dt.datetime(2026, 10, 5, tzinfo=dt.UTC)
CODES = {"a": ["1", "4"], "b": ["2", "4"], "c": ["3"]}
"""The base rules and the event codes they look for: 4 is both a and b."""
BASE = [
    {
        "title": f"Base {name}",
        "name": name,
        "logsource": {"product": "windows", "service": "security"},
        "detection": {"selection": {"event.code": codes}, "condition": "selection"},
    }
    for name, codes in CODES.items()
]
COLUMNS = ("id", "time", "event.code", "user.name", "source.ip", "network.bytes")


def correlation(kind: str = "event_count", name: str = "top", **more: Any) -> dict[str, Any]:
    """Return a correlation's document; words with underscores stand for keys with dashes."""
    own = {key: more.pop(key) for key in ("citysoc", "level") if key in more}
    body = {
        "type": kind,
        "rules": ["a"],
        "timespan": "10s",
        **{k.replace("_", "-"): v for k, v in more.items()},
    }
    return {"title": f"Correlation {name}", "name": name, "correlation": body, **own}


def event(time: float, code: str = "1", **fields: Any) -> dict[str, Any]:
    """Return an event so many seconds after the epoch of the tests."""
    named = {"user": "user.name", "ip": "source.ip", "bytes": "network.bytes", "agency": "agency.id"}
    found = {named.get(name, name): value for name, value in fields.items()}
    return {"time": time, "event.code": code, **found}


def numbered(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return events with ids, as ours see them."""
    return [
        {
            "agency.id": "so-y-te",
            "event.module": "windows",
            "winlog.channel": "Security",
            "event.id": f"{number:04d}",
            "@timestamp": EPOCH + dt.timedelta(seconds=event["time"]),
            "log.file.path": "a.log",
            **{name: value for name, value in event.items() if value is not None},
        }
        for number, event in enumerate(events)
    ]


def load(*documents: dict[str, Any], base: list[dict[str, Any]] | None = None) -> sigma.Loaded:
    """Load rules from documents."""
    with tempfile.TemporaryDirectory() as folder:
        for number, document in enumerate([*(BASE if base is None else base), *documents]):
            name = document.get("name") or f"d{number}"
            (Path(folder) / f"{name}.yml").write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
        return sigma.load([Path(folder)], cache_dir=None)


def matches(loaded: sigma.Loaded, events: list[dict[str, Any]], stream: str = "so-y-te/windows"):
    """Return the matches of events, and the findings that stand for themselves."""
    findings, found = Feeds(loaded.correlations).split(loaded.detector.detect(events), events, stream)
    return found, findings


def correlator(loaded: sigma.Loaded, **options: Any) -> Correlator:
    return Correlator(loaded.correlations, **{"each": True, **options})


def clock(events: list[dict[str, Any]], lane: str = "so-y-te/windows|a.log", arrived: int = 0) -> Clock:
    """Return what a batch of events says of the time."""
    newest = max((EPOCH + dt.timedelta(seconds=event["time"]) for event in events), default=EPOCH)
    seconds = arrived or int(EPOCH.timestamp()) + 10**6
    return Clock(lane, "so-y-te", int(newest.timestamp() * 1_000_000), seconds)


def findings(loaded: sigma.Loaded, events: list[dict[str, Any]]):
    """Return the findings of all events at once."""
    one = correlator(loaded, lateness_seconds=None)
    return one.feed(matches(loaded, numbered(events))[0], [clock(events)]) + one.finish()


def qualifying(found, rule: str = "top") -> list[tuple[float, tuple[str, ...]]]:
    """Return the qualifying times, in seconds, with their groups."""
    return [
        (round((f.timestamp - EPOCH).total_seconds(), 6), tuple(f.group.values()))
        for f in found
        if f.rule == rule
    ]


def times(found, rule: str = "top") -> list[float]:
    return [time for time, _group in qualifying(found, rule)]


def run(
    document: dict[str, Any], *events: dict[str, Any], others: tuple[dict[str, Any], ...] = ()
) -> list[float]:
    """Return the qualifying times of one correlation."""
    loaded = load(document, *others)
    assert [c.reason for c in loaded.checks if c.status == "refused"] == []
    return times(findings(loaded, list(events)))


def oracle(events: list[dict[str, Any]], *documents: dict[str, Any]) -> set[tuple[float, tuple[str, ...]]]:
    """Return what the SQLite backend finds for the first document."""
    from sigma.backends.sqlite import sqliteBackend
    from sigma.backends.sqlite.runtime import execute_plan
    from sigma.collection import SigmaCollection

    backend = sqliteBackend(
        table="logs",
        timestamp_field="time",
        event_id_field="id",
        timestamp_format="unix",
        collate_nocase=True,
    )
    collection = SigmaCollection.from_dicts([*BASE, *documents])
    backend.convert(collection)
    plan = backend._correlation_plans[id(collection[documents[0]["name"]])]
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(
            "CREATE TABLE logs (id TEXT, time REAL, `event.code` TEXT, `user.name` TEXT, `source.ip` TEXT,"
            " `network.bytes` REAL)"
        )
        rows = [
            tuple({"id": f"{number:04d}", **event}.get(column) for column in COLUMNS)
            for number, event in enumerate(events)
        ]
        connection.executemany("INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?)", rows)
        found, _diagnostics = execute_plan(connection, plan, include_events=False)
    finally:
        connection.close()
    return {(row["occurrence_time"], tuple(row["group_keys"].values())) for row in found}
