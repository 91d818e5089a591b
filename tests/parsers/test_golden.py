"""A sample and its expected events side by side: dropping a pair into a product's folder adds a test.

``tests/parsers/<product>/<case>.<any ending>`` is read as a file would be: its first bytes tell parser and
framer, the framer cuts it, the parser reads it. ``<case>.expected.ndjson`` holds the events, one a line, keys sorted,
without what the runner adds to every event. ``pytest tests/parsers --update-golden`` rewrites them.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import orjson
import pytest

from citysoc.flow import Batch
from citysoc.framing.base import Limits
from citysoc.framing.registry import framer
from citysoc.parsers.run import parse_batch
from citysoc.parsers.sniff import identify

HERE = Path(__file__).parent
EXPECTED = ".expected.ndjson"
ARRIVED = dt.datetime(2026, 11, 2, 1, 0, tzinfo=dt.UTC)
HOUSEKEEPING = {
    "agency.id",
    "citysoc.source",
    "ecs.version",
    "event.id",
    "event.ingested",
    "event.original",
    "log.file.path",
    "log.offset",
}
SAMPLES = sorted(
    path
    for path in HERE.glob("*/*")
    if path.is_file() and path.suffix != ".py" and not path.name.endswith((EXPECTED, ".md"))
)


def read(path):
    """Return the events of a sample file, framed and parsed as the pipeline does it."""
    with path.open("rb") as stream:
        name, framing = identify(stream.read(65_536), path.name)
        stream.seek(0)
        frames = list(framer(framing)(stream, start=0, header=b"", final=True, limits=Limits()))
    events = []
    for run in frames:
        batch = Batch(
            stream=f"tttt/{path.parent.name}",
            agency="tttt",
            parser=name,
            records=run.records,
            offsets=run.offsets,
            arrived=ARRIVED,
            path=path.name,
            identity="golden",
            header=run.header,
            refused=run.refused,
        )
        events.extend(parse_batch(batch))
    return events


def expected_path(sample):
    return sample.with_name(sample.name.removesuffix(sample.suffix) + EXPECTED)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_sample_gives_its_expected_events(sample, request):
    lines = [
        orjson.dumps(
            {name: value for name, value in event.items() if name not in HOUSEKEEPING},
            option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z,
        )
        for event in read(sample)
    ]
    expected = expected_path(sample)
    if request.config.getoption("--update-golden", default=False):
        expected.write_bytes(b"\n".join(lines) + b"\n")
    wanted = expected.read_bytes().splitlines()
    assert [orjson.loads(line) for line in lines] == [orjson.loads(line) for line in wanted]


def test_every_expected_file_has_its_sample():
    samples = {expected_path(sample) for sample in SAMPLES}
    assert not set(HERE.glob(f"*/*{EXPECTED}")) - samples
