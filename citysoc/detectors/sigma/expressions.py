"""Regular expressions: on a linear-time engine where it can run them, else on Python's under guard."""

from __future__ import annotations

import functools
import importlib
import re
import warnings
from typing import TYPE_CHECKING, Any

import re2

if TYPE_CHECKING:
    from collections.abc import Callable

_MEMORY_BYTES = 64 << 20
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT"})
_CLASS = "[:"
"""A class by its name, which only RE2 knows."""
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


_MANY_LINES = re.compile(r"\(\?[a-z]*m")
_END = r"\n?$"


def as_in_perl(pattern: str, flags: str) -> str:
    r"""Return an expression whose ``$`` also holds before a line end that ends the text, as in Perl; RE2 has it otherwise.

    >>> as_in_perl(r"a\$[$]$", "")
    'a\\$[$]\\n?$'
    """
    if "$" not in pattern or "m" in flags or _MANY_LINES.search(pattern):
        return pattern
    parts: list[str] = []
    within = False
    for found in _PIECES.finditer(pattern):
        piece = found[0]
        if piece in _OPENS and not within:
            within = True
        elif piece[-1] == "]" and piece[0] in "[]" and not piece.endswith(":]"):
            within = False
        parts.append(_END if piece == "$" and not within else piece)
    return "".join(parts)


def as_written(pattern: str) -> str:
    """Return an expression for people: without what ``as_in_perl`` put into it."""
    return pattern.replace(_END, "$")


_OPENS = frozenset({"[", "[]", "[^]"})
_PIECES = re.compile(r"\\.|\[\^?\]|\[:\^?[a-z]+:\]|.", re.DOTALL)
"""An escape; a class that begins with its end; a class by name; a letter."""


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


@functools.lru_cache(maxsize=8192)
def least_chars(pattern: str, flags: str) -> int:
    """Return how many characters a text must have at least for an expression to occur in it; 0 if that is not known."""
    tree = _tree(pattern, flags)
    return 0 if tree is None else int(tree.getwidth()[0])


def literals(pattern: str, flags: str) -> list[Any] | None:
    """Return which texts a value must have for an expression to occur in it, as ``needs`` writes them.

    None where nothing is certain. Only ASCII is spoken of: how other letters fold is the engine's own affair.
    """
    tree = _tree(pattern, flags)
    return None if tree is None else _required(tree)


def _tree(pattern: str, flags: str) -> Any | None:
    """Return what Python reads an expression as; None where it cannot, or reads it otherwise than RE2 (``[[:alpha:]]``)."""
    if _CLASS in pattern or not is_linear(pattern, flags):
        return None
    reader = importlib.import_module("re._parser")
    try:
        with warnings.catch_warnings(action="ignore"):  # of sets that it will read otherwise one day
            return reader.parse(_flagged(pattern, flags))
    except (re.error, RecursionError, OverflowError):
        return None


def _required(tree: Any) -> list[Any] | None:
    parts: list[list[Any]] = []
    run = ""
    for operator, argument in tree:
        letter = _letter(str(operator), argument)
        if letter:
            run += letter
            continue
        parts += _as_text(run)
        run = ""
        within = _within(str(operator), argument)
        if within is not None:
            parts.append(within)
    parts += _as_text(run)
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else ["and", parts]


def _letter(operator: str, argument: Any) -> str:
    """Return the letter that stands here, in small; empty where more than one may."""
    if operator == "LITERAL":
        return chr(argument).lower() if argument < 128 else ""
    if operator == "IN":  # [Pp] is one letter to us
        found = {chr(one[1]).lower() if str(one[0]) == "LITERAL" and one[1] < 128 else "" for one in argument}
        return found.pop() if len(found) == 1 else ""
    return ""


def _within(operator: str, argument: Any) -> list[Any] | None:
    if operator == "SUBPATTERN":
        return _required(argument[-1])
    if operator in _REPEATS and argument[0] >= 1:
        return _required(argument[2])
    if operator == "BRANCH":
        each = [_required(branch) for branch in argument[1]]
        return None if any(one is None for one in each) else ["or", each]
    return None


def _as_text(run: str) -> list[list[Any]]:
    return [["text", "has", run]] if run else []
