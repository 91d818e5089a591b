"""detect with one process and with several: the same lines in the same order, whatever the input is packed in."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys

import pytest

from citysoc.pipeline.stream import SMALL_BYTES

RULES = """\
title: Whoami
id: 00000000-0000-4000-8000-00000000000a
logsource: {product: windows}
detection:
  s: {CommandLine|contains: whoami}
  condition: s
level: medium
---
title: Whoami, many times
id: 00000000-0000-4000-8000-00000000000b
correlation:
  type: event_count
  rules: [00000000-0000-4000-8000-00000000000a]
  generate: true
  group-by: [Computer]
  timespan: 1h
  condition: {gte: 50}
level: high
"""
EVERY = 40


def lines(number):
    """Yield so many events of Windows, of which some are to be found."""
    filler = "x" * 4000
    for n in range(number):
        yield json.dumps(
            {
                "EventID": 4688,
                "Channel": "Security",
                "Provider_Name": "Microsoft-Windows-Security-Auditing",
                "Computer": f"pc{n % 3}",
                "SystemTime": f"2026-11-16T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}Z",
                "CommandLine": f"whoami /all {n}" if not n % EVERY else f"note {n}",
                "Filler": filler,
            }
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detect")
    (folder / "rules.yml").write_text(RULES)
    number = SMALL_BYTES // 4000
    text = "\n".join(lines(number)) + "\n"
    (folder / "plain.json").write_text(text)
    with gzip.open(folder / "packed.json.gz", "wt", compresslevel=1) as file:
        file.write(text)
    os.utime(folder / "plain.json", (1, 1))
    assert (folder / "plain.json").stat().st_size > SMALL_BYTES
    return folder, len(range(0, number, EVERY))


def detect(folder, *arguments):
    command = [sys.executable, "-m", "citysoc", "--lang", "en", "detect", "-r", "rules.yml", *arguments]
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run(command, capture_output=True, check=False, cwd=folder, env=environment)


def test_the_same_lines_in_the_same_order(folder):
    folder, hits = folder
    files = ("plain.json", "packed.json.gz")
    alone = detect(folder, *files, "--workers", "1")
    rows = [json.loads(line) for line in alone.stdout.splitlines()]
    own = [row for row in rows if row["rule.level"] == "medium"]
    assert len(own) == 2 * hits
    assert [row["log.file.path"].rpartition("/")[2] for row in own] == [files[0]] * hits + [files[1]] * hits
    text = (folder / "plain.json").read_bytes()
    for row in own[:hits]:
        end = text.index(b"\n", row["log.offset"])
        assert json.loads(text[row["log.offset"] : end])["CommandLine"].startswith("whoami")
    assert [row["log.offset"] for row in own[:hits]] == [row["log.offset"] for row in own[hits:]]
    assert {row["count"] for row in rows if row["rule.level"] == "high"}
    assert f"{len(rows)} findings." in alone.stderr.decode()
    for workers in ("2", "0"):
        several = detect(folder, *files, "--workers", workers, "--fail-on", "high")
        assert several.returncode == 1, several.stderr
        assert several.stdout == alone.stdout


def test_the_other_formats_show_the_same(folder):
    folder, hits = folder
    tables = {}
    for workers in ("1", "2"):
        listed = json.loads(detect(folder, "plain.json", "-f", "json", "--workers", workers).stdout)
        assert sum(row["rule.level"] == "medium" for row in listed) == hits
        text = detect(folder, "plain.json", "-f", "csv", "--workers", workers).stdout.decode()
        assert [row["@timestamp"] for row in csv.DictReader(io.StringIO(text))] == [
            row["@timestamp"] for row in listed
        ]
        tables[workers] = (listed, text)
    assert tables["1"] == tables["2"]


def test_a_reader_that_has_enough(folder):
    folder, _hits = folder
    command = f"{sys.executable} -m citysoc detect -r rules.yml plain.json --workers 2 | head -1 | wc -l"
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, check=False, cwd=folder, env=environment, timeout=60
    )
    assert done.stdout.strip() == b"1"
    assert b"Traceback" not in done.stderr
