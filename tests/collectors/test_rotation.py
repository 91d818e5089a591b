"""Whatever rotation does between two looks, every line comes once."""

from __future__ import annotations

import datetime as dt
import gzip
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from citysoc import clock
from citysoc.collectors.files import FilesCollector
from citysoc.flow import position_id
from citysoc.framing.base import Limits

LONG_HEADER = b"#separator \\x09\n#fields\tts\t" + b"\t".join(b"field%d" % i for i in range(200)) + b"\n"


class Rotation(RuleBasedStateMachine):
    """A writer, a rotation and a collector that is sometimes killed."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.log = self.folder / "app.log"
        self.number = 0
        self.ticks = 1_700_000_000
        self.written: list[bytes] = []
        self.half = b""
        self.positions: dict = {}
        self.came: list[bytes] = []
        self.ids: list[str] = []
        self.behind: bytes | None = None

    def teardown(self):
        shutil.rmtree(self.folder)

    @initialize(header=st.sampled_from([b"", b"", b"#fields\ta\tb\n", LONG_HEADER]), follow=st.just(True))
    def start(self, header, follow):
        self.header = header
        self.collector = FilesCollector(
            stream="a/b",
            agency="a",
            patterns=(str(self.folder / "app.log*"),),
            identify=lambda _head, _name: ("zeek", "comments") if header else ("syslog", "lines"),
            limits=Limits(batch_records=3),
            now=lambda: dt.datetime.fromtimestamp(self.ticks + 60, clock.UTC),
        )

    def touch(self, path):
        # The file system's clock is too coarse for two writes in one test.
        self.ticks += 1
        os.utime(path, (self.ticks, self.ticks))

    def write(self, path, data):
        with path.open("ab") as file:
            if not file.tell():
                file.write(self.header)
            file.write(data)
        self.touch(path)

    def lines(self, count, width):
        made = [b"%06d %s" % (self.number + i, b"v" * width) for i in range(count)]
        self.number += count
        return made

    @rule(count=st.integers(0, 7), width=st.sampled_from([0, 3, 400]), cut=st.booleans())
    def append(self, count, width, cut):
        new = self.lines(count, width)
        data = b"".join(line + b"\n" for line in new)
        if self.half and new:
            data = self.half[7:] + b"\n" + data
            self.written.append(self.half)
            self.half = b""
        if cut and not self.half:
            (self.half,) = self.lines(1, 9)
            data += self.half[:7]
        self.written += new
        if data:
            self.write(self.log, data)

    def end_line(self):
        if self.half:
            self.write(self.log, self.half[7:] + b"\n")
            self.written.append(self.half)
            self.half = b""

    def shift(self):
        for old in sorted(self.folder.glob("app.log.*"), key=lambda p: -int(p.name.split(".")[2])):
            name, number, *packed = old.name.removeprefix("app.").split(".")
            old.rename(self.folder / ".".join(["app", name, str(int(number) + 1), *packed]))

    @precondition(lambda self: self.log.exists())
    @rule()
    def rotate_by_rename(self):
        self.end_line()
        self.shift()
        self.log.rename(self.folder / "app.log.1")

    @precondition(lambda self: (self.folder / "app.log.1").exists())
    @rule()
    def write_to_the_renamed_file(self):
        new = self.lines(1, 5)
        self.written += new
        self.write(self.folder / "app.log.1", new[0] + b"\n")

    @precondition(lambda self: self.log.exists())
    @rule(look=st.booleans())
    def rotate_by_copy(self, look):
        self.end_line()
        self.shift()
        shutil.copy(self.log, self.folder / "app.log.1")
        self.touch(self.folder / "app.log.1")
        if look:
            self.pull()
        os.truncate(self.log, 0)
        self.touch(self.log)

    @precondition(lambda self: any(not p.name.endswith(".gz") for p in self.folder.glob("app.log.*")))
    @rule(look=st.booleans())
    def pack(self, look):
        old = min(p for p in self.folder.glob("app.log.*") if not p.name.endswith(".gz"))
        packed = old.with_name(old.name + ".gz")
        packed.write_bytes(gzip.compress(old.read_bytes()))
        self.touch(packed)
        if look:
            self.pull()
        old.unlink()

    @precondition(lambda self: any(self.folder.glob("app.log.*")))
    @rule()
    def delete_the_oldest(self):
        self.pull()
        max(self.folder.glob("app.log.*"), key=lambda p: int(p.name.split(".")[2])).unlink()

    @rule()
    def pull(self):
        self.take(None)

    @rule(batches=st.integers(0, 2))
    def pull_and_die(self, batches):
        self.take(batches)

    def take(self, most):
        for number, batch in enumerate(self.collector.pull(dict(self.positions))):
            if number == most:
                break
            self.came += batch.records
            self.ids += [position_id(batch.stream, batch.identity, offset) for offset in batch.offsets]
            if batch.records:
                assert batch.header == self.header.rstrip(b"\n")
            assert not batch.refused
            self.positions[batch.position.key] = batch.position.value

    @invariant()
    def nothing_comes_twice(self):
        assert len(self.came) == len(set(self.came))
        assert len(self.ids) == len(set(self.ids))
        assert set(self.came) <= set(self.written)

    @rule()
    def nothing_is_lost(self):
        self.pull()
        assert sorted(self.came) == sorted(self.written)
        before = len(self.positions)
        assert not [batch for batch in self.collector.pull(dict(self.positions)) if batch.records]
        assert len(self.positions) == before


TestRotation = Rotation.TestCase
TestRotation.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
