"""The names of selections as pySigma reads them: it takes ``note`` for ``not e``, and knows no names in Vietnamese."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from citysoc.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_WORD = re.compile(r"[^\s()]+")
_OPERATORS = frozenset({"and", "or", "not", "of", "them", "all", "any", "1"})
_PLAIN_NAME = re.compile(r"(?!not)[A-Za-z0-9_]+")


def check_names(detection: dict[Any, Any]) -> None:
    """Refuse names that YAML took for something else: an unquoted ``off`` is false there."""
    for name in detection:
        if not isinstance(name, str):
            raise RuleError(f"a selection's name is read as {name!r} by YAML; quote it or choose another")
    condition = detection.get("condition")
    for text in condition if isinstance(condition, list) else [condition]:
        if not isinstance(text, str):
            raise RuleError(f"the condition is read as {text!r} by YAML; quote it, or there is none")


def renamed(detection: dict[Any, Any]) -> dict[Any, Any]:
    """Return a detection with selections and a condition that pySigma reads as they are meant.

    It reads ``note`` as ``not e``, ``AND`` as a name, and knows no names in Vietnamese.

    Raises:
        RuleError: names could be taken for each other.
    """
    condition = detection.get("condition")
    many = condition if isinstance(condition, list) else [condition]
    change: Callable[[str], str] = str
    if _needs_names(detection):
        names = {str(name): _other_name(str(name)) for name in detection if name != "condition"}
        if len(set(names.values())) < len(names):
            raise RuleError("the names of selections are too alike; choose others")
        own = {names[str(name)]: item for name, item in detection.items() if name != "condition"}
        change = _other_name
    else:
        own = {name: item for name, item in detection.items() if name != "condition"}
    words = [
        _WORD.sub(lambda word: _operator(word[0], detection) or change(word[0]), text)
        if isinstance(text, str)
        else text
        for text in many
    ]
    return {**own, "condition": words}


def plain_name(name: str, document: Mapping[str, Any]) -> str:
    """Return a selection's name as the rule writes it."""
    detection = document.get("detection")
    if not isinstance(detection, dict) or not _needs_names(detection):
        return name
    return next((str(own) for own in detection if _other_name(str(own)) == name), name)


def _operator(word: str, detection: Mapping[Any, Any]) -> str:
    """Return a word of a condition as the operator that it is, whatever its case; empty where it is none."""
    small = word.lower()
    return small if small in _OPERATORS and (word == small or word not in detection) else ""


def _needs_names(detection: Mapping[Any, Any]) -> bool:
    return not all(_PLAIN_NAME.fullmatch(str(name)) for name in detection)


def _other_name(name: str) -> str:
    """Return a name of letters, digits and underscores; what begins alike still does, and patterns stay patterns."""
    if name in _OPERATORS or name.startswith("*"):
        return name
    plain = re.sub(r"[^A-Za-z0-9_*]", lambda letter: f"_x{ord(letter[0]):x}_", name)
    return f"_s{plain[1:]}" if name.startswith("_") else f"s{plain}"
