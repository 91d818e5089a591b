"""What became of a case, and how bad it is, from the words that devices have for it, Vietnamese or English."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from citysoc.enrich.tables import table
from citysoc.enrich.taxonomy import CLASSES, OUTCOMES
from citysoc.flow import LEVELS
from citysoc.framing.encodings import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from citysoc.flow import Event

_DATA = table("outcomes.yml")
_MAX_CHARS = 200


def _compiled(rows: Iterable[tuple[str, str]]) -> list[tuple[str, re.Pattern[str]]]:
    return [(str(code), re.compile(pattern)) for code, pattern in rows]


_WHOLE = _compiled(_DATA["outcomes"])
_PARTS = _compiled(_DATA["parts"])
_SEVERITIES = _compiled(_DATA["severities"])
_NUMBERS: Mapping[str, Mapping[int, str]] = _DATA["numbers"]
_DEFENDER: Mapping[str, str] = _DATA["defender"]
_SAID = {
    "fortigate": ("fortigate.severity", "fortigate.crlevel"),
    "antivirus": ("antivirus.severity",),
    "avreport": ("antivirus.severity",),
    "cef": ("cef.severity",),
    "syslog": ("log.level",),
}
"""Which fields of a module's events say how bad it is, the nearest first."""
_MALWARE = frozenset({"virus", "spyware"})
_LEFT = frozenset({"failed", "allowed"})


@lru_cache(maxsize=4096)
def outcome_of(text: str) -> str | None:
    """Return the outcome that an action or a result names; None where it names none."""
    folded = _folded(text)
    if not folded:
        return None
    for code, pattern in _WHOLE:
        if pattern.fullmatch(folded):
            return code
    return next((code for code, pattern in _PARTS if pattern.search(folded)), None)


@lru_cache(maxsize=4096)
def severity_of(text: str) -> str | None:
    """Return the severity that a word names; None where it names none."""
    folded = _folded(text)
    return next((code for code, pattern in _SEVERITIES if pattern.fullmatch(folded)), None)


def severity(event: Event, code: str | None, threat: str | None, outcome: Any) -> str | None:
    """Return how bad a case is: by its device where that says it, else by its class.

    Malware that was left where it is is one step worse than its class.

    Args:
        event: the case.
        code: its class.
        threat: its word.
        outcome: what became of it.
    """
    if (said := _said(event)) is not None:
        return said
    level = CLASSES[code].severity if code else "medium" if threat else None
    if level is None or threat not in _MALWARE or not (isinstance(outcome, str) and outcome in _LEFT):
        return level
    return LEVELS[min(LEVELS.index(level) + 1, len(LEVELS) - 1)]


def _said(event: Event) -> str | None:
    module = event.get("event.module")
    if not isinstance(module, str):
        return None
    if module == "windows":
        return _DEFENDER.get(str(event.get("winlog.event_data.Severity ID", "")))
    for name in _SAID.get(module, ()):
        said = event.get(name)
        if isinstance(said, str) and (found := severity_of(said)) is not None:
            return found
    number = event.get("event.severity")
    if isinstance(number, int) and (scale := _NUMBERS.get(module)) is not None:
        return next((level for least, level in sorted(scale.items(), reverse=True) if number >= least), None)
    return None


def _folded(text: str) -> str:
    return re.sub(r"[\s_.:,;!()-]+", " ", fold(text[:_MAX_CHARS])).strip()


assert {code for code, _ in [*_WHOLE, *_PARTS]} <= set(OUTCOMES)  # noqa: S101  a table cannot name an outcome of its own
