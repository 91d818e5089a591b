"""Expressions on a value, and how often they may be expected to hold: guessed from their texts.

    ["text", how, text]          the value has a text; how: is, starts, ends, has; the text is folded
    ["test", node, expression]   a node of the rule that looks at this field only holds for the value; the
                                 expression, which may be None, holds wherever the node does
    ["re", pattern, flags, expression]   the expression, or None, holds wherever the pattern is found
    ["not", node, expression]    a node of this field only does not hold; the expression, which may be None, holds
                                 wherever the node does
    ["and", [expression ...]]    ["or", [expression ...]]

The guesses need not be good: they decide what is looked for first, never what matches.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.detectors.sigma.nodes import is_silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Expression: TypeAlias = list[Any]

_COMMON = "\n".join(
    (
        "c:\\windows\\system32\\cmd.exe /c ",
        "c:\\windows\\syswow64\\",
        "c:\\program files (x86)\\",
        "\\\\",
        "d:\\",
        "c:\\users\\public\\",
        "\\appdata\\local\\microsoft\\",
        "\\appdata\\roaming\\microsoft\\",
        "https://www.",
        "hklm\\software\\microsoft\\windows\\currentversion\\",
        "hkcu\\software\\microsoft\\office\\",
        ".com",
        ".dll",
        "hklm\\system\\currentcontrolset\\services\\",
        "\\svchost.exe -k ",
        "\\powershell.exe",
        "true",
        "false",
        "microsoft corporation",
        '"c:\\windows\\explorer.exe" -',
        "\\system\\currentcontrolset\\control\\",
        "setvalue",
        "get-childitem -path ",
        " | sort-object ",
        " | where-object {",
        "new-object ",
        "import-module ",
        "c:\\windows\\system32\\ntdll.dll+",
        "c:\\windows\\system32\\kernelbase.dll+",
        "\\conhost.exe",
        "\\rundll32.exe",
        "\\winword.exe",
        "\\excel.exe",
        "\\chrome.exe",
        "valid",
    )
)
"""Texts that so many values hold that looking for them, or a part of them, tells little."""
_COMMON_CHANCE = 0.3
_COMMON_VALUES = frozenset(
    {
        "true",
        "false",
        "valid",
        "setvalue",
        "0",
        "1",
        "2",
        "3",
        "4",
        "5",
        "tcp",
        "udp",
        "success",
        "get",
        "post",
        "200",
        "404",
        "deny",
        "accept",
        "query",
        "a",
        "aaaa",
        "alert",
    }
)
_PATTERN_CHANCE = 0.03
"""What is expected of looking for a pattern itself, and above what a text of it is not looked for instead."""
_STRANGE_CHANCE = 0.002
"""What is expected of a text with letters beyond ASCII."""
_LETTER_CHANCE, _NEXT_LETTER_CHANCE = 2.3, 0.33
"""What is expected of other texts: of two letters a quarter, of four one in forty, of six one in three hundred."""
_FIXED = {"is": 6, "starts": 2, "ends": 2, "has": 0}
"""So many letters more it is worth that a text must stand at the begin or the end."""


def chance(need: Mapping[str, Sequence[Expression]]) -> float:
    """Return how often a need (``needs``) may be expected to be fulfilled, by its texts alone."""
    return min(1.0, sum(_probability(one) for expressions in need.values() for one in expressions))


def asked(expression: Expression | None) -> float:
    """Return how often one of the leads of an expression may be expected in a value."""
    if expression is None:
        return 1.0
    kind = expression[0]
    if kind == "text":
        return _text_chance(expression[1], expression[2])
    if kind == "re":
        return asked(expression[3]) if is_by_text(expression) else _PATTERN_CHANCE
    if kind in {"test", "not"}:
        return 0.0 if is_silent(expression[1]) else asked(expression[2])
    each = map(asked, expression[1])
    return min(each) if kind == "and" else min(1.0, sum(each))


def is_by_text(expression: Expression) -> bool:
    """Return whether a text of a pattern is looked for, and not the pattern itself."""
    return expression[3] is not None and asked(expression[3]) <= _PATTERN_CHANCE


def _probability(expression: Expression) -> float:
    kind = expression[0]
    if kind == "text":
        return _text_chance(expression[1], expression[2])
    if kind == "re":
        return asked(expression)
    if kind == "not":
        return 1.0
    if kind == "test":
        return 1.0 if expression[2] is None else _probability(expression[2])
    each = map(_probability, expression[1])
    return math.prod(each) if kind == "and" else min(1.0, sum(each))


@functools.lru_cache(maxsize=65_536)
def _text_chance(how: str, text: str) -> float:
    if text in _COMMON_VALUES if how == "is" else text in _COMMON:
        return _COMMON_CHANCE
    if not text.isascii():
        return _STRANGE_CHANCE
    letters = len(text) + _FIXED[how]
    return max(_LETTER_CHANCE * _NEXT_LETTER_CHANCE**letters, 1e-4) if letters > 1 else 0.5
