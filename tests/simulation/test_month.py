"""What a simulated month promises: the same bytes, exact counts, no real address."""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import re
from collections import Counter

import pytest
from written_city import contents

from citysoc.clock import HUE
from citysoc.errors import UsageError
from citysoc.simulation import truth as ground
from citysoc.simulation.write import simulate, syslog_frames

ALLOWED = [
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
    )
]
# Not a version behind a slash ("Chrome/141.0.0.0").
ADDRESS = re.compile(rb"(?<![\w./-])(\d{1,3}(?:\.\d{1,3}){3})(?![\w.])")
REAL_NAME = re.compile(rb"[\w-]+\.(?:com|net|org|vn|io|info|edu|gov)\b(?!\.example)", re.IGNORECASE)
NAMESPACES = (b"mic.gov", b"openxmlformats.org")


def files_of(directory):
    return sorted(path for path in directory.rglob("*") if path.is_file())


def digest(directory):
    whole = hashlib.sha256()
    for path in files_of(directory):
        whole.update(str(path.relative_to(directory)).encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()


def test_the_same_seed_gives_the_same_bytes(agencies, month, tmp_path):
    directory, _ = month
    simulate(agencies, month="2026-10", records=9000, seed=7, directory=tmp_path)
    assert digest(tmp_path) == digest(directory)


def test_another_seed_gives_another_month(agencies, month, tmp_path):
    directory, _ = month
    simulate(agencies, month="2026-10", records=9000, seed=8, directory=tmp_path)
    assert digest(tmp_path) != digest(directory)


def test_every_file_lies_where_the_example_configuration_looks(month):
    directory, truth = month
    streams = {
        "/".join(path.relative_to(directory / "inbox").parts[:2]) for path in files_of(directory / "inbox")
    }
    assert streams == {stream for stream in truth.streams if not stream.endswith("/syslog")}


def test_lines_in_files_add_up_with_the_ground_truth(month):
    directory, truth = month
    for stream, tally in truth.streams.items():
        assert tally.written == tally.events + tally.repeated + tally.broken
        source = stream.partition("/")[2]
        if source in {"syslog", "antivirus"}:
            continue
        paths = files_of(directory / "inbox" / stream)
        assert len(paths) == tally.files
        lines = [line for path in paths for data in contents(path) for line in data.split(b"\n") if line]
        assert sum(not line.startswith(b"#") for line in lines) == tally.written, stream


def test_as_many_good_records_as_asked_for(month):
    _, truth = month
    assert truth.events == 9000


def test_defects_are_counted(month):
    _, truth = month
    by_kind = Counter()
    for defect in truth.defects:
        by_kind[defect.kind] += defect.records
    assert by_kind["torn"] + by_kind["garbage"] == truth.broken > 0
    assert by_kind["repeated"] == truth.repeated > 0
    assert by_kind["encoding"] > 0


def test_silent_streams_stop_and_never_seen_ones_do_not_begin(quiet_month):
    directory, truth = quiet_month
    assert truth.never
    assert truth.silent
    for stream in truth.never:
        assert stream not in truth.streams
        assert not (directory / "inbox" / stream).exists()
    for stream, last_day in truth.silent.items():
        for path in files_of(directory / "inbox" / stream) if "syslog" not in stream else ():
            stamp = re.search(r"(\d{8})", path.name)
            assert stamp is not None
            assert stamp[1] <= last_day.replace("-", "")


def test_everybody_else_speaks_each_week(whole_city, quiet_month):
    """Even when nothing is asked for: so that ``sources status`` shows the silent ones and no others."""
    _, truth = quiet_month
    expected = {f"{a.id}/{source}" for a in whole_city for source in a.expects}
    assert set(truth.streams) == expected - set(truth.never)
    assert all(tally.events >= 5 for stream, tally in truth.streams.items() if stream not in truth.silent)


def test_files_carry_the_time_of_their_last_record(quiet_month):
    """Whoever reveals files week by week shows all of them by the month's end, and some each week."""
    directory, truth = quiet_month
    begin = dt.datetime(2026, 10, 1, tzinfo=HUE).timestamp()
    days = [(path.stat().st_mtime - begin) / 86400 for path in files_of(directory / "inbox")]
    assert min(days) > 0
    assert max(days) <= 31
    for week in range(4):
        assert sum(7 * week < day <= 7 * week + 7 for day in days) > len(truth.streams) // 3


def test_only_private_and_documentation_addresses_and_made_up_names(agencies, month):
    directory, _ = month
    data = [d for path in files_of(directory / "inbox") if path.suffix != ".xlsx" for d in contents(path)]
    data += [frame.payload for frame in syslog_frames(agencies, records=9000, seed=7)]
    seen = {match for text in data for match in ADDRESS.findall(text)}
    outside = [a for a in seen if not any(ipaddress.ip_address(a.decode()) in network for network in ALLOWED)]
    assert len(seen) > 500
    assert outside == []
    named = {match.lower() for text in data for match in REAL_NAME.findall(text)}
    assert {name for name in named if not name.startswith(NAMESPACES)} == set()


def test_the_ground_truth_reads_back(month):
    directory, truth = month
    assert ground.load(directory / ground.FILE_NAME) == truth


def test_progress_reaches_the_number_written(agencies, tmp_path):
    seen = []
    truth = simulate(agencies[:5], records=300, seed=1, directory=tmp_path, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == truth.written


def test_a_city_of_nobody_is_an_empty_month(tmp_path):
    truth = simulate((), records=100, seed=1, directory=tmp_path)
    assert (truth.written, truth.planted, truth.streams) == (0, (), {})


def test_a_wrong_month_is_refused(tmp_path):
    with pytest.raises(UsageError, match="2026-13"):
        simulate((), month="2026-13", directory=tmp_path)


@pytest.mark.parametrize("month", ["2026-02", "2028-02", "2026-12", "2027-01"])
def test_any_month_can_be_simulated(agencies, month, tmp_path):
    truth = simulate(agencies[:12], month=month, records=500, seed=2, directory=tmp_path)
    assert all(fact.start.startswith((month, "2026", "2027", "2028")) for fact in truth.planted)
    assert truth.written > 400
