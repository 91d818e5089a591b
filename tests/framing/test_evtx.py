"""Event logs are read in a process of its own; damage costs records, never the line."""

from __future__ import annotations

import io

import pytest

from citysoc.framing import child, evtx
from citysoc.framing.base import Limits
from tests.corpus import CORPUS, needs_corpus


def frames(data, *, start=0, limits=None):
    return list(
        evtx.frame_evtx(io.BytesIO(data), start=start, header=b"", final=True, limits=limits or Limits())
    )


@pytest.mark.parametrize("data", [b"", b"no event log", b"ElfFile\0" + bytes(4088), b"ElfFile\0" * 9000])
def test_what_is_no_event_log_is_refused_with_a_reason(data):
    (run,) = frames(data) or [None]
    assert run is None or (not run.records and all(item.reason.startswith("evtx.") for item in run.refused))


def test_a_document_over_the_limit_is_refused_once():
    (run,) = frames(bytes(2000), limits=Limits(max_document_bytes=1000))
    assert [item.reason for item in run.refused] == ["too_large"]
    assert frames(bytes(2000), start=1, limits=Limits(max_document_bytes=1000)) == []


def test_a_reader_that_does_not_end_is_ended(monkeypatch, tmp_path):
    script = tmp_path / "evtx_reader.py"
    script.write_text("import time\nprint('7\\t{\"Event\":{}}', flush=True)\ntime.sleep(60)\n")
    monkeypatch.setattr(evtx, "READER_CPU_SECONDS", 0.5)
    monkeypatch.setattr(child, "__file__", str(tmp_path / "child.py"))
    (run,) = frames(b"ElfFile\0")
    assert run.offsets == (7,)
    assert [item.reason for item in run.refused] == ["evtx.unreadable"]


@pytest.mark.corpus
@needs_corpus
def test_a_damaged_chunk_does_not_stop_the_file():
    path = max((CORPUS / "evtx").rglob("*.evtx"), key=lambda path: path.stat().st_size)
    data = bytearray(path.read_bytes())
    whole = [offset for run in frames(bytes(data)) for offset in run.offsets]
    data[4096 : 4096 + 64] = b"\xff" * 64  # the header of the first chunk
    runs = frames(bytes(data))
    kept = [offset for run in runs for offset in run.offsets]
    assert kept
    assert set(kept) < set(whole)
    assert any(item.reason == "evtx.damaged" for run in runs for item in run.refused)


@pytest.mark.corpus
@needs_corpus
def test_going_on_in_the_middle_gives_the_rest():
    path = max((CORPUS / "evtx").rglob("*.evtx"), key=lambda path: path.stat().st_size)
    data = path.read_bytes()
    limits = Limits(batch_records=100)
    runs = frames(data, limits=limits)
    assert len({offset for run in runs for offset in run.offsets}) == sum(len(run.offsets) for run in runs)
    again = frames(data, start=runs[0].end, limits=limits)
    assert [run.offsets for run in again] == [run.offsets for run in runs[1:]]
