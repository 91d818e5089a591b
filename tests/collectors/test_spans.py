"""Lines cut by whoever judges them, against the same lines cut in one pass."""

from __future__ import annotations

import datetime as dt
import io
import itertools
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.collectors import spans
from citysoc.collectors.found import Found
from citysoc.errors import SourceError
from citysoc.flow import Batch, Unread
from citysoc.framing.base import Limits
from citysoc.framing.lines import frame_lines

PIECES = st.sampled_from(
    [b"a", b"bc", b"\n", b"\n", b"\r\n", b"\0", b"\0" * 9, b" ", b"x" * 30, "đ".encode(), b"\xff"]
)
CONTENTS = st.builds(
    lambda mark, pieces: mark + b"".join(pieces),
    st.sampled_from([b"", b"", b"\xef\xbb\xbf"]),
    st.lists(PIECES, max_size=40),
)
LIMITS = st.builds(
    Limits,
    max_record_bytes=st.sampled_from([5, 16, 1000]),
    batch_records=st.sampled_from([1, 3, 100]),
    batch_bytes=st.sampled_from([1, 20, 60, 1000]),
)


def batch(unread=None, **more):
    return Batch(
        stream="a/b",
        agency="a",
        parser="syslog",
        records=(),
        offsets=(),
        arrived=dt.datetime(2026, 11, 17, tzinfo=dt.UTC),
        path="a.log",
        identity="i",
        unread=unread,
        **more,
    )


def whole(content, limits):
    runs = list(frame_lines(io.BytesIO(content), start=0, header=b"", final=True, limits=limits))
    return told(runs)


def told(runs):
    """Return the records with their places, and what was refused."""
    records = [pair for run in runs for pair in zip(run.offsets, run.records, strict=True)]
    return records, sorted((r.offset, r.reason, r.sample) for run in runs for r in run.refused)


def cut(frames, limits):
    return told([one for run in frames for one in spans.cut(batch(run.unread), limits)])


def follow_on(frames, begin, end):
    """Check that the parts leave nothing out between them but NULs."""
    for run in frames:
        assert run.unread.begin >= begin
        assert run.end == run.unread.end
        begin = run.end
    assert begin <= end


@given(content=CONTENTS, limits=LIMITS)
def test_spans_of_a_file(content, limits, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "spans.log"
    path.write_bytes(content)
    found = Found.of(str(path), path.stat())
    begin = spans.begin_of(content)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        frames = list(spans.of_file(found, descriptor, start=begin, limits=limits))
    finally:
        os.close(descriptor)
    follow_on(frames, begin, len(content))
    assert cut(frames, limits) == whole(content, limits)


@given(content=CONTENTS, limits=LIMITS, chunk=st.sampled_from([1, 7, 64, 1 << 20]))
def test_spans_of_a_stream(content, limits, chunk):
    begin = spans.begin_of(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spans, "_CHUNK", chunk)
        frames = list(spans.of_stream(io.BytesIO(content), start=begin, limits=limits))
    follow_on(frames, begin, len(content))
    assert cut(frames, limits) == whole(content, limits)


def test_the_last_spans_of_a_large_file_become_smaller(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"123456789\n" * 10_000)
    with path.open("rb") as stream:
        file = Found.of(str(path), path.stat())
        found = [
            frames.unread
            for frames in spans.of_file(file, stream.fileno(), start=0, limits=Limits(batch_bytes=8_000))
        ]
    assert [(one.begin, two.begin) for one, two in itertools.pairwise(found)] == [
        (one.begin, one.end) for one in found[:-1]
    ]
    assert (found[0].begin, found[-1].end) == (0, 100_000)
    sizes = [one.end - one.begin for one in found]
    assert set(sizes[:8]) <= {8_000, 8_010}
    assert sizes == sorted(sizes, reverse=True)
    assert 0 < sizes[-1] <= 1_010 < sizes[-8] < 8_000


def test_a_line_without_end_is_not_kept(monkeypatch):
    monkeypatch.setattr(spans, "_CHUNK", 1000)
    limits = Limits(max_record_bytes=100, batch_bytes=2000)
    content = b"x" * 50_000 + b"\nshort\n"
    frames = list(spans.of_stream(io.BytesIO(content), start=0, limits=limits))
    assert [len(one.unread.data) for one in frames] == [101, 6]
    records, refused = cut(frames, limits)
    assert records == [(50_001, b"short")]
    assert [(offset, reason) for offset, reason, _sample in refused] == [(0, "too_long")]


@pytest.mark.parametrize("head", [b"\xff\xfea\0", b"\xfe\xff\0a"], ids=["little", "big"])
def test_text_of_two_byte_units_is_not_divided(head):
    assert spans.begin_of(head) is None


def test_what_was_refused_before_is_kept():
    from citysoc.flow import Refused

    before = Refused("archive.damaged", "It ends early.")
    (one,) = spans.cut(batch(Unread(0, 2, b"a\n"), refused=(before,)))
    assert (one.records, one.refused, one.unread) == ((b"a",), (before,), None)
    (one,) = spans.cut(batch(Unread(0, 1, b"\n"), refused=(before,)))
    assert (one.records, one.refused) == ((), (before,))


def test_a_file_in_the_place_of_another_is_not_read(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"one\n")
    status = path.stat()
    unread = Unread(0, 4, path=str(path), inode=(status.st_dev, status.st_ino))
    assert [one.records for one in spans.cut(batch(unread))] == [(b"one",)]
    (tmp_path / "b.log").write_bytes(b"two\n")
    (tmp_path / "b.log").replace(path)
    with pytest.raises(SourceError, match="took its place"):
        list(spans.cut(batch(unread)))
    path.unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        list(spans.cut(batch(unread)))
