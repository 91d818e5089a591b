"""Lines: any bytes, cut at any place and read on from anywhere, give the same records."""

from __future__ import annotations

import io
import tracemalloc

from hypothesis import example, given
from hypothesis import strategies as st

from citysoc.framing.base import Limits
from citysoc.framing.lines import frame_commented, frame_lines
from citysoc.framing.registry import GROWING, framer

LIMITS = st.builds(
    Limits,
    max_record_bytes=st.sampled_from([5, 40, 1 << 20]),
    batch_records=st.sampled_from([1, 3, 4000]),
    batch_bytes=st.sampled_from([16, 50, 1 << 20]),
)
PIECES = st.sampled_from(
    [
        b"\n",
        b"\r\n",
        b"\r",
        b"\0",
        b" ",
        b"\t",
        b"a",
        b"bcd",
        b"#",
        b"#fields a b",
        b"#close",
        b"\xff",
        b"x" * 41,
    ]
)
CONTENT = st.one_of(st.lists(PIECES, max_size=40).map(b"".join), st.binary(max_size=120))


class Dribble(io.BytesIO):
    """Hands out fewer bytes than asked, as archives do."""

    def __init__(self, data, sizes):
        super().__init__(data)
        self.sizes = sizes

    def read(self, size=-1):
        self.sizes = self.sizes[1:] + self.sizes[:1]
        return super().read(min(size, self.sizes[0]) if size > 3 else size)


def reference(data, limit, final):
    """The plainest way to say what the records of a file are."""
    begin = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    records, refused = [], []
    position = begin
    *whole, last = data[begin:].split(b"\n")
    for line in [*whole, last] if final else whole:
        nuls = len(line) - len(line.lstrip(b"\0"))
        raw = line[nuls:]
        if len(raw) > limit:
            refused.append((position + nuls, raw[: min(limit, 4096)]))
        elif (text := raw.rstrip(b"\r\0")) and not text.isspace():
            records.append((position + nuls, text))
        position += len(line) + 1
    return records, refused


def run(data, limits, *, start=0, header=b"", final=True, sizes=(1 << 20,), frame=frame_lines):
    stream = Dribble(data, list(sizes))
    return list(frame(stream, start=start, header=header, final=final, limits=limits))


def flat(frames):
    records = [pair for f in frames for pair in zip(f.offsets, f.records, strict=True)]
    return records, [(r.offset, r.sample) for f in frames for r in f.refused]


SIZES = st.lists(st.integers(1, 30), min_size=1, max_size=4)
MARKS16 = (b"\xff\xfe", b"\xfe\xff")


@given(CONTENT.filter(lambda data: data[:2] not in MARKS16), LIMITS, SIZES, st.booleans())
def test_any_bytes_in_any_chunks_give_the_plain_split(data, limits, sizes, final):
    frames = run(data, limits, sizes=sizes, final=final)
    assert flat(frames) == reference(data, limits.max_record_bytes, final)
    ends = [f.end for f in frames]
    assert ends == sorted(set(ends))
    assert all(len(f.records) <= limits.batch_records for f in frames)
    if final and len(data) > 3:
        assert ends[-1] == len(data)


@given(CONTENT, LIMITS, st.data(), st.sampled_from([frame_lines, frame_commented]))
def test_reading_on_after_any_run_gives_each_record_once(data, limits, draw, frame):
    whole = run(data, limits, frame=frame)
    again, start, header = [], 0, b""
    while frames := run(data, limits, start=start, header=header, frame=frame):
        taken = frames[: draw.draw(st.integers(1, len(frames)))]
        again += taken
        assert taken[-1].end > start
        start, header = taken[-1].end, taken[-1].header
    assert flat(again) == flat(whole)
    assert [f.header for f in again for _ in f.records] == [f.header for f in whole for _ in f.records]


def test_a_line_too_long_behind_the_beginning_of_a_header_goes_on():
    data = b"#\n#fields a b"
    limits = Limits(max_record_bytes=5, batch_records=1, batch_bytes=16)
    frames = run(data, limits, frame=frame_commented)
    assert [(f.end, [r.offset for r in f.refused]) for f in frames] == [(len(data), [2])]


@given(
    CONTENT,
    LIMITS,
    st.lists(st.integers(0, 120), max_size=5),
    st.sampled_from([frame_lines, frame_commented]),
)
def test_a_growing_file_gives_each_record_once(data, limits, cuts, frame):
    again, start, header = [], 0, b""
    for size in [*sorted(cuts), len(data)]:
        frames = run(data[:size], limits, start=start, header=header, final=False, frame=frame)
        again += frames
        if frames:
            start, header = frames[-1].end, frames[-1].header
    frames = run(data, limits, start=start, header=header, frame=frame)
    whole = run(data, limits, frame=frame)
    assert flat([*again, *frames]) == flat(whole)
    headers = [f.header for f in [*again, *frames] for _ in f.records]
    assert headers == [f.header for f in whole for _ in f.records]


@example(["0" * 15 + "\U00010000" * 2], "utf-16-le", "\r\n", Limits(max_record_bytes=40, batch_bytes=16), [1])
@given(
    st.lists(st.text(st.characters(exclude_characters="\n\r\0"), max_size=30), max_size=12),
    st.sampled_from(["utf-16-le", "utf-16-be"]),
    st.sampled_from(["\n", "\r\n"]),
    LIMITS,
    SIZES,
)
def test_utf16_files_become_utf8_lines_with_offsets_in_the_file(lines, codec, newline, limits, sizes):
    data = "\ufeff".encode(codec)
    expected, refused = [], []
    for line in lines:
        raw = (line + newline).encode(codec, "surrogatepass")
        if len(raw) - 2 > limits.max_record_bytes:
            refused.append(len(data))
        elif line and not line.encode("utf-8", "replace").isspace():
            expected.append((len(data), line.encode("utf-8", "replace")))
        data += raw
    records, long = flat(run(data, limits, sizes=sizes))
    assert records == expected
    assert [offset for offset, _ in long] == refused


@given(st.binary(max_size=80), LIMITS, SIZES, st.sampled_from(MARKS16), st.booleans())
def test_any_bytes_after_a_utf16_mark_are_framed(data, limits, sizes, mark, final):
    frames = run(mark + data, limits, sizes=sizes, final=final)
    chunked, _ = flat(frames)
    assert chunked == flat(run(mark + data, limits, final=final))[0]
    if final and data:
        assert frames[-1].end == len(data) + 2


def test_a_header_explains_the_records_after_it_until_the_next_one():
    data = (
        b"#separator \\x09\n#fields\tts\tuid\n1\ta\n2\tb\n#close\t2026\n"
        b"#separator \\x09\n#fields\tts\thost\n# a remark\n3\tc\n# another remark\n4\td\n#close\t2026\n"
    )
    frames = run(data, Limits(), frame=frame_commented)
    assert [(f.header.split(b"\n")[1], f.records) for f in frames] == [
        (b"#fields\tts\tuid", (b"1\ta", b"2\tb")),
        (b"#fields\tts\thost", (b"3\tc", b"4\td")),
    ]
    assert frames[-1].end == len(data)


def test_a_header_without_records_waits_while_the_file_grows():
    data = b"#fields a\n1\n#fields b\n"
    (frames,) = run(data, Limits(), frame=frame_commented, final=False)
    assert frames.end == data.index(b"#fields b")


def test_an_endless_line_costs_little_memory_and_is_refused_once():
    class Endless(io.RawIOBase):
        left = 300

        def read(self, size=-1):
            if size < 10:
                return b"x" * size
            self.left -= 1
            return b"y" * size if self.left > 0 else b"z\nnext\n" if self.left == 0 else b""

        def seek(self, *_):
            return 0

    tracemalloc.start()
    frames = list(frame_lines(Endless(), start=0, header=b"", final=True, limits=Limits()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [r for f in frames for r in f.records] == [b"next"]
    (refused,) = [r for f in frames for r in f.refused]
    assert refused.reason == "too_long"
    assert len(refused.sample) == 4096
    assert peak < 10 << 20


def test_the_registry_knows_which_framers_go_on_in_the_middle():
    assert {name for name in GROWING if framer(name) in (frame_lines, frame_commented)} == {
        "lines",
        "comments",
    }
