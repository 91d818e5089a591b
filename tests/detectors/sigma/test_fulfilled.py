"""Which needs are fulfilled: the same as when every condition is looked at."""

from __future__ import annotations

import random

import pytest

from citysoc.detectors.sigma.fulfilled import Rules
from citysoc.detectors.sigma.needs import MAX_NEEDS
from citysoc.detectors.sigma.written import written


def some(dice: random.Random, often: float) -> list[list[int]]:
    """Return some needs with their rules."""
    places = dice.sample(range(MAX_NEEDS), dice.randint(1, 2)) if dice.random() < often else []
    return [[place, *sorted(dice.sample(range(12), dice.randint(1, 3)))] for place in places]


def plainly(conditions, held):
    bits = [0] * MAX_NEEDS
    for number, (fulfilled, unfulfilled) in enumerate(conditions):
        for place, *rules in fulfilled if number in held else unfulfilled:
            for rule in rules:
                bits[place] |= 1 << rule
    return bits


@pytest.mark.parametrize("seed", range(20))
def test_negations_are_taken_back_by_the_conditions_that_hold(seed):
    dice = random.Random(seed)
    conditions = [(some(dice, 0.7), some(dice, 0.6)) for _ in range(dice.randint(1, 9))]
    negated = [number for number, (_held, other) in enumerate(conditions) if other]
    rules = Rules(b"\n".join(map(written, (negated, *conditions))))
    for _ in range(30):
        held = tuple(sorted(dice.sample(range(len(conditions)), dice.randint(0, len(conditions)))))
        assert rules.fulfilled(held) == plainly(conditions, held)
    every = [a | b for a, b in zip(plainly(conditions, range(9)), plainly(conditions, ()), strict=True)]
    assert rules.all() == every
