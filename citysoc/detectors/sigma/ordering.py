"""Modifiers in the order in which pySigma honours them: it takes them as steps, rules mean them together.

``endswith|fieldref`` is refused there and ``cased|contains|windash`` loses its case without a word; so does
``cased|fieldref``. An expression with ``startswith`` is not held to the start of the value.
"""

from __future__ import annotations

from typing import Any

_ANCHORS = {
    "contains": "{}",
    "startswith": "^(?:{})",
    "endswith": "(?:{})$",
}


def in_order(name: str, value: Any) -> tuple[str, Any]:
    """Return a field with its modifiers, and its values, as pySigma reads them as they are meant."""
    field, *modifiers = name.split("|")
    asked = set(modifiers)
    if "fieldref" in asked:
        first = [one for one in ("cased", "fieldref") if one in asked]
        modifiers = first + [one for one in modifiers if one not in first]
    elif "re" in asked:
        place = next((one for one in modifiers if one in _ANCHORS), None)
        if place:
            modifiers.remove(place)
            value = _held(value, _ANCHORS[place])
    elif "cased" in asked:
        modifiers = [one for one in modifiers if one != "cased"] + ["cased"]
    elif {"cidr", "expand"} <= asked:  # what stands for a placeholder may be a network
        modifiers.remove("cidr")
    return "|".join([field, *modifiers]), value


def _held(value: Any, form: str) -> Any:
    if isinstance(value, list):
        return [_held(one, form) for one in value]
    return form.replace("{}", value) if isinstance(value, str) else value


def mark_cased(detection: Any) -> None:
    """Let the references of a detection of pySigma to other fields know that case matters to them.

    This is done once the fields have their names: naming them makes the references anew.
    """
    from sigma.modifiers import SigmaCaseSensitiveModifier
    from sigma.rule import SigmaDetection
    from sigma.types import SigmaFieldReference

    for item in detection.detection_items:
        if isinstance(item, SigmaDetection):
            mark_cased(item)
        elif SigmaCaseSensitiveModifier in item.modifiers:
            for value in item.value:
                if isinstance(value, SigmaFieldReference):
                    value.cased = True  # type: ignore[attr-defined]  # a mark of ours; plan reads it
