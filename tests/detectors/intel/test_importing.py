"""An import is all or nothing; feeds replace themselves or grow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc import clock
from citysoc.detectors.intel import importing
from citysoc.detectors.intel.database import Database
from citysoc.detectors.intel.table import host_of, load, write
from citysoc.errors import InputError


def known(room, *values):
    database = Database(importing.database_path(room.folder), read_only=True)
    try:
        return {one.value: one for one in database.records([("address", value) for value in values])}
    finally:
        database.close()


def test_a_feed_replaces_itself_and_says_what_came_and_went(room):
    assert room.take("45.61.1.1", "45.61.1.2").imported.new == 2
    second = room.take("45.61.1.2", "45.61.1.3").imported
    assert (second.total, second.new, second.gone) == (2, 1, 1)
    assert set(known(room, "45.61.1.1", "45.61.1.2", "45.61.1.3")) == {"45.61.1.2", "45.61.1.3"}
    grown = room.take("45.61.1.4", replace=False).imported
    assert (grown.total, grown.new, grown.gone) == (3, 1, 0)


def test_what_is_named_again_counts_on_from_then(room):
    room.take("45.61.1.1", expires_days=1)
    first = known(room, "45.61.1.1")["45.61.1.1"]
    room.take("45.61.1.1", expires_days=5)
    again = known(room, "45.61.1.1")["45.61.1.1"]
    assert again.first == first.first < again.listed
    assert again.expires == again.listed + 5 * 86_400


def test_an_import_that_fails_leaves_the_feed_as_it_was(room):
    room.take("45.61.1.1")
    for lines in (["{"], ["no indicator", "at all"], []):
        with pytest.raises(InputError):
            room.take(*lines)
        assert len(room.marked({"source.ip": "45.61.1.1"})[1]) == 1


def test_a_value_that_is_named_twice_is_one_indicator(room):
    result = room.take("indicator,confidence", "45.61.1.1,20", "45.61.1.1,90", "45[.]61.1.1,40")
    assert result.imported.total == 1
    assert known(room, "45.61.1.1")["45.61.1.1"].confidence == 90


def test_two_feeds_keep_their_own_word(room):
    room.take("45.61.1.1", feed="a")
    room.take("45.61.1.1", feed="b")
    with importing.writing(room.folder) as database:
        assert database.remove("a") == 1
        assert database.remove("a") is None
        assert [one.feed for one in database.records([("address", "45.61.1.1")])] == ["b"]


def test_only_one_imports_at_a_time(room, monkeypatch):
    monkeypatch.setattr(importing, "WAIT_SECONDS", 0.2)
    with importing.writing(room.folder), pytest.raises(importing.StoreError, match="importing"):
        room.take("45.61.1.1")


def test_what_expired_long_ago_goes(room):
    long_ago = int(clock.now().timestamp()) - 400 * 86_400
    room.take("indicator,expires", f"45.61.1.1,{long_ago}", "45.61.1.2,")
    assert set(known(room, "45.61.1.1", "45.61.1.2")) == {"45.61.1.2"}


RANGES = st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32)), min_size=1, max_size=30)


@given(RANGES)
def test_ranges_that_overlap_become_one(tmp_path_factory, ranges):
    path = tmp_path_factory.mktemp("table") / "table.bin"
    pairs = [
        ("network" if length < 32 else "address", f"45.61.1.{low >> (32 - length) << (32 - length)}/{length}")
        for low, length in ranges
    ]
    write(path, pairs, generation=3)
    table = load(path)
    covered = {
        n
        for low, length in ranges
        for n in range(
            low >> (32 - length) << (32 - length),
            (low >> (32 - length) << (32 - length)) + (1 << (32 - length)),
        )
    }
    base = 45 << 24 | 61 << 16 | 1 << 8
    held = {
        n - base
        for low, high in zip(table.starts.tolist(), table.ends.tolist(), strict=True)
        for n in range(low, high + 1)
    }
    assert held == covered
    assert (table.starts[1:] > table.ends[:-1]).all()
    assert table.generation == 3


def test_hosts_of_urls():
    assert [host_of(text) for text in ("bad.top/a:b", "bad.top:8080/", "[2a00::1]:80/x", "bad.top")] == [
        *("bad.top", "bad.top", "2a00::1", "bad.top")
    ]
