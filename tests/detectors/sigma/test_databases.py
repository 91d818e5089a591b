"""What is kept of patterns on disk: how much, and what goes first."""

from __future__ import annotations

import os

import pytest

from citysoc.detectors.sigma import databases
from citysoc.detectors.sigma.databases import Databases

pytestmark = pytest.mark.skipif(databases.hyperscan is None, reason="Hyperscan is not to be had here")


def kept(folder):
    return {path.name for path in folder.iterdir()}


def keep(store, folder, texts):
    """Keep a database of each text, each used a second after the one before; return their names."""
    names = []
    for second, text in enumerate(texts):
        before = kept(folder) if folder.exists() else set()
        store.database([text], [0], [0])
        (name,) = kept(folder) - before
        os.utime(folder / name, (second, second))
        names.append(name)
    return names


def test_what_was_not_used_for_longest_goes_first(tmp_path, monkeypatch):
    folder = tmp_path / "databases"
    names = keep(Databases(folder), folder, map(str, range(8)))
    os.utime(folder / names[0], (100, 100))
    monkeypatch.setattr(databases, "_MAX_FILES", 8)
    Databases(folder).database(["new"], [0], [0])
    left = kept(folder)
    assert left.issuperset({names[0], *names[3:]})
    assert left.isdisjoint(names[1:3])


def test_no_more_bytes_are_kept_than_may_be(tmp_path, monkeypatch):
    folder = tmp_path / "databases"
    names = keep(Databases(folder), folder, map(str, range(8)))
    size = max((folder / name).stat().st_size for name in names)
    monkeypatch.setattr(databases, "_MAX_BYTES", 4 * size)
    Databases(folder).database(["new"], [0], [0])
    assert kept(folder).isdisjoint(names[:5])
    assert kept(folder).issuperset(names[6:])


def test_all_that_logs_of_many_kinds_need_is_kept(tmp_path):
    """Five hundred routes are no more than one log may have: what is made for one is not thrown away for the next."""
    folder = tmp_path / "databases"
    store = Databases(folder)
    for number in range(500):
        store.database([f"text {number}"], [0], [0])
    assert len(kept(folder)) == 500
