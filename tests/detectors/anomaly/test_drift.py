"""Drift is told when habits move, and not when they do not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citysoc.detectors.anomaly import drift, train, watch

numbers = st.lists(st.floats(0, 40), min_size=2, max_size=300)


@given(numbers, numbers)
@settings(max_examples=60, deadline=None)
def test_the_index_is_never_below_zero_and_zero_for_the_same(before: list[float], now: list[float]) -> None:
    shapes = drift.shapes(np.array(before)[:, None], ["volume"])
    if not shapes:
        return
    shape = shapes["volume"]
    assert sum(shape.shares) == pytest.approx(1)
    assert drift.index(shape, drift.counts(shape, np.array(before))) == pytest.approx(0, abs=1e-9)
    assert drift.index(shape, drift.counts(shape, np.array(now))) >= 0


def test_a_column_that_is_always_the_same_has_no_shape() -> None:
    assert drift.shapes(np.zeros((9, 1)), ["tunnel"]) == {}


def test_numbers_twice_as_large_have_drifted_and_others_of_the_same_kind_have_not() -> None:
    rng = np.random.default_rng(1)
    shape = drift.shapes(rng.exponential(size=(5000, 1)), ["volume"])["volume"]
    same, doubled = rng.exponential(size=5000), 2 * rng.exponential(size=5000)
    assert drift.index(shape, drift.counts(shape, same)) < drift.MOVED / 5
    assert drift.index(shape, drift.counts(shape, doubled)) > drift.DRIFTED


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
