"""Made events, queries and groupings, and what plain Python answers: every store is held to it.

``events``, ``queries``, ``group_fields``, ``metrics`` and ``intervals`` are hypothesis strategies;
``expected_ids`` and ``reference`` are the answers. A store that is tested with them gets the events of
``numbered`` (with ids), in any number of commits.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from fractions import Fraction

from hypothesis import strategies as st

from citysoc.stores.base import Metric, Question
from citysoc.stores.order import Sort, mark, number_of, place
from citysoc.stores.order import key as sort_key
from citysoc.stores.query_match import matches, values
from citysoc.stores.query_parse import parse
from citysoc.stores.query_values import NUMBER

START = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
ALPHABET = "aAbđĐếẾe\u0301oộỘßẞsİiIıΣσς01 .*?%_\\\"'/:-\n\x00😀"
VENDOR = "winlog.event_data.Target/User~"

text = st.text(ALPHABET, max_size=6)
address = st.sampled_from(
    [
        *("10.1.2.3", "10.1.2.30", "10.1.130.4", "192.168.0.1", "2001:db8::1", "2001:DB8:0:1::", "::1", "::"),
        *("fe80::1%eth0", "::ffff:10.1.2.3", "255.255.255.255", "0.0.0.1", "10.01.2.3", "no address", ""),
    ]
)
scalar = st.one_of(
    text, st.integers(-3, 12), st.sampled_from([1.5, -0.25, 2.0, 1e20, 2**70, True, False, None, "5", "1_0"])
)
json_value = st.one_of(scalar, st.lists(scalar, max_size=3), st.dictionaries(text, scalar, max_size=2))
moment = st.integers(0, 3 * 86_400).map(lambda s: START + dt.timedelta(seconds=s))
number = st.one_of(st.integers(-3, 12), st.sampled_from([443, 2**63, "12", "1_0", "x", 1.5, 2.0, True]))

events = st.lists(
    st.fixed_dictionaries(
        {"@timestamp": moment},
        optional={
            "message": text,
            "event.original": text,
            "user.name": st.one_of(text, json_value),
            "event.category": st.lists(text, max_size=3),
            "source.ip": address,
            "host.ip": st.lists(address, max_size=3),
            "source.port": number,
            "event.risk_score": st.sampled_from([0.5, 2, -1.5, float("nan"), float("inf"), "3"]),
            "tls.established": st.sampled_from([True, False, "true", 1]),
            "event.start": moment,
            "agency.id": st.sampled_from(["yte", "so-y-te"]),
            "agency.name": st.sampled_from(["Sở Y tế", "Sở Y tế".upper()]),
            VENDOR: json_value,
            "zeek.n": json_value,
        },
    ),
    max_size=12,
)


def escaped(value: str) -> str:
    return "".join(f"\\{letter}" if not letter.isalnum() else letter for letter in value)


def quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


word = text.filter(bool).map(escaped)
pattern = st.lists(st.one_of(word, st.sampled_from(["*", "?"])), min_size=1, max_size=4).map("".join)
value = st.one_of(word, text.map(quoted), pattern)
bound = st.one_of(text.map(quoted), st.just("*"))
digits = st.integers(-3, 12).map(str)
name = st.sampled_from(["user.name", "message", "event.original", "event.category", VENDOR, "zeek.n"])
keyword = st.sampled_from(["user.name", "event.category", VENDOR, "zeek.n"])
networks = st.sampled_from(
    [
        *(
            "10.1.2.3",
            "10.0.0.0/8",
            "10.1.128.0/17",
            "10.1.2.0/27",
            "0.0.0.0/0",
            "0.0.0.0/1",
            "2001:db8::/32",
        ),
        *("2001:db8::1", "::/0", "::/127", "fe80::/10", "::ffff:10.1.0.0/112", "10.1.*", "*:*"),
    ]
)
times = st.sampled_from(
    ["2026-10-01", "2026-10-02", "2026-10", "2026-10-02T07:00:00", "2026-10-01T12:00:00Z"]
)


def between(field: str, bounds: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    brackets = st.tuples(st.sampled_from("[{"), bounds, bounds, st.sampled_from("]}"))
    ranges = brackets.map(lambda b: f"{field}:{b[0]}{b[1]} TO {b[2]}{b[3]}")
    return st.one_of(
        ranges,
        st.tuples(st.sampled_from([">", ">=", "<", "<="]), bounds).map(lambda b: f"{field}:{b[0]}{b[1]}"),
    )


leaf = st.one_of(
    value,
    st.tuples(name, value).map(":".join),
    st.tuples(keyword, st.lists(value, min_size=1, max_size=3)).map(
        lambda p: f"{p[0]}:({' OR '.join(p[1])})"
    ),
    keyword.flatmap(lambda field: between(field, bound)),
    st.sampled_from(["zeek.n", VENDOR, "source.port"]).flatmap(lambda f: between(f, digits)),
    between("event.risk_score", st.sampled_from(["0.5", "2", "-1.5", "1e1", "*"])),
    st.sampled_from(["source.port", "zeek.n"]).flatmap(lambda f: digits.map(lambda d: f"{f}:{d}")),
    st.tuples(st.sampled_from(["source.ip", "host.ip"]), networks).map(":".join),
    between("source.ip", st.sampled_from(["10.1.2.3", "10.1.3.0", "0.0.0.0", "*"])),  # noqa: S104  a value
    between("host.ip", st.sampled_from(["2001:db8::1", "fe80::", "::", "*"])),
    st.sampled_from(["@timestamp", "event.start"]).flatmap(
        lambda f: st.one_of(times.map(lambda t: f'{f}:"{t}"'), between(f, times))
    ),
    st.sampled_from(["tls.established:true", "tls.established:false", "_exists_:tls.established"]),
    st.sampled_from(["agency:yte", 'agency:"y TẾ"', "agency:so*", "agency:*", "zeek.n:*", "host.ip:*", "*"]),
)
queries = st.recursive(
    leaf,
    lambda inner: st.one_of(
        inner.map(lambda q: f"NOT ({q})"),
        st.tuples(inner, st.sampled_from([" AND ", " OR ", " "]), inner).map(
            lambda q: f"({q[0]}){q[1]}({q[2]})"
        ),
    ),
    max_leaves=4,
)
metrics = st.lists(
    st.sampled_from(
        [Metric()]
        + [Metric("cardinality", f) for f in ("user.name", "host.ip", VENDOR, "source.port")]
        + [
            Metric(kind, f)
            for kind in ("sum", "min", "max", "avg", "p50", "p95", "p99")
            for f in ("source.port", "event.risk_score", "zeek.n")
        ]
        + [Metric(kind, f) for kind in ("min", "max") for f in ("@timestamp", "user.name", "event.category")]
    ),
    min_size=1,
    max_size=3,
    unique=True,
)
group_fields = st.lists(
    st.sampled_from(["user.name", "event.category", "host.ip", VENDOR, "source.port", "tls.established"]),
    max_size=3,
    unique=True,
)


intervals = st.sampled_from([None, 3600, 86_400, 7 * 86_400, 5000])


SORTED = (
    *("source.ip", "host.ip", "user.name", "event.category", "source.port", "tls.established"),
    *("event.risk_score", "@timestamp", "event.start", "agency.name", "event.id", VENDOR, "zeek.n"),
)
sorts = st.lists(
    st.builds(Sort, st.sampled_from(SORTED), st.booleans()), max_size=3, unique_by=lambda s: s.field
)


def numbered(some: list) -> list:
    """Return the events with ids that differ."""
    for number_, event in enumerate(some):
        event["event.id"] = f"{number_:03d}"
    return some


def expected_ids(query: str, some: list) -> list:
    """Return the ids of the events that match, oldest first."""
    node = parse(query)
    return [event["event.id"] for event in in_order(some) if matches(node, event)]


def in_order(some: list) -> list:
    return sorted(some, key=lambda event: (event["@timestamp"], event["event.id"]))


def reference(some, by, wanted, interval, zone):
    """Aggregate in the most obvious way."""
    grouped = defaultdict(list)
    if not by and not interval:
        grouped[()] = []
    for event in some:
        keys = [()]
        if interval:
            keys = [(bucket(event["@timestamp"], interval, zone),)]
        for field in by:
            found = sorted(set(values(event, field))) or [None]
            keys = [(*key, item) for key in keys for item in found]
        for key in keys:
            grouped[key].append(event)
    names = (["time"] if interval else []) + list(by)
    rows = [
        dict(zip(names, key, strict=True)) | {label(m): compute(m, members) for m in wanted}
        for key, members in grouped.items()
    ]
    first = label(wanted[0])
    rows.sort(
        key=lambda row: [(row[field] is None, row[field] if row[field] is not None else 0) for field in by]
    )
    rows.sort(
        key=lambda row: (row[first] is not None, row[first] if row[first] is not None else 0), reverse=True
    )
    if interval:
        rows.sort(key=lambda row: row["time"])
    return stable_groups(rows, first, by, interval)


def stable_groups(rows, first, by, interval):
    """Put groups of equal figures in their own order: reversing a sort turns ties round."""
    key = lambda row: (row.get("time"), row[first]) if interval else row[first]  # noqa: E731  one line of a test
    ordered: list = []
    for row in rows:
        if ordered and key(ordered[-1][0]) == key(row):
            ordered[-1].append(row)
        else:
            ordered.append([row])
    for group in ordered:
        group.sort(key=lambda row: [(row[f] is None, row[f] if row[f] is not None else 0) for f in by])
    return [row for group in ordered for row in group]


def bucket(moment_, interval, zone):
    local = moment_.astimezone(zone).replace(tzinfo=None)
    origin = dt.datetime(1970, 1, 5)  # noqa: DTZ001  local time, a Monday
    return (
        origin + (local - origin) // dt.timedelta(seconds=interval) * dt.timedelta(seconds=interval)
    ).replace(tzinfo=zone)


def label(metric):
    return "count" if metric.kind == "count" else f"{metric.kind}:{metric.field}"


def compute(metric, members):
    if metric.kind == "count":
        return len(members)
    found = [item for event in members for item in values(event, metric.field)]
    if metric.kind == "cardinality":
        return len(set(found))
    if metric.field == "zeek.n":
        found = [float(item) for item in found if NUMBER.fullmatch(item)]
    if not found:
        return None
    if metric.kind == "avg":
        return sum(found) / len(found)
    if metric.kind.startswith("p"):  # the nearest rank
        return sorted(found)[math.ceil(Fraction(int(metric.kind[1:]), 100) * len(found)) - 1]
    return {"sum": sum, "min": min, "max": max}[metric.kind](found)


def by_fields(some, wanted):
    """Return events in a total order, one stable sort a field."""
    found = list(some)
    for sort in reversed(wanted):
        there = [event for event in found if sort_key(event, [sort])[0] is not None]
        none = [event for event in found if sort_key(event, [sort])[0] is None]
        by = number_of if sort.field in ("source.ip", "host.ip") else lambda value: value
        there.sort(key=lambda event: by(sort_key(event, [sort])[0]), reverse=sort.descending)
        found = there + none
    return found


def paged(store, query, wanted, size):
    """Return the ids of all pages, each found behind the mark of the one before."""
    found, after = [], None
    while True:
        page = list(store.ordered(Question(query), wanted, limit=size, after=after))
        found += [event["event.id"] for event in page]
        if len(page) < size:
            return found
        after = place(mark(page[-1], wanted), wanted)
