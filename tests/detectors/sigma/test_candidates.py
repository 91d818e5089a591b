"""What is known of candidates before they are evaluated."""

from __future__ import annotations

import pytest

from citysoc.detectors.sigma.index import Index

NAM = ["text", "is", False, "user.name", ["nam"]]
EXE = ["text", "ends", False, "process.name", [".exe"]]


@pytest.mark.parametrize("test", [NAM, ["not", NAM], ["all", [NAM, EXE]], ["any", [NAM, EXE]]])
def test_a_rule_that_is_all_said_is_certain(test):
    event = {"user.name": "an" if test[0] == "not" else "Nam", "process.name": "a.EXE"}
    assert Index([test]).candidates([event, {"user.name": "an" if test[0] != "not" else "nam"}]) == [
        (~0,),
        (),
    ]


def test_a_value_of_which_nothing_is_known_makes_candidates_that_are_not_certain(monkeypatch):
    monkeypatch.setattr("citysoc.detectors.sigma.classifier._MAX_CLASSES", 0)
    assert Index([NAM]).candidates([{"user.name": "Nam"}, {"user.name": "an"}]) == [(0,), ()]
