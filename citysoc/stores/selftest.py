"""Does a store do what it must? The real operations on a throwaway store, each held against plain Python."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from citysoc.ecs.schema import to_table
from citysoc.errors import CitysocError
from citysoc.i18n import _, mark
from citysoc.stores.base import Metric, Question
from citysoc.stores.elastic import ElasticStore
from citysoc.stores.order import key, number_of, order
from citysoc.stores.query_match import matches
from citysoc.stores.query_parse import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from citysoc.flow import Event
    from citysoc.stores.base import EventStore

START = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
DAYS = 3
QUERIES = (
    "",
    "event.category:malware",
    'message:"độc hại"',
    'MESSAGE-9 OR "ĐỘC HẠI"',
    "host.name:ketoan-*",
    "host.name:*-0?",
    "source.ip:10.1.0.0/16",
    "source.ip:[10.1.0.3 TO 10.1.0.9]",
    "host.ip:2001:db8::/32",
    "host.ip:10.2.*",
    "destination.port:[1 TO 1023]",
    "destination.port:>1023",
    "@timestamp:[2026-10-02 TO 2026-10-03}",
    "_exists_:user.name",
    "NOT user.name:*",
    'user.name:(ANH OR "bình") AND NOT event.outcome:failure',
    "user.name:[a TO c}",
    "tls.established:true",
    "event.risk_score:>=1.5",
    'agency:"Sở Y tế"',
    "winlog.event_data.TargetUserName:Admin",
    "winlog.event_data.Count:[3 TO 5]",
    'file.path:"C:\\\\Temp\\\\a.exe"',
)
METRICS = (
    Metric(),
    Metric("cardinality", "source.ip"),
    Metric("sum", "source.bytes"),
    Metric("min", "source.bytes"),
    Metric("max", "source.bytes"),
    Metric("avg", "source.bytes"),
    Metric("p95", "source.bytes"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """How one operation went.

    Args:
        operation: what was tried.
        passed: whether it did what it must.
        seconds: how long it took.
        detail: what went wrong.
    """

    operation: str
    passed: bool
    seconds: float
    detail: str = ""


class _Wrong(Exception):  # noqa: N818  never leaves this module
    """The store answered, and not what it must."""


def run(store: EventStore) -> Iterator[Result]:
    """Try each operation on an empty store that nobody needs; yield how it went.

    After a failure the rest is tried all the same.
    """
    some = sample()
    steps: list[tuple[str, Callable[[], object]]] = [
        (mark("store events in three commits"), lambda: _append(store, some)),
        (mark("refuse a commit that is there already"), lambda: _append_again(store, some)),
        (mark("count"), lambda: _same(store.count(Question()), len(some))),
        (mark("hand out every event as it came in"), lambda: _whole(store, some)),
        (mark("read newest first, up to a limit"), lambda: _newest(store, some)),
        (mark("order by fields, page after page"), lambda: _ordered(store, some)),
        (mark("read few fields"), lambda: _fields(store, some)),
        (mark("read in batches"), lambda: _same(sum(b.num_rows for b in store.scan(Question())), len(some))),
        (mark("find one event by its id"), lambda: _get(store, some)),
        *((f"query: {query}", _asking(store, some, query)) for query in QUERIES),
        (mark("group by two fields"), lambda: _groups(store, some)),
        (mark("compute each metric"), lambda: _metrics(store, some)),
        (mark("count by local days"), lambda: _by_day(store, some)),
        (mark("tell its size"), lambda: _same(store.status().events, len(some))),
        (mark("merge small files"), lambda: _compact(store, some)),
        (mark("find nothing wrong"), lambda: _same(store.verify(), [])),
        (mark("remove old events"), lambda: _retain(store, some)),
    ]
    for name, step in steps:
        yield _try(name, step)


def sample() -> list[Event]:
    """Return events of many kinds: 300 in three days."""
    names = ("Anh", "bình", "Cường", None, "ĐỨC")
    events: list[Event] = []
    for number in range(300):
        event: Event = {
            "@timestamp": START + dt.timedelta(minutes=14 * number, microseconds=number),
            "event.id": f"{number:032x}",
            "event.original": f"record {number}",
            "event.category": ["malware", "file"] if number % 7 == 0 else ["network"],
            "event.outcome": ("success", "failure", "unknown")[number % 3],
            "message": f"Message-{number % 10}: {'Tệp độc hại' if number % 5 == 0 else 'bình thường'}",
            "agency.id": ("so-y-te", "so-du-lich")[number % 2],
            "agency.name": ("Sở Y tế", "Sở Du lịch")[number % 2],
            "host.name": f"KETOAN-{number % 20:02d}",
            "host.ip": [f"10.2.{number % 4}.{number % 250}", f"2001:db8::{number % 15 + 1:x}"],
            "source.ip": f"10.1.{number % 2}.{number % 12}",
            "source.bytes": number * 97 % 1009,
            "destination.port": (22, 443, 8080, 51000)[number % 4],
            "tls.established": number % 4 == 1,
            "event.risk_score": number % 5 / 2,
            "winlog.event_data.TargetUserName": ("Admin", "guest")[number % 2],
            "winlog.event_data.Count": number % 8,
            "file.path": "C:\\Temp\\a.exe" if number % 11 == 0 else None,
            "user.name": names[number % 5],
        }
        events.append({name: value for name, value in event.items() if value is not None})
    return events


def _try(name: str, step: Callable[[], object]) -> Result:
    started = time.monotonic()
    detail = ""
    try:
        step()
    except (CitysocError, _Wrong) as error:
        detail = str(error) or type(error).__name__
    return Result(name, not detail, time.monotonic() - started, detail)


def _same(found: object, expected: object) -> None:
    if found != expected:
        raise _Wrong(
            _("{found} instead of {expected}").format(found=_short(found), expected=_short(expected))
        )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}…"


def _append(store: EventStore, some: list[Event]) -> None:
    for commit in (1, 2, 3):
        store.append(to_table(some[commit - 1 :: 3]), commit)
    store.finish()
    if isinstance(store, ElasticStore) and (reason := store.outside().reason):
        raise _Wrong(reason)
    _same(store.last_commit(), 3)


def _append_again(store: EventStore, some: list[Event]) -> None:
    try:
        store.append(to_table(some[:1]), 3)
    except CitysocError:
        return
    raise _Wrong(_("it was stored twice"))


def _whole(store: EventStore, some: list[Event]) -> None:
    found = list(store.search(Question(), newest_first=False))
    for got, given in zip(found, some, strict=False):
        _same(got, given)
    _same(len(found), len(some))


def _newest(store: EventStore, some: list[Event]) -> None:
    found = [event["event.id"] for event in store.search(Question(), limit=7)]
    _same(found, [event["event.id"] for event in some[:-8:-1]])


def _ordered(store: EventStore, some: list[Event]) -> None:
    sorts = order("user.name,-source.ip")
    expected = sorted(some, key=lambda event: (event["@timestamp"], event["event.id"]), reverse=True)
    expected.sort(key=lambda event: number_of(event["source.ip"]), reverse=True)
    expected.sort(key=lambda event: ("user.name" not in event, event.get("user.name", "")))
    found: list[Event] = []
    page: list[Event] = []
    while not found or len(page) == 70:
        after = key(found[-1], sorts) if found else None
        page = list(store.ordered(Question(), sorts, limit=70, after=after))
        found += page
        _same(len(found) <= len(some), True)
    _same([event["event.id"] for event in found], [event["event.id"] for event in expected])


def _fields(store: EventStore, some: list[Event]) -> None:
    found = list(store.search(Question(), fields=("host.name",), newest_first=False, limit=1))
    _same(found, [{name: some[0][name] for name in ("@timestamp", "event.id", "host.name")}])


def _get(store: EventStore, some: list[Event]) -> None:
    _same(store.get(some[5]["event.id"]), some[5])
    _same(store.get("there is none"), None)


def _asking(store: EventStore, some: list[Event], query: str) -> Callable[[], None]:
    def ask() -> None:
        node = parse(query)
        expected = [event["event.id"] for event in some if matches(node, event)]
        asked = Question(query)
        _same(
            [e["event.id"] for e in store.search(asked, fields=("event.id",), newest_first=False)], expected
        )
        _same(store.count(asked), len(expected))

    return ask


def _groups(store: EventStore, some: list[Event]) -> None:
    found = store.aggregate(Question(), by=("agency.id", "event.category"))
    counts = Counter((event["agency.id"], one) for event in some for one in event["event.category"])
    _same({(row["agency.id"], row["event.category"]): row["count"] for row in found}, dict(counts))


def _metrics(store: EventStore, some: list[Event]) -> None:
    row = store.aggregate(Question(), by=(), metrics=METRICS)[0]
    numbers = sorted(event["source.bytes"] for event in some)
    expected = {
        "count": len(some),
        "cardinality:source.ip": len({event["source.ip"] for event in some}),
        "sum:source.bytes": sum(numbers),
        "min:source.bytes": numbers[0],
        "max:source.bytes": numbers[-1],
        "avg:source.bytes": round(sum(numbers) / len(numbers), 6),
        "p95:source.bytes": numbers[-(-95 * len(numbers) // 100) - 1],
    }
    _same({name: value if value is None else round(value, 6) for name, value in row.items()}, expected)


def _by_day(store: EventStore, some: list[Event]) -> None:
    zone = "Asia/Ho_Chi_Minh"
    found = store.aggregate(Question(), by=(), interval_seconds=86_400, timezone=zone)
    local = (event["@timestamp"] + dt.timedelta(hours=7) for event in some)
    expected = sorted(Counter(moment.date().isoformat() for moment in local).items())
    _same([(row["time"].date().isoformat(), row["count"]) for row in found], expected)


def _compact(store: EventStore, some: list[Event]) -> None:
    store.compact()
    _same(store.count(Question()), len(some))


def _retain(store: EventStore, some: list[Event]) -> None:
    before = START + dt.timedelta(days=1, hours=5)
    old = sum(event["@timestamp"] < before for event in some)
    _same(store.retain(before), old)
    if isinstance(store, ElasticStore):
        store.refresh()
    _same(store.count(Question()), len(some) - old)
