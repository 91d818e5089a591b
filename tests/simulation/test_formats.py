"""Every vendor's line is read by the product's own parser, and nothing in it is lost or mistaken."""

from __future__ import annotations

from collections import defaultdict

import pytest
from written_city import events, frame_events

from citysoc.errors import UsageError
from citysoc.simulation.events import FORMATS, header, lines
from citysoc.simulation.write import syslog_frames


def test_every_sound_record_is_read_and_every_broken_one_is_told(month):
    """Conservation from the ground truth to the events, through framers, parsers and sniffing."""
    directory, truth = month
    for stream, tally in truth.streams.items():
        if stream.endswith("/syslog"):
            continue
        ids, repeated, broken = set(), 0, 0
        for path in sorted((directory / "inbox" / stream).iterdir()):
            for event in events(path, stream):
                if "citysoc.unparsed" in event:
                    broken += 1
                elif event["event.id"] in ids:
                    repeated += 1
                else:
                    ids.add(event["event.id"])
                    assert event["citysoc.time_source"] == "event", event["event.original"]
        assert (len(ids), repeated, broken) == (tally.events, tally.repeated, tally.broken), stream


def test_every_syslog_frame_is_read(agencies, month):
    _, truth = month
    frames = list(syslog_frames(agencies, month="2026-10", records=9000, seed=7))
    assert len(frames) == truth.frames > 500
    by_sender = defaultdict(list)
    for frame in frames:
        by_sender[frame.sender].append(frame.payload)
    datasets = set()
    for payloads in by_sender.values():
        for event in frame_events(payloads):
            assert "citysoc.unparsed" not in event, event["event.original"]
            datasets.add(event["event.dataset"])
    assert {"syslog.sshd", "cef.event", "leef.event", "fortigate.traffic"} <= datasets


def test_relayed_frames_come_from_addresses_that_the_registry_knows(agencies):
    known = {sender: agency.id for agency in agencies for sender in agency.senders}
    senders = {frame.sender for frame in syslog_frames(agencies, records=0, seed=7)}
    assert senders <= set(known)


@pytest.mark.parametrize("name", FORMATS)
def test_benchmark_lines_are_read(name, tmp_path):
    path = tmp_path / "sample.log"
    path.write_bytes(header(name) + b"".join(line + b"\n" for line in lines(name, 300, machines=20)))
    read = (
        list(events(path, "x/y")) if not name.startswith("relay-") else frame_events(list(lines(name, 300)))
    )
    assert len(read) == 300
    assert [event for event in read if "citysoc.unparsed" in event] == []
    assert all(event["citysoc.time_source"] == "event" for event in read)


def test_benchmark_lines_are_the_same_again_and_never_end():
    first = list(lines("fortigate", 2500))
    assert first == list(lines("fortigate", 2500))
    endless = lines("fortigate")
    assert [next(endless) for _ in range(2500)] == first


def test_an_unknown_format_is_refused():
    with pytest.raises(UsageError, match="klingon"):
        lines("klingon", 1)
