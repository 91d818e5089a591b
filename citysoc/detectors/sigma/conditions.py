"""Which selections decide: the condition of a rule as a question about truth values of its selections."""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = re.compile(r"[()]|[^\s()]+")
_MAX_TOKENS = 1000


def holds(condition: str, truths: Mapping[str, bool]) -> bool | None:
    """Return whether a condition holds; None where it cannot be read here.

    Args:
        condition: ``selection and not 1 of filter_*``.
        truths: selection to whether it holds.

    >>> holds("a and not 1 of f_*", {"a": True, "f_x": False, "f_y": True})
    False
    """
    reader = _Reader(condition, truths)
    try:
        found = reader.either()
    except (LookupError, RecursionError):
        return None
    return found if reader.at_end else None


def deciding(condition: str, truths: Mapping[str, bool]) -> list[str]:
    """Return the selections that decide the verdict: each of them turned, alone, would turn it.

    Where no single one does (``1 of them`` with none that holds), all that could help together.
    """
    verdict = holds(condition, truths)
    if verdict is None:
        return []
    alone = [name for name in truths if holds(condition, {**truths, name: not truths[name]}) is not verdict]
    if alone:
        return alone
    return [name for name, held in truths.items() if held is verdict]


class _Reader:
    """Reads a condition from left to right: ``or`` binds weaker than ``and``, ``not`` strongest."""

    def __init__(self, condition: str, truths: Mapping[str, bool]) -> None:
        self._tokens = _TOKEN.findall(condition)[:_MAX_TOKENS]
        self._truths = truths
        self._place = 0

    @property
    def at_end(self) -> bool:
        return self._place == len(self._tokens)

    def _peek(self) -> str:
        return self._tokens[self._place].lower() if self._place < len(self._tokens) else ""

    def _take(self) -> str:
        token: str = self._tokens[self._place]
        self._place += 1
        return token

    def either(self) -> bool:
        found = self._both()
        while self._peek() == "or":
            self._place += 1
            found = self._both() or found
        return found

    def _both(self) -> bool:
        found = self._one()
        while self._peek() == "and":
            self._place += 1
            found = self._one() and found
        return found

    def _one(self) -> bool:
        token = self._take()
        if token.lower() == "not":
            return not self._one()
        if token == "(":  # noqa: S105  a parenthesis
            found = self.either()
            if self._take() != ")":
                raise LookupError
            return found
        if self._peek() == "of":
            self._place += 1
            return self._of(token.lower(), self._take())
        return self._truths[token]

    def _of(self, number: str, names: str) -> bool:
        if names.lower() == "them":
            held = [truth for name, truth in self._truths.items() if not name.startswith("_")]
        else:
            held = [truth for name, truth in self._truths.items() if fnmatch.fnmatchcase(name, names)]
        if not held:
            raise LookupError(names)
        if number in {"all", "any"}:
            return all(held) if number == "all" else any(held)
        if not number.isdecimal():
            raise LookupError(number)
        return sum(held) >= int(number)
