"""Drift is told when habits move, and not when they do not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citysoc.detectors.anomaly import drift, train, watch

DAYS, ROWS = 7, 2000
DAY = np.repeat(np.arange(20_000, 20_000 + DAYS), ROWS)


def week(seed: int, share: float, size: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return a week's surprises, and in which of its rows anything happened."""
    rng = np.random.default_rng(seed)
    happened = rng.random(DAYS * ROWS) < share
    return np.where(happened, size * rng.exponential(size=len(happened)), 0.1), happened


def moved(before: tuple[np.ndarray, np.ndarray], now: tuple[np.ndarray, np.ndarray]) -> drift.Moved:
    shape = drift.from_parts(drift.shape(*before, DAY).parts())
    return drift.compare(shape, {day + 7: bins for day, bins in by_day(shape, now).items()})


def by_day(shape: drift.Shape, rows: tuple[np.ndarray, np.ndarray]) -> drift.Days:
    found = {}
    for day in np.unique(DAY).tolist():
        of_day = day == DAY
        found[day] = drift.counts(shape, rows[0][of_day], rows[1][of_day])
    return found


@pytest.mark.parametrize("share", [1.0, 0.5, 0.05, 0.01, 0.002, 0.0])
def test_chance_is_no_drift_however_rare_the_family(share: float) -> None:
    found = [moved(week(seed, share), week(seed + 100, share)).index for seed in range(40)]
    assert sum(index > drift.MOVED for index in found) <= 1
    assert max(found) < drift.DRIFTED


@pytest.mark.parametrize("share", [0.4, 0.05, 0.01])
@pytest.mark.parametrize("factor", [0.3, 2.4])
def test_what_happens_more_or_less_often_has_drifted_however_rare(share: float, factor: float) -> None:
    found = moved(week(1, share), week(2, share * factor))
    assert found.index > drift.DRIFTED
    assert found.often == pytest.approx(factor, rel=0.3)


@pytest.mark.parametrize(("share", "size"), [(1.0, 2.0), (0.05, 3.0)])
def test_what_is_much_more_each_time_has_drifted_however_rare(share: float, size: float) -> None:
    assert moved(week(1, share), week(2, share, size)).index > drift.DRIFTED


def test_what_begins_and_what_ends_has_drifted() -> None:
    nothing = (np.full(DAYS * ROWS, 0.1), np.zeros(DAYS * ROWS, bool))
    assert moved(nothing, week(1, 0.01)).index > drift.DRIFTED
    assert moved(week(1, 0.01), nothing).index > drift.DRIFTED
    assert moved(nothing, nothing).index == 0


def test_one_wild_day_is_an_anomaly_and_no_drift() -> None:
    surprise, happened = week(2, 0.01)
    wild = DAY % 7 == 3
    happened = happened | (wild & (np.arange(len(DAY)) % 20 == 0))
    assert moved(week(1, 0.01), (np.where(happened, 5.0, surprise), happened)).index < drift.DRIFTED


def test_a_sunday_is_compared_with_sundays() -> None:
    closed = (DAY % 7) > 4
    before, now = week(1, 0.2), week(2, 0.2)
    quiet = [(surprise, happened & ~closed) for surprise, happened in (before, now)]
    assert moved(*quiet).index < drift.MOVED
    shape = drift.shape(quiet[0][0][~closed], quiet[0][1][~closed], DAY[~closed])
    assert drift.compare(shape, by_day(shape, quiet[1])).index < drift.MOVED


@given(st.lists(st.tuples(st.floats(0, 40), st.booleans(), st.integers(0, 9)), max_size=60), st.data())
@settings(max_examples=60, deadline=None)
def test_the_index_is_a_number_from_zero_on_and_zero_for_the_same(rows, data) -> None:
    surprise, happened, day = (np.array([row[n] for row in rows]) for n in range(3))
    shape = drift.shape(surprise.astype(float), happened.astype(bool), day)
    assert sum(sum(bins) for bins in shape.days.values()) == len(rows)
    assert drift.compare(shape, shape.days).index == 0
    bins = st.lists(st.integers(0, 9), min_size=1, max_size=len(shape.edges) + 3)
    other = data.draw(st.dictionaries(st.integers(0, 20), bins, max_size=8))
    found = drift.compare(shape, other)
    assert 0 <= found.index < np.inf
    assert 0 < found.often < np.inf


def counted(small, model, first: int, last: int) -> watch.Counts:
    counts: watch.Counts = {}
    train.score_span(
        model,
        small.folder,
        first,
        last,
        seen=lambda kind, scored: watch.count(counts, model.kinds[kind], kind, scored),
    )
    return counts


def test_hours_that_are_scored_again_count_once_and_another_model_begins_anew(small, model, tmp_path) -> None:
    watch.keep(tmp_path, model, counted(small, model, small.last - 30, small.last - 5))
    watch.keep(tmp_path, model, counted(small, model, small.last - 10, small.last))
    once = watch.compare(model, counted(small, model, small.last - 30, small.last))
    assert watch.drifts(tmp_path, "") == once
    assert {one.state for one in once} == {"early"}
    assert all(one.rows for one in once)
    assert {one.kind for one in once} == {"agency", "host", "account", "outside"}
    assert watch.drifts(tmp_path, "sha256:other") == []
    other = dataclasses.replace(model, facts={**model.facts, "digest": "sha256:other"})
    watch.keep(tmp_path, other, counted(small, model, small.last - 3, small.last))
    assert max(one.hours for one in watch.drifts(tmp_path, "sha256:other")) <= 3


@pytest.mark.parametrize("spoil", [b"", b"[]", b'{"model": "", "drifts": [{"x": 1}], "hours": {"a": 1}}'])
def test_a_damaged_file_of_counts_is_made_anew(small, model, tmp_path, spoil) -> None:
    (tmp_path / "drift.json").write_bytes(spoil)
    assert watch.drifts(tmp_path, "") == []
    watch.keep(tmp_path, model, counted(small, model, small.last - 3, small.last))
    assert watch.drifts(tmp_path, "")
