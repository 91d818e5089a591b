"""The runner: one event for every record, its own facts on each, and nothing a payload can forge."""

from __future__ import annotations

import datetime as dt
import unicodedata

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.errors import UsageError
from citysoc.flow import Batch, Refused, Unparsed, content_id, position_id, position_ids
from citysoc.parsers import registry
from citysoc.parsers.base import Parser
from citysoc.parsers.run import MAX_FIELDS, parse_batch

ARRIVED = dt.datetime(2026, 11, 2, 1, 0, tzinfo=dt.UTC)


def batch(*records, parser="syslog", **changes):
    facts = {
        "stream": "tttt/tuong-lua",
        "agency": "tttt",
        "parser": parser,
        "records": tuple(records),
        "offsets": tuple(range(0, 100 * len(records), 100)),
        "arrived": ARRIVED,
        "path": "/nhat-ky/a.log",
        "identity": "a1b2",
    }
    return Batch(**{**facts, **changes})


def use(monkeypatch, parse, identity="position"):
    made = Parser("thu", "A parser for tests.", "lines", lambda _head, _name: 0, parse, identity)
    monkeypatch.setattr(registry, "parser", lambda _name: made)


def test_every_event_knows_its_agency_stream_place_and_arrival():
    [event] = parse_batch(
        batch(b"Oct 12 08:00:00 may-a app: xin chao"), agency_facts={"agency.name": "Sở TT&TT"}
    )
    assert event["agency.id"] == "tttt"
    assert event["agency.name"] == "Sở TT&TT"
    assert event["citysoc.source"] == "tttt/tuong-lua"
    assert event["citysoc.parser"] == "syslog"
    assert event["event.id"] == position_id("tttt/tuong-lua", "a1b2", 0)
    assert event["event.ingested"] == ARRIVED
    assert event["event.original"] == "Oct 12 08:00:00 may-a app: xin chao"
    assert (event["log.file.path"], event["log.offset"]) == ("/nhat-ky/a.log", 0)
    assert event["@timestamp"] == dt.datetime(2026, 10, 12, 1, 0, tzinfo=dt.UTC)
    assert event["citysoc.time_source"] == "event"
    assert event["event.kind"] == "event"


def test_order_is_that_of_the_records_then_the_refused():
    refused = Refused("too_long", "The record is longer than 1 MiB.", offset=900, sample=b"\xffxx")
    events = parse_batch(batch(b"<13>mot", b"", b"<13>ba", refused=(refused,)))
    assert [event["event.original"] for event in events] == ["<13>mot", "", "<13>ba", r"\xffxx"]
    assert [event.get("citysoc.unparsed") for event in events] == [None, "syslog.empty", None, "too_long"]
    assert events[3]["log.offset"] == 900
    assert events[3]["agency.id"] == "tttt"
    assert len({event["event.id"] for event in events}) == 4


def test_a_payload_cannot_forge_agency_identity_or_class():
    forged = {
        "@timestamp": "2026-10-12T01:00:00Z",
        "ecs.version": "1.0",
        "event.id": "x",
        "event.ingested": "2020-01-01T00:00:00Z",
        "event.original": "khac",
        "agency.id": "ke-khac",
        "agency.level": "city",
        "citysoc.source": "a/b",
        "citysoc.class": "OTHER",
        "citysoc.unparsed": "gia",
        "log.offset": 5,
        "log.file.path": "/etc/passwd",
    }
    for record in (forged, {"@timestamp": forged["@timestamp"], "ecs": {}, "agency": {"id": "ke-khac"}}):
        [event] = parse_batch(batch(orjson.dumps(record), parser="ndjson"))
        assert event["agency.id"] == "tttt"
        assert "agency.level" not in event
        assert event["citysoc.source"] == "tttt/tuong-lua"
        assert "citysoc.class" not in event
        assert "citysoc.unparsed" not in event
        assert event["event.id"] == position_id("tttt/tuong-lua", "a1b2", 0)
        assert event["log.offset"] == 0
        assert event["ndjson.agency.id"] == "ke-khac"


def test_the_guard_holds_for_any_parser(monkeypatch):
    use(monkeypatch, lambda lines, _c: [{"agency.id": "x", "citysoc.outcome": "blocked"} for _ in lines])
    [event] = parse_batch(batch(b"a"))
    assert event["agency.id"] == "tttt"
    assert event["ndjson.agency.id"] == "x"
    assert event["citysoc.outcome"] == "blocked"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("2026-11-03T23:00:00Z", True),
        ("2026-11-09T00:00:00Z", False),
        ("1971-01-01T00:00:00Z", False),
        ("9999-12-31T23:59:59Z", False),
    ],
)
def test_an_absurd_time_is_kept_aside_and_the_arrival_used(text, kept):
    [event] = parse_batch(batch(orjson.dumps({"time": text, "msg": "x"}), parser="ndjson"))
    moment = dt.datetime.fromisoformat(text)
    if kept:
        assert (event["@timestamp"], event["citysoc.time_source"]) == (moment, "event")
    else:
        assert (event["@timestamp"], event["citysoc.time_source"]) == (ARRIVED, "arrival")
        assert event["event.created"] == moment


def test_one_letter_in_two_compositions_is_read_alike_and_kept_as_pulled():
    composed, decomposed = "độc hại", "đo\u0323\u0302c ha\u0323i"
    events = parse_batch(batch(*(f"<13>{text}".encode() for text in (composed, decomposed))))
    assert events[0]["message"] == events[1]["message"] == composed
    assert events[1]["event.original"] == f"<13>{decomposed}"


def test_bytes_that_are_no_utf8_and_marks_and_nuls_do_not_stop_a_record():
    events = parse_batch(batch(b"\xef\xbb\xbf<13>may tinh\x00 \xff\xfe"))
    assert events[0]["message"] == r"may tinh \xff\xfe"
    assert "citysoc.unparsed" not in events[0]


def test_a_parser_that_fails_quarantines_only_what_it_cannot_read(monkeypatch):
    def parse(lines, _context):
        return [{"message": line} if line != "bom" else 1 / 0 for line in lines]

    use(monkeypatch, parse)
    events = parse_batch(batch(b"mot", b"bom", b"ba"))
    assert [event.get("citysoc.unparsed") for event in events] == [None, "parser.failed", None]
    assert events[1]["event.original"] == "bom"


def test_a_parser_that_miscounts_is_not_believed(monkeypatch):
    use(monkeypatch, lambda lines, _c: [{"message": "x"}] * (len(lines) if len(lines) == 1 else 7))
    assert len(parse_batch(batch(b"mot", b"hai"))) == 2


def test_exports_that_repeat_rows_are_known_by_their_content(monkeypatch):
    use(monkeypatch, lambda lines, _c: [Unparsed("thu") for _ in lines], identity="content")
    first, second = parse_batch(batch(b"dong", b"dong"))
    assert first["event.id"] == second["event.id"] == content_id("tttt/tuong-lua", b"dong")


def test_an_event_has_a_bounded_number_of_fields(monkeypatch):
    use(monkeypatch, lambda lines, _c: [{f"x.{n}": n for n in range(5000)} for _ in lines])
    [event] = parse_batch(batch(b"a"))
    assert MAX_FIELDS <= len(event) < MAX_FIELDS + 20


def test_auto_looks_at_the_records_themselves():
    line = b'{"timestamp":"2026-10-12T08:00:00+0700","flow_id":1,"event_type":"flow","src_ip":"10.1.1.1"}'
    [event] = parse_batch(batch(line, parser="auto"))
    assert event["citysoc.parser"] == "suricata"


def test_an_unknown_parser_is_an_error_with_a_hint():
    with pytest.raises(UsageError, match="Use one of"):
        parse_batch(batch(b"x", parser="khong-co"))


@given(st.lists(st.integers(0, 2**70), unique=True, max_size=30))
def test_ids_are_of_one_width_and_never_alike_within_a_file(offsets):
    ids = position_ids("tttt/tuong-lua", "a1b2", offsets)
    assert len(set(ids)) == len(ids)
    assert all(len(id_) == 32 and int(id_, 16) >= 0 for id_ in ids)
    assert ids == [position_id("tttt/tuong-lua", "a1b2", offset) for offset in offsets]
    assert set(ids).isdisjoint(position_ids("tttt/tuong-lua", "a1b3", offsets))
    assert set(ids).isdisjoint(position_ids("tttt/tuong", "a1b2", offsets))


def test_the_ids_of_a_file_follow_its_lines_and_share_their_beginning():
    ids = position_ids("tttt/tuong-lua", "a1b2", [0, 9, 10, 4096, 2**40 - 1])
    assert ids == sorted(ids)
    assert len({id_[:22] for id_ in ids}) == 1


@given(
    st.dictionaries(
        st.text("ab", min_size=1), st.text('ate\t\n"\\/=<;\u0301\u0308\u0338\u0344\u037eộ'), max_size=3
    )
)
def test_no_composition_breaks_what_a_record_is_written_with(said):
    """A mark behind an escape, ``=`` or ``<`` is the sender's to choose: it must not hide the record."""
    record = orjson.dumps({"time": "2026-10-05T01:30:00Z", **said})
    (event,) = parse_batch(batch(record, parser="ndjson"))
    assert "citysoc.unparsed" not in event
    for name, text in said.items():
        assert unicodedata.normalize("NFC", event.get(f"ndjson.{name}", "")) == unicodedata.normalize(
            "NFC", text
        )


def test_a_mark_behind_a_delimiter_is_of_the_value():
    line = (
        'date=2026-10-05 time=08:30:00 devname="f" type="event" subtype="system" level="notice" user=\u0338x'
    )
    (event,) = parse_batch(batch(line.encode(), parser="fortigate"))
    assert event["user.name"] == "\u0338x"


@pytest.mark.parametrize("parser", ["ndjson", "windows"])
def test_bytes_that_are_no_utf8_do_not_stop_a_record_of_json(parser):
    record = b'{"EventID":1,"Channel":"Security","time":"2026-10-05T01:30:00Z","x":"a\xff\\\\\xfeb\\n"}'
    (event,) = parse_batch(batch(record, parser=parser))
    assert "citysoc.unparsed" not in event
    assert "a\\xff\\\\xfeb\n" in event.values()
