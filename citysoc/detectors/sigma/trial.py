"""What decides on the candidates of a record: the fields that they ask for, and which of them match.

An event with a handful of fields is made for candidates only; whatever they ask for that is not plain to see in the
record is left to its whole event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.detectors.sigma.rule import FIRST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from citysoc.detectors.sigma.nodes import Node
    from citysoc.detectors.sigma.records import Kind
    from citysoc.detectors.sigma.rule import Rule
    from citysoc.detectors.sigma.view import View
    from citysoc.flow import Event

_RUNNERS = ("agency.", "citysoc.", "ecs.", "log.file.", "log.offset")
_RUNNERS_NAMES = frozenset({"@timestamp", "event.id", "event.ingested", "event.original", "event.created"})


def by_runner(name: str) -> bool:
    """Return whether a field is not the parser's to fill; the empty name stands for all fields."""
    return not name or name in _RUNNERS_NAMES or name.startswith(_RUNNERS)


class Trial:
    """Some candidates, and what makes the fields that they ask for.

    Args:
        kind: of the records.
        rules: the candidates.
        certain: which of them match, as is known already.
    """

    __slots__ = ("_differ", "_rules", "make")

    def __init__(self, kind: Kind, rules: Sequence[Rule], certain: Sequence[bool]) -> None:
        self._rules = list(zip(rules, certain, strict=True))
        first = FIRST in kind.names
        asked = {name for rule in rules for name in (rule.asks_first() if first else rule.asks())}
        make = kind.part(asked).make
        self.make = _whole if any(map(by_runner, asked)) else _with_first(make) if first else make
        """Makes the fields; None where the whole event must be made."""
        pairs = [] if any(certain) else [_same_in(kind, rule.plan["test"]) for rule in rules]
        self._differ = [pair for pair in pairs if pair is not None] if all(pairs) else []

    def refuted(self, row: Any) -> bool:
        """Return whether it is plain to see that no rule matches a record: values that must be the same are not."""
        if not self._differ:
            return False
        for one, other in self._differ:
            first, second = row[one], row[other]
            if type(first) is not str or type(second) is not str:
                return False
            if not first.isascii() or not second.isascii():
                return False
            if len(first) == len(second) and first.lower() == second.lower():
                return False
        return True

    def matching(self, view: View) -> list[Rule]:
        """Return the rules that match an event."""
        return [rule for rule, certain in self._rules if certain or rule.matches(view)]


def _same_in(kind: Kind, test: Node) -> tuple[int, int] | None:
    """Return the places of two values that must be the same, but for their case, for a rule to match; None if there are none."""
    for part in test[1] if test[0] == "all" else [test]:
        if part[0] == "ref" and part[2] == "is":
            one, other = kind.source(part[1]), kind.source(part[4])
            if one is not None and other is not None:
                return one, other
    return None


def _whole(_row: Any) -> None:
    return None


def _with_first(make: Callable[[Any], Event | None]) -> Callable[[Any], Event | None]:
    """Return what makes events that say what their findings are about."""

    def made(row: Any) -> Event | None:
        event = make(row)
        return event if event is not None and type(event.get(FIRST)) is str and event[FIRST] else None

    return made
