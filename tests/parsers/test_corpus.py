"""How much of the world's logs is understood, folder by folder."""

from __future__ import annotations

import collections
import datetime as dt
import gzip
import io

import pytest
from corpus import CORPUS, needs_corpus

from citysoc.flow import Batch
from citysoc.framing.base import Limits
from citysoc.framing.registry import framer
from citysoc.parsers.run import parse_batch
from citysoc.parsers.sniff import identify

ARRIVED = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
FOLDERS = [
    ("zeek", "*.log.gz", "zeek", 0.99),
    ("suricata", "*.jsonl", "suricata", 0.99),
    ("vendor_lines", "*.log", None, 0.90),
    ("syslog_frames", "*.log", None, 0.90),
    ("hostile", "syslog*.log", "syslog", 0.85),  # what is left are second lines of messages over two lines
]


def events_of(path):
    """Return the parser that a file's first bytes ask for, and the file's events."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    name, framing = identify(data[:65_536], path.name.removesuffix(".gz"))
    events = []
    for run in framer(framing)(io.BytesIO(data), start=0, header=b"", final=True, limits=Limits()):
        batch = Batch(
            *("thu/kho", "thu", name, run.records, run.offsets, ARRIVED, path.name, path.name),
            header=run.header,
            refused=run.refused,
        )
        events.extend(parse_batch(batch))
    return name, events


@needs_corpus
@pytest.mark.corpus
@pytest.mark.parametrize(("folder", "pattern", "parser", "share"), FOLDERS, ids=[row[0] for row in FOLDERS])
def test_share_of_a_folder_is_parsed(folder, pattern, parser, share, capsys):
    reasons = collections.Counter()
    parsers = collections.Counter()
    total = 0
    for path in sorted((CORPUS / folder).glob(pattern)):
        name, events = events_of(path)
        parsers[name] += 1
        total += len(events)
        reasons.update(event["citysoc.unparsed"] for event in events if "citysoc.unparsed" in event)
    parsed = 1 - reasons.total() / total
    with capsys.disabled():
        print(f"\n{folder}: {parsed:.2%} of {total:,} records {dict(reasons)} {dict(parsers)}")  # noqa: T201
    assert total > 0
    assert parsed >= share
    assert "parser.failed" not in reasons
    if parser:
        assert set(parsers) == {parser}
