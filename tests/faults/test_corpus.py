"""Every file of the folder of real logs goes through the whole pipeline, and nothing is missing afterwards."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from corpus import CORPUS, needs_corpus
from intake import intake

pytestmark = [pytest.mark.corpus, needs_corpus]

FOLDERS = {
    "zeek": ("*.log.gz", 0.99),
    "suricata": ("*.jsonl", 0.99),
    "evtx": ("*.evtx", 0.99),
    "vendor_lines": ("*.log", 0.90),
    "syslog_frames": ("*.log", 0.90),
    "parser_messages": ("*.jsonl", 0.90),
    "hostile": ("*", 0.0),
    "intel": ("*", 0.0),
    "ecs": ("*", 0.0),
    "anomaly": ("*", 0.0),
    "sigma/regression_data": ("*.evtx", 0.99),
    "sigma": ("*.yml", 0.0),
}
"""Folder to the files that are logs, and the share of their records that must be understood."""

SHIPPED = Path(__file__).parents[2] / "citysoc" / "rules"


def files_of(folder, pattern, most=None):
    found = sorted(path for path in (CORPUS / folder).rglob(pattern) if path.is_file())
    return found if most is None else found[:: max(1, len(found) // most)]


def took(house, folder, files, *, workers=None):
    """Take files in; return a row of the table."""
    started = time.monotonic()
    pulled = house.take(*files, source=folder, workers=workers)
    assert not pulled.failures
    figures = house.figures(folder)
    assert not {"parser.failed", "evtx.unreadable"} & house.reasons()
    share = figures["stored"] / max(1, figures["received"] - figures["duplicate"])
    seconds = time.monotonic() - started
    row = " ".join(f"{figures[name]:>11,}" for name in figures)
    return share, f"{folder:<22} {len(files):>6,} {row} {share:>8.2%} {seconds:>7.1f}"


@pytest.mark.parametrize("folder", ["zeek", "suricata", "evtx", "vendor_lines", "syslog_frames"])
def test_a_sample_of_real_logs(tmp_path, folder):
    pattern, least = FOLDERS[folder]
    files = [file for file in files_of(folder, pattern, most=8) if file.stat().st_size < 300_000]
    with intake(tmp_path) as house:
        share, _ = took(house, folder, files)
    # A sample of a folder may well be its worse half.
    assert share >= least - 0.1


@pytest.mark.faults
def test_all_real_logs(tmp_path, capsys):
    head = (
        "folder",
        "files",
        "received",
        "stored",
        "duplicate",
        "quarantined",
        "rejected",
        "parsed",
        "seconds",
    )
    rows = ["{:<22} {:>6} {:>11} {:>11} {:>11} {:>11} {:>11} {:>8} {:>7}".format(*head)]
    shares = {}
    with intake(tmp_path, rules=(SHIPPED,)) as house:
        for folder, (pattern, _) in FOLDERS.items():
            shares[folder], row = took(house, folder, files_of(folder, pattern), workers=0)
            rows.append(row)
        found = house.state.rows("SELECT count(*) AS alerts, sum(count) AS findings FROM alerts")[0]
    with capsys.disabled():
        print("", *rows, f"{found['findings']:,} findings in {found['alerts']:,} alerts", sep="\n")  # noqa: T201
    for folder, (_, least) in FOLDERS.items():
        assert shares[folder] >= least, folder
