"""Files: found, read once, whatever lies beside them."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import os
import shutil
import socket
import zipfile

import pytest

from citysoc import clock
from citysoc.collectors.checkpoints import related
from citysoc.collectors.files import FilesCollector, stale_keys
from citysoc.errors import InputError, SourceError
from citysoc.framing.base import Limits

LINES = lambda _head, _name: ("syslog", "lines")  # noqa: E731  the shortest identify
CSV = lambda _head, _name: ("antivirus", "csv")  # noqa: E731  the same for documents


class Desk:
    """A folder, a collector and the positions it has reached."""

    def __init__(self, folder):
        self.folder = folder
        self.positions = {}
        self.problems = None
        self.moment = clock.now() + dt.timedelta(minutes=1)

    def collector(self, *patterns, identify=LINES, **options):
        patterns = patterns or (str(self.folder / "**"),)
        return FilesCollector(
            stream="ward/fw",
            agency="ward",
            patterns=patterns,
            identify=identify,
            **{"now": lambda: self.moment, **options},
        )

    def pull(self, *patterns, **options):
        """Return the batches, their positions stored as the state database does it."""
        self.problems = None
        batches = []
        try:
            for batch in self.collector(*patterns, **options).pull(self.positions):
                batches.append(batch)
                self.positions[batch.position.key] = json.loads(json.dumps(batch.position.value))
        except SourceError as error:
            self.problems = str(error)
        return batches

    def records(self, *patterns, **options):
        return [record for batch in self.pull(*patterns, **options) for record in batch.records]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def refusals(batches):
    return [refused.reason for batch in batches for refused in batch.refused]


def test_a_half_written_line_waits_for_its_end_or_until_it_is_abandoned(desk):
    log = desk.folder / "a.log"
    log.write_bytes(b"one\ntw")
    assert desk.records() == [b"one"]
    assert desk.records() == []
    with log.open("ab") as file:
        file.write(b"o\nthr")
    assert desk.records() == [b"two"]
    desk.moment += dt.timedelta(hours=2)
    assert desk.records() == [b"thr"]
    assert desk.pull() == []


def test_complete_files_have_no_half_lines(desk):
    (desk.folder / "a.log").write_bytes(b"one\ntw")
    assert desk.records(follow=False) == [b"one", b"tw"]
    assert desk.pull(follow=False) == []


def test_batches_say_where_their_records_lie(desk):
    log = desk.folder / "a.log"
    log.write_bytes(b"one\n\ntwo\nthree\n")
    first, second = desk.pull(limits=Limits(batch_records=2), parser_options={"x": 1}, timezone="UTC")
    assert (first.stream, first.agency, first.parser) == ("ward/fw", "ward", "syslog")
    assert (first.path, first.offsets, second.offsets) == (str(log), (0, 5), (9,))
    assert first.identity == second.identity == first.position.key
    assert (first.parser_options, first.timezone) == ({"x": 1}, "UTC")
    assert second.position.value["offset"] == 15


def test_an_untouched_file_is_not_opened(desk, monkeypatch):
    for name in ("a.log", "b.log"):
        (desk.folder / name).write_bytes(name.encode() + b" line\n")
    (desk.folder / "c.gz").write_bytes(gzip.compress(b"packed\n"))
    assert len(desk.records()) == 3
    opened = []
    real = os.open
    monkeypatch.setattr(
        os, "open", lambda path, *rest, **more: opened.append(path) or real(path, *rest, **more)
    )
    assert desk.pull() == []
    assert opened == []


def test_oldest_files_come_first_then_by_name(desk):
    for age, name in enumerate(("z.log", "b.log", "a.log")):
        path = desk.folder / name
        path.write_bytes(name.encode() + b"\n")
        os.utime(path, (1_700_000_000 + age // 2,) * 2)
    assert desk.records() == [b"b.log", b"z.log", b"a.log"]


def test_files_with_the_same_beginning_are_not_confused(desk):
    header = b"Time,Computer,Malware\n"
    (desk.folder / "monday.csv").write_bytes(header)
    (desk.folder / "tuesday.csv").write_bytes(header + b"2,b,Y\n")
    assert desk.records() == [b"Time,Computer,Malware"] * 2 + [b"2,b,Y"]
    (desk.folder / "wednesday.csv").write_bytes(header + b"3,c,Z\n")
    (desk.folder / "monday.csv").unlink()
    assert desk.records() == [b"Time,Computer,Malware", b"3,c,Z"]


def test_a_copy_of_a_long_file_is_not_read_again(desk):
    log = desk.folder / "a.log"
    log.write_bytes(b"".join(b"line %d\n" % n for n in range(1000)))
    assert len(desk.records()) == 1000
    shutil.copy(log, desk.folder / "copy of a.log")
    (desk.folder / "packed.gz").write_bytes(gzip.compress(log.read_bytes() + b"more\n"))
    assert desk.records() == [b"more"]


def test_a_copy_in_the_making_waits_until_it_is_complete(desk):
    data = b"".join(b"line %d\n" % n for n in range(1000))
    (desk.folder / "a.log").write_bytes(data)
    desk.records()
    desk.moment = clock.now()
    (desk.folder / "a.log.1").write_bytes(data[:4000])
    (desk.folder / "a.log.2.gz").write_bytes(gzip.compress(data)[:100])
    assert desk.pull() == []
    (desk.folder / "a.log.1").write_bytes(data)
    (desk.folder / "a.log.2.gz").write_bytes(gzip.compress(data))
    desk.moment = clock.now() + dt.timedelta(minutes=1)
    assert desk.records() == []


def test_the_members_of_a_zip_are_read_once_each(desk):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.log", "a\nb\n")
        archive.writestr("empty.log", "")
        archive.writestr("../two.log", "c\n")
        archive.writestr("bomb.log", bytes(50 << 20) + b"x")
    (desk.folder / "logs.zip").write_bytes(data.getvalue())
    batches = desk.pull()
    path = str(desk.folder / "logs.zip")
    assert [(b.path, r) for b in batches for r in b.records] == [
        (f"{path}!one.log", b"a"),
        (f"{path}!one.log", b"b"),
        (f"{path}!../two.log", b"c"),
    ]
    assert refusals(batches) == ["archive.bomb"]
    assert desk.pull() == []


def test_an_archive_is_gone_on_with_after_a_crash(desk):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in ("one", "two", "three"):
            archive.writestr(name, "".join(f"{name} {n}\n" for n in range(4)))
    (desk.folder / "logs.zip").write_bytes(data.getvalue())
    came = []
    for _ in range(12):
        for batch in desk.collector(limits=Limits(batch_records=2)).pull(desk.positions):
            came += batch.records
            desk.positions[batch.position.key] = batch.position.value
            break
    assert came == [b"%s %d" % (name, n) for name in (b"one", b"two", b"three") for n in range(4)]
    assert desk.pull() == []


def test_what_was_readable_of_a_damaged_archive_stays_and_the_damage_is_said_once(desk):
    text = b"".join(b"%x\n" % (n * 7919) for n in range(50_000))
    (desk.folder / "a.log.gz").write_bytes(gzip.compress(text)[:60_000])
    (desk.folder / "b.log.gz").write_bytes(b"\x1f\x8b\x08damaged")
    batches = desk.pull()
    assert len([r for b in batches for r in b.records]) > 1000
    assert refusals(batches) == ["archive.damaged"] * 2
    assert desk.pull() == []


def test_a_document_is_read_again_only_when_its_content_changed(desk):
    export = desk.folder / "export.csv"
    export.write_bytes(b"name,n\na,1\nb,2\n")
    first = desk.pull(identify=CSV)
    assert [r for b in first for r in b.records] == [b"a,1", b"b,2"]
    os.utime(export, (1_700_000_000,) * 2)
    assert not desk.records(identify=CSV)
    export.write_bytes(b"name,n\na,1\nb,2\nc,3\n")
    second = desk.pull(identify=CSV)
    assert [r for b in second for r in b.records] == [b"a,1", b"b,2", b"c,3"]
    assert first[0].identity != second[0].identity
    assert desk.pull(identify=CSV) == []


def test_a_document_goes_on_after_a_crash(desk):
    (desk.folder / "export.csv").write_bytes(b"n,m\n" + b"".join(b"%d,x\n" % n for n in range(10)))
    came = []
    for _ in range(6):
        for batch in desk.collector(identify=CSV, limits=Limits(batch_records=3)).pull(desk.positions):
            came += batch.records
            desk.positions[batch.position.key] = batch.position.value
            break
    assert came == [b"%d,x" % n for n in range(10)]


def test_an_export_that_is_being_written_waits(desk):
    desk.moment = clock.now()
    (desk.folder / "export.csv").write_bytes(b"n,m\n1,2\n")
    assert desk.pull(identify=CSV) == []
    desk.moment += dt.timedelta(seconds=30)
    assert desk.records(identify=CSV) == [b"1,2"]


def test_what_cannot_be_read_is_reported_and_the_rest_is_read(desk):
    os.mkfifo(desk.folder / "pipe")
    (desk.folder / "loop").symlink_to("loop")
    (desk.folder / "dangling").symlink_to("nowhere")
    (desk.folder / "folder").mkdir()
    (desk.folder / "folder" / "up").symlink_to("..")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(desk.folder / "socket"))
    (desk.folder / "folder" / "deep.log").write_bytes(b"deep\n")
    (desk.folder / "good.log").write_bytes(b"good\n")
    (desk.folder / "link.log").symlink_to("good.log")
    (desk.folder / ".hidden").write_bytes(b"hidden\n")
    assert sorted(desk.records()) == [b"deep", b"good"]
    for name in ("pipe", "loop", "socket"):
        assert f"{desk.folder / name}: " in desk.problems
    assert "dangling" not in desk.problems


def test_a_missing_file_is_a_problem_and_an_empty_folder_is_none(desk):
    assert desk.pull(str(desk.folder / "*.log")) == []
    assert desk.problems is None
    assert desk.pull(str(desk.folder / "a.log")) == []
    assert "a.log: No such file" in desk.problems


def test_a_file_of_unknown_format_is_reported_and_the_rest_is_read(desk):
    def identify(head, _name):
        if head.startswith(b"?"):
            raise InputError("Nobody knows this format.")
        return "syslog", "lines"

    (desk.folder / "a").write_bytes(b"?\n")
    (desk.folder / "b").write_bytes(b"b\n")
    assert desk.records(identify=identify) == [b"b"]
    assert "Nobody knows" in desk.problems


def test_a_name_that_is_no_text_is_read(desk):
    path = os.fsencode(desk.folder) + b"/\xff\n.log"
    with open(path, "wb") as file:  # noqa: PTH123  a path of bytes
        file.write(b"x\n")
    (batch,) = desk.pull()
    assert batch.records == (b"x",)
    assert batch.path.encode()
    assert desk.pull() == []


def test_named_files_are_all_read_also_those_that_are_alike(desk):
    for folder in ("a", "b"):
        (desk.folder / folder).mkdir()
        (desk.folder / folder / "[x].log").write_bytes(b"same\n")
        (desk.folder / folder / ".hidden").write_bytes(b"hidden\n")
    given = (str(desk.folder / "a"), str(desk.folder / "b" / "[x].log"))
    batches = desk.pull(*given, literal=True, follow=False)
    assert [batch.path for batch in batches] == [
        str(desk.folder / "a" / "[x].log"),
        str(desk.folder / "b" / "[x].log"),
    ]
    assert len({batch.identity for batch in batches}) == 2
    assert desk.pull(*given, literal=True, follow=False) == []


def test_the_same_files_give_the_same_identities_on_any_machine(desk):
    for folder in ("here", "there"):
        (desk.folder / folder).mkdir()
        (desk.folder / folder / "x.log").write_bytes(b"line\n")
    here, there = (
        [batch.identity for batch in desk.collector(str(desk.folder / folder), follow=False).pull({})]
        for folder in ("here", "there")
    )
    assert here == there


def test_a_crash_before_the_commit_gives_the_same_identity_though_the_file_grew(desk):
    log = desk.folder / "a.log"
    log.write_bytes(b"one\n")
    (first,) = desk.collector().pull({})
    with log.open("ab") as file:
        file.write(b"two\n" * 500)
    (again,) = desk.collector().pull({})
    assert (first.identity, first.offsets[0]) == (again.identity, again.offsets[0])


def test_positions_are_forgotten_only_when_their_file_is_long_gone(desk):
    (desk.folder / "stays.log").write_bytes(b"one\n")
    (desk.folder / "goes.log").write_bytes(b"two\n")
    desk.pull()
    gone = next(key for key, value in desk.positions.items() if value["path"].endswith("goes.log"))
    (desk.folder / "goes.log").unlink()
    (desk.folder / "stays.log").rename(desk.folder / "stays.log.1")
    for _ in range(12):
        assert stale_keys(desk.positions, desk.moment) == []
        desk.moment += dt.timedelta(days=3)
        assert desk.records() == []
    assert stale_keys(desk.positions, desk.moment) == [gone]
    assert stale_keys({"other": {"cursor": 1}}, desk.moment) == []


def test_nothing_is_forgotten_after_a_long_standstill(desk):
    (desk.folder / "a.log").write_bytes(b"one\n")
    desk.pull()
    desk.moment += dt.timedelta(days=400)
    before = dict(desk.positions)
    assert desk.records() == []
    assert stale_keys(before, desk.moment) == []


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.log", ["a.log"]),
        ("**/*.log", ["a.log", "x/b.log", "x/y/c.log"]),
        ("*/b.log", ["x/b.log"]),
        ("x/**", ["x/b.log", "x/y/c.log", "x/y/d"]),
        ("x/**/c.*", ["x/y/c.log"]),
        ("x", ["x/b.log", "x/y/c.log", "x/y/d"]),
        ("**/**/[cd]*", ["x/y/c.log", "x/y/d"]),
        ("x/.h*", ["x/.h"]),
    ],
)
def test_patterns_mean_what_shells_mean(desk, pattern, found):
    (desk.folder / "x" / "y").mkdir(parents=True)
    (desk.folder / "x" / ".z").mkdir()
    for name in ("a.log", "x/b.log", "x/y/c.log", "x/y/d", "x/.h", "x/.z/e.log"):
        (desk.folder / name).write_text(name + "\n")
    assert sorted(r.decode() for r in desk.records(str(desk.folder / pattern))) == found


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("/l/app.log", "/l/app.log.1", True),
        ("/l/app.log.1", "/l/app.log.2.gz", True),
        ("/l/app.log", "/l/app.log-20261001.gz", True),
        ("/l/app.log", "/l/app-2026-10-01.log", False),
        ("/l/app.log", "/m/app.log.1", False),
        ("/l/monday.csv", "/l/tuesday.csv", False),
    ],
)
def test_names_related_by_rotation(one, other, same):
    assert related(one, other) is same
