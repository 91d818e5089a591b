"""Events meet indicators: what matches is what a plain comparison says, and findings tell where it comes from."""

from __future__ import annotations

import datetime as dt
import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citysoc import clock
from citysoc.detectors.intel.values import canonical_address, canonical_domain
from tests.intel_room import Room

SHA256 = "ab" * 32


def test_each_kind_of_indicator_is_found_in_the_fields_of_its_kind(room):
    room.take(
        "45.61.1.2",
        "45.61.9.0/24",
        "2a00:1450:1::/48",
        "bad.top",
        "http://drop.top/a/b.exe",
        SHA256,
        "boss@mail.top",
    )
    events, findings = room.marked(
        {"destination.ip": "45.61.1.2", "source.ip": "10.1.1.1"},
        {"source.ip": "45.61.9.255", "destination.ip": "10.1.1.2"},
        {"destination.ip": "2A00:1450:1:0::9", "source.ip": "10.1.1.3"},
        {"dns.question.name": "WWW.Bad.top.", "source.ip": "10.1.1.4"},
        {"url.full": "https://DROP.top:443/a/b.exe?x=1#y", "source.ip": "10.1.1.5"},
        {"url.domain": "drop.top", "url.original": "/a/b.exe", "source.ip": "10.1.1.6"},
        {"process.hash.sha256": SHA256.upper(), "host.name": "pc-7"},
        {"email.from.address": ["x@y.vn", "Boss@Mail.top"], "email.to.address": ["a@hue.gov.vn"]},
        {"dns.answers.data": ["1.1.1.1", "45.61.1.2"], "source.ip": "10.1.1.9"},
        {"url.full": "http://a.bad.top/whatever", "source.ip": "10.1.1.10"},
        {"url.domain": "45.61.1.2", "source.ip": "10.1.1.11"},
        {"source.ip": "45.61.10.1", "dns.question.name": "notbad.top", "url.full": "http://drop.top/a/c.exe"},
        {"dns.question.name": "top", "url.domain": "", "url.full": "not a url", "file.hash.md5": "x"},
    )
    assert [(one.event_id, one.entity, one.group["threat.indicator.name"]) for one in findings] == [
        ("e0", "ip:10.1.1.1", "45.61.1.2"),
        ("e1", "ip:10.1.1.2", "45.61.9.0/24"),
        ("e2", "ip:10.1.1.3", "2a00:1450:1::/48"),
        ("e3", "ip:10.1.1.4", "bad.top"),
        ("e4", "ip:10.1.1.5", "drop.top/a/b.exe"),
        ("e5", "ip:10.1.1.6", "drop.top/a/b.exe"),
        ("e6", "host:pc-7", SHA256),
        ("e7", "mail:a@hue.gov.vn", "boss@mail.top"),
        ("e8", "ip:10.1.1.9", "45.61.1.2"),
        ("e9", "ip:10.1.1.10", "bad.top"),
        ("e10", "ip:10.1.1.11", "45.61.1.2"),
    ]
    assert events[0]["threat.indicator.type"] == "ipv4-addr"
    assert events[2]["threat.indicator.type"] == "ipv6-addr"
    assert events[4]["threat.indicator.url.full"] == "drop.top/a/b.exe"
    assert events[6]["threat.indicator.file.hash.sha256"] == SHA256
    assert all("citysoc.intel.field" not in one for one in events[11:])


def test_a_finding_names_field_value_feed_confidence_and_end(room):
    result = room.take(
        "ioc,confidence,malware,threat_type",
        "45.61.1.2,85,Emotet,botnet_cc",
        feed="threatfox",
        expires_days=10,
    )
    (event,), (finding,) = room.marked({"destination.ip": "45.61.1.2", "source.ip": "10.1.1.1"})
    ends = dt.datetime.fromtimestamp(result.stamp, clock.UTC) + dt.timedelta(days=10)
    assert (finding.rule, finding.level, finding.agency) == ("intel:threatfox", "high", "so-y-te")
    assert finding.title == "Known malicious address 45.61.1.2 (Emotet)"
    assert finding.title_vi == "Địa chỉ độc hại đã biết 45.61.1.2 (Emotet)"
    assert finding.window_seconds == 86_400
    assert finding.tags == ("citysoc.intel", "citysoc.bot")
    assert finding.matched == {
        "destination.ip": "45.61.1.2",
        "threat.indicator.name": "45.61.1.2",
        "threat.indicator.type": "ipv4-addr",
        "threat.feed.name": ["threatfox"],
        "citysoc.intel.confidence": 85,
        "citysoc.intel.expires": clock.iso(ends),
        "citysoc.intel.malware": "Emotet",
        "citysoc.intel.tags": ["botnet_cc"],
        "citysoc.class": "BOT",
        "source.ip": "10.1.1.1",
    }
    assert event["threat.feed.name"] == "threatfox"
    assert event["threat.indicator.confidence"] == "High"
    assert event["citysoc.intel.expires"] == ends
    assert event["citysoc.intel.class"] == "BOT"


def test_levels_follow_confidence_and_what_was_blocked_is_one_lower(room):
    for number, confidence in enumerate((0, 20, 50, 80)):
        room.take(f"45.61.1.{number}", feed=f"f{number}", confidence=confidence)
    events = [
        {"destination.ip": f"45.61.1.{n}", **more}
        for more in ({}, {"citysoc.outcome": "blocked"})
        for n in range(4)
    ]
    _events, findings = room.marked(*events)
    assert [one.level for one in findings] == [
        *("informational", "low", "medium", "high"),
        *("informational", "informational", "low", "medium"),
    ]
    _events, findings = room.marked(*events, min_confidence=50)
    assert {one.rule for one in findings} == {"intel:f2", "intel:f3"}


def test_an_indicator_counts_for_events_before_its_end(room):
    ends = int(clock.now().timestamp()) // 60 * 60 - 3600
    moment = dt.datetime.fromtimestamp(ends, clock.UTC)
    room.take("indicator,valid_until", f"45.61.1.2,{clock.iso(moment)}", "45.61.1.3,2001-01-01")
    before, at = moment - dt.timedelta(seconds=1), moment
    _events, findings = room.marked(
        {"destination.ip": "45.61.1.2", "@timestamp": before},
        {"destination.ip": "45.61.1.2", "@timestamp": at},
        {"destination.ip": "45.61.1.3", "@timestamp": dt.datetime(2000, 1, 1, tzinfo=clock.UTC)},
    )
    # What expired long ago is in the table no more, whatever a device says of its time.
    assert [one.event_id for one in findings] == ["e0"]


def test_of_several_feeds_the_most_confident_names_the_alert(room):
    room.take("45.61.1.2", feed="a", confidence=30)
    room.take("45.61.1.2", "45.61.1.0/24", feed="b", confidence=90)
    (event,), findings = room.marked({"destination.ip": "45.61.1.2"})
    assert [(one.rule, one.matched["threat.feed.name"]) for one in findings] == [
        ("intel:b", ["b", "a"]),
        ("intel:b", ["b"]),
    ]
    assert event["citysoc.intel.feeds"] == ["a", "b"]
    assert event["citysoc.intel.indicator"] == "45.61.1.2"  # as confident as its network, and closer


def test_values_of_any_shape_are_looked_at_without_complaint(room):
    room.take("45.61.1.2", "bad.top", SHA256)
    room.marked(
        {
            "source.ip": ["45.61.1.2", 7, None],
            "url.full": 3,
            "dns.question.name": ["bad.top"],
            "file.hash.md5": {},
        },
        {
            "source.ip": "",
            "url.full": "://",
            "url.original": "/x",
            "url.domain": 5,
            "dns.answers.data": "bad.top",
        },
        {
            "source.ip": "\ud800",
            "dns.question.name": "\ud800.top",
            "url.full": "http://\ud800/",
            "email.from.address": [[]],
        },
        {
            "dns.question.name": "a." * 3000 + "top",
            "url.full": "http://" + "a" * 100_000,
            "tls.client.server_name": ".",
        },
    )
    _events, findings = room.marked({"source.ip": ["45.61.1.2", 7]}, {"dns.question.name": ["bad.top"]})
    assert [one.event_id for one in findings] == ["e0", "e1"]


def test_a_new_generation_is_seen_and_a_damaged_one_refused(room):
    matcher = room.matcher()
    assert room.marked({"source.ip": "45.61.1.2"}, matcher=matcher)[1] == []  # nothing was ever imported
    room.take("45.61.1.2")
    assert len(room.marked({"source.ip": "45.61.1.2"}, {"source.ip": "45.61.1.3"}, matcher=matcher)[1]) == 1
    room.take("45.61.1.3")
    _events, (finding,) = room.marked({"source.ip": "45.61.1.2"}, {"source.ip": "45.61.1.3"}, matcher=matcher)
    assert finding.event_id == "e1"
    table = room.folder / "table.bin"
    content = bytearray(table.read_bytes())
    content[-100] ^= 1
    table.with_suffix(".x").write_bytes(content)
    table.with_suffix(".x").replace(table)
    assert len(room.marked({"source.ip": "45.61.1.3"}, matcher=matcher)[1]) == 1  # by the generation before
    assert room.marked({"source.ip": "45.61.1.3"})[1] == []  # a new worker has none
    room.take("45.61.1.4")
    assert len(room.marked({"source.ip": "45.61.1.4"}, matcher=matcher)[1]) == 1


@pytest.mark.parametrize("content", [b"", b"x", b"CITYTBL1" * 20], ids=["empty", "short", "foreign"])
def test_a_table_that_is_none_is_refused(room, content):
    room.take("45.61.1.2")
    (room.folder / "table.bin").write_bytes(content)
    assert room.marked({"source.ip": "45.61.1.2"})[1] == []


def test_a_damaged_database_stops_no_event(room):
    room.take("45.61.1.2")
    matcher = room.matcher()
    (room.folder / "intel.db").write_bytes(b"no database at all" * 1000)
    (room.folder / "intel.db-wal").unlink(missing_ok=True)
    events, findings = room.marked({"source.ip": "45.61.1.2"}, matcher=matcher)
    assert (len(events), findings) == (1, [])


LABELS = st.sampled_from(["a", "b", "xn--1", "bad", "www"])
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(lambda labels: ".".join([*labels, "top"]))
OCTETS = st.tuples(
    st.just(45), st.sampled_from([60, 61]), st.integers(0, 3), st.sampled_from([0, 1, 127, 128, 254, 255])
)
ADDRESSES4 = OCTETS.map(lambda parts: ".".join(map(str, parts)))
ADDRESSES6 = st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda parts: f"2a00:{parts[0]}::{parts[1]}")
ADDRESSES = ADDRESSES4 | ADDRESSES6
NETWORKS = st.tuples(ADDRESSES4, st.integers(8, 32)).map(lambda one: f"{one[0]}/{one[1]}") | st.tuples(
    ADDRESSES6, st.integers(19, 128)
).map(lambda one: f"{one[0]}/{one[1]}")
URLS = st.tuples(NAMES, st.sampled_from(["", "/", "/a", "/a?q", "/a?r"])).map(
    lambda one: f"http://{one[0]}{one[1]}"
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(ADDRESSES | NETWORKS | NAMES | URLS, min_size=1, max_size=25),
    st.lists(st.tuples(ADDRESSES, NAMES, URLS), min_size=1, max_size=25),
)
def test_matching_is_what_a_plain_comparison_says(tmp_path_factory, indicators, seen):
    room = Room(tmp_path_factory.mktemp("intel"))
    room.take("indicator", *indicators)
    events = [{"destination.ip": ip, "dns.question.name": name, "url.full": url} for ip, name, url in seen]
    marked, _findings = room.marked(*events)
    for (ip, name, url), event in zip(seen, marked, strict=True):
        expected = any(_plainly(one, ip, name, url) for one in indicators)
        assert ("citysoc.intel.field" in event) is expected, (ip, name, url)


def _plainly(indicator, ip, name, url):
    """Compare the slow and simple way."""
    host, path = url.removeprefix("http://").split("/", 1) if "/" in url[7:] else (url[7:], "")
    if "://" in indicator:
        other_host, _slash, other = indicator.removeprefix("http://").partition("/")
        return other_host == host and other in {path, path.partition("?")[0]}
    if "/" in indicator or canonical_address(indicator):
        return ipaddress.ip_address(ip) in ipaddress.ip_network(indicator, strict=False)
    return any(
        one == indicator or one.endswith(f".{indicator}") for one in (name, host)
    ) and canonical_domain(indicator)
