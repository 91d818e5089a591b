"""Regular expressions: on a linear-time engine where it can run them, else on Python's under guard."""

from __future__ import annotations

import functools
import importlib
import re
from typing import TYPE_CHECKING, Any

import re2

if TYPE_CHECKING:
    from collections.abc import Callable

_MEMORY_BYTES = 64 << 20
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT"})
_MANY = 10
"""A repeat that may happen so often counts as without end."""


def _flagged(pattern: str, flags: str) -> str:
    return f"(?{flags}){pattern}" if flags else pattern


@functools.lru_cache(maxsize=8192)
def _linear(pattern: str, flags: str) -> Any | None:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    try:
        return re2.compile(_flagged(pattern, flags), options)
    except re2.error:
        return None


def is_linear(pattern: str, flags: str) -> bool:
    """Return whether the linear-time engine can run an expression."""
    return _linear(pattern, flags) is not None


def searcher(pattern: str, flags: str, max_chars: int) -> Callable[[str], bool]:
    """Return the test whether an expression occurs in a text.

    An expression that only Python's engine can run looks at the first ``max_chars`` characters.
    """
    linear = _linear(pattern, flags)
    if linear is not None:
        search = linear.search
        return lambda text: search(text) is not None
    look = re.compile(_flagged(pattern, flags)).search
    return lambda text: look(text[:max_chars]) is not None


def may_explode(pattern: str, flags: str) -> bool:
    """Return whether an expression repeats something that itself repeats, or cannot be read at all."""
    reader = importlib.import_module("re._parser")  # its tree says whether an expression can explode
    try:
        tree = reader.parse(_flagged(pattern, flags))
    except (re.error, RecursionError, OverflowError):
        return True
    return _explodes(tree, inside=False)


def _explodes(tree: Any, *, inside: bool) -> bool:
    for operator, argument in tree:
        endless = str(operator) in _REPEATS and argument[1] >= _MANY
        if endless and inside:
            return True
        within = inside or endless
        if any(_explodes(part, inside=within) for part in _parts(argument)):
            return True
    return False


def _parts(argument: Any) -> list[Any]:
    """Return the expressions inside a node's argument."""
    if type(argument).__name__ == "SubPattern":
        return [argument]
    if isinstance(argument, list | tuple):
        return [part for item in argument for part in _parts(item)]
    return []
