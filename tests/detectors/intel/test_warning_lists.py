"""Warning lists keep mistakes of feeds out of matching, and say which list did."""

from __future__ import annotations

import json

import pytest

from citysoc.detectors.intel import importing, warning_lists
from citysoc.detectors.intel.database import Database
from citysoc.detectors.intel.values import typed
from citysoc.errors import InputError


@pytest.fixture
def write(tmp_path):
    def writing(name, **document):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"name": name, **document}), "utf-8")
        return path

    return writing


@pytest.mark.parametrize(
    ("type_", "entries", "held", "free"),
    [
        (
            "cidr",
            ["45.61.0.0/16", "2a00::/16", "45.62.1.1", "oh"],
            ["45.61.255.255", "45.61.4.0/30", "45.0.0.0/8", "2a00::1", "45.62.1.1", "http://45.61.1.1:80/x"],
            ["45.60.255.255", "45.62.0.0", "45.62.1.2", "2a01::1", "bad.top"],
        ),
        (
            "hostname",
            ["good.vn", ".inner.vn", "com"],
            ["good.vn", "a.b.good.vn", "x.inner.vn", "http://www.good.vn/x", "a@mail.good.vn"],
            ["notgood.vn", "inner.vn", "good.com", "vn.top"],
        ),
        (
            "string",
            ["45.61.1.1", "HXXP://Good[.]vn/", "d41d8cd98f00b204e9800998ecf8427e"],
            ["45.61.1.1", "http://good.vn/", "D41D8CD98F00B204E9800998ECF8427E"],
            ["45.61.1.2", "http://good.vn/x"],
        ),
        (
            "substring",
            ["hue.gov.vn", "a+b"],
            ["http://x.hue.gov.vn/y", "dichvu.hue.gov.vn"],
            ["hue.vn.top", "http://aab.top/"],
        ),
        (
            "regex",
            ["/^https?:\\/\\/([a-z]+\\.)?good\\.vn/i", "(?=look)", "^45\\.61\\."],
            ["http://www.good.vn/a", "45.61.7.7"],
            ["bad.top", "145.61.7.7"],
        ),
    ],
)
def test_lists_of_each_type_hold_what_they_say(write, type_, entries, held, free):
    lists = warning_lists.load_lists([write("x", type=type_, list=entries)], shipped=False)
    assert [text for text in held if lists.holds(*typed(text)) is None] == []
    assert [text for text in free if lists.holds(*typed(text))] == []
    assert bool(lists.problems) is (
        type_ in {"cidr", "regex"}
    )  # "oh", and an expression that may run for ever


def test_a_list_speaks_of_its_kinds_only(write):
    path = write(
        "x", type="string", list=["45.61.1.1", "bad.top"], matching_attributes=["ip-dst", "ip-src|port"]
    )
    lists = warning_lists.load_lists([path], shipped=False)
    assert lists.holds("address", "45.61.1.1") == "x"
    assert lists.holds("domain", "bad.top") is None


def test_ours_hold_what_leads_nowhere_and_what_everybody_asks():
    lists = warning_lists.load_lists([], ["113.161.0.0/20"])
    for text, name in {
        "10.1.2.3": "private and reserved networks",
        "http://192.168.1.1/x": "private and reserved networks",
        "8.8.8.8": "public resolvers",
        "printer.local": "reserved names",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709": "hashes of empty files",
        "113.161.15.255": "networks of the agencies",
        "113.161.0.0/24": "networks of the agencies",
    }.items():
        assert lists.holds(*typed(text)) == name, text
    assert lists.holds("address", "113.161.16.0") is None
    assert lists.problems == []


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"list": 7}', b'{"list": [], "type": "magic"}', b"\xff\xfe"]
)
def test_a_file_that_is_no_list_is_told(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(InputError):
        warning_lists.read_list(path)
    assert len(warning_lists.load_lists([path, tmp_path / "absent"], shipped=False).problems) == 2


def test_what_a_list_holds_is_kept_shown_and_not_matched(room, write):
    result = room.take("45.61.1.1", "45.61.1.2", "8.8.8.8")
    assert (result.imported.total, result.warned) == (3, 1)
    _events, findings = room.marked({"destination.ip": "8.8.8.8"}, {"destination.ip": "45.61.1.1"})
    assert [one.event_id for one in findings] == ["e1"]
    # Another list comes: all indicators are asked about again with the next import of any feed.
    path = write("cdn", type="cidr", list=["45.61.1.1/32"])
    room.take("bad.top", feed="other", lists=[path])
    assert room.marked({"destination.ip": "45.61.1.1"})[1] == []
    database = Database(importing.database_path(room.folder), read_only=True)
    assert [one.warned for one in database.records([("address", "45.61.1.1")])] == ["cdn"]
    database.close()
    room.take("bad.top", feed="other")
    assert len(room.marked({"destination.ip": "45.61.1.1"})[1]) == 1
