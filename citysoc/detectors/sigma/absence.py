"""Absence of a field that events have under one of several names: it is absent, or different, under all of them."""

from __future__ import annotations

import copy
from typing import Any


def mend(detection: Any) -> None:
    """A field that may be in two places is absent, or different, when it is so in both of them."""
    from sigma.conditions import ConditionAND, ConditionOR
    from sigma.rule import SigmaDetection

    items = detection.detection_items
    for item in items:
        if isinstance(item, SigmaDetection):
            mend(item)
    if detection.item_linking is not ConditionOR or any(isinstance(i, SigmaDetection) for i in items):
        return  # only what the mapping made of one field is a choice of plain items
    absent = [_only(item, absent=True) for item in items]
    there = [_only(item, absent=False) for item in items]
    if not any(item.value for item in absent):
        if all(item.negated for item in items):
            detection.item_linking = ConditionAND
    elif not any(item.value for item in there):
        detection.item_linking = ConditionOR if items[0].negated else ConditionAND
    else:
        negated = items[0].negated
        links = (ConditionOR, ConditionAND) if negated else (ConditionAND, ConditionOR)
        detection.detection_items = [
            SigmaDetection(absent, item_linking=links[0]),
            SigmaDetection(there, item_linking=links[1]),
        ]
        detection.item_linking = ConditionAND if negated else ConditionOR


def _only(item: Any, *, absent: bool) -> Any:
    """Return an item with those of its values that ask for absence, or the others."""
    from sigma.types import SigmaExists, SigmaNull

    some = copy.copy(item)
    some.value = [
        value
        for value in item.value
        if (isinstance(value, SigmaNull) or (isinstance(value, SigmaExists) and not value)) is absent
    ]
    return some
