"""Real logs: every line of every file arrives, with its header."""

from __future__ import annotations

import gzip

import pytest
from corpus import CORPUS, needs_corpus

from citysoc.collectors.files import FilesCollector

pytestmark = [pytest.mark.corpus, needs_corpus]


def test_packed_zeek_logs_arrive_whole():
    files = sorted((CORPUS / "zeek").glob("*.log.gz"))
    collector = FilesCollector(
        stream="a/zeek",
        agency="a",
        patterns=(str(CORPUS / "zeek" / "*.log.gz"),),
        identify=lambda _head, _name: ("zeek", "comments"),
        follow=False,
    )
    came: dict[str, list[bytes]] = {}
    for batch in collector.pull({}):
        assert b"#fields" in batch.header
        assert not batch.refused
        came.setdefault(batch.path, []).extend(batch.records)
    expected = {}
    for file in files:
        lines = gzip.decompress(file.read_bytes()).split(b"\n")
        expected[str(file)] = [line for line in lines if line.strip() and not line.startswith(b"#")]
    assert came == expected


def test_raw_vendor_lines_arrive_whole():
    collector = FilesCollector(
        stream="a/lines",
        agency="a",
        patterns=(str(CORPUS / "vendor_lines"),),
        identify=lambda _head, _name: ("syslog", "lines"),
        follow=False,
    )
    came: dict[str, int] = {}
    for batch in collector.pull({}):
        came[batch.path] = came.get(batch.path, 0) + len(batch.records)
    expected = {
        str(path): sum(1 for line in path.read_bytes().split(b"\n") if line.strip())
        for path in (CORPUS / "vendor_lines").rglob("*")
        if path.is_file()
    }
    assert came == {path: count for path, count in expected.items() if count}
