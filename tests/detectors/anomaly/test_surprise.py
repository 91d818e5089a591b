"""Scores become surprise: monotone, calibrated, never infinite."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citysoc.detectors.anomaly import surprise

numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200)


@given(numbers, numbers)
@settings(max_examples=60, deadline=None)
def test_a_larger_score_is_never_less_surprising(ordinary: list[float], asked: list[float]) -> None:
    see = surprise.learn(np.array(ordinary))
    nats = see(np.sort(np.array(asked)))
    assert (np.diff(nats) >= -1e-9).all()
    assert np.isfinite(nats).all()
    assert (nats <= surprise.MOST).all()


def test_one_in_a_thousand_is_worth_ln_of_a_thousand() -> None:
    ordinary = np.random.default_rng(1).normal(size=200_000)
    see = surprise.learn(ordinary)
    assert see(np.quantile(ordinary, [0.999]))[0] == pytest.approx(np.log(1000), rel=0.02)


def test_what_is_beyond_everything_seen_is_told_apart_up_to_the_bound() -> None:
    see = surprise.learn(np.random.default_rng(1).normal(size=1000), beyond=3.0)
    near, far, farthest = see(np.array([4.0, 5.0, 500.0]))
    assert np.log(1000) < near < far < farthest == pytest.approx(np.log(1001) + 3)


def test_of_equal_values_none_is_surprising() -> None:
    assert surprise.learn(np.zeros(1000))(np.zeros(1))[0] < 1


def test_the_parts_give_the_same_again() -> None:
    see = surprise.learn(np.arange(50.0))
    asked = np.linspace(-5, 90, 40)
    assert (surprise.from_parts(see.parts())(asked) == see(asked)).all()
