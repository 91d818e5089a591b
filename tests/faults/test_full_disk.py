"""A disk without room: said in a sentence, and once there is room everything goes on."""

from __future__ import annotations

import subprocess
from collections import Counter

import pytest
from cities import build, lines

pytestmark = pytest.mark.faults


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a file system of a few MiB can only be mounted by root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_loses_nothing(tmp_path, small_disk):
    city = build(tmp_path / "city")
    settings = city.root / "citysoc.yaml"
    settings.write_text(
        settings.read_text().replace("workers: 1", f"workers: 1, data_dir: {small_disk}/data")
    )
    (city.inbox() / "a.log").write_text(lines(0, 240_000))
    ingest = ("ingest", str(city.root / "inbox"), "--agency", "so-y-te", "--source", "firewall")
    failed = city.run(*ingest, code=1)
    assert "citysoc:" in failed.stderr
    assert "This is a bug" not in failed.stderr
    assert any(word in failed.stderr.lower() for word in ("space", "full", "disk")), failed.stderr
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    city.run(*ingest)
    assert Counter(city.originals()) == Counter(lines(0, 240_000).splitlines())
    assert city.figures("so-y-te/firewall")["received"] == 240_000
