"""Archives: what they hold comes out, bounded; what is wrong with them is said, and harms nothing."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import random
import tracemalloc
import zipfile

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from citysoc.framing.base import Limits
from citysoc.framing.unpack import members, refusal

TEXT = random.Random(1).randbytes(150_000).hex().encode()


def zipped(entries, method=zipfile.ZIP_DEFLATED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return data.getvalue()


@contextlib.contextmanager
def opened(tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def unpack(tmp_path, data, limits=None, piece=1 << 16):
    """Return (label, content, reason of refusal) for each member."""
    found = []
    with opened(tmp_path, data) as descriptor:
        for member in members(descriptor, "a", limits or Limits()):
            content = b""
            with member.open() as stream:
                while part := stream.read(piece):
                    content += part
                refused = member.refused or refusal(stream)
            found.append((member.label, content, refused.reason if refused else None))
    return found


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(TEXT),
        gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:]),
        gzip.compress(TEXT) + b"\0" * 70_000,
        zstandard.compress(TEXT),
        zstandard.compress(TEXT[:1000]) + zstandard.compress(TEXT[1000:]),
        TEXT,
    ],
    ids=["gzip", "gzip members", "gzip padded", "zstd", "zstd frames", "plain"],
)
def test_the_content_comes_out_whatever_the_packing(tmp_path, packed):
    assert unpack(tmp_path, packed) == [("a", TEXT, None)]


def test_names_inside_archives_are_mere_labels(tmp_path):
    data = zipped([("../../etc/x.log", b"1"), ("b\n\x1b[31m.log", b"2"), ("folder/", b""), ("/abs", b"3")])
    assert unpack(tmp_path, data) == [
        ("a!../../etc/x.log", b"1", None),
        ("a!b??[31m.log", b"2", None),
        ("a!/abs", b"3", None),
    ]


@pytest.mark.parametrize(
    ("pack", "kept"),
    [
        (gzip.compress, 1 << 20),
        (zstandard.compress, 0),
        (lambda data: zipped([("x", data)]), 1 << 20),
    ],
    ids=["gzip", "zstd", "zip"],
)
def test_bombs_stop_early_in_little_memory(tmp_path, pack, kept):
    data = pack(bytes(200 << 20))
    tracemalloc.start()
    with opened(tmp_path, data) as descriptor:
        (member,) = members(descriptor, "a", Limits())
        with member.open() as stream:
            size = sum(len(part) for part in iter(lambda: stream.read(1 << 16), b""))
            refused = refusal(stream)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.reason == "archive.bomb"
    assert kept <= size < 64 << 20
    assert peak < 48 << 20


def test_the_members_of_a_zip_share_one_bound(tmp_path):
    data = zipped([(str(number), TEXT[:100_000]) for number in range(5)])
    found = unpack(tmp_path, data, Limits(max_unpacked_bytes=250_000))
    assert [reason for _, _, reason in found] == [None, None, "archive.bomb", "archive.bomb", "archive.bomb"]


def test_a_zip_with_too_many_members_is_not_even_listed(tmp_path):
    data = zipped([(str(number), b"") for number in range(10_001)], zipfile.ZIP_STORED)
    assert unpack(tmp_path, data) == [("a", b"", "archive.bomb")]


def test_reading_again_does_not_count_again(tmp_path):
    with opened(tmp_path, gzip.compress(TEXT)) as descriptor:
        (member,) = members(descriptor, "a", Limits(max_unpacked_bytes=len(TEXT)))
        for _ in range(3):
            with member.open() as stream:
                assert stream.read() == TEXT


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_what_was_readable_of_a_cut_archive_stays(tmp_path, pack):
    ((_, content, reason),) = unpack(tmp_path, pack(TEXT)[:-50_000])
    assert reason == "archive.damaged"
    assert content
    assert TEXT.startswith(content)


def test_an_encrypted_member_does_not_hide_the_others(tmp_path):
    data = bytearray(zipped([("secret", b"s" * 50), ("open", b"o")]))
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + at] |= 1  # the bit that says encrypted
    assert unpack(tmp_path, bytes(data)) == [("a!secret", b"", "archive.encrypted"), ("a!open", b"o", None)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(gzip.compress(b"x")), "archive.nested"),
        (gzip.compress(zipped([("x", b"x")])), "archive.nested"),
        (b"BZh91AY&SY", "archive.unsupported"),
        (b"\0" * 257 + b"ustar\0" + b"\0" * 300, "archive.unsupported"),
        (zipped([("x", b"x" * 500)], zipfile.ZIP_LZMA), "archive.unsupported"),
        (zipped([("x", b"x" * 500)])[:-30], "archive.damaged"),
        (b"PK\x03\x04 but nothing more", "archive.damaged"),
        (b"\x1f\x8b", "archive.damaged"),
        (b"\x28\xb5\x2f\xfd", "archive.damaged"),
    ],
    # The bytes hold the time of packing: names of their own keep the tests alike in every process.
    ids=["gzip in gzip", "zip in gzip", "bzip2", "tar", "lzma", "cut zip", "no zip", "no gzip", "no zstd"],
)
def test_what_cannot_be_unpacked_is_refused_with_its_reason(tmp_path, data, reason):
    assert [(content, why) for _, content, why in unpack(tmp_path, data)] == [(b"", reason)]


def test_office_files_are_documents_and_no_archives(tmp_path):
    workbook = zipped([("[Content_Types].xml", b"<x/>"), ("xl/workbook.xml", b"<x/>")])
    assert unpack(tmp_path, workbook) == [("a", workbook, None)]
    assert unpack(tmp_path, zipped([("a.xlsx", workbook)])) == [("a!a.xlsx", workbook, None)]


SEEDS = [gzip.compress(TEXT[:300]), zstandard.compress(TEXT[:300]), zipped([("a", TEXT[:300]), ("b", b"b")])]


@given(st.sampled_from(SEEDS), st.data())
def test_no_bytes_raise(tmp_path_factory, seed, draw):
    data = bytearray(seed)
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    data = bytes(data[: draw.draw(st.integers(0, len(data)))])
    for _, content, _ in unpack(tmp_path_factory.getbasetemp(), data, piece=draw.draw(st.integers(1, 400))):
        assert len(content) < 2 << 20


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5000)), max_size=8))
def test_packed_streams_move_forward_by_reading(tmp_path_factory, steps):
    with opened(tmp_path_factory.getbasetemp(), gzip.compress(TEXT)) as descriptor:
        (member,) = members(descriptor, "a", Limits())
        with member.open() as stream:
            at = 0
            for skip, size in steps:
                if skip:
                    at += size
                    assert stream.seek(at) == at
                else:
                    assert stream.read(size) == TEXT[at : at + size]
                    at += size
                assert stream.tell() == at
            if at:
                with pytest.raises(OSError, match="forward"):
                    stream.seek(at - 1)
